"""A reader who knows only the index: opens the bursts, moves a slider, changes a cell, saves, reopens and goes on."""

from __future__ import annotations

import pytest
from notebook_folder import ROOT, edition_of, write_folder

from tests import live_jupyterlab as jupyterlab
from tests.expectations import expect

pytestmark = pytest.mark.browser

BURSTS = "tilting/instabilities.ipynb"
ACTIVE = ".jp-Notebook-cell.jp-mod-active"


@pytest.fixture
def notebooks(tmp_path):
    """The folder, as `make lab` makes it."""
    write_folder(tmp_path / "notebooks", edition_of(ROOT))
    return tmp_path / "notebooks"


@pytest.fixture
def serve(notebooks, tmp_path):
    (tmp_path / "home").mkdir()
    with jupyterlab.serve(notebooks, tmp_path / "home") as address:
        yield address


def open_bursts(page, serve):
    """By the index, which `make lab` opens, and its link."""
    page.goto(serve("index.ipynb"))
    jupyterlab.await_ready(page, "index.ipynb")
    page.locator(".jp-NotebookPanel").get_by_role("link", name="Bursts", exact=True).click()
    jupyterlab.await_ready(page, BURSTS)


def test_a_reader_of_the_index_can_play_change_save_and_go_on(browser, serve, notebooks):
    page = browser.new_page(viewport={"width": 1280, "height": 900})  # JupyterLab says on its console what it misses
    book = {path: path.read_text() for path in (ROOT / "book").rglob("*.md")}
    open_bursts(page, serve)
    assert jupyterlab.run_all(page) == []
    move_slider(page)
    change_cell(page)

    page.keyboard.press("Control+s")
    page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=jupyterlab.PATIENCE)
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.goto("about:blank")
    open_bursts(page, serve)

    assert jupyterlab.scroll_to(page, "explore(")
    page.locator(f"{ACTIVE} .minidyn-still").wait_for(timeout=jupyterlab.PATIENCE)
    expect(page.locator(f"{ACTIVE} .minidyn-still")).to_contain_text("width = 30")
    assert jupyterlab.scroll_to(page, "seeds = load(")
    expect(page.locator(f"{ACTIVE} .jp-Cell-outputArea")).to_contain_text("6 times 7 is 42")
    assert jupyterlab.run_all(page) == []
    move_slider(page)
    page.context.close()

    [news] = [line for line in write_folder(notebooks, edition_of(ROOT)) if BURSTS in line] or [""]
    assert news == ""  # its chapter is as it was
    assert "6 times 7" in (notebooks / BURSTS).read_text()
    assert {path: path.read_text() for path in book} == book


def move_slider(page):
    """Move the slider of the width with the arrow key; the picture follows."""
    assert jupyterlab.scroll_to(page, "explore(")
    output = page.locator(f"{ACTIVE} .jp-Cell-outputArea")
    image = output.locator(".widget-vbox img")
    image.wait_for(timeout=jupyterlab.PATIENCE)
    page.wait_for_timeout(500)
    before = image.get_attribute("src")
    output.locator(".widget-slider", has_text="width").locator(".noUi-handle").press("ArrowLeft")
    page.wait_for_function(
        "([picture, before]) => document.querySelector(picture).src !== before",
        arg=[f"{ACTIVE} .widget-vbox img", before],
        timeout=2 * jupyterlab.PATIENCE,
    )


def change_cell(page):
    """Type a line of one's own at the end of a cell, and run it."""
    assert jupyterlab.scroll_to(page, "seeds = load(")
    page.locator(f'{ACTIVE} .cm-content[data-language="python"]').click()
    page.keyboard.press("Control+End")
    page.keyboard.type('\nprint("6 times 7 is", 6 * 7)')
    page.keyboard.press("Control+Enter")
    page.locator(f"{ACTIVE} .jp-Cell-outputArea", has_text="6 times 7 is 42").wait_for(timeout=jupyterlab.PATIENCE)
