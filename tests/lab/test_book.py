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
    assert sizes["_static/lab.js"] < 60_000


def test_the_first_page_moves_without_being_touched(page, site):
    if "book/index.html" not in embedded():
        pytest.skip("the first page has no lab yet")
    page.goto(f"{site}book/index.html")
    page.wait_for_function("document.querySelector('[data-lab]')?.lab?.session.step > 5")
    step = page.evaluate("document.querySelector('[data-lab]').lab.session.step")
    page.wait_for_function("before => document.querySelector('[data-lab]').lab.session.step > before", arg=step)
