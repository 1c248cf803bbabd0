"""The notebooks of the chapters are plain Markdown and code that needs nothing but the package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import notebook_folder
import notebooks
import pytest
import translation
from nbclient import NotebookClient
from notebook_folder import ROOT, edition_of, sources, write_folder

BESIDE = edition_of(ROOT)
ALONE = replace(BESIDE, beside=frozenset())
PUBLISHED = replace(ALONE, repository="Someone/minidyn")
FILES = sources(ROOT / "book")
CHAPTERS = [name.removesuffix(".ipynb") for name in FILES if name.endswith(".ipynb")]
SHORT = ["foundations/spiral", "tilting/dynamical-loss", "forgetting/interference"]

MYST = """
# Title

{cite:t}`ruizgarcia2021` say {glue:text}`number`, see [there](../tilting/images) and [out](https://example.org).

:::{admonition} Predict
:class: tip
Guess.
:::

```{lab} A=20&T=500&only=map
No scripts.
```

After it.

:::{dropdown} Is `1` *one*?
Yes.
:::

```{exercise-start} Hard
:label: hard
```
Do it.
```{exercise-end}
```

```{solution-start} hard
:class: dropdown
```
Like **this**:

```{code-cell} ipython3
print("solved")
```
```{solution-end}
```

The end.
"""


def source(page):
    return (ROOT / "book" / f"{page}.md").read_text()


def translate(page, edition=BESIDE):
    return translation.translate(source(page), page, edition)


def translate_example(**options):
    edition = replace(BESIDE, numbers={"foundations/page": {"number": "7"}}, **options)
    return translation.translate(MYST, "foundations/page", edition)


def markdown(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_notebook_has_no_directive_or_role_of_the_book(page):
    notebook = translate(page)
    nbformat.validate(notebook)
    assert re.findall(r"\{[\w:-]+\}`|^[`:]{3,}\{.*$", markdown(notebook), re.M) == []
    assert "myst_nb" not in code(notebook)


@pytest.mark.parametrize("name", FILES)
def test_every_link_leads_to_a_file_beside_or_to_another_site(name):
    page = name.rpartition(".")[0]
    text = (
        markdown(translate(page)) if name.endswith(".ipynb") else translation.plain_markdown(source(page), page, BESIDE)
    )
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$", "", text, flags=re.S)):
        assert (
            target.startswith("https://")
            or (ROOT / "book" / page).parent.joinpath(target).resolve().relative_to(ROOT / "book").as_posix() in FILES
        )


def test_every_chapter_can_be_reached_from_the_index():
    text = markdown(translate("index"))
    assert [page for page in CHAPTERS if page != "index" and f"]({page}.ipynb)" not in text] == []


def test_directives_and_roles_become_plain_markdown():
    notebook = translate_example()
    text = markdown(notebook)
    assert "Ruiz-Garcia et al., 2021 say 7, see [there](../tilting/images.ipynb) and [out](https://example.org)" in text
    assert "> **Predict**\n>\n> Guess." in text
    assert "<summary>Is <code>1</code> <em>one</em>?</summary>\n\nYes.\n\n</details>" in text
    lab = next(cell for cell in notebook.cells if "Lab(" in cell.source)
    assert lab.cell_type == "code"
    assert "amplitude=20" in lab.source
    assert text.index("Guess") < text.index("After it")


def test_a_link_leads_to_the_site_if_nothing_lies_beside_and_is_text_without_a_site():
    published = markdown(translate_example(beside=frozenset(), repository="Someone/minidyn"))
    assert "see [there](https://someone.github.io/minidyn/book/tilting/images.html)" in published
    assert "see there and [out](https://example.org)" in markdown(translate_example(beside=frozenset()))


def test_a_solution_is_one_folded_cell_whose_code_does_not_run():
    notebook = translate_example()
    assert "solved" not in code(notebook)
    [solution] = [cell.source for cell in notebook.cells if "Solution" in cell.source]
    assert solution.startswith("<details>\n<summary>")
    assert '```python\nprint("solved")\n```' in solution
    assert notebook.cells[-1].source == "The end."


def test_an_edition_for_students_has_no_solution():
    notebook = translate_example(solutions=False)
    assert "solved" not in str(notebook)
    assert "Like **this**" not in markdown(notebook)
    assert "Do it." in markdown(notebook)
    assert notebook.cells[-1].source == "The end."


@pytest.mark.parametrize("page", CHAPTERS)
def test_the_solutions_of_a_chapter_are_folded_or_left_out(page):
    count = source(page).count("{solution-start}")
    assert markdown(translate(page)).count("<b>Solution</b>") == count
    assert "<b>Solution</b>" not in markdown(translate(page, replace(BESIDE, solutions=False)))


@pytest.mark.parametrize(
    ("page", "extras"),
    [
        ("index", "pictures,fast"),
        ("scale/gpu", "pictures,fast,torch"),
        ("tilting/images", "pictures,fast,torch,images"),
        ("scale/your-own-model", "pictures,fast,torch,images"),
    ],
)
def test_the_first_cell_installs_what_the_chapter_needs(page, extras):
    assert f'"minidyn[{extras}] @ git+https://github.com/Someone/minidyn"' in translate(page, PUBLISHED).cells[0].source
    assert f"pip install '.[{extras}]'" in translate(page, ALONE).cells[0].source


@pytest.mark.parametrize("page", CHAPTERS)
def test_the_extras_of_a_chapter_cover_what_it_imports(page):
    notebook = translate(page)
    imported = re.findall(r"^\s*(?:import|from) ([\w.]+)", code(notebook), re.M)
    needs_torch = any(name.split(".")[0] == "torch" or name.startswith("minidyn.torch") for name in imported)
    assert (", torch" in notebook.cells[0].source) == needs_torch


def test_the_first_cell_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"sklearn.*pip install '\.\[pictures,fast,torch,images\]'"):
        exec(translate("tilting/images", ALONE).cells[0].source, {})


@pytest.mark.parametrize("page", CHAPTERS)
def test_what_can_be_turned_is_seen_in_a_notebook(page):
    cells = [cell for cell in translate(page).cells if cell.cell_type == "code"]
    turned = [cell for cell in cells if re.search(r"^(explore|frames|Lab|instruments\.\w+)\(", cell.source, re.M)]
    assert len(turned) >= source(page).count("tags: [live")
    assert [cell.source for cell in turned if "outputs_hidden" in cell.metadata.get("jupyter", {})] == []


@pytest.mark.parametrize("page", CHAPTERS)
def test_run_all_runs_nothing_that_the_page_skips_for_want_of_a_library(page):
    notebook = translate(page)
    assert [cell for cell in notebook.cells if "skip-execution" in cell.metadata.get("tags", [])] == []
    for library in ("lightning", "transformers", "torch.utils.tensorboard", "torch.distributed"):
        assert f"import {library}" not in code(notebook)
        assert f"from {library}" not in code(notebook)


def test_no_cell_needs_a_name_that_only_a_solution_defines(tmp_path):
    write_folder(tmp_path, BESIDE)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=F821", "--output-format=concise"]
    checked = subprocess.run([*command, tmp_path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.browser
@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("page", CHAPTERS)
def test_the_built_book_records_all_numbers_in_its_text(page):
    names = set(re.findall(r"\{glue:text\}`(\w[^`]*)`", source(page)))
    assert names - translation.recorded_numbers(ROOT / "book").get(page, {}).keys() == set()


@pytest.fixture
def project(tmp_path):
    """A book of two pages, and the edition of its folder."""
    (tmp_path / "book" / "reference").mkdir(parents=True)
    front = "---\njupytext: {}\nkernelspec: {display_name: Python 3, language: python, name: python3}\n---\n"
    (tmp_path / "book" / "index.md").write_text(
        f"{front}\n# Index\n\nText.\n\n```{{code-cell}} ipython3\nprint(1)\n```\n"
    )
    for page in notebook_folder.PAGES:
        (tmp_path / "book" / f"{page}.md").write_text("# Words\n")
    return replace(BESIDE, book=tmp_path / "book", beside=frozenset(sources(tmp_path / "book")))


def change(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_second_call_changes_nothing(project, tmp_path):
    assert write_folder(tmp_path, project) == []
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert write_folder(tmp_path, project) == []
    assert {path: path.read_bytes() for path in first} == first


@pytest.mark.parametrize(
    ("page", "file"), [("index.md", "index.ipynb"), ("reference/glossary.md", "reference/glossary.md")]
)
def test_a_changed_page_is_followed_and_an_edited_file_stays(project, tmp_path, page, file):
    folder = tmp_path / "notebooks"
    write_folder(folder, project)
    before = "Text." if page == "index.md" else "Words"
    change(project.book / page, before, "Other words.")
    assert write_folder(folder, project) == [f"{folder / file}: follows its chapter, which has changed"]
    assert "Other words." in (folder / file).read_text()

    change(folder / file, "Other words.", "My words.")
    assert write_folder(folder, project) == []
    change(project.book / page, "Other words.", "New words.")
    [news] = write_folder(folder, project)
    assert f"{folder / file}: its chapter has changed, and you have edited it: it stays" in news
    assert "My words." in (folder / file).read_text()


def test_running_cells_is_not_editing(project, tmp_path):
    write_folder(tmp_path, project)
    path = tmp_path / "index.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].update(execution_count=1, outputs=[nbformat.v4.new_output("stream", text="1\n")])
    notebook.cells.append(nbformat.v4.new_code_cell())
    nbformat.write(notebook, path)
    assert notebook_folder.is_untouched(path.read_text())
    notebook.cells[-1].source = "mine"
    nbformat.write(notebook, path)
    assert not notebook_folder.is_untouched(path.read_text())


def test_a_build_records_the_numbers_of_its_pages(tmp_path):
    record = tmp_path / "_build" / "jupyter_execute" / "book" / "tilting" / "page.glue.json"
    record.parent.mkdir(parents=True)
    (tmp_path / "book").mkdir()
    record.write_text(json.dumps({"share": {"data": {"text/plain": "'12'"}}}))
    app = SimpleNamespace(
        srcdir=tmp_path,
        outdir=tmp_path / "_build" / "html",
        builder=SimpleNamespace(format="html"),
        env=SimpleNamespace(found_docs={"book/tilting/page"}),
    )
    notebooks.record_numbers(app, None)
    assert translation.recorded_numbers(tmp_path / "book") == {"tilting/page": {"share": "12"}}


@pytest.mark.parametrize(("repository", "buttons"), [("", []), ("someone/minidyn", ["Binder", "Colab"])])
def test_one_line_of_the_configuration_switches_the_launch_buttons_on(repository, buttons):
    app = SimpleNamespace(config=SimpleNamespace(minidyn_repository=repository))
    context = {"ipynb_source": "book/index.ipynb", "header_buttons": []}
    notebooks.launch(app, "book/index", "page.html", context, None)
    shown = [button for group in context["header_buttons"] for button in group["buttons"]]
    assert [button["text"] for button in shown] == buttons
    assert [repository in button["url"] and "index.ipynb" in button["url"] for button in shown] == [True] * len(buttons)


@pytest.mark.slow
@pytest.mark.parametrize("page", SHORT)
def test_a_download_runs(page, tmp_path):
    NotebookClient(translate(page, ALONE), timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
