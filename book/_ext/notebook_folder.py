"""The whole book as a folder of plain notebooks, for `make lab`, Binder and students.

    python book/_ext/notebook_folder.py                                        # into notebooks/
    python book/_ext/notebook_folder.py --without-solutions --folder handout

A notebook carries a digest of the cells that it was made with. So a notebook that a reader has edited is known, and
stays as it is when its chapter changes; all others follow their chapters. Running cells is not editing.
"""

from __future__ import annotations

import argparse
import json
import re
from hashlib import sha256
from pathlib import Path

import nbformat
import yaml
from translation import Edition, is_notebook, plain_markdown, recorded_numbers, translate

ROOT = Path(__file__).parents[2]
PAGES = (
    "reference/glossary",
    "reference/notation",
    "reference/sources",
)  # those of the pages without code
DIGEST = re.compile(r"\n<!-- made from the book, (\w+) -->\n")
WELCOME = """> **The book as notebooks.** *Run*, then *Run All Cells* brings a notebook to life: pictures, sliders and
> the lab. Then change what you like. Solutions are folded and do not run by themselves. The numbers in the text are
> those of the book; the cells print yours. Links lead from chapter to chapter, and what you have edited and saved stays
> as it is."""


def sources(book: Path) -> dict[str, Path]:
    """The pages that become files of the folder, by the name of the file."""
    pages = {path: path.relative_to(book).with_suffix("").as_posix() for path in sorted(book.rglob("*.md"))}
    files = {f"{page}.ipynb": path for path, page in pages.items() if is_notebook(path.read_text())}
    return files | {f"{page}.md": book / f"{page}.md" for page in PAGES}


def edition_of(root: Path, *, solutions: bool = True) -> Edition:
    """The edition whose files lie beside each other in one folder."""
    config = yaml.safe_load((root / "_config.yml").read_text())
    return Edition(
        book=root / "book",
        bibliography=root / config["bibtex_bibfiles"][0],
        numbers=recorded_numbers(root / "book"),
        repository=config["sphinx"]["config"]["minidyn_repository"],
        beside=frozenset(sources(root / "book")),
        solutions=solutions,
    )


def write_folder(folder: Path, edition: Edition) -> list[str]:
    """Write the files that are new or whose page has changed; a line for each page that has changed."""
    return [
        f"{folder / name}: {news}"
        for name, source in sources(edition.book).items()
        if (news := _write(folder / name, _made(name, source.read_text(), edition)))
    ]


def _made(name: str, source: str, edition: Edition) -> str:
    """The text of a file of the folder."""
    page = name.rpartition(".")[0]
    if name.endswith(".md"):
        text = plain_markdown(source, page, edition)
        return f"{text}\n<!-- made from the book, {_digest(text)} -->\n"
    notebook = translate(source, page, edition)
    if page == "index":
        heading, _, rest = notebook.cells[1].source.partition("\n")
        notebook.cells[1].source = f"{heading}\n\n{WELCOME}\n{rest}"
    notebook.metadata["minidyn"] = {"made_with": cells_digest(notebook)}
    return nbformat.writes(notebook) + "\n"


def _write(path: Path, text: str) -> str:
    """Write a file unless a reader has edited it; the news about it, if any."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return ""
    there = path.read_text()
    if digests(there)[0] == digests(text)[0]:
        return ""
    if not is_untouched(there):
        return "its chapter has changed, and you have edited it: it stays. Rename it, and the next call makes a new one"
    path.write_text(text)
    return "follows its chapter, which has changed"


def is_untouched(text: str) -> bool:
    """Whether a file of the folder is as it was made, whatever its cells have shown since."""
    made_with, now = digests(text)
    return made_with == now


def digests(text: str) -> tuple[str | None, str]:
    """The digest that a file carries, and that of what it holds."""
    if not text.startswith("{"):
        mark = DIGEST.search(text)
        return (mark[1] if mark else None), _digest(DIGEST.sub("", text))
    notebook = nbformat.reads(text, as_version=4)
    return notebook.metadata.get("minidyn", {}).get("made_with"), cells_digest(notebook)


def cells_digest(notebook: nbformat.NotebookNode) -> str:
    """A digest of what the cells say; not of what they show, nor of empty ones, which JupyterLab adds."""
    return _digest(json.dumps([[cell.cell_type, cell.source] for cell in notebook.cells if cell.source.strip()]))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("notebooks"), help="where they go (default: notebooks)")
    parser.add_argument("--without-solutions", action="store_true", help="leave the solutions of the exercises out")
    arguments = parser.parse_args()
    news = write_folder(arguments.folder, edition_of(ROOT, solutions=not arguments.without_solutions))
    print("\n".join([*news, f"The book's notebooks are in {arguments.folder}; begin with index.ipynb."]))


if __name__ == "__main__":
    main()
