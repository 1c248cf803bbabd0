"""A chapter in a real JupyterLab with a live kernel: it opens as a notebook, runs, and its slider redraws."""

from __future__ import annotations

import live_jupyterlab as lab
import pytest

pytestmark = pytest.mark.browser

CHAPTER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A chapter

:::{note}
One slider.
:::

```{code-cell} ipython3
import matplotlib.pyplot as plt
from minidyn.widgets import explore

def power(exponent):
    figure, axes = plt.subplots()
    axes.plot([n**exponent for n in range(10)])
    return figure

explore(power, exponent=[1, 2, 3, 4])
```
"""


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """A JupyterLab whose folder holds book/chapter.md, as `make lab` would run it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "book").mkdir()
    (folder / "book" / "chapter.md").write_text(CHAPTER)
    with lab.serve(folder, tmp_path_factory.mktemp("home")) as address:
        yield address


def test_a_chapter_opens_as_a_notebook_and_its_slider_redraws(page, serve):
    lab.open_notebook(page, serve, "book/chapter.md")
    assert lab.run_all(page) == []
    before = lab.picture(page)
    lab.move_slider(page, "exponent", steps=1)
    assert lab.wait_for_other_picture(page, before).startswith("data:image/png")


def test_directives_are_drawn_in_notebooks(page, serve):
    lab.open_notebook(page, serve, "book/chapter.md")
    page.locator(".jp-MarkdownCell aside p").get_by_text("One slider.").wait_for()
