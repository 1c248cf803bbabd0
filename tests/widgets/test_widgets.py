"""`explore` with a live kernel, where moving a control redraws, and on a static page, where nothing can move."""

from __future__ import annotations

import re
from html import escape

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.display import HTML
from matplotlib.figure import Figure

from minidyn import explorer, picture_grid, widgets
from tests.expectations import expect


@pytest.fixture
def shown(monkeypatch):
    """Everything that `explore` displays, in order."""
    displayed = []
    for module in (widgets, explorer):
        monkeypatch.setattr(module, "display", displayed.append)
    return displayed


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setenv("MINIDYN_BOOK", "1")


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv("MINIDYN_BOOK", raising=False)


@pytest.fixture
def draw():
    """A picture that keeps the settings it was drawn with, and fails for an even power."""

    def draw(power, scale="linear"):
        """A power <of> x."""
        draw.calls.append((power, scale))
        if power == 2:
            raise ValueError("power must be odd, got 2")
        figure, ax = plt.subplots()
        ax.plot([1, 2**power])
        ax.set_yscale(scale)
        return figure

    draw.calls = []
    return draw


def parts(shown):
    """All widgets that the last live `explore` shows."""
    widgets, queue = [], [[item for item in shown if isinstance(item, ipywidgets.VBox)][-1]]
    while queue:
        widgets.append(queue.pop())
        queue += getattr(widgets[-1], "children", ())
    return widgets


def controls(shown):
    """The live controls by their description."""
    return {
        part.description: part
        for part in parts(shown)
        if hasattr(part, "observe") and hasattr(part, "value") and hasattr(part, "options")
    }


def picture(shown):
    return next(part for part in parts(shown) if isinstance(part, ipywidgets.Image))


def text(shown):
    """What stands around the picture."""
    return "\n".join(part.value for part in parts(shown) if isinstance(part, ipywidgets.HTML))


@pytest.mark.usefixtures("static")
def test_a_static_page_shows_the_first_picture_and_says_how_to_make_it_live(draw, shown):
    widgets.explore(draw, power=([1, 3, 5], 3), scale=["linear", "log"])
    picture, note = shown
    assert draw.calls == [(3, "linear")]
    assert isinstance(picture, Figure)
    assert isinstance(note, HTML)
    assert "power: 1 to 5; scale: linear to log" in note.data
    assert "make lab" in note.data


@pytest.mark.usefixtures("static")
def test_the_docstring_is_the_caption_and_cannot_break_the_page(draw, shown):
    widgets.explore(draw, power=[1])
    assert "A power &lt;of&gt; x." in shown[1].data


@pytest.mark.usefixtures("static")
def test_a_static_page_shows_no_widget(draw, shown):
    widgets.explore(draw, power=[1, 3])
    assert not [item for item in shown if isinstance(item, ipywidgets.Widget)]


@pytest.mark.usefixtures("static")
def test_on_a_static_page_an_error_is_raised_so_that_the_build_fails(draw):
    with pytest.raises(ValueError, match="power must be odd"):
        widgets.explore(draw, power=[2])


@pytest.mark.usefixtures("static")
def test_a_static_page_leaves_no_figure_open(draw, shown):
    before = plt.get_fignums()
    widgets.explore(draw, power=[1])
    assert plt.get_fignums() == before


def grid(shown):
    """The block of pictures: the file of each picture in their order, and the markup."""
    (block,) = shown
    return re.search('data-pictures="([^"]*)"', block.data)[1].split(" "), block.data


@pytest.mark.usefixtures("static")
def test_a_page_draws_every_combination_of_its_values_and_no_other(draw, shown):
    page = {"power": [1, 5], "scale": ["linear", "log"]}
    widgets.explore(draw, power=[1, 3, 5], scale=(["linear", "log"], "log"), page=page, alt="A curve.")
    pictures, markup = grid(shown)
    assert draw.calls == [(1, "linear"), (1, "log"), (5, "linear"), (5, "log")]
    assert len(set(pictures)) == 4
    assert f'src="{picture_grid.PICTURE}{pictures[1]}" alt="A curve. power 1, scale log."' in markup
    assert '<input type="range" min="0" max="1" value="0" aria-label="power"' in markup
    assert '<option value="1" selected>log</option>' in markup


@pytest.mark.usefixtures("static")
def test_controls_that_are_not_on_the_page_keep_their_initial_values_and_are_named(draw, shown):
    widgets.explore(draw, power=[1, 3], scale=(["linear", "log"], "log"), page={"power": [1, 3]}, alt="A curve.")
    assert draw.calls == [(1, "log"), (3, "log")]
    assert (
        "A power &lt;of&gt; x. Here scale = log; the notebook of this page has sliders for these too." in grid(shown)[1]
    )


def sentence(power):
    """A power."""
    return plt.figure(), f"The power is {power}."


@pytest.mark.usefixtures("static")
def test_what_can_be_read_from_a_picture_stands_on_the_page_and_in_its_description(shown):
    widgets.explore(sentence, power=([1, 3], 3), page={"power": [1, 3]}, alt="Nothing.")
    assert 'alt="Nothing. power 3. The power is 3."' in grid(shown)[1]
    assert '<p class="minidyn-reading" aria-live="polite">The power is 3.</p>' in grid(shown)[1]


@pytest.mark.usefixtures("live")
def test_what_can_be_read_from_a_picture_stands_under_it_in_a_notebook(shown):
    widgets.explore(sentence, power=[1, 3])
    assert "The power is 1." in text(shown)


@pytest.mark.usefixtures("live")
def test_what_is_printed_stands_under_the_picture(shown, capsys):
    def talkative(power):
        print(f"<{power}>")
        return plt.figure()

    widgets.explore(talkative, power=[1, 3])
    controls(shown)["power"].value = 3
    assert "&lt;3&gt;" in text(shown)
    assert "&lt;1&gt;" not in text(shown)
    assert capsys.readouterr().out == ""


@pytest.mark.browser
@pytest.mark.usefixtures("static")
def test_keys_choose_picture_description_and_reading_by_both_controls(page, shown):
    def draw(power, scale):
        figure, ax = plt.subplots(figsize=(2, 1))
        ax.plot([1, 2**power])
        ax.set_yscale(scale)
        return figure, f"{power} {scale}"

    values = {"power": [1, 2, 3], "scale": ["linear", "log"]}
    widgets.explore(draw, **values, page=values, alt="A curve.")
    pictures, markup = grid(shown)
    page.set_content(markup)
    image = page.locator("img")
    page.get_by_role("slider", name="power").press("End")
    page.get_by_role("combobox", name="scale").select_option("log")
    expect(image).to_have_attribute("src", picture_grid.PICTURE + pictures[-1])
    expect(image).to_have_attribute("alt", "A curve. power 3, scale log. 3 log")
    expect(page.locator(".minidyn-reading")).to_have_text("3 log")
    expect(page.locator("output")).to_have_text("3")
    page.get_by_role("slider", name="power").press("ArrowLeft")
    expect(image).to_have_attribute("src", picture_grid.PICTURE + pictures[3])


@pytest.mark.usefixtures("live")
def test_moving_a_control_redraws_with_its_value(draw, shown):
    widgets.explore(draw, power=[1, 3, 5], scale=["linear", "log"])
    controls(shown)["power"].value = 5
    controls(shown)["scale"].value = "log"
    assert draw.calls == [(1, "linear"), (5, "linear"), (5, "log")]


@pytest.mark.usefixtures("live")
def test_the_picture_is_one_image_whose_content_follows_the_controls(draw, shown):
    widgets.explore(draw, power=[1, 3], scale=["linear", "log"])
    image, pictures = picture(shown), []
    for scale in ("log", "linear"):
        pictures.append(bytes(image.value))
        controls(shown)["scale"].value = scale
    assert bytes(image.value) == pictures[0] != pictures[1]
    assert pictures[0].startswith(b"\x89PNG")
    assert len(shown) == 1


@pytest.mark.usefixtures("live")
def test_reset_draws_the_first_picture_once(draw, shown):
    widgets.explore(draw, power=([1, 3, 5], 3), scale=["linear", "log"])
    first = bytes(picture(shown).value)
    controls(shown)["power"].value = 5
    controls(shown)["scale"].value = "log"
    next(part for part in parts(shown) if isinstance(part, ipywidgets.Button)).click()
    assert draw.calls == [(3, "linear"), (5, "linear"), (5, "log"), (3, "linear")]
    assert bytes(picture(shown).value) == first


@pytest.mark.usefixtures("live")
def test_what_is_slow_says_that_it_computes_and_what_is_fast_is_drawn_while_dragging(shown, monkeypatch):
    said, clock = [], iter(range(100))

    def draw(power):
        said.append(text(shown))
        return plt.figure()

    monkeypatch.setattr(explorer.time, "perf_counter", lambda: next(clock))
    widgets.explore(draw, power=[1, 3, 5])
    controls(shown)["power"].value = 3
    assert ["computing" in line for line in said] == [True, True]
    assert "computing" not in text(shown)
    assert not controls(shown)["power"].continuous_update
    monkeypatch.setattr(explorer.time, "perf_counter", lambda: 0.0)
    for power in (5, 1):
        controls(shown)["power"].value = power
    assert ["computing" in line for line in said[2:]] == [True, False]
    assert controls(shown)["power"].continuous_update


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("controls", [1, 6])
@pytest.mark.parametrize("size", [(7.2, 2), (7.2, 12)])
def test_controls_and_picture_fit_on_a_screen(shown, controls, size):
    widgets.explore(lambda **_: plt.figure(figsize=size, dpi=100), **{f"a{k}": [1, 2] for k in range(controls)})
    width = float(picture(shown).layout.width.removesuffix("px"))
    assert width * size[1] / size[0] + 40 * (controls // 2 + 1) <= 700
    assert width <= 720


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("request_", "values", "first"),
    [
        ((1, 4), [1, 2, 3, 4], 2),
        ((0, 10, 5), [0, 5, 10], 5),
        ((0.0, 0.5), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 0.2),
        (((0, 1, 0.25), 0.75), [0.0, 0.25, 0.5, 0.75, 1.0], 0.75),
    ],
)
def test_ranges_are_those_of_ipywidgets(shown, request_, values, first):
    widgets.explore(lambda power: plt.figure(), power=request_)
    slider = controls(shown)["power"]
    assert list(slider.options) == values
    assert slider.value == first


@pytest.mark.usefixtures("live")
def test_a_widget_of_ones_own_is_used_as_it_is(draw, shown):
    mine = ipywidgets.IntText(1)
    widgets.explore(draw, power=mine, scale=["linear"])
    mine.value = 3
    assert draw.calls == [(1, "linear"), (3, "linear")]
    assert mine in parts(shown)
    assert mine.description == "power"


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("returns", ["nothing", "axes"])
def test_a_figure_that_is_drawn_and_not_returned_is_shown(shown, returns):
    def draw(power):
        plt.figure()
        plt.plot([1, 2**power])
        return plt.gca() if returns == "axes" else None

    before = plt.get_fignums()
    widgets.explore(draw, power=[1, 3])
    assert bytes(picture(shown).value).startswith(b"\x89PNG")
    assert plt.get_fignums() == before


@pytest.mark.usefixtures("live")
def test_rising_numbers_get_a_slider_and_others_a_menu(draw, shown):
    widgets.explore(draw, power=np.array([1, 3, 5]), scale=["linear", "log"])
    assert isinstance(controls(shown)["power"], ipywidgets.SelectionSlider)
    assert isinstance(controls(shown)["scale"], ipywidgets.Dropdown)
    widgets.explore(draw, power=[5, 1])
    assert isinstance(controls(shown)["power"], ipywidgets.Dropdown)


@pytest.mark.usefixtures("live")
def test_an_error_is_shown_with_its_line_and_the_next_setting_works(draw, shown):
    widgets.explore(draw, power=[1, 2, 3])
    controls(shown)["power"].value = 2
    line = f'line {draw.__code__.co_firstlineno + 4}: raise ValueError("power must be odd, got 2")'
    assert f"<summary>ValueError: power must be odd, got 2, {escape(line)}</summary>" in text(shown)
    assert "Traceback (most recent call last)" in text(shown)
    assert picture(shown).layout.visibility == "hidden"
    controls(shown)["power"].value = 3
    assert picture(shown).layout.visibility == "visible"
    assert "ValueError" not in text(shown)


@pytest.mark.usefixtures("live")
def test_a_function_that_draws_nothing_is_named(shown):
    def forgetful(power):
        plt.close(plt.figure())

    widgets.explore(forgetful, power=[1])
    assert "TypeError: forgetful must return a Figure, got None" in text(shown)


@pytest.mark.usefixtures("live")
def test_live_controls_leave_no_figure_open(draw, shown):
    before = plt.get_fignums()
    widgets.explore(draw, power=[1, 3])
    controls(shown)["power"].value = 3
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("controls", "error", "message"),
    [
        ({"power": []}, ValueError, r"power must have at least one value.*got \[\]"),
        ({"power": [1, float("nan")]}, ValueError, "power must have .*no NaN.*nan"),
        ({"power": ([1, 3], 2)}, ValueError, r"power must start at one of \[1, 3\], got 2"),
        ({"power": (3, 1)}, ValueError, "the maximum of power must be a finite number > 3.*got 1"),
        ({"power": (1, 3, 0)}, ValueError, "the step of power must be a finite number > 0, got 0"),
        (
            {"power": (0, 10**9)},
            ValueError,
            "power must have at most 10,000 values, got 1,000,000,001: choose a larger",
        ),
        ({"power": ((1, 5), 7)}, ValueError, r"power must start at one of \[1, 2, 3, 4, 5\], got 7"),
        ({"power": 3}, TypeError, "power must be a sequence of values.*got 3"),
        ({"power": "13"}, TypeError, "power must be a sequence of values.*got '13'"),
        ({"power": {1: 2}}, TypeError, "power must be a sequence of values"),
        ({"power": [1], "exponent": [2]}, TypeError, "draw must take the controls power, exponent: .*'exponent'"),
        ({"scale": ["log"]}, TypeError, "draw must take the controls scale: missing.*'power'"),
        ({}, ValueError, "controls must be at least one"),
        ({"power": [1], "page": {"power": [1]}}, ValueError, "alt must describe the pictures"),
        (
            {"power": [1], "page": {"scale": [1]}, "alt": "x"},
            ValueError,
            r"page must name controls \(power\), got 'scale'",
        ),
        ({"power": [1, 3], "page": {"power": [1, 2]}, "alt": "x"}, ValueError, r"values of power \[1, 3\], got \[2\]"),
        (
            {"power": [1, 3], "page": {"power": [3]}, "alt": "x"},
            ValueError,
            "page must have the initial value 1 of power",
        ),
        ({"power": range(81), "page": {"power": range(81)}, "alt": "x"}, ValueError, "at most 80 combin.*, got 81"),
    ],
)
def test_bad_controls_are_named_before_anything_is_drawn(draw, shown, controls, error, message):
    with pytest.raises(error, match=message):
        widgets.explore(draw, **controls)
    assert not draw.calls
    assert not shown


def test_what_cannot_draw_is_named():
    with pytest.raises(TypeError, match="draw must be a function that returns a Figure, got 5"):
        widgets.explore(5, power=[1])
