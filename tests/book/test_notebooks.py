"""The downloaded chapters are plain Markdown and code that needs nothing but the package."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import notebooks
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted(path for path in (ROOT / "book").rglob("*.md") if "kernelspec:" in path.read_text()[:400])
SHORT = ["foundations/spiral", "tilting/dynamical-loss", "forgetting/interference"]

MYST = """
# Title

{cite:t}`ruizgarcia2021` say {glue:text}`number`, see [there](other/page.md) and [out](https://example.org).

:::{admonition} Predict
:class: tip
Guess.
:::

```{lab} A=20&T=500&only=map
No scripts.
```

After it.
"""


def translate(path, **options):
    return notebooks.translate(path.read_text(), {}, ROOT / "book" / "references.bib", **options)


def markdown(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_download_has_no_directive_or_role_of_the_book(path):
    notebook = translate(path)
    nbformat.validate(notebook)
    assert re.findall(r"\{[\w:-]+\}`|^[`:]{3,}\{.*$", markdown(notebook), re.M) == []
    assert "myst_nb" not in "\n".join(cell.source for cell in notebook.cells)


def test_directives_and_roles_become_plain_markdown():
    notebook = notebooks.translate(MYST, {"number": "7"}, ROOT / "book" / "references.bib")
    text = markdown(notebook)
    assert "Ruiz-Garcia et al., 2021 say 7, see [there](other/page.ipynb) and [out](https://example.org)" in text
    assert "> **Predict**\n>\n> Guess." in text
    lab = next(cell for cell in notebook.cells if "Lab(" in cell.source)
    assert lab.cell_type == "code"
    assert "amplitude=20" in lab.source
    assert text.index("Guess") < text.index("After it")


def test_the_download_of_a_publisher_installs_from_the_repository():
    first = translate(CHAPTERS[0], repository="someone/minidyn").cells[0].source
    assert "git+https://github.com/someone/minidyn" in first


@pytest.mark.parametrize(("repository", "buttons"), [("", []), ("someone/minidyn", ["Binder", "Colab"])])
def test_one_line_of_the_configuration_switches_the_launch_buttons_on(repository, buttons):
    app = SimpleNamespace(config=SimpleNamespace(minidyn_repository=repository))
    context = {"ipynb_source": "book/index.ipynb", "header_buttons": []}
    notebooks.launch(app, "book/index", "page.html", context, None)
    shown = [button for group in context["header_buttons"] for button in group["buttons"]]
    assert [button["text"] for button in shown] == buttons
    assert all(repository in button["url"] and "book/index" in button["url"] for button in shown)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_a_download_runs(name, tmp_path):
    notebook = translate(ROOT / "book" / f"{name}.md")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
