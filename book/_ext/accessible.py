"""Mends in the pages' HTML for readers who hear it."""

from __future__ import annotations


def plain_citations(app, pagename, templatename, context, doctree):
    """Citations without docutils' roles: one is deprecated, the other promises list items that are not there."""
    body = context.get("body", "").replace(' role="doc-biblioentry"', "")
    context["body"] = body.replace('<div role="list" class="citation-list">', '<div class="citation-list">')


def setup(app):
    app.connect("html-page-context", plain_citations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
