"""A picture for every combination of some settings, in one block of HTML where sliders and menus choose among them.

Nothing runs behind the block: it works on a static page, from disk and without a network. `minidyn.widgets` makes
these blocks. The browser's own controls are used, so they can be moved by mouse, touch and keyboard; the text that
belongs to a picture is read out when it changes. The pictures are stored as text, and the browser decodes one when
it is chosen.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PICTURE = "data:image/webp;base64,"
CHOOSE = (  # what moving a control does in the browser: `this` is the figure around it
    "const inputs = [...this.querySelectorAll('input, select')], data = this.dataset; "
    "const names = inputs.map(input => JSON.parse(input.dataset.names)[input.value]); "
    "const index = inputs.reduce((k, input) => k * JSON.parse(input.dataset.names).length + Number(input.value), 0); "
    "const settings = inputs.map((input, i) => `${input.getAttribute('aria-label')} ${names[i]}`).join(', '); "
    "const reading = JSON.parse(data.readings)[index], image = this.querySelector('img'); "
    f"image.src = '{PICTURE}' + data.pictures.split(' ')[index]; "
    "image.alt = `${data.alt} ${settings}. ${reading}`.trim(); "
    "this.querySelector('.minidyn-reading').textContent = reading; "
    "inputs.forEach((input, i) => { "
    "const output = input.parentElement.querySelector('output'); if (output) output.textContent = names[i]; "
    "input.setAttribute('aria-valuetext', names[i]); })"
)


@dataclass(frozen=True)
class Drawing:
    """A figure, and a sentence with what can be read from it."""

    figure: Figure
    reading: str = ""


@dataclass(frozen=True)
class Picture:
    """A drawing as a WebP file in base64, with its sentence."""

    data: str
    reading: str


@dataclass(frozen=True)
class Choice:
    """A setting of the grid: the names of its values, the index of the first one shown, and whether it is a scale."""

    label: str
    names: Sequence[str]
    first: int
    is_scale: bool = True

    def html(self) -> str:
        """A slider with its value beside it, or a menu."""
        # JupyterLab leaves the arrow keys to what has the last of these attributes.
        attributes = (
            f'aria-label="{escape(self.label)}" data-names="{escape(json.dumps(self.names))}" '
            "data-lm-suppress-shortcuts"
        )
        if self.is_scale:
            name = escape(self.names[self.first])
            control = (
                f'<input type="range" min="0" max="{len(self.names) - 1}" value="{self.first}" {attributes} '
                f'aria-valuetext="{name}"><span>{escape(self.label)} <output>{name}</output></span>'
            )
        else:
            options = "".join(
                f'<option value="{k}"{" selected" * (k == self.first)}>{escape(name)}</option>'
                for k, name in enumerate(self.names)
            )
            control = f'<select {attributes}>{options}</select><span aria-hidden="true">{escape(self.label)}</span>'
        return f'<div class="minidyn-slider">{control}</div>'


def drawing(draw: Callable[..., Any], /, *values: Any, **settings: Any) -> Drawing:
    """What `draw` returns for these settings; if this is None or Axes, the figure that it drew.

    Raises
    ------
    TypeError
        If it is neither of these, nor a Figure, nor a pair of a Figure and a string.
    """
    before = set(plt.get_fignums())
    result = draw(*values, **settings)
    drawn = [number for number in plt.get_fignums() if number not in before]
    figure, reading = result if isinstance(result, tuple) and len(result) == 2 else (result, "")
    if figure is None and drawn:
        figure = plt.figure(drawn[-1])
    if isinstance(figure, Axes):
        figure = figure.figure
    if not isinstance(figure, Figure) or not isinstance(reading, str):
        raise TypeError(f"{getattr(draw, '__name__', 'draw')} must return a Figure, got {result!r:.80}")
    for number in drawn:
        if plt.figure(number) is not figure:
            plt.close(number)
    return Drawing(figure, reading)


def pictures(drawings: Iterable[Drawing]) -> list[Picture]:
    """Pictures of the drawings, whose figures are closed; a WebP file is about a third of the PNG.

    Raises
    ------
    ValueError
        If the figures differ in size.
    """
    done, sizes = [], set()
    for item in drawings:
        plt.close(item.figure)
        sizes.add(tuple(map(float, item.figure.get_size_inches())))
        if len(sizes) > 1:
            raise ValueError(
                f"draw must return figures of one size, got {' and '.join(map(str, sorted(sizes)))} inches"
            )
        done.append(Picture(_webp(item.figure), item.reading))
    return done


def html(choices: Sequence[Choice], pictures: Sequence[Picture], *, alt: str, caption: str = "") -> str:
    """The block: the pictures are in the order of `itertools.product` over the choices; the caption is HTML."""
    first = 0
    for choice in choices:
        first = first * len(choice.names) + choice.first
    settings = ", ".join(f"{choice.label} {choice.names[choice.first]}" for choice in choices)
    reading = pictures[first].reading
    attributes = {
        "data-pictures": " ".join(picture.data for picture in pictures),
        "data-readings": json.dumps([picture.reading for picture in pictures]),
        "data-alt": alt,
        "oninput": CHOOSE,
    }
    written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return (
        f'<figure class="minidyn-frames" {written}>'
        f'<img src="{PICTURE}{pictures[first].data}" alt="{escape(f"{alt} {settings}. {reading}".strip())}">'
        f'<p class="minidyn-reading" aria-live="polite">{escape(reading)}</p>'
        f"{''.join(choice.html() for choice in choices)}<figcaption>{caption}</figcaption></figure>"
    )


def _webp(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="webp", pil_kwargs={"quality": 80, "method": 4})
    return base64.b64encode(file.getvalue()).decode()
