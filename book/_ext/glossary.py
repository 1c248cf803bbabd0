"""Links to the glossary: on each page, the first use of each term in running text.

Only terms with one meaning are linked; "period" or "rest" also occur in sentences about something else.
"""

from __future__ import annotations

import re

from docutils import nodes

GLOSSARY = "book/reference/glossary"
TERMS = {  # pattern in the text: term of the glossary
    r"class weights?": "class weight",
    r"dynamical loss(?:es)?": "dynamical loss",
    r"static loss": "static loss",
    r"sharpness": "sharpness",
    r"Hessian": "Hessian",
    r"Gauss-Newton matrix": "Gauss-Newton matrix",
    r"neural tangent kernel": "neural tangent kernel",
    r"edge of stability": "edge of stability",
    r"period doubling": "period doubling",
    r"bifurcations?": "bifurcation",
    r"Lyapunov exponents?": "Lyapunov exponent",
    r"handovers?": "handover",
    r"catastrophic forgetting": "catastrophic forgetting",
    r"positive transfer": "positive transfer",
    r"rehearsal": "rehearsal",
}
ELSEWHERE = (nodes.reference, nodes.literal, nodes.title, nodes.caption, nodes.math, nodes.raw, nodes.table)


def running(text: nodes.Text) -> bool:
    """Whether a text stands in a paragraph, but not in a link, code, heading, caption or table."""
    parent, paragraph = text.parent, False
    while parent is not None:
        if isinstance(parent, ELSEWHERE):
            return False
        paragraph = paragraph or isinstance(parent, nodes.paragraph)
        parent = parent.parent
    return paragraph


def link_first_uses(app, doctree, docname):
    """Turn the first use of each term into a link."""
    if docname == GLOSSARY or not docname.startswith("book/") or docname.startswith("book/reference/api"):
        return
    objects = app.env.get_domain("std").objects
    page = app.builder.get_relative_uri(docname, GLOSSARY)
    for pattern, term in TERMS.items():
        anchor = objects.get(("term", term))
        word = re.compile(rf"\b{pattern}\b")
        for text in doctree.findall(nodes.Text) if anchor else ():
            match = word.search(text) if running(text) else None
            if match:
                link = nodes.reference("", match[0], refuri=f"{page}#{anchor[1]}", internal=True, classes=["glossary"])
                pieces = [nodes.Text(text[: match.start()]), link, nodes.Text(text[match.end() :])]
                text.parent.replace(text, [piece for piece in pieces if piece.astext()])
                break


def setup(app):
    app.connect("doctree-resolved", link_first_uses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
