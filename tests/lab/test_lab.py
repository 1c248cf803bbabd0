"""The lab in a real Chromium, on a bare page opened from disk. Errors and calls to other hosts fail in `page`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

import minidyn as md
from minidyn.lab import state
from tests.expectations import expect, starts_with

pytestmark = pytest.mark.browser

LAB = Path(__file__).parents[2] / "minidyn" / "lab"
FIRST_SCREEN = "H=10&play=0&first=map,dF,sharpness,play,reset,burst"
PAUSED = "lab.opened && lab.session.mode === 'paused' && !lab.session.waiting"
REVERSALS = 5  # of F in a row that make a period doubling

PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head><meta charset="utf-8"><title>Lab</title><script defer src="lab.js"></script>
<style>[data-theme="dark"] body {{ color: #e6e9ee; background: #14181e }}</style></head>
<body><main><h1>Lab</h1>{labs}</main></body>
</html>"""


@pytest.fixture
def open_lab(page, tmp_path):
    """open_lab(query, ..., link="") opens a page with these labs; the page, for further steps."""

    def open_(*queries, link=""):
        shutil.copy(LAB / "lab.js", tmp_path)
        labs = "".join(f'<div data-lab="{query}"><p>No scripts.</p></div>' for query in queries)
        (tmp_path / "page.html").write_text(PAGE.format(labs=labs))
        page.goto((tmp_path / "page.html").as_uri() + link)
        page.evaluate("window.lab = document.querySelector('[data-lab]').lab")
        return page

    return open_


def step(page):
    return page.evaluate("lab.session.step")


def wait_for_step(page, wanted):
    page.wait_for_function("wanted => lab.session.step >= wanted", arg=wanted, timeout=60_000)


def wait_until_paused(page):
    page.wait_for_function(PAUSED, timeout=60_000)


def row(page, step):
    page.wait_for_function("step => lab.session.records[0]?.seen > step", arg=step, timeout=60_000)
    return page.evaluate("step => lab.session.records[0].row(step)", step)


def run_to(page, step):
    page.evaluate("step => lab.set({ step, playing: false })", step)
    wait_until_paused(page)
    assert page.evaluate("lab.session.step") == step


def test_a_page_that_forbids_webassembly_has_the_plain_engine(open_lab, tmp_path):
    """Its run ends where that of a page with WebAssembly does."""
    page = open_lab("H=10&play=0")
    run_to(page, 60)
    usual = row(page, 60)
    policy = "script-src file: blob: 'unsafe-inline'"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    text = (tmp_path / "page.html").read_text().replace('<meta charset="utf-8">', f'<meta charset="utf-8">{policy}')
    (tmp_path / "page.html").write_text(text)
    page.reload()
    empty = "new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))"
    assert page.evaluate(f"try {{ {empty}; 'made' }} catch (error) {{ error.name }}") == "CompileError"
    page.evaluate("window.lab = document.querySelector('[data-lab]').lab")
    page.evaluate("lab.set({ step: 60, playing: false })")
    for _ in range(600):  # `wait_for_function` looks a second time with eval, which the policy forbids
        if page.evaluate(PAUSED) and page.evaluate("lab.session.step") == 60:
            break
        page.wait_for_timeout(100)
    assert row(page, 60) == usual


def test_the_lab_moves_without_being_touched(open_lab):
    page = open_lab("")
    picture = "document.querySelector('[data-lab]').shadowRoot.querySelector('.map-canvas').toDataURL()"
    wait_for_step(page, 5)
    before = page.evaluate(picture)
    page.wait_for_function(f"before => {picture} !== before", arg=before)


def test_a_slider_starts_another_run(open_lab):
    page = open_lab("")
    run_to(page, 150)
    before = row(page, 150)
    page.get_by_label("amplitude A").press("ArrowLeft")
    run_to(page, 150)
    assert page.evaluate("lab.state.amplitude") == 50
    assert row(page, 150)["F"] != before["F"]


@pytest.mark.parametrize(
    ("label", "name", "key"),
    [
        ("period T", "period", "ArrowLeft"),
        ("learning rate η", "learning_rate", "ArrowLeft"),
        ("width", "width", "ArrowLeft"),
        ("noise", "noise", "ArrowRight"),
    ],
)
def test_every_slider_changes_the_run(open_lab, label, name, key):
    page = open_lab("play=0")
    run_to(page, 51)
    before, value = row(page, 51), page.evaluate(f"lab.state.{name}")
    page.get_by_label(label).press(key)
    run_to(page, 51)
    assert page.evaluate(f"lab.state.{name}") != value
    assert row(page, 51)["F"] != before["F"]


def test_the_weights_of_figure_four_are_left_with_its_width_or_its_lack_of_a_seed(open_lab):
    page = open_lab("weights=figure4&clock=notebook&rest=65013&play=0")
    wait_until_paused(page)
    expect(page.get_by_label("preset")).to_have_value("published")
    page.get_by_label("width").press("ArrowLeft")
    assert page.evaluate("[lab.state.width, lab.state.weights]") == [75, "seed"]
    page.evaluate("lab.set({ width: 100, weights: 'figure4' })")
    page.get_by_label("seed of the weights").fill("3")
    page.keyboard.press("Enter")
    page.wait_for_function("lab.state.seed === 3")
    assert page.evaluate("lab.state.weights") == "seed"


@pytest.mark.parametrize("label", ["seed of the weights", "seed of the data"])
def test_seeds_change_the_run(open_lab, label):
    page = open_lab("play=0")
    before = row(page, 0)
    page.get_by_label(label).fill("7")
    page.keyboard.press("Enter")
    page.wait_for_function("lab.state.step === 0 && (lab.state.seed === 7 || lab.state.data_seed === 7)")
    assert row(page, 0)["F"] != before["F"]


def test_a_link_restores_the_run_exactly(open_lab):
    page = open_lab("", "A=5&T=100&H=8&play=0")
    page.evaluate("window.lab = document.querySelectorAll('[data-lab]')[1].lab")
    page.evaluate("lab.host.scrollIntoView()")
    page.evaluate("lab.set({ amplitude: 12.5, loss: 'mse_output', width: 11, seed: 3, window: '1000' })")
    run_to(page, 777)
    before = page.evaluate("[lab.state, lab.session.records[0].row(777)]")
    assert "#lab=2&" in page.url
    assert "step=777" in page.url
    page.reload()
    page.evaluate("window.lab = document.querySelectorAll('[data-lab]')[1].lab")
    wait_until_paused(page)
    assert page.evaluate("[lab.state, lab.session.records[0].row(777)]") == before
    assert page.evaluate("document.querySelector('[data-lab]').lab.state.amplitude") == 70


def test_a_link_survives_a_reload_on_the_way(open_lab):
    page = open_lab("play=0", link="#lab=1&step=60000")
    page.wait_for_function("lab.session.step > 100")
    page.evaluate("lab.touch()")
    assert page.evaluate("lab.session.step") < 60000
    assert "step=60000" in page.url


def test_a_link_in_the_text_sets_the_lab(open_lab):
    page = open_lab("play=0&H=10")
    page.evaluate("location.hash = '#lab=1&A=3&T=90&step=200'")
    wait_for_step(page, 200)
    wait_until_paused(page)
    state = page.evaluate("lab.state")
    assert (state["amplitude"], state["period"], state["width"], state["step"]) == (3, 90, 10, 200)


def test_nonsense_in_a_link_is_ignored(open_lab):
    page = open_lab("play=0", link="#lab=1&A=-5&H=1e9&T=&loss=hinge&what=1&step=3")
    wait_for_step(page, 3)
    state = page.evaluate("lab.state")
    assert (state["amplitude"], state["width"], state["period"]) == (1, 128, 5000)
    assert state["loss"] == "cross_entropy"


def first_doubling(change):
    """The first update from which F keeps reversing, with Γ held."""
    turned = np.sign(change[1:]) == -np.sign(change[:-1])
    runs = np.lib.stride_tricks.sliding_window_view(turned, REVERSALS)
    return int(np.argmax(runs.all(axis=1)))


def test_the_published_run_doubles_its_period_where_the_librarys_does(open_lab):
    net, gamma = md.MLP(2, 100, 3), md.Oscillation(70, 5000)

    def with_former_weights(net, params, task, loss, step):
        return loss.value(net.logits(params, task.x), task.labels, max(step - 1, 0))

    options = {"learning_rate": 1.0, "steps": 5000, "measure": {"held": (1, with_former_weights)}, "progress": False}
    run = md.train(net, net.init(0), md.spiral(), md.CrossEntropy(gamma), **options)
    expected = first_doubling(run.history.held.values[1:] - run.history.loss.values[:-1])
    page = open_lab("")
    page.evaluate("window.rows = []")  # the lab plays already: rows come before the run that is asked for opens
    page.evaluate("lab.on('rows', (news) => (news.opened ? (window.rows = []) : rows.push(...news.rows[0])))")
    run_to(page, 5000)
    rows = np.reshape(page.evaluate("rows"), (-1, 11))
    assert rows[:, 0].tolist() == list(range(5001))
    shown = first_doubling(rows[1:, 3])
    assert abs(shown - expected) <= 5
    assert 3000 < expected < 5000


def test_next_burst_stops_where_descent_is_unstable(open_lab):
    page = open_lab("A=20&T=500&H=50&play=0")
    page.get_by_role("button", name="Next burst").click()
    wait_until_paused(page)
    first = step(page)
    assert row(page, first)["unstable"] == 1
    sentence = page.evaluate("lab.says.textContent")
    assert re.match(r"Period 2 from step [\d,]+ to step [\d,]+; then|F reversed from step", sentence)
    expect(page.get_by_role("status")).to_have_text(starts_with(sentence))
    assert page.evaluate("lab.state.window") == "1000"
    page.get_by_role("button", name="Next burst").click()
    page.wait_for_function("first => lab.session.step > first", arg=first)
    wait_until_paused(page)
    assert step(page) > first + 200


def test_starting_over_shows_the_window_from_before_the_burst(open_lab):
    page = open_lab("A=20&T=500&H=50&play=0")
    page.get_by_role("button", name="Next burst").click()
    page.wait_for_function("lab.state.window === '1000'")
    page.get_by_role("button", name="Start over").click()
    page.wait_for_function("lab.state.window === 'run' && lab.session.step === 0")
    expect(page.get_by_text("Period 2 from")).to_have_count(0)


def test_parts_that_are_not_first_stand_behind_more(open_lab):
    page = open_lab("H=10&A=30&T=400&play=0&first=map,dF,sharpness,play,reset,burst")
    run_to(page, 300)
    expect(page.get_by_role("slider", name="Change of F")).to_be_visible()
    expect(page.get_by_label("amplitude A")).to_be_hidden()
    expect(page.get_by_role("button", name="One step")).to_be_hidden()
    page.get_by_text("More", exact=True).click()
    expect(page.get_by_label("amplitude A")).to_be_visible()
    expect(page.get_by_role("slider", name="Loss F")).to_be_visible()
    page.get_by_role("button", name="One step").click()
    page.wait_for_function("lab.session.step === 301")
    page.evaluate("lab.set({ first: '' })")
    expect(page.get_by_text("More", exact=True)).to_be_hidden()
    expect(page.get_by_label("amplitude A")).to_be_visible()
    expect(page.get_by_role("group", name="Run", exact=True).get_by_role("button")).to_have_count(4)


def test_changes_after_odd_and_even_steps_have_two_colours(open_lab):
    page = open_lab("H=10&only=dF&window=1000&play=0")
    run_to(page, 200)
    page.wait_for_function("!lab.dirty")
    colours = page.evaluate(
        """() => {
          const { data, width, height } = lab.charts.find(({ kind }) => kind.part === "dF").image;
          return [...new Set(new Uint32Array(data.buffer))].filter(Boolean).length;
        }"""
    )
    assert colours == 2


def test_buttons_work_from_the_keyboard(open_lab):
    page = open_lab("play=0&H=10")
    page.get_by_role("button", name="One step").press("Enter")
    page.wait_for_function("lab.session.step === 1")
    page.get_by_role("button", name="Play").press("Space")
    wait_for_step(page, 20)
    page.get_by_role("button", name="Pause").press("Space")
    wait_until_paused(page)
    page.get_by_role("button", name="Start over").press("Enter")
    page.wait_for_function("lab.session.step === 0")


def test_charts_are_read_with_the_keyboard(open_lab):
    page = open_lab("play=0&H=10")
    run_to(page, 1000)
    chart = page.get_by_role("slider", name="Loss F")
    chart.press("Home")
    page.wait_for_function("lab.cursor === 0 && !lab.dirty")
    expect(chart).to_have_attribute("aria-valuetext", starts_with("step 0: "))
    chart.press("ArrowRight")
    page.wait_for_function("lab.cursor > 0 && !lab.dirty")
    expect(chart).to_have_attribute("aria-valuenow", str(page.evaluate("lab.cursor")))
    chart.press("Escape")
    page.wait_for_function("lab.cursor === null")


def test_a_hidden_tab_pauses(open_lab):
    page = open_lab("H=10")
    wait_for_step(page, 20)
    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    page.wait_for_function("!lab.session.waiting")
    before = step(page)
    page.wait_for_timeout(300)
    assert step(page) == before
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    wait_for_step(page, before + 5)


def test_only_labs_in_view_run(open_lab):
    page = open_lab("H=10", "H=10")
    page.add_style_tag(content="[data-lab] { margin-bottom: 3000px }")
    wait_for_step(page, 20)
    page.wait_for_function("document.querySelectorAll('[data-lab]')[1].lab.pictured")  # so it has its height
    assert page.evaluate("document.querySelectorAll('[data-lab]')[1].lab.session.step") == 0
    page.evaluate("document.querySelectorAll('[data-lab]')[1].scrollIntoView()")
    page.wait_for_function("document.querySelectorAll('[data-lab]')[1].lab.session.step > 5")
    page.wait_for_function("!lab.session.active && !lab.session.waiting")
    before = step(page)
    page.wait_for_timeout(200)
    assert step(page) == before


def test_side_by_side_runs_start_alike(open_lab):
    page = open_lab("against=A:1&H=10&play=0")
    run_to(page, 300)
    both = page.evaluate("lab.session.records.map((record) => [record.row(0), record.row(300)])")
    assert both[0][0]["F"] == both[1][0]["F"]
    assert both[0][1]["F"] != both[1][1]["F"]
    assert both[1][1]["F"] == pytest.approx(sum(both[1][1][f"loss{c}"] for c in range(3)), rel=1e-15)
    page.get_by_text("A = 70").wait_for()
    page.get_by_text("A = 1", exact=True).wait_for()


def test_hide_and_only_choose_the_parts(open_lab):
    page = open_lab("only=gamma,A,play&H=4&play=0")
    expect(page.get_by_role("slider")).to_have_count(2)
    expect(page.get_by_role("button")).to_have_count(1)
    page.evaluate("lab.set({ only: '', hide: 'A,map' })")
    expect(page.get_by_label("amplitude A")).to_have_count(1)
    expect(page.get_by_label("amplitude A")).to_be_hidden()
    expect(page.get_by_role("slider")).to_have_count(10)


def test_every_part_can_be_shown_alone(open_lab):
    page = open_lab(*(f"only={part}&H=4&play=0" for part in state.PARTS))
    visible = (
        "[data-lab] => [...[data-lab].shadowRoot.querySelectorAll('canvas, button, select, input, .gammas, dl, a')]"
    )
    visible = visible.replace("[data-lab]", "host") + ".filter((node) => node.checkVisibility()).length"
    assert page.locator("[data-lab]").count() == len(state.PARTS) == len(set(state.PARTS))
    shown = {}
    for i, part in enumerate(state.PARTS):  # a lab is drawn when it comes into view
        lab = page.locator("[data-lab]").nth(i)
        lab.evaluate("host => host.scrollIntoView()")
        page.wait_for_function("i => !document.querySelectorAll('[data-lab]')[i].lab.dirty", arg=i)
        shown[part] = lab.evaluate(visible)
    assert shown.pop("runs") == 4  # pin, download, upload, and the input of the file
    linked = {"link": shown.pop("link")}  # on a bare page too: it is the address of the page
    assert set(shown.values()) <= {1, 2}, shown  # a chart with a choice has two
    assert linked == {"link": 1}


def test_a_run_pauses_at_its_end(open_lab):
    page = open_lab("H=10&until=60&speed=max")
    wait_until_paused(page)
    assert step(page) == 60
    expect(page.get_by_role("status")).to_have_text(starts_with("The run is over."))
    page.evaluate("lab.announced -= 1e6; lab.draw(performance.now())")  # much later, a frame is drawn again
    expect(page.get_by_role("status")).to_have_text(starts_with("The run is over."))


def test_with_reduced_motion_the_lab_starts_paused(browser, tmp_path):
    shutil.copy(LAB / "lab.js", tmp_path)
    (tmp_path / "page.html").write_text(PAGE.format(labs='<div data-lab="H=10"></div>'))
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.get_by_role("button", name="Play").wait_for()
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('[data-lab]').lab.session.step") == 0
    context.close()


def test_without_scripts_the_fallback_stands(browser, tmp_path):
    (tmp_path / "page.html").write_text(PAGE.format(labs='<div data-lab=""><p>No scripts.</p></div>'))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    expect(page.get_by_text("No scripts.")).to_be_visible()
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_lab_is_accessible_and_fits_the_screen(open_lab, theme, width):
    page = open_lab("H=10&A=30&T=400&play=0", "against=A:1&H=10&play=0", "only=gamma,A,T&H=4&play=0", FIRST_SCREEN)
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    run_to(page, 900)
    report = Axe().run(page, options={"preload": False})
    assert [(flaw["id"], [node["html"] for node in flaw["nodes"]]) for flaw in report.response["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_lab_follows_the_themes_of_pages_and_of_jupyterlab(open_lab):
    page = open_lab("H=4&play=0")
    dark = "lab.root.classList.contains('dark')"
    assert not page.evaluate(dark)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(dark)
    page.evaluate("delete document.documentElement.dataset.theme; document.body.dataset.jpThemeLight = 'true'")
    page.wait_for_function(f"!{dark}")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_function(dark)


def test_the_record_stays_bounded(open_lab):
    """The record keeps the last steps one by one and the whole run thinned, in arrays that do not grow."""
    page = open_lab("H=4&play=0&A=5&T=100")
    run_to(page, 60_000)
    record = page.evaluate(
        """() => {
          const record = lab.session.records[0];
          const steps = [];
          record.forEachRow(0, (values, at) => steps.push(values[at]));
          return { steps, bytes: record.whole.byteLength + record.recent.byteLength, last: record.row(59999).step };
        }"""
    )
    assert record["bytes"] < 4e6
    assert record["last"] == 59_999
    (stride,) = set(np.diff(record["steps"]))
    assert stride % 2 == 1  # both branches of a period-2 orbit stay in sight
    assert 60_000 - record["steps"][-1] < stride


def test_the_table_of_settings_allows_its_own_defaults():
    table = json.loads((LAB / "state.json").read_text())
    names = [setting["name"] for setting in table["settings"]]
    assert len(set(names)) == len(names) == len({setting["key"] for setting in table["settings"]})
    for preset in table["presets"].values():
        assert set(preset["values"]) <= set(names)
    for setting in table["settings"]:
        for stop in setting.get("stops", []):
            assert setting["least"] <= stop <= setting["most"]
        if "stops" in setting:
            assert setting["default"] in setting["stops"]
