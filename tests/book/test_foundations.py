"""The first chapters in a real JupyterLab: every cell runs, and the slider of each retrains and redraws."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import live_jupyterlab as lab

pytestmark = pytest.mark.browser

CHAPTERS = Path(__file__).parents[2] / "book" / "foundations"
# JupyterLab draws cells one by one, and its cell toolbar stumbles over one that is selected too early.
EVERY_CELL_IS_DRAWN = "window.jupyterapp.shell.currentWidget.content.widgets.every(cell => !cell.isPlaceholder())"
SLIDERS = {
    "spiral": "width",
    "descent": "learning rate",
    "curvature": "learning rate",
    "stability": "amplitude",
    "ntk": "learning rate",
}


@pytest.fixture
def serve(tmp_path_factory):
    """A JupyterLab of its own for each chapter: it would open the last one again. It must outlive the `page`."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(CHAPTERS, folder / "foundations")
    with lab.serve(folder, tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.mark.parametrize(("chapter", "slider"), SLIDERS.items())
def test_a_chapter_runs_and_its_slider_retrains(serve, page, chapter, slider):
    lab.open_notebook(page, serve, f"foundations/{chapter}.md")
    page.wait_for_function(EVERY_CELL_IS_DRAWN, timeout=lab.PATIENCE)
    assert lab.run_all(page) == []
    drawn = page.locator(".widget-vbox img")
    drawn.scroll_into_view_if_needed(timeout=lab.PATIENCE)
    before = drawn.get_attribute("src")
    lab.move_slider(page, slider, steps=1)
    page.wait_for_function(
        "before => { const img = document.querySelector('.widget-vbox img'); return img && img.src !== before }",
        arg=before,
        timeout=lab.PATIENCE,
    )


def test_no_chapter_is_left_out():
    assert set(SLIDERS) == {path.stem for path in CHAPTERS.glob("*.md")}
