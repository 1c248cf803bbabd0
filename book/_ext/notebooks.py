"""Each chapter as a notebook for plain Jupyter: the download button's .ipynb, and buttons that launch it elsewhere.

The chapters use directives that only the book draws. Their notebooks say the same in plain Markdown and need nothing
but the package: boxes become quotations, exercises headings, the lab a widget, and the numbers in the text are those
of the built page.

A publisher sets `minidyn_repository: OWNER/REPO` (on GitHub) in _config.yml; then the notebooks install the package
from there, and every chapter has buttons for Binder and for Colab.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from pybtex.database import parse_file

from minidyn.lab import state

GLUE = '''def glue(name, value, display=False):
    """The book sets this number into its text."""
    print(f"{name}: {value}")'''
INSTALL = "# If minidyn is not installed: a copy of the project, and there  %pip install -q '.[all]'"
INSTALL_FROM = """try:
    import minidyn
except ImportError:
    %pip install -q "minidyn[all] @ git+https://github.com/{}"
"""
FENCED = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w-]+)\}[ ]*(?P<title>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ ]*$", re.M | re.S
)
OPTIONS = re.compile(r"\A(?::[\w-]+:[^\n]*\n)+\n?")


def translate(source: str, values: dict[str, str], bibliography: Path, repository: str = "") -> nbformat.NotebookNode:
    """A chapter's MyST source as a notebook of plain Markdown and code."""
    book = jupytext.reads(source, fmt="md:myst")
    cells = [new_code_cell(INSTALL_FROM.format(repository) if repository else INSTALL)]
    for cell in book.cells:
        cells += code(cell) if cell.cell_type == "code" else prose(cell.source, values, bibliography)
    book.cells = [cell for cell in cells if cell.source.strip()]
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
    book.metadata.pop("jupytext", None)
    return book


def code(cell):
    """The cell, folded where the page hides its code, and the caption of its figure."""
    tags = cell.metadata.pop("tags", [])
    figure = cell.metadata.pop("mystnb", {}).get("figure", {})
    if {"remove-cell", "remove-input", "hide-input", "hide-cell"} & set(tags):
        cell.metadata["jupyter"] = {"source_hidden": True}
    if "raises-exception" in tags:
        cell.metadata["tags"] = ["raises-exception"]
    cell.source = cell.source.replace("from myst_nb import glue", GLUE)
    caption = [new_markdown_cell(figure["caption"].strip())] if figure.get("caption") else []
    return [cell, *caption]


def prose(text, values, bibliography):
    """Plain Markdown cells, and a code cell for each lab."""
    pieces, end = [], 0
    for match in FENCED.finditer(text):
        pieces += [text[end : match.start()], directive(match)]
        end = match.end()
    cells, running = [], ""
    for piece in [*pieces, text[end:]]:
        if isinstance(piece, str):
            running += piece
        else:
            cells += [new_markdown_cell(running), piece]
            running = ""
    cells.append(new_markdown_cell(running))
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = inline(cell.source, values, bibliography).strip()
    return cells


def directive(match):
    """What a directive says, as Markdown; the lab as a cell."""
    name, title, body = match["name"], match["title"].strip(), OPTIONS.sub("", match["body"])
    if name == "lab":
        settings = ", ".join(f"{key}={value!r}" for key, value in state.parse(title).items())
        return new_code_cell(f"from minidyn.lab import Lab\n\nLab({settings})")
    if name == "exercise-start":
        return f"### Exercise {title}\n"
    if name == "solution-start":
        return "**Solution**\n"
    if name in ("exercise-end", "solution-end", "bibliography", "tableofcontents"):
        return ""
    if name in ("dropdown", "admonition", "note", "tip", "warning", "important"):
        heading = f"**{title or name.capitalize()}**\n\n"
        return "\n".join(f"> {line}".rstrip() for line in (heading + body.strip()).splitlines()) + "\n"
    return body


def inline(text, values, bibliography):
    """Roles as text, and links to other chapters as links to their notebooks."""
    text = re.sub(r"\{glue:\w+\}`([^`]+)`", lambda match: values.get(match[1], f"[{match[1]}]"), text)
    text = re.sub(r"\{cite:t\}`([^`]+)`", lambda match: cited(bibliography, match[1]), text)
    text = re.sub(r"\{cite:p\}`([^`]+)`", lambda match: f"({cited(bibliography, match[1])})", text)
    text = re.sub(r"\{lab\}`([^`<]+?)\s*<[^`]*>`", r"\1", text)
    text = re.sub(r"\{[\w:-]+\}`([^`<]+?)(?:\s*<[^`]*>)?`", r"\1", text)
    return re.sub(r"\]\((?!\w+:)([\w./-]+?)(?:\.md)?(#[\w-]+)?\)(?<!\.\w{3}\))", r"](\1.ipynb\2)", text)


def cited(bibliography, keys):
    entries = _entries(bibliography)
    return "; ".join(_short(entries[key.strip()]) for key in keys.split(","))


@lru_cache
def _entries(bibliography):
    return parse_file(str(bibliography)).entries


def _short(entry):
    people = [" ".join(person.last_names) for person in entry.persons["author"]]
    names = (
        people[0] if len(people) == 1 else f"{people[0]} and {people[1]}" if len(people) == 2 else f"{people[0]} et al."
    )
    return f"{names}, {entry.fields['year']}"


def glued(record: Path) -> dict[str, str]:
    """The numbers that a built page sets into its text, from the record that myst-nb keeps of them."""
    outputs = json.loads(record.read_text()) if record.exists() else {}
    return {name: output["data"].get("text/plain", "").strip("'\"") for name, output in outputs.items()}


def write(app, pagename, templatename, context, doctree):
    """Write the page's notebook beside its source, where the theme's download button looks for it."""
    source = Path(app.srcdir, f"{pagename}.md")
    if app.builder.format != "html" or not source.exists() or "kernelspec" not in context.get("meta", {}):
        return
    repository = app.config.minidyn_repository
    values = glued(Path(app.outdir).parent / "jupyter_execute" / f"{pagename}.glue.json")
    bibliography = Path(app.srcdir, app.config.bibtex_bibfiles[0])
    notebook = translate(source.read_text(), values, bibliography, repository)
    target = Path(app.outdir, "_sources", f"{pagename}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    context["ipynb_source"] = f"{pagename}.ipynb"


def launch(app, pagename, templatename, context, doctree):
    """Buttons for Binder (the chapter's source, in JupyterLab) and Colab (its notebook, from the published site)."""
    repository = app.config.minidyn_repository
    if not repository or "ipynb_source" not in context:
        return
    places = {
        "Binder": f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/{pagename}.md",
        "Colab": f"https://colab.research.google.com/github/{repository}/blob/gh-pages/_sources/{pagename}.ipynb",
    }
    buttons = [
        {"type": "link", "text": name, "url": url, "icon": "fas fa-rocket", "tooltip": f"Run this chapter on {name}"}
        for name, url in places.items()
    ]
    for button in buttons:
        button["label"] = f"launch-{button['text'].lower()}-button"
    context["header_buttons"].append(
        {"type": "group", "buttons": buttons, "icon": "fas fa-rocket", "tooltip": "Run it", "label": "launch-buttons"}
    )


def setup(app):
    app.add_config_value("minidyn_repository", "", "html")
    app.connect("html-page-context", write, priority=400)  # before the theme collects its buttons
    app.connect("html-page-context", launch, priority=502)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
