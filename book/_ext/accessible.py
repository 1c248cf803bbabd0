"""Corrections of the pages' HTML for readers who use a screen reader."""

from __future__ import annotations

import re

CORRECTIONS = {
    # roles that docutils gives to citations: the first is deprecated, the second promises list items that do not exist
    re.compile(' role="doc-biblioentry"'): "",
    re.compile('<div role="list" class="citation-list">'): '<div class="citation-list">',
    # the corner cells of a pandas table, plain or styled, which are no headings
    re.compile(r'<th></th>|<th class="blank[^"]*"\s*>&nbsp;</th>'): "<td></td>",
}


def correct(app, pagename, templatename, context, doctree):
    """Replace what a screen reader would read wrongly in the body of the page."""
    for faulty, better in CORRECTIONS.items():
        context["body"] = faulty.sub(better, context.get("body", ""))


def setup(app):
    app.connect("html-page-context", correct)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
