"""Mends in the pages' HTML for readers who hear it."""

from __future__ import annotations

MENDS = {
    # docutils' roles of citations: one is deprecated, the other promises list items that are not there
    ' role="doc-biblioentry"': "",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    # pandas' corners of tables, which head nothing
    "<th></th>": "<td></td>",
}


def mend(app, pagename, templatename, context, doctree):
    """Replace in the page's body what a screen reader would stumble over."""
    for found, better in MENDS.items():
        context["body"] = context.get("body", "").replace(found, better)


def setup(app):
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
