"""Sliders: `explore` reruns an experiment as you move them, `frames` shows one of several prepared pictures.

Import on demand; `explore` needs ipywidgets. A static page has no Python behind it, so while the book is built
(MINIDYN_BOOK is set) `explore` draws a picture for every combination of the values named by its `page`, and the page's
own sliders choose among them. `frames` is plain HTML and works on static pages too.
"""

from __future__ import annotations

import inspect
import itertools
import math
import numbers
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import HTML, display

from minidyn import _checks as check
from minidyn import picture_grid
from minidyn.picture_grid import Choice, Drawing


@dataclass(frozen=True)
class Control:
    """A setting that the reader chooses: its possible values, and the one that the first picture shows."""

    name: str
    values: list[Any]
    first: Any
    widget: Any = None  # one of the caller's own

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def is_scale(self) -> bool:
        """Whether the values are rising numbers, which get a slider; others get a menu."""
        are_numbers = all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in self.values)
        return are_numbers and self.values == sorted(self.values)

    @property
    def choice(self) -> Choice:
        return Choice(self.label, [_text(v) for v in self.values], self.values.index(self.first), self.is_scale)


MOST_VALUES = 10_000  # of a slider
LARGEST_GRID = 80  # pictures of one `explore` on a static page; 40 of them weigh about 1 MB


def explore(
    draw: Callable[..., Any],
    /,
    *,
    page: Mapping[str, Sequence[Any]] | None = None,
    alt: str = "",
    **controls: Any,
) -> None:
    """Draw a figure with settings that sliders change.

    Parameters
    ----------
    draw : callable
        Takes one keyword argument per control and returns a Figure, or a Figure and a sentence with what can be read
        from it, which is shown with the picture. If it returns None or Axes, the figure that it drew is shown. Its
        docstring is the caption. If it raises an exception, this is shown in place of the picture, with its line.
    page : mapping, optional
        What a reader of a static page can choose: the controls that have a slider there, and those of their values
        that are drawn while the book is built. The other controls keep their initial values. By default the page
        shows a single picture.
    alt : str
        Description of the pictures for readers of a static page who cannot see them; `page` requires it. The settings
        and the sentence of the picture are added.
    **controls : sequence, range, or (sequence or range, initial value); or an ipywidgets widget
        A sequence lists the values that a control can take, the initial one first. Rising numbers become a slider,
        other values a menu. A range is a tuple (min, max) or (min, max, step) of numbers, as for
        `ipywidgets.interact`: by default it has steps of 1 between whole numbers, and of 0.1 between others, and
        begins in the middle. A widget of your own is used as it is.

    Raises
    ------
    TypeError
        If `draw` is not callable or does not take the controls, or a control is none of the above.
    ValueError
        If there is no control, or a control has no values, a NaN, an initial value that is not among them, a range
        that does not rise or one of more than 10,000 values; if
        `page` names what is no control, values that its control does not have, values without the initial one or more
        than 80 pictures; if `page` comes without `alt`.

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
    chosen = _on_page(settings, page or {}, alt)
    if not os.environ.get("MINIDYN_BOOK"):
        _show_live(draw, settings)
    elif chosen:
        _show_grid(draw, settings, chosen, alt)
    else:
        _show_static(draw, settings)


def frames(
    draw: Callable[[Any], Any],
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
        Takes one of the values and returns a Figure, or a Figure and a sentence with what can be read from it. All
        figures must have the same size.
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
    pictures = picture_grid.pictures(picture_grid.drawing(draw, value) for value in values)
    display(HTML(picture_grid.html([Choice(label, names, first)], pictures, alt=alt, caption=caption)))


def _check_draw(draw: Any) -> None:
    if not callable(draw):
        raise TypeError(f"draw must be a function that returns a Figure, got {draw!r:.80}")


def _formatted(value: Any, form: str) -> str:
    try:
        return format(value, form)
    except (TypeError, ValueError):
        raise ValueError(f"form must be a format of every value, got {form!r} for {value!r}") from None


def _text(value: Any) -> str:
    return format(value, ",") if isinstance(value, numbers.Real) else str(value)


def _control(name: str, request: Any) -> Control:
    if hasattr(request, "observe") and hasattr(request, "value"):
        request.description = request.description or name.replace("_", " ")
        return Control(name, [request.value], request.value, request)
    has_first = isinstance(request, tuple) and len(request) == 2 and _is_sequence(request[0])
    values = request[0] if has_first else request
    if not _is_sequence(values):
        raise TypeError(
            f"{name} must be a sequence of values, (min, max), (min, max, step) or a widget, or one of the first three "
            f"in (..., initial value), got {request!r:.80}"
        )
    is_range = _is_range(values)
    values = _steps(name, *values) if is_range else list(values)
    if not values or any(isinstance(value, numbers.Real) and value != value for value in values):
        raise ValueError(f"{name} must have at least one value, and no NaN, got {request!r:.80}")
    first = request[1] if has_first else values[(len(values) - 1) // 2 if is_range else 0]
    if first not in values:
        raise ValueError(f"{name} must start at one of {values!s:.80}, got {first!r}")
    return Control(name, values, first)


def _is_range(values: Any) -> bool:
    """Whether these are (min, max) or (min, max, step), as in ipywidgets."""
    are_numbers = all(isinstance(value, numbers.Real) and not isinstance(value, bool) for value in values)
    return isinstance(values, tuple) and len(values) in (2, 3) and are_numbers


def _steps(name: str, least: Any, most: Any, step: Any = None) -> list[Any]:
    """The values of a range: whole numbers if all three are, and otherwise by 0.1."""
    are_whole = all(isinstance(value, numbers.Integral) for value in (least, most, step or 1))
    step = check.real(f"the step of {name}", (1 if are_whole else 0.1) if step is None else step, above=0)
    least, most = check.real(f"the minimum of {name}", least), check.real(f"the maximum of {name}", most, above=least)
    count = int((most - least) / step + 1e-9) + 1
    if count > MOST_VALUES:
        raise ValueError(f"{name} must have at most {MOST_VALUES:,} values, got {count:,}: choose a larger step")
    values = [round(least + k * step, 12) for k in range(count)]
    return [int(value) for value in values] if are_whole else values


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, (str, bytes, Mapping))


def _on_page(controls: list[Control], page: Mapping[str, Sequence[Any]], alt: str) -> list[Control]:
    """The controls of the static page, each with the values that are drawn there."""
    if page and not alt:
        raise ValueError("alt must describe the pictures of the page, got ''")
    named = {control.name: control for control in controls}
    for name, values in page.items():
        if name not in named:
            raise ValueError(f"page must name controls ({', '.join(named)}), got {name!r}")
        if unknown := [value for value in values if value not in named[name].values]:
            raise ValueError(f"page must have values of {name} {named[name].values}, got {unknown}")
        if named[name].first not in values:
            raise ValueError(f"page must have the initial value {named[name].first!r} of {name}, got {list(values)}")
    if (count := math.prod(len(values) for values in page.values())) > LARGEST_GRID:
        raise ValueError(f"page must have at most {LARGEST_GRID} combinations of values, got {count}")
    return [Control(name, list(values), named[name].first) for name, values in page.items()]


def _draw(draw: Callable[..., Any], settings: dict[str, Any]) -> None:
    drawing = picture_grid.drawing(draw, **settings)
    display(drawing.figure)
    plt.close(drawing.figure)
    if drawing.reading:
        print(drawing.reading)


def _show_grid(draw: Callable[..., Any], controls: list[Control], chosen: list[Control], alt: str) -> None:
    """Draw every combination of the chosen controls, the others at their initial values."""
    names = [control.name for control in chosen]
    initial = {control.name: control.first for control in controls}
    combinations = itertools.product(*(control.values for control in chosen))
    drawings: Iterator[Drawing] = (
        picture_grid.drawing(draw, **initial | dict(zip(names, values, strict=True))) for values in combinations
    )
    pictures = picture_grid.pictures(drawings)
    fixed = [f"{control.label} = {_text(control.first)}" for control in controls if control.name not in names]
    more = f" Here {', '.join(fixed)}; the notebook of this page has sliders for these too." if fixed else ""
    caption = escape((inspect.getdoc(draw) or "") + more)
    display(HTML(picture_grid.html([control.choice for control in chosen], pictures, alt=alt, caption=caption)))


def _show_static(draw: Callable[..., Any], controls: list[Control]) -> None:
    _draw(draw, {control.name: control.first for control in controls})
    scales = [control for control in controls if control.widget is None]
    ranges = "; ".join(f"{control.label}: {control.values[0]} to {control.values[-1]}" for control in scales)
    display(
        HTML(
            f'<p class="minidyn-live">{escape(inspect.getdoc(draw) or "")} This is one setting of many '
            f"({escape(ranges)}). To move the sliders, open this chapter as a notebook: <code>make lab</code> in a "
            "copy of the project.</p>"
        )
    )


def _show_live(draw: Callable[..., Any], controls: list[Control]) -> None:
    from minidyn import explorer

    inputs = {control.name: _input(control) for control in controls}
    explorer.Explorer(draw, inputs, inspect.getdoc(draw) or "").show()


def _input(control: Control) -> Any:
    from minidyn import explorer

    if control.widget is not None:
        return control.widget
    make = explorer.slider if control.is_scale else explorer.menu
    return make(control.label, control.values, control.first)
