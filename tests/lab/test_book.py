"""The labs on the pages of the built book: understood, running, light. The first page's moves by itself."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

pytest.importorskip("anywidget")
from minidyn.lab import state

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "_build" / "html"
QUERY = re.compile(r'data-lab="([^"]*)"')


def embedded():
    """Page to the queries of its labs."""
    pages = sorted(SITE.glob("book/**/*.html"))
    labs = {str(page.relative_to(SITE)): QUERY.findall(page.read_text("utf-8")) for page in pages}
    return {page: [html.unescape(query) for query in queries] for page, queries in labs.items() if queries}


every_page = pytest.mark.parametrize(("name", "queries"), embedded().items(), ids=embedded())


@every_page
def test_labs_are_understood_and_run(page, site, name, queries):
    for query in queries:
        state.parse(query)
    page.goto(f"{site}{name}")
    for i in range(len(queries)):
        page.evaluate(
            """i => {
              window.lab = document.querySelectorAll("[data-lab]")[i].lab;
              lab.host.scrollIntoView();
            }""",
            i,
        )
        page.wait_for_function("lab.opened && lab.session.records[0].seen > 0")
        page.evaluate("lab.set({ step: lab.session.step + 30, playing: false })")
        page.wait_for_function("lab.session.mode === 'paused' && lab.session.step >= 30")


@every_page
def test_links_to_labs_are_understood(name, queries):
    links = re.findall(r'href="#lab=(\d+)&amp;([^"]*)"', (SITE / name).read_text("utf-8"))
    for ordinal, query in links:
        assert 1 <= int(ordinal) <= len(queries)
        state.parse(html.unescape(query))


@every_page
def test_own_scripts_are_light(page, site, name, queries):
    sizes = {}
    name_of = lambda response: response.url.removeprefix(site).split("?")[0]  # noqa: E731
    page.on("response", lambda response: sizes.__setitem__(name_of(response), len(response.body())))
    page.goto(f"{site}{name}", wait_until="load")
    assert sizes["_static/lab.js"] < 120_000


def test_the_first_page_moves_without_being_touched(page, site):
    if "book/index.html" not in embedded():
        pytest.skip("the first page has no lab yet")
    page.goto(f"{site}book/index.html")
    page.wait_for_function("document.querySelector('[data-lab]')?.lab?.session.step > 5")
    step = page.evaluate("document.querySelector('[data-lab]').lab.session.step")
    page.wait_for_function("before => document.querySelector('[data-lab]').lab.session.step > before", arg=step)


SCREENS = {"desktop": (1280, 700), "phone": (390, 844)}

# How far apart the two colours of a chart of changes lie at its last steps, in CSS pixels.
FORK_HEIGHT = """() => {
  const chart = document.querySelector("[data-lab]").lab.charts.find(({ kind }) => kind.part === "dF");
  const { pixels, image: { width, height }, canvas, view } = chart;
  const end = Math.floor((width * (view.step - view.from)) / (view.to - view.from));
  const rows = new Map();
  for (let y = 0; y < height; y++) {
    for (let x = end - 10; x <= end; x++) {
      const colour = pixels[y * width + x];
      if (colour) rows.set(colour, [...(rows.get(colour) ?? []), y]);
    }
  }
  const [a, b] = [...rows.values()].map((ys) => ys.reduce((sum, y) => sum + y, 0) / ys.length);
  return (Math.abs(a - b) * canvas.clientWidth) / canvas.width;
}"""

# The edges of what must be in view: the buttons, the sentence, the map and two charts.
EDGES = """() => {
  const { lab } = document.querySelector("[data-lab]");
  const charts = lab.charts.filter(({ kind }) => ["dF", "sharpness"].includes(kind.part));
  const shown = [lab.toolbar.burst, lab.says, lab.panels[0].picture, ...charts.map(({ element }) => element)];
  const boxes = shown.map((node) => node.getBoundingClientRect());
  return [Math.min(...boxes.map(({ top }) => top)), Math.max(...boxes.map(({ bottom }) => bottom)), scrollY];
}"""


@pytest.mark.parametrize("screen", SCREENS)
def test_one_press_on_the_first_page_leads_to_a_fork_in_view(page, site, screen):
    width, height = SCREENS[screen]
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{site}book/index.html")
    page.wait_for_function("document.querySelector('[data-lab]')?.lab?.opened")
    page.get_by_role("button", name="Next burst").click()
    page.wait_for_function("document.querySelector('[data-lab]').lab.session.mode === 'paused'")  # within 30 s
    page.wait_for_function("!document.querySelector('[data-lab]').lab.dirty")
    sentence = page.evaluate("document.querySelector('[data-lab]').lab.says.textContent")
    match = re.match(r"Period 2 since step ([\d,]+):", sentence)
    assert match
    assert abs(int(match[1].replace(",", "")) - 4063) <= 5  # as the library has it: see test_burst
    assert page.evaluate(FORK_HEIGHT) >= 40
    top, bottom, scrolled = page.evaluate(EDGES)
    assert scrolled == 0
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize("screen", SCREENS)
@every_page
def test_a_lab_keeps_its_height_when_a_reader_comes_to_it(page, site, name, queries, screen):
    """What stands below a lab must not move away under a reader who scrolls."""
    width, height = SCREENS[screen]
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{site}{name}")
    for i in range(len(queries)):
        page.wait_for_function(f"window.lab = document.querySelectorAll('[data-lab]')[{i}].lab")
        page.wait_for_function("lab.pictured")
        before = page.evaluate("lab.host.clientHeight")
        page.evaluate("lab.host.scrollIntoView()")
        page.wait_for_function("lab.session.active && !lab.dirty")
        page.wait_for_timeout(500)  # for the valley and its sentences
        assert page.evaluate("lab.host.clientHeight") == before


def test_on_a_phone_the_buttons_of_the_first_lab_stay_in_view(page, site):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site}book/index.html")
    page.wait_for_function("document.querySelector('[data-lab]')?.lab?.opened")
    page.evaluate("scrollTo(0, 450)")
    covered = """() => {
      const { burst } = document.querySelector("[data-lab]").lab.toolbar;
      const { left, top, width, height } = burst.getBoundingClientRect();
      return document.elementFromPoint(left + width / 2, top + height / 2) !== document.querySelector("[data-lab]");
    }"""
    assert not page.evaluate(covered)
