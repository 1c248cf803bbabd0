"""Sliders for notebooks: move one, and the experiment is rerun and redrawn. Import on demand; needs ipywidgets.

A static page has no Python behind it, so while the book is built (MINIDYN_BOOK is set) the same cell shows the
picture for the first values and says how to make it live.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import HTML, display
from matplotlib.figure import Figure

Choice = Sequence[Any]


def explore(draw: Callable[..., Figure], /, **controls: Choice) -> None:
    """Draw a figure from settings that sliders change.

    Parameters
    ----------
    draw : callable
        Takes one keyword a control and returns a Figure; an error it raises is shown in place of the picture.
    **controls : sequence
        The values that a control can take, the first value shown being `values[0]`, or a pair
        (values, first). Sorted numbers become a slider; other values a menu.

    Raises
    ------
    ValueError
        Where a control has no values, or its first value is not among them.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> def draw(power):
    ...     figure, ax = plt.subplots()
    ...     ax.plot([n**power for n in range(10)])
    ...     return figure
    >>> explore(draw, power=([1, 2, 3], 2))  # doctest: +SKIP
    """
    choices = {name: _choice(name, wish) for name, wish in controls.items()}
    if os.environ.get("MINIDYN_BOOK"):
        _show_static(draw, choices)
    else:
        _show_live(draw, choices)


def _choice(name: str, wish: Any) -> tuple[list[Any], Any]:
    pair = isinstance(wish, tuple) and len(wish) == 2 and isinstance(wish[0], Sequence) and not isinstance(wish[0], str)
    values, first = (list(wish[0]), wish[1]) if pair else (list(wish), None)
    if not values:
        raise ValueError(f"{name} must have at least one value, got none")
    first = values[0] if first is None else first
    if first not in values:
        raise ValueError(f"{name} must start at one of {values}, got {first!r}")
    return values, first


def _show_static(draw: Callable[..., Figure], choices: dict[str, tuple[list[Any], Any]]) -> None:
    figure = draw(**{name: first for name, (_, first) in choices.items()})
    display(figure)
    plt.close(figure)
    ranges = {name.replace("_", " "): f"{values[0]} to {values[-1]}" for name, (values, _) in choices.items()}
    offers = "; ".join(f"{name}: {span}" for name, span in ranges.items())
    display(
        HTML(
            f'<p class="minidyn-live">This picture is one setting of many ({offers}). To move the sliders, open this '
            "chapter as a notebook: <code>make lab</code> in a copy of the project.</p>"
        )
    )


def _show_live(draw: Callable[..., Figure], choices: dict[str, tuple[list[Any], Any]]) -> None:
    import ipywidgets

    style = {"description_width": "8em"}
    layout = ipywidgets.Layout(width="28em")
    controls = {}
    for name, (values, first) in choices.items():
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        kind = ipywidgets.SelectionSlider if numbers and values == sorted(values) else ipywidgets.Dropdown
        extra = {"continuous_update": False} if kind is ipywidgets.SelectionSlider else {}
        controls[name] = kind(
            options=values, value=first, description=name.replace("_", " "), style=style, layout=layout, **extra
        )
    picture = ipywidgets.Output()

    def redraw(change: Any = None) -> None:
        with picture:
            try:
                figure = draw(**{name: control.value for name, control in controls.items()})
            except Exception as error:  # shown to the reader, who set the sliders
                picture.clear_output(wait=True)
                print(f"{type(error).__name__}: {error}")
                return
            picture.clear_output(wait=True)
            display(figure)
            plt.close(figure)

    for control in controls.values():
        control.observe(redraw, names="value")
    display(ipywidgets.VBox([*controls.values(), picture]))
    redraw()
