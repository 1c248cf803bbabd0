"""The chapters in a real JupyterLab, as `make lab` opens them: they run, the labs move, and what can be turned turns.

The shortest of them is part of `make test-all`. `make test-chapters` runs all, in a quarter of an hour or more, and
`pytest -m chapters -k instabilities` one; it prints the seconds of each, and keeps pictures of the first screens in
_build/first-screens.
"""

from __future__ import annotations

import re
import time

import pytest
from notebook_folder import ROOT, edition_of, sources, write_folder

from tests import live_jupyterlab as jupyterlab

CHAPTERS = [name for name in sources(ROOT / "book") if name.endswith(".ipynb")]
IN_SUITE = ("foundations/descent.ipynb",)
OUTPUT = ".jp-Notebook-cell.jp-mod-active .jp-Cell-outputArea"
HOST = "[data-lm-suppress-shortcuts]"  # of a lab
CONTROL = ".noUi-handle, select, input[type=range]"
DRAWN = "img:visible, svg:visible, canvas:visible"
SCREENS = ROOT / "_build" / "first-screens"
RAW = re.compile(r"\{[\w:-]+\}`|^[`:]{3,}\{|Unknown Directive", re.M)
# Of the prose: code may hold what looks like a role.
VISIBLE_TEXT = """[...document.querySelectorAll(".jp-NotebookPanel .jp-RenderedHTMLCommon")].map((element) => {
  const copy = element.cloneNode(true);
  copy.querySelectorAll("pre, script, style").forEach((code) => code.remove());
  return copy.textContent;
}).join("\\n")"""


def marks(name):
    return [pytest.mark.chapters, *([pytest.mark.browser] if name in IN_SUITE else [])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    write_folder(folder, edition_of(ROOT))
    return folder


@pytest.fixture
def serve(folder, tmp_path_factory):
    """A JupyterLab of its own for each chapter: it would open the last one again. It must outlive the `page`."""
    with jupyterlab.serve(folder, tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name), id=name[:-6]) for name in CHAPTERS])
def test_a_chapter_runs_and_moves(serve, page, name, capsys):
    jupyterlab.open_notebook(page, serve, name)
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name.replace('/', '-')[:-6]}.png")
    assert page.locator(".jp-NotebookPanel h1").first.is_visible()
    seconds = run_all(page)
    with capsys.disabled():
        print(f"\n{name}: Run All {seconds['all']:.1f} s, first picture after {seconds['picture']:.1f} s", flush=True)
    assert RAW.findall(page.evaluate(VISIBLE_TEXT)) == []
    check_lab(page)
    for start in ("explore(", "frames(", "instruments."):
        check_control(page, start)
    page.screenshot(path=SCREENS / f"{name.replace('/', '-')[:-6]}-run.png")


def run_all(page):
    """Run all cells without an error; the seconds until the first picture, and until the end."""
    page.evaluate(
        """() => {
          window.began = performance.now();
          window.firstPicture = 0;
          const look = () => {
            const shown = document.querySelector(".jp-OutputArea-output img, .jp-OutputArea-output canvas")
              ?? [...document.querySelectorAll("[data-lm-suppress-shortcuts]")].find(host => host.shadowRoot);
            if (shown) window.firstPicture = performance.now() - window.began;
            else setTimeout(look, 50);
          };
          look();
        }"""
    )
    began = time.perf_counter()
    assert jupyterlab.run_all(page) == []
    return {"all": time.perf_counter() - began, "picture": page.evaluate("window.firstPicture") / 1000}


def check_lab(page):
    """If the notebook has a lab, its step counts up, after Play if it waits for that."""
    if not jupyterlab.scroll_to(page, "Lab("):
        return
    page.locator(f"{OUTPUT} {HOST}").wait_for(timeout=jupyterlab.PATIENCE)
    play = page.locator(OUTPUT).get_by_role("button", name="Play", exact=True)
    text = f"JSON.stringify([...document.querySelectorAll('{OUTPUT} {HOST}')].map(h => h.shadowRoot?.textContent))"
    before = page.evaluate(text)
    if play.count():
        play.click()
    page.wait_for_function(f"before => {text} !== before", arg=before, timeout=jupyterlab.PATIENCE)


def check_control(page, start):
    """If the notebook has such a cell, its first slider or menu changes what it draws, in either direction."""
    if not jupyterlab.scroll_to(page, start):
        return
    drawn = page.locator(OUTPUT).locator(DRAWN).first
    control = page.locator(OUTPUT).locator(CONTROL).first
    control.wait_for(timeout=jupyterlab.PATIENCE)
    page.wait_for_timeout(500)
    before = drawn.screenshot()
    for key in ("ArrowUp", "ArrowDown", "ArrowDown"):  # it may stand at an end
        control.press(key)
        if has_changed(page, drawn, before):
            return
    raise AssertionError(f"the first control of {start!r} did not change the picture")


def has_changed(page, drawn, before):
    """Whether the picture becomes another one, before the kernel has been idle for three seconds."""
    idle = 0
    while idle < 6:
        page.wait_for_timeout(500)
        if drawn.screenshot() != before:
            return True
        idle = 0 if page.locator(OUTPUT).get_by_text("computing").count() else idle + 1
    return False
