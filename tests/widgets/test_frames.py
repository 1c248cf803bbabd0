"""`frames`: prepared pictures that a slider chooses, on a static page and in a notebook alike."""

from __future__ import annotations

import base64
import html
import re

import matplotlib.pyplot as plt
import pytest

from minidyn import picture_grid, widgets
from tests.expectations import expect


def draw(slope):
    figure, ax = plt.subplots(figsize=(2, 1))
    ax.plot([0, slope])
    ax.set_ylim(0, 4)
    return figure


@pytest.fixture
def shown(monkeypatch):
    """Everything that `frames` displays, in order."""
    displayed = []
    monkeypatch.setattr(widgets, "display", lambda item: displayed.append(item.data))
    return displayed


def pictures(markup):
    return re.search('data-pictures="([^"]*)"', markup)[1].split(" ")


def test_there_is_a_picture_for_each_value_and_the_first_is_shown(shown):
    widgets.frames(draw, [1, 1000, 3], label="slope", alt="A curve.", caption="<b>Curves</b>", first=1)
    (markup,) = shown
    encoded = pictures(markup)
    assert len(set(encoded)) == 3
    assert all(base64.b64decode(picture)[8:12] == b"WEBP" for picture in encoded)
    assert f'src="{picture_grid.PICTURE}{encoded[1]}"' in markup
    assert 'alt="A curve. slope 1,000."' in markup
    assert '<input type="range" min="0" max="2" value="1"' in markup
    assert "<b>Curves</b>" in markup
    assert not plt.get_fignums()


def test_text_cannot_break_out_of_its_attribute(shown):
    widgets.frames(draw, [1], label='a "slope"', alt='<img src="x">')
    assert '<img src="x">' not in shown[0]
    assert '<img src="x">' in html.unescape(shown[0])


@pytest.mark.parametrize(
    ("values", "first", "message"),
    [([], 0, "values must hold at least one value"), ([1, 2], 2, "first must be an integer >= 0 and <= 1, got 2")],
)
def test_bad_input_is_named(values, first, message):
    with pytest.raises(ValueError, match=message):
        widgets.frames(draw, values, label="slope", alt="A curve.", first=first)


def test_what_is_not_a_figure_is_named():
    with pytest.raises(TypeError, match="must return a Figure, got 5"):
        widgets.frames(lambda value: 5, [1], label="slope", alt="A curve.")
    with pytest.raises(TypeError, match="draw must be a function that returns a Figure, got 5"):
        widgets.frames(5, [1], label="slope", alt="A curve.")


def test_a_format_that_does_not_fit_is_named_before_anything_is_drawn():
    drawn = []
    with pytest.raises(ValueError, match="form must be a format of every value, got ',' for 'b'"):
        widgets.frames(drawn.append, [1, "b"], label="slope", alt="A curve.")
    assert not drawn


def test_figures_of_different_sizes_are_refused():
    def grow(width):
        return plt.figure(figsize=(width, 1))

    with pytest.raises(ValueError, match=r"draw must return figures of one size, got \(2.0, 1.0\) and \(3.0, 1.0\)"):
        widgets.frames(grow, [2, 3], label="width", alt="Nothing.")
    assert not plt.get_fignums()


@pytest.mark.browser
def test_the_arrow_keys_change_picture_text_and_name(page, shown):
    widgets.frames(draw, [1, 2, 3], label="slope", alt="A curve.")
    page.set_content(shown[0])
    slider, image = page.get_by_role("slider", name="slope"), page.locator("img")
    before = image.get_attribute("src")
    slider.press("ArrowRight")
    after = picture_grid.PICTURE + pictures(shown[0])[1]
    expect(image).to_have_attribute("src", after)
    assert after != before
    expect(image).to_have_attribute("alt", "A curve. slope 2.")
    expect(slider).to_have_attribute("aria-valuetext", "2")
    expect(page.locator("output")).to_have_text("2")
    assert image.evaluate("i => i.decode().then(() => i.naturalWidth)") > 0
