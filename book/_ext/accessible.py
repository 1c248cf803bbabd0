"""Corrections of the pages' HTML for readers who use a screen reader."""

from __future__ import annotations

CORRECTIONS = {
    # roles that docutils gives to citations: the first is deprecated, the second promises list items that do not exist
    ' role="doc-biblioentry"': "",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    # the corner cell of a pandas table, which is no heading
    "<th></th>": "<td></td>",
}


def correct(app, pagename, templatename, context, doctree):
    """Replace what a screen reader would read wrongly in the body of the page."""
    for faulty, better in CORRECTIONS.items():
        context["body"] = context.get("body", "").replace(faulty, better)


def setup(app):
    app.connect("html-page-context", correct)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
