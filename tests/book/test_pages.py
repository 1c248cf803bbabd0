"""The built book as its readers meet it. Errors on a page and calls to other hosts fail in the fixture `page`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from sphinx_external_toc.parsing import parse_toc_yaml

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"


PAGES = list(parse_toc_yaml(ROOT / "_toc.yml"))
on_every_page = pytest.mark.parametrize("name", [*PAGES, "search", "genindex"])

FLAWS = """() => {
  const article = document.querySelector("article") ?? document.querySelector("main");
  const images = [...article.querySelectorAll("img")];
  const levels = [...article.querySelectorAll("h1, h2, h3, h4, h5, h6")].map(h => +h.tagName[1]);
  const flaws = images.filter(i => !(i.alt.trim()) || /_images|\\.(png|svg|jpe?g)$/.test(i.alt))
                      .map(i => "no alt text: " + i.src);
  images.filter(i => i.complete && !i.naturalWidth).forEach(i => flaws.push("broken image: " + i.src));
  levels.forEach((h, k) => { if (h > (k ? levels[k - 1] : 0) + 1) flaws.push("heading jump to level " + h); });
  if (levels.filter(h => h === 1).length !== 1) flaws.push("not one first-level heading");
  article.querySelectorAll("mjx-merror, [data-mjx-error]").forEach(e => flaws.push("TeX error: " + e.textContent));
  article.querySelectorAll(".cell:not(.tag_raises-exception) .traceback").forEach(e => flaws.push(e.textContent));
  // A widget's Python side ended with the build: a cell shows a picture there (minidyn.widgets).
  if (document.querySelector("script[type*='jupyter.widget']")) flaws.push("a cell left a dead widget");
  return flaws;
}"""


def visit(page, address):
    """Open a page and wait until it has settled, its formulas included."""
    page.goto(address, wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise")


@on_every_page
def test_page_is_sound(page, site, name):
    visit(page, f"{site}{name}.html")
    assert page.evaluate(FLAWS) == []


HYPHENS = """() => {
  const copy = document.querySelector("article, main").cloneNode(true);
  copy.querySelectorAll("pre, code, script, style, svg, .math, mjx-container, dl.py, details.sources, [data-lab]")
      .forEach(e => e.remove());
  const sign = /.{0,30}(?<![\\w.)\\]])(?:-(?=[.]?\\d)|[-\u2212+]0(?:[.]0+)?(?![.]?\\d)).{0,10}/g;
  return [...copy.textContent.matchAll(sign)].map(m => m[0]);
}"""


@on_every_page
def test_numbers_in_the_text_have_true_minus_signs(page, site, name):
    if name.startswith("book/reference/api"):
        pytest.skip("the text is docstrings, where -1 is code")
    visit(page, f"{site}{name}.html")
    assert page.evaluate(HYPHENS) == []


@on_every_page
def test_page_fits_a_phone(page, site, name):
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, f"{site}{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@on_every_page
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_page_is_accessible(page, site, name, mode):
    page.add_init_script(f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}')")
    visit(page, f"{site}{name}.html")
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    assert [f"{rule['id']}: {node['html']}" for rule in violations for node in rule["nodes"]] == []


def is_ours(static):
    """Whether this static file is the project's, not the theme's."""
    return (ROOT / "book" / "_static" / static).exists() or (ROOT / "minidyn" / "lab" / static).exists()


@on_every_page
def test_page_is_light(page, site, name):
    """Uncompressed, with formulas, figures and data, it has at most 1.5 MB; the files of the theme do not count."""
    weights = {}

    def weigh(response):
        weights[response.url.removeprefix(site).split("?")[0]] = len(response.body())

    page.on("response", weigh)
    visit(page, f"{site}{name}.html")
    own = {path: size for path, size in weights.items() if not path.startswith("_static/") or is_ours(path[8:])}
    assert f"{name}.html" in own
    assert sum(own.values()) < 1.5e6, sorted(own.items(), key=lambda item: -item[1])[:10]


@pytest.mark.usefixtures("site")
def test_pages_work_from_disk(page):
    page.goto((SITE / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    formulas = next(name for name in PAGES if 'class="math' in (SITE / f"{name}.html").read_text())
    page.goto((SITE / f"{formulas}.html").as_uri())
    page.locator("mjx-container").first.wait_for()
    assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('1em MJXTEX'))")


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", ["book/index", "book/tilting/landscape", "book/topography/edge-of-instability"])
def test_the_first_use_of_a_term_links_to_the_glossary(name):
    links = re.findall(
        r'<a class="glossary[^>]* href="[./]*reference/glossary.html#([^"]+)"', (SITE / f"{name}.html").read_text()
    )
    assert links
    assert len(set(links)) == len(links)
    glossary = (SITE / "book" / "reference" / "glossary.html").read_text()
    assert all(f'id="{anchor}"' in glossary for anchor in links)


def test_search_finds_a_page(page, site):
    page.goto(f"{site}search.html?q=bibliography")
    page.locator("#search-results li a").first.wait_for()
