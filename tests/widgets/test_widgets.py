"""`explore` with a live kernel, where moving a control redraws, and on a static page, where nothing can move."""

from __future__ import annotations

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.display import HTML
from matplotlib.figure import Figure

from minidyn import widgets


@pytest.fixture
def shown(monkeypatch):
    """Everything that `explore` displays, in order."""
    displayed = []
    monkeypatch.setattr(widgets, "display", displayed.append)
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


def controls(shown):
    """The live controls by their description."""
    box = next(item for item in shown if isinstance(item, ipywidgets.VBox))
    return {child.description: child for child in box.children if hasattr(child, "options")}


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


@pytest.mark.usefixtures("live")
def test_moving_a_control_redraws_with_its_value(draw, shown):
    widgets.explore(draw, power=[1, 3, 5], scale=["linear", "log"])
    controls(shown)["power"].value = 5
    controls(shown)["scale"].value = "log"
    assert draw.calls == [(1, "linear"), (5, "linear"), (5, "log")]
    assert [item.axes[0].get_yscale() for item in shown if isinstance(item, Figure)] == ["linear", "linear", "log"]


@pytest.mark.usefixtures("live")
def test_rising_numbers_get_a_slider_and_others_a_menu(draw, shown):
    widgets.explore(draw, power=np.array([1, 3, 5]), scale=["linear", "log"])
    assert isinstance(controls(shown)["power"], ipywidgets.SelectionSlider)
    assert isinstance(controls(shown)["scale"], ipywidgets.Dropdown)
    widgets.explore(draw, power=[5, 1])
    assert isinstance(controls(shown[-3:])["power"], ipywidgets.Dropdown)


@pytest.mark.usefixtures("live")
def test_an_error_is_shown_and_the_next_setting_works(draw, shown, capsys):
    widgets.explore(draw, power=[1, 2, 3])
    controls(shown)["power"].value = 2
    assert "ValueError: power must be odd, got 2" in capsys.readouterr().out
    before = len(shown)
    controls(shown)["power"].value = 3
    assert isinstance(shown[before], Figure)


@pytest.mark.usefixtures("live")
def test_a_picture_that_is_not_returned_is_named(shown, capsys):
    def forgetful(power):
        plt.close(plt.figure())

    widgets.explore(forgetful, power=[1])
    assert "TypeError: forgetful must return a Figure, got None" in capsys.readouterr().out


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
        ({"power": 3}, TypeError, "power must be a sequence of values.*got 3"),
        ({"power": "13"}, TypeError, "power must be a sequence of values.*got '13'"),
        ({"power": {1: 2}}, TypeError, "power must be a sequence of values"),
        ({"power": [1], "exponent": [2]}, TypeError, "draw must take the controls power, exponent: .*'exponent'"),
        ({"scale": ["log"]}, TypeError, "draw must take the controls scale: missing.*'power'"),
        ({}, ValueError, "controls must be at least one"),
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
