"""The instruments: their scripts' numbers against Python's, what they refuse, and their blocks in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from minidyn import ValleySlice, instruments
from minidyn.forgetting import adder

STAGES = [0, 100, 1000, 12000]
SIZES = [{"width": 1280, "height": 900}, {"width": 390, "height": 844}]


def run(name, code, data):
    """What `code` passes to `say`, after the script of an instrument; numbers keep all their digits."""
    if not (node := shutil.which("node")):
        pytest.skip("there is no Node.js to run the scripts in")
    head = "const say = (value) => console.log(JSON.stringify(value));\n"
    source = f"{head}{instruments.script(name)}\nconst data = {json.dumps(data)};\n{code}"
    done = subprocess.run([node, "-"], input=source, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def cells():
    return adder.trajectory(1003, STAGES)


def orbit(product, w, updates):
    path = [w]
    for _ in range(updates):
        path.append(path[-1] - product * (path[-1] * (1 - path[-1])))
    return path


def softening(rate):
    """A slice with the force x (1 - x), which is steeper on the left."""

    def line(x, order):
        return (x**2 / 2 - x**3 / 3, x * (1 - x), 1 - 2 * x)[order]

    return ValleySlice(direction=np.ones(1), learning_rate=rate, radius=0.2, line=line)


@pytest.fixture(scope="module")
def burst():
    """A valley that narrows from one step to the next, and a run in it."""
    cuts = {step: softening(rate) for step, rate in ((9000, 1.9), (9100, 2.2), (9200, 2.5))}
    return cuts, {step: cut.orbit(300)[-64:] for step, cut in cuts.items()}


def settings(block):
    return json.loads(re.search(r"start\(document.getElementById\('[^']+'\), (.*)\);\n?}\)\(\)", block.data)[1])


def test_the_map_of_a_slice_is_that_of_python_at_and_between_the_steps(burst):
    data = settings(instruments.valley_cobweb(*burst))
    code = "say(data.at.map((at) => orbit(curveAt(data.burst, at), data.burst.reach, 0.1)));"
    orbits = run("valley_cobweb", code, {"burst": data, "at": [9000, 9100, 9150, 9200]})
    for path, rate in zip(orbits, (1.9, 2.2, 2.35, 2.5), strict=True):
        places = softening(rate).orbit(300, start=0.1)[-64:]
        np.testing.assert_allclose(np.sort(path), np.sort(places), atol=2e-3)


def test_a_slice_is_turned_so_that_its_steep_wall_is_on_the_left(burst):
    def mirrored(x, order):
        return (x**2 / 2 + x**3 / 3, x * (1 + x), 1 + 2 * x)[order]

    cuts, paths = burst
    other = {
        step: ValleySlice(direction=np.ones(1), learning_rate=cut.learning_rate, radius=0.2, line=mirrored)
        for step, cut in cuts.items()
    }
    turned = instruments.valley_cobweb(other, {step: -path for step, path in paths.items()})
    assert settings(turned) == settings(instruments.valley_cobweb(cuts, paths))


def test_the_sentence_says_what_the_map_does():
    places = [[0.0] * 64, [0.1, -0.1] * 32, [0.1, -0.1, 0.2, -0.2] * 16, np.random.RandomState(0).rand(64).tolist()]
    code = "say([...data.map(behaviour), behaviour([NaN]), ...data.slice(0, 2).map(swing)]);"
    said = run("valley_cobweb", code, places)
    assert said[:5] == ["rests", "repeats 2 places", "repeats 4 places", "repeats nothing", "leaves the slice"]
    assert said[5:] == pytest.approx([0, 0.1])


def test_the_stairs_are_those_of_descent_in_the_valley():
    cases = [(product, w) for product in (1.6, 2.3, 2.95) for w in (-0.3, 0.1, 0.9)]
    paths = run("cobweb", "say(data.map(([product, w]) => orbit(product, w, 200)));", cases)
    for (product, w), path in zip(cases, paths, strict=True):
        assert path == orbit(product, w, 200)


@pytest.mark.parametrize(("product", "period"), [(1.7, 1), (2.1, 2), (2.3, 2), (2.5, 4), (2.55, 8), (2.83, 3)])
def test_the_sentence_names_the_period_that_descent_has(product, period):
    values = run("cobweb", "say(cycle(data, 0.1));", product)
    assert len(values) == period
    np.testing.assert_allclose(sorted(values), sorted(orbit(product, 0.1, 5000)[-period:]), atol=1e-3)


def test_chaos_has_no_period():
    assert run("cobweb", "say([cycle(data, 0.1), sentence(data, 0.1)]);", 2.95) == [
        [],
        "Descent never repeats itself: no period up to 16.",
    ]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("clause", ["soft", "hard"])
def test_every_digit_of_many_sums_is_that_of_the_cell_in_python(cells, stage, clause):
    draw = np.random.RandomState(stage)
    pairs = [(int(a), int(b)) for a, b in draw.randint(0, 2 ** draw.randint(1, 30, size=(60, 2)))] + [(0, 0), (1, 0)]
    pairs.append((10**40 - 1, 3**70))
    cell = adder.Params(cells[stage].values, clause)
    code = """say(data.pairs.map(([a, b]) => {
      const steps = trace(data.cell, BigInt(a), BigInt(b)), sum = answer(steps);
      return { steps, sum: sum === null ? null : String(sum) };
    }));"""
    data = {"cell": instruments._cell(cell), "pairs": [[str(a), str(b)] for a, b in pairs]}
    for (a, b), result in zip(pairs, run("addition", code, data), strict=True):
        expected = adder.trace(cell, a, b)
        names = {"carryIn": "carry_in", "carryOut": "carry_out"} | {name: name for name in ("z", "gate", "digit")}
        for ours, theirs in names.items():
            values = [step[ours] for step in result["steps"]]
            np.testing.assert_allclose(values, expected[theirs].values, rtol=1e-9, atol=1e-9, err_msg=f"{ours} {a} {b}")
        for name in ("a", "b", "read", "right", "yes"):
            assert [step[name] for step in result["steps"]] == expected[name].values.tolist(), (name, a, b)
        sum_ = adder.add(cell, a, b)
        assert result["sum"] == (None if sum_ is None else str(sum_))


def test_what_a_reader_types_is_read_as_a_whole_number_or_refused():
    texts = ["13", " 1,000 ", "0", "9" * 40, "9" * 41, "-1", "1.5", "", "1e3", "x"]
    read = run("addition", "say(data.map((text) => String(parse(text))));", texts)
    assert read == ["13", "1000", "0", "9" * 40, *["null"] * 6]


def test_halves_are_rounded_to_even_as_in_numpy():
    values = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994, -0.2, 7.9]
    assert run("addition", "say(data.map(nearest));", values) == np.rint(values).tolist()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda cells: instruments.cobweb(3.2), ValueError, "product must be .* got 3.2"),
        (lambda cells: instruments.cobweb(w=2), ValueError, "w must be .* got 2"),
        (lambda cells: instruments.cobweb(updates=0), ValueError, "updates must be an integer .* got 0"),
        (lambda cells: instruments.addition([cells[0]]), TypeError, "cells must be a mapping"),
        (lambda cells: instruments.addition({}), ValueError, "cells must hold at least one single cell"),
        (lambda cells: instruments.addition({0: adder.init(range(2))}), ValueError, "cells must hold .* no batch"),
        (lambda cells: instruments.addition(cells, a=-1), ValueError, "a must be an integer .* got -1"),
        (lambda cells: instruments.addition(cells, b=10**40), ValueError, "b must be an integer .* got 1000"),
        (lambda cells: instruments.addition(cells, b=1.5), TypeError, "b must be an integer, got 1.5"),
    ],
)
def test_bad_input_is_named(cells, make, error, message):
    with pytest.raises(error, match=message):
        make(cells)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"cuts": {1: 2.0}}, TypeError, "cuts must be a mapping from steps to ValleySlice"),
        ({"paths": {9000: [0.0]}}, ValueError, "paths must be a mapping with the steps of cuts"),
        ({"step": 8999}, ValueError, "step must be an integer .* got 8999"),
        ({"reach": 0}, ValueError, "reach must be .* got 0"),
    ],
)
def test_bad_slices_are_named(burst, change, error, message):
    with pytest.raises(error, match=message):
        instruments.valley_cobweb(**dict(zip(("cuts", "paths"), burst, strict=True)) | change)


def test_a_block_asks_for_nothing_and_has_the_same_text_each_time(cells, burst):
    for block in (
        instruments.cobweb,
        lambda: instruments.addition(cells),
        lambda: instruments.valley_cobweb(*burst),
    ):
        markup = block().data
        assert markup == block().data
        assert not re.search(r"src=|href=|\bimport\b|@import|url\(", markup)
        assert len(markup) < 20_000


def show(page, markup, size, theme="light"):
    page.set_viewport_size(size)
    colours = {"light": "#fff; color: #222", "dark": "#121212; color: #eee"}[theme]
    page.set_content(
        f'<!doctype html><html lang="en" data-theme="{theme}"><head><title>A block</title>'
        '<meta name="viewport" content="width=device-width"></head>'
        f'<body style="background: {colours}; margin: 1rem"><main><h1>A block</h1>{markup}</main></body></html>'
    )


@pytest.mark.browser
@pytest.mark.parametrize("size", SIZES, ids=["desktop", "phone"])
def test_keys_and_a_point_of_the_diagram_move_the_cobweb(page, size):
    show(page, instruments.cobweb().data, size)
    slider, reading = page.get_by_role("slider", name="ηλ"), page.locator(".reading")
    assert reading.text_content().startswith("Descent repeats 2 values: ")
    stairs = page.locator("path.web").get_attribute("d")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "2.302"
    assert page.locator("path.web").get_attribute("d") != stairs
    slider.press("Home")
    assert reading.text_content() == "Descent rests on the floor. An update multiplies a small distance by −0.50."
    diagram = page.locator("svg.pointed")
    box = diagram.bounding_box()
    diagram.click(position={"x": box["width"] * (40 + 292 * 2 / 3) / 340, "y": box["height"] / 2})  # 2.5
    assert abs(float(slider.input_value()) - 2.5) < 0.01
    assert reading.text_content().startswith("Descent repeats 4 values: ")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.browser
@pytest.mark.parametrize("size", SIZES, ids=["desktop", "phone"])
def test_the_slider_and_a_point_of_a_diagram_move_the_burst(page, burst, size):
    show(page, instruments.valley_cobweb(*burst).data, size)
    slider, reading = page.get_by_role("slider", name="step"), page.locator(".reading")
    assert reading.text_content().startswith("Step 9,100: the map repeats 2 places, swing 0.2")
    stairs = page.locator("path.web").get_attribute("d")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "9,105"
    assert page.locator("path.web").get_attribute("d") != stairs
    slider.press("Home")
    assert reading.text_content().startswith("Step 9,000: the map rests, swing 0.000.")
    diagram = page.locator("svg.pointed").last
    box = diagram.bounding_box()
    diagram.click(position={"x": box["width"] * (40 + 292) / 340 - 1, "y": box["height"] / 2})
    assert int(slider.input_value()) >= 9195
    assert "repeats 4 places" in reading.text_content()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.browser
@pytest.mark.parametrize("size", SIZES, ids=["desktop", "phone"])
def test_a_reader_adds_numbers_of_their_own(page, cells, size):
    show(page, instruments.addition(cells).data, size)
    page.get_by_role("textbox", name="a").fill("1000000007")
    page.get_by_role("textbox", name="b").fill("1267650600228229401496703205376")
    result = page.locator(".result")
    assert result.text_content() == (
        "The cell says 1,000,000,007 + 1,267,650,600,228,229,401,496,703,205,376 = "
        "1,267,650,600,228,229,401,497,703,205,383. That is right."
    )
    digit = page.get_by_role("slider", name="digit")
    assert digit.get_attribute("max") == "101"
    frame = page.locator(".columns")
    assert frame.evaluate("f => f.scrollWidth - f.clientWidth - f.scrollLeft") < 60
    digit.press("ArrowRight")
    assert page.locator(".reading:not(.result)").text_content().startswith("Digit 1: the bits are 1 and 0")
    page.get_by_role("slider", name="trained on").press("Home")
    assert "That is right" not in result.text_content()
    page.get_by_role("textbox", name="a").fill("minus one")
    assert result.text_content() == "a must be a whole number of at most 40 digits."
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_blocks_are_accessible(page, cells, burst, theme):
    blocks = (instruments.cobweb(), instruments.addition(cells), instruments.valley_cobweb(*burst))
    show(page, "".join(block.data for block in blocks), SIZES[0], theme)
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    assert [f"{rule['id']}: {node['html']}" for rule in violations for node in rule["nodes"]] == []
