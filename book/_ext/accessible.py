"""Mends in the pages' HTML for readers who hear it."""

from __future__ import annotations


def plain_citations(app, pagename, templatename, context, doctree):
    """Citations without docutils' roles: one is deprecated, the other promises list items that are not there."""
    body = context.get("body", "").replace(' role="doc-biblioentry"', "")
    context["body"] = body.replace('<div role="list" class="citation-list">', '<div class="citation-list">')


def no_empty_headers(app, pagename, templatename, context, doctree):
    """Tables that cells print have a corner that is no header: a plain cell, so that nothing is announced there."""
    context["body"] = context.get("body", "").replace("<th></th>", "<td></td>")


def setup(app):
    app.connect("html-page-context", plain_citations)
    app.connect("html-page-context", no_empty_headers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
