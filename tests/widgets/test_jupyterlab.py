"""`explore` in a real JupyterLab: nothing flickers, what is slow says so, and a saved notebook keeps a picture."""

from __future__ import annotations

import pytest

from tests import live_jupyterlab as jupyterlab
from tests.expectations import expect

pytestmark = pytest.mark.browser

CELL = """import time

import matplotlib.pyplot as plt
from minidyn.widgets import explore

def draw(power, seconds):
    '''A power of the first numbers.'''
    time.sleep(seconds)
    figure, ax = plt.subplots(figsize=(7.2, 9))
    ax.plot([n**power for n in range(10)])
    ax.set_title(f"drawn in {seconds} s")
    return figure

explore(draw, power=([1, 2, 3], 2), seconds=[0.0, 2.0])"""
MENU = """import matplotlib.pyplot as plt
from minidyn.widgets import explore, frames

def draw(color):
    figure, ax = plt.subplots()
    ax.plot([0, 1], color=color)
    return figure

explore(draw, color=["red", "blue"])"""
FRAMES = """frames(draw, ["red", "blue"], label="color", alt="A line.", form="")"""
INSTRUMENT = """from minidyn import instruments

instruments.cobweb()"""
BOX = ".widget-vbox:has(img)"
# The smallest height of the box, frame by frame, until its picture is another one.
SMALLEST = """([box, before]) => new Promise(resolve => {
  let smallest = Infinity;
  const look = () => {
    const shown = document.querySelector(box);
    smallest = Math.min(smallest, shown.getBoundingClientRect().height);
    if (shown.querySelector("img").src === before) requestAnimationFrame(look);
    else setTimeout(() => resolve(Math.min(smallest, shown.getBoundingClientRect().height)), 200);
  };
  look();
})"""
CONTRAST = """() => {
  const channel = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const luminance = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const page = luminance(getComputedStyle(document.querySelector(".jp-Notebook")).backgroundColor);
  return [...document.querySelectorAll(".widget-vbox .widget-html-content, .widget-vbox .widget-label")]
    .filter(text => text.textContent.trim())
    .map(text => luminance(getComputedStyle(text).color))
    .map(ink => (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05));
}"""


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    jupyterlab.write_notebook(folder / "explore.ipynb", CELL)
    with jupyterlab.serve(folder, tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture
def notebook(page, serve):
    """A page with the picture drawn."""
    jupyterlab.open_notebook(page, serve, "explore.ipynb")
    assert jupyterlab.run_all(page) == []
    wait_for_picture(page)
    return page


def wait_for_picture(page):
    page.wait_for_function(f"document.querySelector('{BOX} img')?.naturalWidth > 0", timeout=jupyterlab.PATIENCE)
    page.wait_for_timeout(500)


def source(page):
    return page.locator(f"{BOX} img").get_attribute("src")


def test_a_slider_changes_the_picture_and_nothing_flickers(notebook):
    before = source(notebook)
    height = notebook.locator(BOX).bounding_box()["height"]
    handle = notebook.locator(".widget-slider", has_text="power").locator(".noUi-handle")
    handle.focus()
    smallest = notebook.evaluate_handle(f"arguments => ({{ done: ({SMALLEST})(arguments) }})", [BOX, before])
    handle.press("ArrowRight")
    assert notebook.evaluate("async ({ done }) => await done", smallest) > height - 60  # a line of text may come and go


def test_controls_and_picture_are_seen_at_once(notebook):
    box = notebook.locator(BOX).bounding_box()
    assert box["height"] <= 700
    slider = notebook.locator(".widget-slider", has_text="power").bounding_box()
    assert slider["y"] < notebook.locator(f"{BOX} img").bounding_box()["y"]


def test_what_is_slow_says_that_it_computes_and_reset_draws_the_first_picture(notebook):
    handle = notebook.locator(".widget-slider", has_text="seconds").locator(".noUi-handle")
    before = source(notebook)
    handle.press("ArrowRight")
    notebook.get_by_text("computing").wait_for(timeout=jupyterlab.PATIENCE)
    jupyterlab.wait_for_other_picture(notebook, before)
    notebook.get_by_text("computing").wait_for(state="hidden", timeout=jupyterlab.PATIENCE)
    notebook.get_by_role("button", name="Reset").click()
    notebook.wait_for_function(
        "[...document.querySelectorAll('.widget-readout')].some(readout => readout.textContent === '0.0')",
        timeout=jupyterlab.PATIENCE,
    )


def test_texts_can_be_read_in_a_dark_theme(notebook):
    notebook.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    notebook.wait_for_function("document.body.dataset.jpThemeLight === 'false'", timeout=jupyterlab.PATIENCE)
    notebook.wait_for_timeout(1000)
    contrasts = notebook.evaluate(CONTRAST)
    notebook.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Light' })")
    assert len(contrasts) >= 3
    assert min(contrasts) > 4.5


def test_a_reopened_notebook_shows_the_picture_with_its_settings(browser, serve):
    page = browser.new_page()  # JupyterLab says on its console that it misses the model
    jupyterlab.open_notebook(page, serve, "explore.ipynb")
    assert jupyterlab.run_all(page) == []
    wait_for_picture(page)
    still = page.locator(".minidyn-still")
    expect(still).to_be_hidden()
    before = source(page)
    jupyterlab.move_slider(page, "power", 1)
    jupyterlab.wait_for_other_picture(page, before)
    jupyterlab.save_and_reopen(page, serve, "explore.ipynb")
    still.wait_for(timeout=jupyterlab.PATIENCE)
    expect(still).to_contain_text("power = 3, seconds = 0.0, as it was when this notebook was saved")
    assert page.evaluate("document.querySelector('.minidyn-still img').naturalWidth") > 200
    expect(page.get_by_text("model not found")).to_be_hidden()
    assert jupyterlab.run_all(page) == []
    wait_for_picture(page)
    expect(still).to_be_hidden()
    page.context.close()


@pytest.fixture
def serve_keys(tmp_path):
    """A JupyterLab of its own: another would open the notebooks of former tests again."""
    (tmp_path / "notebooks").mkdir()
    jupyterlab.write_notebook(tmp_path / "notebooks" / "keys.ipynb", MENU, FRAMES, INSTRUMENT, "1 + 1")
    (tmp_path / "home").mkdir()
    with jupyterlab.serve(tmp_path / "notebooks", tmp_path / "home") as address:
        yield address


@pytest.mark.parametrize(
    ("cell", "control", "key"),
    [
        (0, ".widget-vbox select", "ArrowDown"),
        (1, ".minidyn-frames input", "ArrowRight"),
        (2, ".minidyn-instrument input >> nth=0", "ArrowUp"),
    ],
    ids=["explore", "frames", "instrument"],
)
def test_arrow_keys_turn_a_control_and_select_no_other_cell(serve_keys, page, cell, control, key):
    jupyterlab.open_notebook(page, serve_keys, "keys.ipynb")
    assert jupyterlab.run_all(page) == []
    page.evaluate("k => (window.jupyterapp.shell.currentWidget.content.activeCellIndex = k)", cell)
    shown = page.locator(f".jp-Notebook-cell >> nth={cell}").locator(".jp-OutputArea-output").last
    page.wait_for_timeout(1000)
    before = shown.inner_html()
    page.locator(control).press(key)
    page.wait_for_timeout(2000)
    assert shown.inner_html() != before
    assert page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex") == cell
