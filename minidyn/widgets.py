"""Sliders: `explore` reruns an experiment as you move them, `frames` shows one of several prepared pictures.

Import on demand; `explore` needs ipywidgets. A static page has no Python behind it, so while the book is built
(MINIDYN_BOOK is set) `explore` shows the picture for the initial values and says how to make it live. `frames` is
plain HTML and works on static pages too.
"""

from __future__ import annotations

import base64
import inspect
import io
import json
import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import HTML, display
from matplotlib.figure import Figure

from minidyn import _checks as check


@dataclass(frozen=True)
class Control:
    """A setting that the reader chooses: its possible values, and the one that the first picture shows."""

    name: str
    values: list[Any]
    first: Any

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def is_scale(self) -> bool:
        """Whether the values are rising numbers, which get a slider; others get a menu."""
        are_numbers = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in self.values)
        return are_numbers and self.values == sorted(self.values)


def explore(draw: Callable[..., Figure], /, **controls: Sequence[Any]) -> None:
    """Draw a figure with settings that sliders change.

    Parameters
    ----------
    draw : callable
        Takes one keyword argument per control and returns a Figure. Its docstring is the caption. If it raises an
        exception, this is shown in place of the picture.
    **controls : sequence, or (sequence, value)
        The values that a control can take, and its initial value, by default the first. Rising numbers become a
        slider, other values a menu.

    Raises
    ------
    TypeError
        If `draw` is not callable or does not take the controls, or a control is not a sequence.
    ValueError
        If there is no control, or a control has no values, a NaN, or an initial value that is not among them.

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
    _check_draw(draw)
    if not controls:
        raise ValueError("controls must be at least one, got none")
    settings = [_control(name, request) for name, request in controls.items()]
    try:
        inspect.signature(draw).bind(**{control.name: control.first for control in settings})
    except TypeError as error:
        raise TypeError(f"draw must take the controls {', '.join(controls)}: {error}") from None
    if os.environ.get("MINIDYN_BOOK"):
        _show_static(draw, settings)
    else:
        _show_live(draw, settings)


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
    """Show one of several prepared pictures, which a slider chooses: also on a static page and without a network.

    The slider is the browser's own, so it can be moved by mouse, touch or arrow keys.

    Parameters
    ----------
    draw : callable
        Takes one of the values and returns a Figure. All figures must have the same size.
    values : sequence
        One per picture, at least one.
    label : str
        The name of the values, such as "step".
    alt : str
        Description of the pictures for readers who cannot see them. The value of the picture is added.
    caption : str
        Caption below the slider, as HTML.
    first : int
        Index of the picture that is shown first.
    form : str
        Format of the values, as for `format`.

    Raises
    ------
    TypeError
        If `draw` is not callable or does not return a Figure.
    ValueError
        If there are no values, `first` is not an index of them, `form` does not fit a value, or the figures differ in
        size.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> def draw(power):
    ...     figure, ax = plt.subplots()
    ...     ax.plot([n**power for n in range(10)])
    ...     return figure
    >>> frames(draw, [1, 2, 3], label="power", alt="A curve that starts flat.")  # doctest: +SKIP
    """
    _check_draw(draw)
    values = list(values)
    if not values:
        raise ValueError("values must hold at least one value, got none")
    first = check.integer("first", first, least=0, most=len(values) - 1)
    names = [_formatted(value, form) for value in values]
    pictures = _pictures(draw, values)
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


def _check_draw(draw: Any) -> None:
    if not callable(draw):
        raise TypeError(f"draw must be a function that returns a Figure, got {draw!r:.80}")


def _formatted(value: Any, form: str) -> str:
    try:
        return format(value, form)
    except (TypeError, ValueError):
        raise ValueError(f"form must be a format of every value, got {form!r} for {value!r}") from None


def _pictures(draw: Callable[[Any], Figure], values: Sequence[Any]) -> list[str]:
    """Pictures of all values as base64 of WebP files, which are about half the size of PNGs."""
    pictures, sizes = [], set()
    for value in values:
        figure, file = _figure(draw, value), io.BytesIO()
        plt.close(figure)
        sizes.add(tuple(map(float, figure.get_size_inches())))
        if len(sizes) > 1:
            raise ValueError(
                f"draw must return figures of one size, got {' and '.join(map(str, sorted(sizes)))} inches"
            )
        figure.savefig(file, format="webp", pil_kwargs={"quality": 80, "method": 6})
        pictures.append(base64.b64encode(file.getvalue()).decode())
    return pictures


def _figure(draw: Callable[..., Figure], *values: Any, **settings: Any) -> Figure:
    figure = draw(*values, **settings)
    if not isinstance(figure, Figure):
        raise TypeError(f"{_name(draw)} must return a Figure, got {figure!r:.80}")
    return figure


def _name(draw: Callable[..., Figure]) -> str:
    return getattr(draw, "__name__", "draw")


def _control(name: str, request: Any) -> Control:
    has_first = isinstance(request, tuple) and len(request) == 2 and _is_sequence(request[0])
    values = request[0] if has_first else request
    if not _is_sequence(values):
        raise TypeError(f"{name} must be a sequence of values, or (sequence, initial value), got {request!r:.80}")
    values = list(values)
    if not values or any(isinstance(value, numbers.Real) and value != value for value in values):
        raise ValueError(f"{name} must have at least one value, and no NaN, got {request!r:.80}")
    first = request[1] if has_first else values[0]
    if first not in values:
        raise ValueError(f"{name} must start at one of {values}, got {first!r}")
    return Control(name, values, first)


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, (str, bytes, Mapping))


def _draw(draw: Callable[..., Figure], settings: dict[str, Any]) -> None:
    figure = _figure(draw, **settings)
    display(figure)
    plt.close(figure)


def _show_static(draw: Callable[..., Figure], controls: list[Control]) -> None:
    _draw(draw, {control.name: control.first for control in controls})
    ranges = "; ".join(f"{control.label}: {control.values[0]} to {control.values[-1]}" for control in controls)
    display(
        HTML(
            f'<p class="minidyn-live">{escape(inspect.getdoc(draw) or "")} This is one setting of many '
            f"({escape(ranges)}). To move the sliders, open this chapter as a notebook: <code>make lab</code> in a "
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
            except Exception as error:  # the reader, who moved the sliders, sees it
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
    if control.is_scale:  # redraw when the slider is released, not on the way
        return ipywidgets.SelectionSlider(continuous_update=False, **settings)
    return ipywidgets.Dropdown(**settings)
