"""A chapter's MyST source as a notebook of plain Markdown and code, which every Jupyter shows.

The chapters use directives that only the book draws. Their notebooks say the same in plain Markdown and need nothing
but the package: boxes become quotations, exercises headings, the lab a widget, and the numbers in the text are those
of the built page. A solution is folded with its code, which is text: "Run All" cannot give it away.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from pybtex.database import parse_file

from minidyn.lab import state

NUMBERS = "_numbers.json"  # in the book's folder: the numbers in the text of each page, as it was last built
GLUE = '''def glue(name, value, display=False):
    """The book sets this number into its text."""
    print(f"{name}: {value}")'''
FENCED = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w-]+)\}[ ]*(?P<title>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ ]*$", re.M | re.S
)
OPTIONS = re.compile(r"\A(?::[\w-]+:[^\n]*\n)+\n?")
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
FOLDED = "<details>\n<summary>{}</summary>\n\n{}\n\n</details>"
SOLUTION = "<b>Solution</b>. Its code does not run by itself: copy it into a cell of your own"

# The extras of the package that a chapter needs, by what its code mentions, and the module that each is missed by.
EXTRAS = {
    "pictures": (r"", "anywidget"),
    "fast": (r"", "numba"),
    "torch": (r"\btorch\b", "torch"),
    "images": (r"minidyn\.torch import .*\bdigits\b|sklearn|image_folder", "sklearn"),
}
INSTALL = """# This chapter needs minidyn[{extras}].
try:
    import {modules}
except ImportError as missing:
    {remedy}"""
INSTALL_FROM = '%pip install -q "minidyn[{extras}] @ git+https://github.com/{repository}"'
SAY_HOW = """raise ImportError(f"{{missing}}. In a copy of the project: pip install '.[{extras}]'") from None"""


@dataclass(frozen=True, kw_only=True)
class Edition:
    """What all notebooks of a kind have in common: where they come from, and what lies beside them."""

    book: Path  # the folder of the sources
    bibliography: Path
    numbers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by page and name
    repository: str = ""  # OWNER/NAME on GitHub, of a published copy
    beside: frozenset[str] = frozenset()  # the files that lie beside, relative to the folder of all
    solutions: bool = True

    @property
    def site(self) -> str:
        """The address of the published book's pages, or nothing."""
        owner, _, name = self.repository.partition("/")
        return f"https://{owner.lower()}.github.io/{name}/book" if name else ""


def recorded_numbers(book: Path) -> dict[str, dict[str, str]]:
    """The numbers that the built pages set into their text."""
    return json.loads((book / NUMBERS).read_text())


def is_notebook(source: str) -> bool:
    return "kernelspec:" in source[:400]


def translate(source: str, page: str, edition: Edition) -> NotebookNode:
    """The source of a page, such as "foundations/spiral", as a notebook."""
    book = jupytext.reads(source, fmt="md:myst")
    cells: list[NotebookNode] = []
    for cell in book.cells:
        cells += code(cell) if cell.cell_type == "code" else prose(cell.source, page, edition)
    cells = [install(cells, edition.repository), *folded(cells, keep=edition.solutions)]
    book.cells = [cell for cell in cells if cell.source.strip()]
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
    book.metadata.pop("jupytext", None)
    return book


def plain_markdown(source: str, page: str, edition: Edition) -> str:
    """The source of a page without code as plain Markdown."""
    return "\n\n".join(cell.source for cell in prose(source, page, edition)) + "\n"


def code(cell: NotebookNode) -> list[NotebookNode]:
    """The cell, folded where the page hides its code, and the caption of its figure.

    What is "live" is shown in every notebook, whatever the page does with it. What else the page skips needs more than
    is installed: it becomes text, which "Run All" cannot run.
    """
    tags = set(cell.metadata.pop("tags", []))
    if "live" in tags:
        tags = {"hide-input"}
    if "skip-execution" in tags:
        return [new_markdown_cell(python(cell.source))]
    figure = cell.metadata.pop("mystnb", {}).get("figure", {})
    hidden = {"source_hidden": bool({"remove-cell", "remove-input", "hide-input", "hide-cell"} & tags)}
    hidden |= {"outputs_hidden": bool({"remove-cell", "remove-output"} & tags)}
    if any(hidden.values()):
        cell.metadata["jupyter"] = {name: True for name, value in hidden.items() if value}
    if "raises-exception" in tags:
        cell.metadata["tags"] = ["raises-exception"]
    cell.source = cell.source.replace("from myst_nb import glue", GLUE)
    caption = [new_markdown_cell(figure["caption"].strip())] if figure.get("caption") else []
    return [cell, *caption]


def python(source: str) -> str:
    """Code as Markdown."""
    return f"```python\n{source}\n```"


def install(cells: Iterable[NotebookNode], repository: str) -> NotebookNode:
    """The first cell: it installs what the chapter needs, or says how."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    needed = [name for name, (pattern, _) in EXTRAS.items() if re.search(pattern, text)]
    extras = ",".join(needed)
    remedy = (INSTALL_FROM if repository else SAY_HOW).format(extras=extras, repository=repository)
    modules = ", ".join(["minidyn", *(EXTRAS[name][1] for name in needed)])
    cell = new_code_cell(INSTALL.format(extras=extras, modules=modules, remedy=remedy))
    cell.metadata["jupyter"] = {"source_hidden": True}
    return cell


def folded(cells: Iterable[NotebookNode], *, keep: bool) -> Iterator[NotebookNode]:
    """The cells, in which each solution is a single folded one, or left out."""
    solution: list[str] | None = None
    for cell in cells:
        match cell.metadata.pop("minidyn", None):
            case "solution-start":
                solution = []
            case "solution-end":
                if keep:
                    yield new_markdown_cell(FOLDED.format(SOLUTION, "\n\n".join(solution or [])))
                solution = None
            case _ if solution is None:
                yield cell
            case _ if "outputs_hidden" not in cell.metadata.get("jupyter", {}):  # cells of the page's own bookkeeping
                solution.append(python(cell.source) if cell.cell_type == "code" else cell.source)


def prose(text: str, page: str, edition: Edition) -> list[NotebookNode]:
    """Plain Markdown cells, a code cell for each lab, and a mark at both ends of each solution."""
    cells, running, end = [], "", 0
    for match in FENCED.finditer(text):
        piece = directive(match)
        running, end = running + text[end : match.start()], match.end()
        if isinstance(piece, str):
            running += piece
        else:
            cells += [new_markdown_cell(running), piece]
            running = ""
    cells.append(new_markdown_cell(running + text[end:]))
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = inline(cell.source, page, edition).strip()
    return [cell for cell in cells if cell.source or cell.metadata]


def directive(match: re.Match[str]) -> str | NotebookNode:
    """What a directive says, as Markdown; the lab as a cell."""
    name, title, body = match["name"], match["title"].strip(), OPTIONS.sub("", match["body"])
    if name == "lab":
        settings = ", ".join(f"{key}={value!r}" for key, value in state.parse(title).items())
        return new_code_cell(f"from minidyn.lab import Lab\n\nLab({settings})")
    if name in ("solution-start", "solution-end"):
        return new_markdown_cell(metadata={"minidyn": name})
    if name == "exercise-start":
        return f"### Exercise {title}\n"
    if name in ("exercise-end", "bibliography", "tableofcontents"):
        return ""
    if name == "glossary":
        return re.sub(r"^(\S.*)\n((?:  .*\n?)+)", _entry, body, flags=re.M)
    if name == "dropdown" or re.search(r"^:class:.*\bdropdown\b", match["body"], re.M):
        return FOLDED.format(_html(title), body.strip()) + "\n"
    if name in ("admonition", "note", "tip", "warning", "important"):
        heading = f"**{title or name.capitalize()}**\n\n"
        return "\n".join(f"> {line}".rstrip() for line in (heading + body.strip()).splitlines()) + "\n"
    return body


def _entry(match: re.Match[str]) -> str:
    """An entry of the glossary as a paragraph."""
    return f"**{match[1]}**: {' '.join(match[2].split())}\n"


def _html(title: str) -> str:
    """A title in HTML, in which Markdown does not count."""
    title = re.sub(r"`([^`]+)`", r"<code>\1</code>", title)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", title)


def inline(text: str, page: str, edition: Edition) -> str:
    """Roles as text, and links to other pages as links to what there is of them."""
    numbers, bibliography = edition.numbers.get(page, {}), edition.bibliography
    text = re.sub(r"\{glue:\w+\}`([^`]+)`", lambda match: numbers.get(match[1], f"[{match[1]}]"), text)
    text = re.sub(r"\{cite:t\}`([^`]+)`", lambda match: cited(bibliography, match[1]), text)
    text = re.sub(r"\{cite:p\}`([^`]+)`", lambda match: f"({cited(bibliography, match[1])})", text)
    text = re.sub(r"\{sub\}`([^`]+)`", r"<sub>\1</sub>", text)
    text = re.sub(r"\{doc\}`([^`<]+?)\s*<([^`>]+)>`", r"[\1](\2)", text)
    text = re.sub(r"\{[\w:-]+\}`([^`<]+?)(?:\s*<[^`]*>)?`", r"\1", text)
    return LINK.sub(lambda match: link(match, page, edition), text)


def link(match: re.Match[str], page: str, edition: Edition) -> str:
    """A link to the file beside this one, or to the published page; without either, its text."""
    target, _, fragment = match["target"].partition("#")
    if re.match(r"\w+:", target):
        return match[0]
    folder = posixpath.dirname(page)
    other = posixpath.normpath(posixpath.join(folder, target.removesuffix(".md")))
    for name in (f"{other}.ipynb", f"{other}.md"):
        if target and name in edition.beside:
            return f"[{match['text']}]({posixpath.relpath(name, folder or '.')})"
    if target and edition.site and (edition.book / f"{other}.md").exists():
        return f"[{match['text']}]({edition.site}/{other}.html{'#' * bool(fragment)}{fragment})"
    return match["text"]


def cited(bibliography: Path, keys: str) -> str:
    entries = _entries(bibliography)
    return "; ".join(_short(entries[key.strip()]) for key in keys.split(","))


@lru_cache
def _entries(bibliography: Path):
    return parse_file(str(bibliography)).entries


def _short(entry) -> str:
    people = [" ".join(person.last_names) for person in entry.persons["author"]]
    names = (
        people[0] if len(people) == 1 else f"{people[0]} and {people[1]}" if len(people) == 2 else f"{people[0]} et al."
    )
    return f"{names}, {entry.fields['year']}"
