"""Guesses: asked for before a run starts, compared with the run, kept in the browser. And runs that take turns."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe

from minidyn.lab import Lab, state
from tests.expectations import expect, starts_with
from tests.lab.test_lab import LAB, PAGE, open_lab, wait_until_paused  # noqa: F401

SMALL = "H=10&A=5&T=100&until=400&rest=0&speed=max&seed=3"
PAIR = f"{SMALL}&against=A:1&guess=accuracy@300"
BURST = "H=100&guess=burst@6000&step=3900&window=1000&dF=frozen"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guess": "loss@300"}, "guess: a quantity must be one of 'F', 'accuracy', 'sharpness', 'burst', got 'loss'"),
        ({"guess": "accuracy"}, "guess must have the form 'accuracy@3000', with a step from 1 on, got 'accuracy'"),
        ({"guess": "accuracy@0"}, "guess must have the form 'accuracy@3000', with a step from 1 on, got 'accuracy@0'"),
        ({"guess": "F@2.5"}, "guess must have the form 'accuracy@3000', with a step from 1 on, got 'F@2.5'"),
        ({"guess": "F@80000"}, "guess must be of a step up to until, 70,000, got 'F@80000'"),
        ({"guess": "F@300", "step": 300}, "guess must be of a step after step 300, got 'F@300'"),
        ({"guess": "burst@3", "hide": "dF"}, "guess must be of a chart that is shown, got 'burst@3': 'dF' is hidden"),
        ({"guess": "F@300", "only": "map"}, "guess must be of a chart that is shown, got 'F@300': 'F' is hidden"),
    ],
)
def test_a_guess_that_could_not_be_compared_is_refused(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Lab(**settings)


def test_a_guess_goes_into_links_and_back():
    lab = Lab(guess="sharpness@5000")
    assert lab.query == "guess=sharpness@5000"
    assert state.parse(lab.query) == {"guess": "sharpness@5000"}


def test_the_page_may_report_a_step_beyond_the_guess():
    lab = Lab(guess="accuracy@3000")
    lab.set_state({"state": {**lab.state, "step": 5000, "until": 0}})
    assert lab.step == 5000


VERDICT = """import { verdict } from "./page/quantities.js";
say(data.map(([target, guesses, truths, names]) => verdict(target, guesses, truths, names)));"""

ACCURACY = {"quantity": "accuracy", "step": 3000}
BOTH = ["left run", "right run"]


def test_the_verdict_says_how_far_off_each_guess_was(node):
    cases = [
        [ACCURACY, [0.8], [0.71], []],
        [ACCURACY, [0.8, 0.5], [0.71, 0.65], BOTH],
        [ACCURACY, [0.5, 0.8], [0.71, 0.65], BOTH],
        [ACCURACY, [0.7, 0.7], [0.65, 0.65], BOTH],
        [{"quantity": "sharpness", "step": 20000}, [2], [4], []],
        [{"quantity": "F", "step": 20000}, [2], [None], []],
        [{"quantity": "burst", "step": 6000}, [4500], [4063], []],
        [{"quantity": "burst", "step": 6000}, [4000], [4063], []],
        [{"quantity": "burst", "step": 6000}, [4063], [4063], []],
        [{"quantity": "burst", "step": 6000}, [4063], [None], []],
    ]
    assert node(VERDICT, cases) == [
        "Validation accuracy at step 3,000: 71.0%, you guessed 80.0% (9.0 points too high).",
        "Validation accuracy at step 3,000: left run 71.0%, you guessed 80.0% (9.0 points too high); right run 65.0%, "
        "you guessed 50.0% (15.0 points too low). The left run is higher, as you guessed.",
        "Validation accuracy at step 3,000: left run 71.0%, you guessed 50.0% (21.0 points too low); right run 65.0%, "
        "you guessed 80.0% (15.0 points too high). The left run is higher; you guessed the right run.",
        "Validation accuracy at step 3,000: left run 65.0%, you guessed 70.0% (5.0 points too high); right run 65.0%, "
        "you guessed 70.0% (5.0 points too high). Both are equal, as you guessed.",
        "Sharpness λₘₐₓ at step 20,000: 4, you guessed 2 (50.0% too low).",
        "Loss F at step 20,000: diverged, you guessed 2.",
        "You guessed step 4,500; the burst began at step 4,063. You were 437 steps too late.",
        "You guessed step 4,000; the burst began at step 4,063. You were 63 steps too early.",
        "The burst began at step 4,063, exactly as you guessed.",
        "You guessed step 4,063; there was no burst up to step 6,000.",
    ]


TURNS = """import { turns } from "./page/turns.js";
const order = [];
class Session {
  constructor(name) { this.name = name; this.wants = true; }
  proceed() { if (this.wants && turns.take(this)) order.push(this.name); }
}
const [a, b, c] = ["a", "b", "c"].map((name) => new Session(name));
for (const session of [a, b, c, b]) session.proceed();
for (const session of [a, b, c, a]) { turns.pass(session); session.proceed(); }
c.wants = false;
turns.pass(b); b.proceed();
turns.pass(a); a.proceed();
b.wants = a.wants = false;
turns.pass(b);
turns.pass(a);
c.wants = true; c.proceed();
say(order.join(""));"""


def test_runs_at_full_speed_take_turns(node):
    assert node(TURNS) == "abcababc"


def waits(page):
    return page.evaluate("lab.guess.waits")


@pytest.mark.browser
def test_the_run_waits_until_the_reader_has_committed(open_lab):  # noqa: F811
    page = open_lab(PAIR)
    wait_until_paused(page)
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(300)
    assert page.evaluate("lab.session.step") == 0
    assert page.evaluate("lab.host.shadowRoot.activeElement.getAttribute('aria-valuetext')") == "not chosen yet"
    expect(page.get_by_role("status")).to_contain_text("Your guess first")
    commit = page.get_by_role("button", name="Commit and run")
    expect(commit).to_be_disabled()
    page.get_by_role("slider", name="left run").press("ArrowRight")
    expect(commit).to_be_disabled()
    page.get_by_role("slider", name="right run").press("Home")
    commit.press("Enter")
    page.wait_for_function("lab.guess.truths")
    assert page.evaluate("[lab.session.step, lab.session.mode]") == [300, "paused"]
    truths = [count / 300 for count in page.evaluate("lab.session.records.map((r) => r.row(300).validationCorrect)")]
    assert page.evaluate("lab.guess.truths") == pytest.approx(truths)
    sentence = page.locator(".guess-heading").text_content()
    assert sentence.startswith(f"Validation accuracy at step 300: left run {truths[0]:.1%}, you guessed 50.5%")
    expect(page.get_by_role("status")).to_contain_text(sentence)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("lab.session.step === 400")


@pytest.mark.browser
def test_a_press_on_the_chart_is_a_guess_of_the_value_there(open_lab):  # noqa: F811
    page = open_lab(PAIR)
    wait_until_paused(page)
    plot = page.get_by_role("slider", name="Validation accuracy: inspect a step")
    for share in (0.25, 0.75, 0.7):  # of the height, from above; the third is nearest to the second
        plot.click(position={"x": 200, "y": share * 86})
    assert page.evaluate("lab.guess.values") == pytest.approx([0.75, 0.3], abs=0.015)


MARK_COLOURS = """() => {
  const { canvas } = lab.charts.find(({ kind }) => kind.part === "accuracy");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(lab.theme.unstable.slice(i, i + 2), 16));
  let count = 0;
  for (let i = 0; i < data.length; i += 4) count += data[i] === r && data[i + 1] === g && data[i + 2] === b;
  return count;
}"""


@pytest.mark.browser
def test_the_truth_is_drawn_over_the_guess(open_lab):  # noqa: F811
    page = open_lab(f"{SMALL}&guess=accuracy@300&only=accuracy,play")
    wait_until_paused(page)
    page.get_by_role("slider", name="validation accuracy", exact=True).press("End")
    page.wait_for_function("!lab.dirty")
    before = page.evaluate(MARK_COLOURS)
    page.get_by_role("button", name="Commit and run").click()
    page.wait_for_function("lab.guess.truths && !lab.dirty")
    assert page.evaluate(MARK_COLOURS) > before + 30  # a line from the guess to the truth


@pytest.mark.browser
def test_a_guess_of_the_first_burst_is_compared_with_its_step(open_lab):  # noqa: F811
    page = open_lab(BURST)
    page.wait_for_function("lab.session.step === 3900")
    assert waits(page)
    page.get_by_role("slider", name="first burst").press("PageUp")
    page.get_by_role("button", name="Commit and run").click()
    page.wait_for_function("lab.guess.truths", timeout=60_000)
    step = page.evaluate("lab.guess.truths[0]")
    expect(page.locator(".says")).to_have_text(starts_with(f"Period 2 since step {step:,}"))
    guessed = page.evaluate("lab.guess.values[0]")
    expect(page.locator(".guess")).to_contain_text(f"You guessed step {guessed:,}; the burst began at step {step:,}.")


@pytest.mark.browser
def test_a_guess_outlives_the_page_until_it_is_made_again(open_lab, tmp_path):  # noqa: F811
    page = open_lab(PAIR)
    wait_until_paused(page)
    for name in ("left run", "right run"):
        page.get_by_role("slider", name=name).press("End")
    page.get_by_role("button", name="Commit and run").click()
    page.wait_for_function("lab.guess.truths")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all guesses").click()
    content = json.loads(download.value.path().read_text())
    assert (content["format"], content["version"]) == ("minidyn guesses", 1)
    (guess,) = content["guesses"]
    assert guess["page"].endswith("/page.html")
    assert (guess["lab"], guess["guess"], guess["values"]) == (1, "accuracy@300", [1, 1])
    assert guess["settings"] == "A=5&T=100&H=10&seed=3&rest=0&against=A:1"
    page.goto((tmp_path / "page.html").as_uri())
    page.evaluate("window.lab = document.querySelector('[data-lab]').lab")
    page.wait_for_function("lab.session.step === 400")  # it does not wait, and does not stop
    assert page.evaluate("[lab.guess.values, lab.guess.truths]") == [[1, 1], guess["truths"]]
    page.get_by_role("button", name="Guess again").click()
    wait_until_paused(page)
    assert waits(page)
    assert page.evaluate("[lab.session.step, lab.guess.values]") == [0, [None, None]]


@pytest.mark.browser
def test_a_guess_belongs_to_the_settings_it_was_made_for(open_lab):  # noqa: F811
    page = open_lab(f"{SMALL}&guess=accuracy@300")
    wait_until_paused(page)
    page.get_by_role("slider", name="validation accuracy", exact=True).press("End")
    page.get_by_role("button", name="Commit and run").click()
    page.wait_for_function("lab.guess.truths")
    page.evaluate("lab.set({ seed: 4 })")
    wait_until_paused(page)
    assert waits(page)
    page.evaluate("lab.set({ seed: 3 })")
    page.wait_for_function("lab.guess.truths")


BROKEN_STORAGE = {
    "missing": "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } });",
    "full": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };",
    "spoiled": 'localStorage.setItem(\'minidyn guesses\', \'{"a#1": {"guess": 3}, "b#1": null\');',
    "other": "localStorage.setItem('minidyn guesses', '[1, {}]');",
}


@pytest.mark.browser
@pytest.mark.parametrize("storage", BROKEN_STORAGE)
def test_a_guess_needs_no_storage(open_lab, page, storage):  # noqa: F811
    page.add_init_script(BROKEN_STORAGE[storage])
    page = open_lab(f"{SMALL}&guess=accuracy@300")
    wait_until_paused(page)
    page.get_by_role("slider", name="validation accuracy", exact=True).press("End")
    page.get_by_role("button", name="Commit and run").click()
    page.wait_for_function("lab.guess.truths")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all guesses").click()
    (guess,) = json.loads(download.value.path().read_text())["guesses"]
    assert guess["values"] == [1]


@pytest.mark.browser
def test_a_run_that_is_sent_past_the_guess_says_so_and_can_be_guessed_again(open_lab):  # noqa: F811
    page = open_lab(f"{SMALL}&guess=accuracy@300")
    wait_until_paused(page)
    page.evaluate("lab.set({ step: 350 })")
    page.wait_for_function("lab.session.step === 350")
    expect(page.locator(".guess-heading")).to_have_text(starts_with("The run went past without a guess."))
    page.get_by_role("button", name="Guess again").click()
    wait_until_paused(page)
    assert waits(page)
    assert page.evaluate("lab.session.step") == 0


@pytest.mark.browser
def test_a_run_that_diverges_ends_the_wait_for_the_truth(open_lab):  # noqa: F811
    page = open_lab("H=30&A=1&eta=100&guess=F@5000&loss=mse_output&speed=max&only=F,play,reset")
    wait_until_paused(page)
    page.get_by_role("slider", name="loss F", exact=True).press("End")
    page.get_by_role("button", name="Commit and run").click()
    page.wait_for_function("lab.guess.truths")
    expect(page.locator(".guess-heading")).to_contain_text("Loss F at step 5,000: diverged, you guessed 10.")


@pytest.mark.browser
def test_with_reduced_motion_a_committed_guess_starts_the_run_and_a_kept_one_does_not(browser, tmp_path):
    shutil.copy(LAB / "lab.js", tmp_path)
    (tmp_path / "page.html").write_text(PAGE.format(labs=f'<div data-lab="{SMALL}&guess=accuracy@300"></div>'))
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.get_by_role("slider", name="validation accuracy", exact=True).press("End")
    page.get_by_role("button", name="Commit and run").click()
    page.wait_for_function("document.querySelector('[data-lab]').lab.guess.truths")
    page.goto((tmp_path / "page.html").as_uri())
    page.get_by_role("button", name="Guess again").wait_for()
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('[data-lab]').lab.session.step") == 0
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_guesses_are_accessible_and_fit_the_screen(open_lab, theme, width):  # noqa: F811
    page = open_lab(f"{PAIR}&only=accuracy,play,A,link", f"{SMALL}&guess=sharpness@300", f"{SMALL}&guess=burst@300")
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    wait_until_paused(page)
    assert violations(page) == []
    for name in ("left run", "right run"):
        page.get_by_role("slider", name=name).press("End")
    page.get_by_role("button", name="Commit and run").first.click()
    page.wait_for_function("lab.guess.truths")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def violations(page):
    report = Axe().run(page, options={"preload": False})
    return [(flaw["id"], [node["html"] for node in flaw["nodes"]]) for flaw in report.response["violations"]]


COUNT_BUSY = """
window.busy = new Set();
window.mostBusy = 0;
window.Worker = class extends Worker {
  constructor(...source) {
    super(...source);
    this.addEventListener("message", () => busy.delete(this)); // before the lab's own listener
  }
  postMessage(message, ...rest) {
    if (message.steps > 0) busy.add(this);
    mostBusy = Math.max(mostBusy, busy.size);
    super.postMessage(message, ...rest);
  }
};"""


@pytest.mark.browser
def test_two_labs_never_compute_at_full_speed_at_once_and_both_go_on(open_lab, page):  # noqa: F811
    page.add_init_script(COUNT_BUSY)
    page = open_lab("only=map,play&speed=max&H=30", "only=map,play&speed=max&H=30&seed=1")
    steps = "[...document.querySelectorAll('[data-lab]')].map(({ lab }) => lab.session.step)"
    page.wait_for_function(f"Math.min(...{steps}) > 2000")
    first, second = page.evaluate(steps)
    assert 1 / 3 < first / second < 3
    assert page.evaluate("mostBusy") == 1
