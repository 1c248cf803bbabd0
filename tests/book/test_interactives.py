"""The blocks that a reader of the built pages can move: pictures behind sliders and menus, and the instruments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "_build" / "html"
BLOCK = re.compile(r'<figure class="minidyn-(?:frames|instrument)"')
PHONE = {"width": 390, "height": 844}


def pages_with(pattern):
    pages = sorted(SITE.glob("book/**/*.html"))
    return [str(page.relative_to(SITE)) for page in pages if re.search(pattern, page.read_text("utf-8"))]


on_pages_with_blocks = pytest.mark.parametrize("name", pages_with(BLOCK))

SEEN = """figure => [figure.querySelector("img")?.src, figure.querySelector(".pair")?.innerHTML,
                     ...[...figure.querySelectorAll("output")].map(o => o.textContent)].join()"""


@on_pages_with_blocks
def test_every_control_changes_what_is_seen(page, site, name):
    page.goto(f"{site}{name}")
    for block in page.locator("figure:is(.minidyn-frames, .minidyn-instrument)").all():
        for control in block.locator("input[type=range], select").all():
            before, at = block.evaluate(SEEN), control.input_value()
            if control.evaluate("control => control.tagName") == "SELECT":
                last = str(control.locator("option").count() - 1)
                control.select_option("0" if at == last else last)
            else:
                control.press("ArrowLeft" if at == control.get_attribute("max") else "ArrowRight")
            assert control.input_value() != at
            assert block.evaluate(SEEN) != before, f"{name}: {control.get_attribute('aria-label')}"
        if block.locator("img").count():
            assert block.locator("img").evaluate("i => i.decode().then(() => i.naturalWidth)") > 0


@on_pages_with_blocks
def test_blocks_fit_a_phone(page, site, name):
    page.set_viewport_size(PHONE)
    page.goto(f"{site}{name}")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.usefixtures("site")
@on_pages_with_blocks
def test_blocks_move_from_disk(page, name):
    page.goto((SITE / name).as_uri())
    block = page.locator("figure:is(.minidyn-frames, .minidyn-instrument)").last
    control = block.locator("input[type=range], select").first
    before = block.evaluate(SEEN)
    if control.evaluate("control => control.tagName") == "SELECT":
        control.select_option(str((int(control.input_value()) + 1) % control.locator("option").count()))
    else:
        control.press("ArrowLeft" if control.input_value() == control.get_attribute("max") else "ArrowRight")
    assert block.evaluate(SEEN) != before


def test_a_cell_of_the_phase_diagram_sets_the_lab(page, site):
    name = "book/tilting/learning.html"
    if not (SITE / name).exists():
        pytest.skip("the page is not built")
    page.goto(f"{site}{name}")
    page.wait_for_function("document.querySelector('[data-lab]')?.lab")
    page.get_by_role("link", name=re.compile(r"^A = 70, T = 500:")).click()
    state = "(() => { const { amplitude, period, width } = document.querySelector('[data-lab]').lab.state; "
    page.wait_for_function(state + "return amplitude === 70 && period === 500 && width === 30; })()")
