"""The valley, the way back, pinned runs and files of runs, in a real Chromium on a page opened from disk."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.expectations import expect
from tests.lab import golden
from tests.lab.test_lab import open_lab, row, run_to, wait_until_paused  # noqa: F401
from tests.lab.test_valley import library_valley

pytestmark = pytest.mark.browser

SMALL = "A=20&T=1000&H=10&rest=0&until=0&play=0"


def wait_for_valley(page, step):
    """The valley of a paused run, whose window ends at `step`."""
    page.wait_for_function("step => lab.slice && lab.slice.first + lab.slice.run.places.length - 1 === step", arg=step)
    return page.evaluate("({ ...lab.slice, direction: [...lab.slice.direction] })")


def test_the_valley_predicts_the_swing_that_the_library_predicts(open_lab):  # noqa: F811
    page = open_lab("rest=0&until=0&play=0")
    run_to(page, 4581)
    valley = wait_for_valley(page, 4581)
    settings = golden.USUAL | page.evaluate("lab.state")
    path, cut = library_valley(settings, 4550, valley["direction"])
    orbit = cut.orbit(300, start=path[0])[-64:]
    assert valley["step"] == 4550
    assert valley["map"]["swing"] == pytest.approx(orbit.std(), abs=1e-6)
    assert valley["run"]["swing"] == pytest.approx(path.std(), abs=1e-6)
    assert orbit.std() > 0.1
    page.wait_for_function("!lab.dirty")
    table = page.get_by_label("The valley under the network").get_by_role("table")
    assert table.get_by_role("row", name="period").get_by_role("cell").all_text_contents() == ["2", "2"]
    shown = [float(text) for text in table.get_by_role("row", name="swing").get_by_role("cell").all_text_contents()]
    assert shown == [float(f"{valley[name]['swing']:.3g}") for name in ("map", "run")]


def test_an_onset_is_foreseen_where_the_run_then_bounces(open_lab):  # noqa: F811
    page = open_lab("A=20&T=1000&H=25&rest=0&until=0&play=0")
    run_to(page, 1990)
    page.wait_for_function("[...lab.ghosts.values()].some(({ start, over }) => start === 1500 && over)")
    onset = page.evaluate("lab.ghosts.get(1500).onset")
    page.wait_for_function("!lab.dirty")
    expect(page.locator(".valley-words")).to_contain_text(f"Onset predicted at step 1,500: step {round(onset):,}.")
    sharpness = [row(page, step)["sharpness"] for step in range(1500, 1990)]
    assert max(sharpness) > 1.9  # the run has come to where the flow crosses 2


def test_a_run_that_only_drifts_along_its_valley_is_not_said_to_bounce(open_lab):  # noqa: F811
    page = open_lab("weights=figure4&step=3700&play=0&guess=burst@6000")
    wait_for_valley(page, 3700)
    words = page.locator(".valley-words")
    expect(words).to_contain_text("the valley is stable: map and run come to rest.")
    expect(words.get_by_role("cell")).to_contain_text(["rests", "rests"])


HEARD = """() => {
  window.rows = [];
  lab.on("rows", (news) => (news.opened ? (window.rows = []) : rows.push(...news.rows[0])));
}"""


@pytest.mark.parametrize("step", [0, 40, 700, 1234])
def test_an_earlier_step_is_the_run_to_the_bit(open_lab, step):  # noqa: F811
    page = open_lab(SMALL)
    page.evaluate(HEARD)
    run_to(page, step)
    weights_then = page.evaluate("""() => new Promise((resolve) => {
      lab.session.handlers.returned = (answer) => resolve([...answer.runs[0].parameters, answer.runs[0].F]);
      lab.session.returnTo(lab.session.step, false);
    })""")
    run_to(page, 1300)
    page.evaluate("lab.session.handlers.returned = (answer) => lab.returned(answer)")
    page.get_by_label("go back to step").evaluate(
        "(input, step) => { input.value = step; input.dispatchEvent(new Event('input')) }", step
    )
    page.wait_for_function("step => lab.earlier?.at === step", arg=step)
    weights_now = page.evaluate("[...lab.earlier.runs[0].parameters, lab.earlier.runs[0].F]")
    assert weights_now == weights_then
    heard = dict(np.reshape(page.evaluate("rows"), (-1, 11))[:, :2])
    assert weights_now[-1] == heard[step]


def test_the_way_back_works_by_keyboard_and_play_returns_to_the_present(open_lab):  # noqa: F811
    page = open_lab(SMALL)
    run_to(page, 900)
    slider = page.get_by_label("go back to step")
    picture = page.get_by_role("img", name="Decision regions")
    present = picture.evaluate("canvas => canvas.toDataURL()")
    slider.press("ArrowLeft")
    page.wait_for_function("lab.earlier?.at === 899")
    expect(slider).to_have_attribute("aria-valuetext", "899")
    slider.press("Home")
    page.wait_for_function("lab.earlier?.at === 0 && !lab.dirty")
    assert picture.evaluate("canvas => canvas.toDataURL()") != present
    page.get_by_text("step 0", exact=True).wait_for()
    page.get_by_role("button", name="One step").press("Enter")
    page.wait_for_function("lab.earlier?.at === 1")
    slider.press("End")
    page.wait_for_function("lab.past === null && !lab.dirty")
    assert picture.evaluate("canvas => canvas.toDataURL()") == present
    slider.press("Home")
    page.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function("lab.past === null && lab.session.step > 900")


def test_frames_of_weights_stay_bounded(node):
    shown = node("""
        import { Past } from "./past.js";
        const past = new Past(64), parameters = new Float64Array(3);
        for (let step = 0; step <= 200000; step++) past.note({ step, parameters });
        say({ frames: past.frames.length, stride: past.stride, last: past.frames.at(-1).step, path: past.path.length });
    """)
    assert shown["frames"] <= 512
    assert shown["stride"] == 640
    assert 200_000 - shown["last"] < shown["stride"]
    assert shown["path"] == 64


def pin(page, name="Pin this run"):
    count = page.evaluate("lab.pins.list.length")
    page.get_by_role("button", name=name).press("Enter")
    page.wait_for_function("count => lab.pins.list.length > count", arg=count)


def rows_of(page, which):
    return page.evaluate(f"[...{which}.rows()]")


def test_a_pinned_run_goes_on_in_lockstep_as_if_alone(open_lab):  # noqa: F811
    page = open_lab(SMALL)
    run_to(page, 300)
    pin(page)
    page.get_by_label("learning rate η").press("ArrowLeft")
    assert page.evaluate("lab.state.learning_rate") == 0.7
    page.get_by_text("this run: η = 0.7").wait_for()
    page.get_by_text("pin 1: η = 1").wait_for()
    run_to(page, 500)
    assert page.evaluate("lab.pins.list[0].record.last") in (499, 500)  # it follows by whole steps
    page.get_by_role("button", name="One step").press("Enter")
    page.wait_for_function("lab.session.step === 501 && !lab.session.waiting")
    pinned = np.reshape(rows_of(page, "lab.pins.list[0].record"), (-1, 11))
    page.get_by_role("button", name="Run pin 1 anew").press("Enter")
    run_to(page, 500)
    alone = np.reshape(rows_of(page, "lab.session.records[0]"), (-1, 11))
    np.testing.assert_array_equal(pinned[:500, [0, 1, 4, 5, 8, 9, 10]], alone[:500, [0, 1, 4, 5, 8, 9, 10]])


def test_lockstep_by_time_aligns_eta_times_step(open_lab):  # noqa: F811
    page = open_lab(SMALL + "&eta=0.5")
    run_to(page, 100)
    pin(page)
    page.evaluate("lab.set({ learning_rate: 1 })")
    page.get_by_label("pinned runs in lockstep by").select_option("time")
    run_to(page, 200)
    page.get_by_role("button", name="One step").press("Enter")
    page.wait_for_function("lab.session.step === 201 && !lab.session.waiting")
    assert page.evaluate("lab.pins.list[0].record.last") >= 400
    assert page.evaluate("lab.view().pins[0].pace") == 2
    page.get_by_role("button", name="Unpin pin 1").press("Enter")
    page.wait_for_function("!lab.pins.list.length")
    expect(page.get_by_label("pinned runs in lockstep by")).to_be_hidden()


def test_two_pinned_runs_are_drawn_apart(open_lab):  # noqa: F811
    page = open_lab(SMALL + "&only=F,runs,eta&window=1000")
    chart = page.get_by_role("slider", name="Loss F").locator("canvas")
    for rate in (1, 0.5, 0.2):
        page.evaluate("rate => lab.set({ learning_rate: rate })", rate)
        run_to(page, 400)
        if rate != 0.2:
            pin(page)
    page.wait_for_function("!lab.dirty")
    colours = """canvas => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const seen = {};
      for (let k = 0; k < data.length; k += 4) {
        const name = "#" + [0, 1, 2].map((i) => data[k + i].toString(16).padStart(2, "0")).join("");
        seen[name] = (seen[name] ?? 0) + 1;
      }
      return lab.theme.pins.map((colour) => seen[colour] ?? 0);
    }"""
    drawn = chart.evaluate(colours)
    assert min(drawn[:2]) > 20
    assert drawn[2] == 0
    expect(page.locator(".swatch")).to_have_count(2)
    expect(chart.locator("..")).to_have_attribute("aria-valuetext", re.compile(r"^[^|]*(\|[^|]*){2}$"))
    page.get_by_role("button", name="Unpin pin 1").press("Enter")
    page.wait_for_function("lab.pins.list.length === 1 && !lab.dirty")
    assert chart.evaluate(colours)[0] == 0
    focused = page.evaluate("lab.host.shadowRoot.activeElement?.tagName")
    assert focused == "BUTTON"  # whoever unpins by keyboard stays in the list


def download(page, name, path):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).press("Enter")
    waiting.value.save_as(path)
    return json.loads(path.read_text())


def upload(page, path):
    with page.expect_file_chooser() as waiting:
        page.get_by_role("button", name="Upload a run").press("Enter")
    waiting.value.set_files(path)


def test_a_run_goes_to_a_file_and_back(open_lab, tmp_path):  # noqa: F811
    page = open_lab(SMALL + "&eta=0.5")
    run_to(page, 300)
    content = download(page, "Download this run", tmp_path / "run.json")
    assert content["settings"]["learning_rate"] == 0.5
    assert content["record"]["step"] == list(range(301))
    assert content["record"]["F"] == page.evaluate("[...Array(301).keys()].map((k) => lab.session.records[0].row(k).F)")
    before = rows_of(page, "lab.session.records[0]")
    page.reload()
    page.evaluate("window.lab = document.querySelector('[data-lab]').lab")
    wait_until_paused(page)
    upload(page, tmp_path / "run.json")
    page.wait_for_function("lab.pins.list.length === 1")
    np.testing.assert_array_equal(rows_of(page, "lab.pins.list[0].record"), before)
    page.get_by_text("(run.json)").wait_for()
    assert download(page, "Download pin 1", tmp_path / "again.json") == content
    page.get_by_role("button", name="Run pin 1 anew").press("Enter")
    assert page.evaluate("lab.state.learning_rate") == 0.5


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c.update(format="other"), 'format must be "minidyn lab run", got "other"'),
        (lambda c: c.update(version=2), "version must be 1, got 2"),
        (lambda c: c["settings"].update(width=3), "settings.width must be an integer from 4 to 128, got 3"),
        (lambda c: c["settings"].pop("seed"), "settings.seed must be an integer from 0 to 4294967295, got nothing"),
        (lambda c: c["settings"].update(loss="hinge"), 'settings.loss must be one of cross_entropy, .*, got "hinge"'),
        (lambda c: c["record"].pop("F"), "record.F must be an array of 11 numbers, got nothing"),
        (lambda c: c["record"]["F"].pop(), "record.F must be an array of 11 numbers"),
        (lambda c: c["record"]["F"].__setitem__(4, "x"), r'record.F\[4\] must be a number or null, got "x"'),
        (
            lambda c: c["record"]["step"].__setitem__(4, 3),
            r"record.step\[4\] must be whole steps in rising order, got 3",
        ),
        (lambda c: c["record"].update(step=[]), "record.step must be an array of 1 to 200000 steps"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(node, damage, message):
    content = node("""
        import { Run } from "./engine/run.js";
        import { COLUMNS } from "./rows.js";
        import { StoredRecord } from "./page/record.js";
        import { write } from "./page/runfile.js";
        import { defaults } from "./state.js";
        const rows = Array.from({ length: 11 }, (_, step) => COLUMNS.map((name) => (name === "step" ? step : 0.5)));
        say(JSON.parse(write(defaults(), new StoredRecord(Float64Array.from(rows.flat())))));
    """)
    damage(content)
    said = node(
        """
        import { read } from "./page/runfile.js";
        try {
          read(JSON.stringify(data));
          say("");
        } catch (error) {
          say(error.message);
        }
        """,
        content,
    )
    assert re.search(message, said), said


def test_the_page_says_what_is_wrong_with_a_file(open_lab, tmp_path):  # noqa: F811
    page = open_lab("H=4&play=0")
    wait_until_paused(page)
    (tmp_path / "broken.json").write_text('{"format": "minidyn lab run", "version": 1')
    upload(page, tmp_path / "broken.json")
    page.get_by_role("alert").get_by_text("broken.json: The file is not JSON").wait_for()
    assert page.evaluate("lab.pins.list.length") == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_valley_and_runs_are_accessible_and_fit_the_screen(open_lab, theme, width):  # noqa: F811
    page = open_lab(SMALL)
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    for rate in (1, 0.5, 0.2):
        page.evaluate("rate => lab.set({ learning_rate: rate })", rate)
        run_to(page, 200)
        if rate != 0.2:
            pin(page)
    wait_for_valley(page, 200)
    report = Axe().run(page, options={"preload": False})
    assert [(flaw["id"], [node["html"] for node in flaw["nodes"]]) for flaw in report.response["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
