"""Sliders: `explore` reruns an experiment as you move them, `frames` leafs through pictures drawn beforehand.

Import on demand; `explore` needs ipywidgets. A static page has no Python behind it, so while the book is built
(MINIDYN_BOOK is set) `explore` shows the picture for the first values and says how to make it live. `frames` is
plain HTML, and works there too.
"""

from __future__ import annotations

import base64
import inspect
import io
import json
import numbers
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import HTML, display
from matplotlib.figure import Figure

from minidyn import _checks as check


@dataclass(frozen=True)
class Control:
    """What a reader can set: the values on offer, and the one that the first picture shows."""

    name: str
    values: list[Any]
    first: Any

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def is_scale(self) -> bool:
        """Whether the values are rising numbers, which a slider runs through; others get a menu."""
        are_numbers = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in self.values)
        return are_numbers and self.values == sorted(self.values)


def explore(draw: Callable[..., Figure], /, **controls: Sequence[Any]) -> None:
    """Draw a figure from settings that sliders change.

    Parameters
    ----------
    draw : callable
        Takes one keyword a control and returns a Figure; an error it raises is shown in place of the picture.
        Its docstring is the caption.
    **controls : sequence, or pair of a sequence and one of its values
        The values that a control can take, and the one it starts at (without a pair, the first). Rising numbers
        become a slider, other values a menu.

    Raises
    ------
    ValueError
        Where a control has no values, or starts at a value that is not among them.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> def draw(power):
    ...     '''A parabola, or another power.'''
    ...     figure, ax = plt.subplots()
    ...     ax.plot([n**power for n in range(10)])
    ...     return figure
    >>> explore(draw, power=([1, 2, 3], 2))  # doctest: +SKIP
    """
    asked = [_control(name, wish) for name, wish in controls.items()]
    if os.environ.get("MINIDYN_BOOK"):
        _show_static(draw, asked)
    else:
        _show_live(draw, asked)


def frames(
    draw: Callable[[Any], Figure],
    values: Sequence[Any],
    *,
    label: str,
    alt: str,
    caption: str = "",
    first: int = 0,
    form: str = ",",
) -> None:
    """Pictures drawn beforehand, and a slider that leafs through them: also on a static page and without a network.

    The slider is the browser's own, so that it is moved by mouse, touch or arrow keys.

    Parameters
    ----------
    draw : callable
        Takes one of the values and returns a Figure. Figures must be of one size.
    values : sequence
        One a picture, at least one.
    label : str
        What the slider moves, such as "step".
    alt : str
        What the pictures show, for readers who hear the page. Each picture's value is added.
    caption : str
        Below the slider, as HTML.
    first : int
        Number of the picture that is shown at first.
    form : str
        How a value is written, as for `format`.

    Raises
    ------
    ValueError
        Where there are no values, or `first` is none of their numbers.
    TypeError
        Where `draw` returns no Figure.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> def draw(power):
    ...     figure, ax = plt.subplots()
    ...     ax.plot([n**power for n in range(10)])
    ...     return figure
    >>> frames(draw, [1, 2, 3], label="power", alt="A curve that starts flat.")  # doctest: +SKIP
    """
    values = list(values)
    if not values:
        raise ValueError("values must hold at least one value, got none")
    first = check.integer("first", first, least=0, most=len(values) - 1)
    pictures = [_encoded(draw, value) for value in values]
    names = [format(value, form) for value in values]
    attributes = {
        "min": 0,
        "max": len(values) - 1,
        "value": first,
        "aria-label": label,
        "aria-valuetext": names[first],
        "data-pictures": " ".join(pictures),
        "data-names": json.dumps(names),
        "data-alt": alt,
        "oninput": SHOW_FRAME,
    }
    slider = " ".join(f'{name}="{escape(str(value))}"' for name, value in attributes.items())
    display(
        HTML(
            f'<figure class="minidyn-frames"><img src="{PICTURE}{pictures[first]}" '
            f'alt="{escape(f"{alt} {label} {names[first]}.")}">'
            f'<div class="minidyn-slider"><input type="range" {slider}>'
            f"<span>{escape(label)} <output>{names[first]}</output></span></div>"
            f"<figcaption>{caption}</figcaption></figure>"
        )
    )


PICTURE = "data:image/webp;base64,"
SHOW_FRAME = (  # what the slider does in the browser: `this` is the slider
    "const figure = this.closest('figure'), name = JSON.parse(this.dataset.names)[this.value], "
    "image = figure.querySelector('img'); "
    f"image.src = '{PICTURE}' + this.dataset.pictures.split(' ')[this.value]; "
    "image.alt = `${this.dataset.alt} ${this.getAttribute('aria-label')} ${name}.`; "
    "figure.querySelector('output').textContent = name; this.setAttribute('aria-valuetext', name)"
)


def _encoded(draw: Callable[[Any], Figure], value: Any) -> str:
    """A picture as base64 of a WebP file, about half the size of a PNG."""
    figure, file = _figure(draw, value), io.BytesIO()
    figure.savefig(file, format="webp", pil_kwargs={"quality": 80, "method": 6})
    plt.close(figure)
    return base64.b64encode(file.getvalue()).decode()


def _figure(draw: Callable[..., Figure], *values: Any, **settings: Any) -> Figure:
    figure = draw(*values, **settings)
    if not isinstance(figure, Figure):
        raise TypeError(f"{draw.__name__} must return a Figure, got {figure!r:.80}")
    return figure


def _control(name: str, wish: Any) -> Control:
    is_pair = (
        isinstance(wish, tuple) and len(wish) == 2 and not isinstance(wish[0], str) and hasattr(wish[0], "__len__")
    )
    values = list(wish[0] if is_pair else wish)
    if not values:
        raise ValueError(f"{name} must have at least one value, got none")
    first = wish[1] if is_pair else values[0]
    if first not in values:
        raise ValueError(f"{name} must start at one of {values}, got {first!r}")
    return Control(name, values, first)


def _draw(draw: Callable[..., Figure], settings: dict[str, Any]) -> None:
    figure = _figure(draw, **settings)
    display(figure)
    plt.close(figure)


def _show_static(draw: Callable[..., Figure], controls: list[Control]) -> None:
    _draw(draw, {control.name: control.first for control in controls})
    offers = "; ".join(f"{control.label}: {control.values[0]} to {control.values[-1]}" for control in controls)
    display(
        HTML(
            f'<p class="minidyn-live">{escape(inspect.getdoc(draw) or "")} This is one setting of many '
            f"({escape(offers)}). To move the sliders, open this chapter as a notebook: <code>make lab</code> in a "
            "copy of the project.</p>"
        )
    )


def _show_live(draw: Callable[..., Figure], controls: list[Control]) -> None:
    import ipywidgets

    inputs = {control.name: _input(control) for control in controls}
    picture = ipywidgets.Output()

    def redraw(change: Any = None) -> None:
        with picture:
            picture.clear_output(wait=True)
            try:
                _draw(draw, {name: widget.value for name, widget in inputs.items()})
            except Exception as error:  # shown to the reader, who set the sliders
                print(f"{type(error).__name__}: {error}")

    for widget in inputs.values():
        widget.observe(redraw, names="value")
    caption = ipywidgets.HTML(escape(inspect.getdoc(draw) or ""))
    display(ipywidgets.VBox([*inputs.values(), picture, caption]))
    redraw()


def _input(control: Control) -> Any:
    import ipywidgets

    settings = {
        "options": control.values,
        "value": control.first,
        "description": control.label,
        "style": {"description_width": "8em"},
        "layout": ipywidgets.Layout(width="28em"),
    }
    if control.is_scale:  # redraw when the slider is let go, not all the way
        return ipywidgets.SelectionSlider(continuous_update=False, **settings)
    return ipywidgets.Dropdown(**settings)
