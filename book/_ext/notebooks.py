"""Each chapter as a notebook for plain Jupyter: the download button's .ipynb, and buttons that launch it elsewhere.

`translation.py` says what such a notebook is; `notebook_folder.py` writes the same ones into a folder.

A publisher sets `minidyn_repository: OWNER/REPO` (on GitHub) in _config.yml; then the notebooks install the package
from there, their links lead to the site, and every chapter has buttons for Binder and for Colab.
"""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
from translation import NUMBERS, Edition, translate


def page_of(pagename: str) -> str:
    """The name of a page within the book: Sphinx calls it from the folder above."""
    return pagename.removeprefix("book/")


def glued(record: Path) -> dict[str, str]:
    """The numbers that a built page sets into its text, from the record that myst-nb keeps of them."""
    outputs = json.loads(record.read_text())
    return {name: output["data"].get("text/plain", "").strip("'\"") for name, output in outputs.items()}


def all_glued(app) -> dict[str, dict[str, str]]:
    """The numbers in the text of all pages, by page."""
    records = Path(app.outdir).parent / "jupyter_execute"
    pages = {
        path: path.relative_to(records).as_posix().removesuffix(".glue.json") for path in records.rglob("*.glue.json")
    }
    return {page_of(name): glued(path) for path, name in sorted(pages.items()) if name in app.env.found_docs}


def write(app, pagename, templatename, context, doctree):
    """Write the page's notebook beside its source, where the theme's download button looks for it."""
    source = Path(app.srcdir, f"{pagename}.md")
    if app.builder.format != "html" or not source.exists() or "kernelspec" not in context.get("meta", {}):
        return
    edition = Edition(
        book=Path(app.srcdir, "book"),
        bibliography=Path(app.srcdir, app.config.bibtex_bibfiles[0]),
        numbers=all_glued(app),
        repository=app.config.minidyn_repository,
    )
    target = Path(app.outdir, "_sources", f"{pagename}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(translate(source.read_text(), page_of(pagename), edition), target)
    context["ipynb_source"] = f"{pagename}.ipynb"


def record_numbers(app, exception):
    """Keep the numbers for notebooks that are made without building the book, if one has changed."""
    record = Path(app.srcdir, "book", NUMBERS)
    text = json.dumps(all_glued(app), indent=0, sort_keys=True, ensure_ascii=False) + "\n"
    if exception is None and app.builder.format == "html" and (not record.exists() or record.read_text() != text):
        record.write_text(text)


def launch(app, pagename, templatename, context, doctree):
    """Buttons for Binder (its JupyterLab has all notebooks) and Colab (the notebook, from the published site)."""
    repository = app.config.minidyn_repository
    if not repository or "ipynb_source" not in context:
        return
    places = {
        "Binder": f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/notebooks/{page_of(pagename)}.ipynb",
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
    app.connect("build-finished", record_numbers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
