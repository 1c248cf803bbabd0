"""Controls and a picture that follows them, for a notebook with a live kernel. `minidyn.widgets` makes these.

The picture is one image whose content is exchanged, so that nothing flickers or jumps. What takes long says so; what is
fast is drawn while a slider moves.
"""

from __future__ import annotations

import base64
import io
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from html import escape
from typing import Any

import anywidget
import ipywidgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

from minidyn import picture_grid
from minidyn._still import Still

WHILE_DRAGGING = 0.1  # seconds that a picture may take to be drawn while its slider moves
HEIGHT = 700  # pixels of the whole: controls and picture are seen at once
ROW, CAPTION = 40, 60  # pixels of a row of controls, and of the texts


def slider(label: str, values: list[Any], first: Any) -> Any:
    """A slider over numbers."""
    return ipywidgets.SelectionSlider(continuous_update=False, **_options(label, values, first))


def menu(label: str, values: list[Any], first: Any) -> Any:
    """A menu of any values."""
    return ipywidgets.Dropdown(**_options(label, values, first))


def _options(label: str, values: list[Any], first: Any) -> dict[str, Any]:
    layout, style = ipywidgets.Layout(width="28em", max_width="100%"), {"description_width": "8em"}
    return {"options": values, "value": first, "description": label, "style": style, "layout": layout}


class ArrowKeys(anywidget.AnyWidget):
    """Leaves the arrow keys to the menus of the box that it stands in: JupyterLab would take them to select a cell."""

    _esm = """
    export default {
      render({ el }) {
        el.style.display = "none";
        requestAnimationFrame(() => {
          const menus = el.closest(".widget-vbox")?.querySelectorAll("select") ?? [];
          for (const menu of menus) menu.dataset.lmSuppressShortcuts = "";
        });
      },
    };
    """


class Explorer:
    """A picture of `draw`, drawn again whenever one of the inputs changes; a still one in the saved notebook.

    Attributes
    ----------
    box : ipywidgets.VBox
        What a notebook shows.
    picture : ipywidgets.Image
    status, text, problem : ipywidgets.HTML
        "computing", what can be read from the picture and was printed, and the error if there is one.
    """

    def __init__(self, draw: Callable[..., Any], inputs: Mapping[str, Any], caption: str):
        self.draw, self.inputs = draw, dict(inputs)
        self.initial = {name: widget.value for name, widget in self.inputs.items()}
        self.seconds = float("inf")  # that the last picture took
        self.is_resetting = False
        self.still = Still()
        self.status, self.text, self.problem = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self.picture = ipywidgets.Image(format="png", layout={"max_width": "100%", "height": "auto"})
        self.reset_button = ipywidgets.Button(description="Reset", layout={"width": "6em"})
        controls = [*self.inputs.values(), ipywidgets.HBox([self.reset_button, self.status])]
        row = ipywidgets.Box(controls, layout={"flex_flow": "row wrap"})
        texts = [self.problem, self.picture, self.text, ipywidgets.HTML(escape(caption))]
        self.box = ipywidgets.VBox([row, *texts, ArrowKeys()])
        self.reset_button.on_click(self.reset)
        for widget in self.inputs.values():
            widget.observe(self.redraw, names="value")

    def show(self) -> None:
        """Show the controls, and draw the first picture."""
        self.still.show(self._settings())
        display(self.box)
        self.redraw()

    def _settings(self) -> str:
        return ", ".join(f"{widget.description} = {widget.value}" for widget in self.inputs.values())

    def reset(self, _: Any = None) -> None:
        """Set all inputs back, and draw once."""
        self.is_resetting = True
        try:
            for name, widget in self.inputs.items():
                widget.value = self.initial[name]
        finally:
            self.is_resetting = False
        self.redraw()

    def redraw(self, _: Any = None) -> None:
        """Draw the picture of the present settings; an error is shown in its place."""
        if self.is_resetting:
            return
        if self.seconds > WHILE_DRAGGING:
            self.status.value = "<em>computing …</em>"
        began = time.perf_counter()
        try:
            self._draw()
        except Exception as error:  # the reader, who moved the sliders, sees it
            self.problem.value = _folded(error, self.draw)
            self.picture.layout.visibility = "hidden"
        finally:
            self.status.value = ""
        self._set_pace(time.perf_counter() - began)

    def _draw(self) -> None:
        printed = io.StringIO()
        with plt.ioff(), redirect_stdout(printed):
            drawing = picture_grid.drawing(self.draw, **{name: w.value for name, w in self.inputs.items()})
        self.picture.layout.width = f"{self._width(drawing.figure):.0f}px"
        self.picture.value = _png(drawing.figure)
        address = f"data:image/png;base64,{base64.b64encode(self.picture.value).decode()}"
        self.still.exchange(self._settings(), address, "The picture of these settings")
        self.picture.layout.visibility = "visible"
        reading = "\n".join([drawing.reading, printed.getvalue()]).strip()
        self.text.value = f"<pre>{escape(reading)}</pre>"
        self.problem.value = ""

    def _width(self, figure: Figure) -> float:
        """Pixels of the picture's width, so that controls (two in a row) and picture fit on a screen."""
        width, height = figure.get_size_inches() * figure.dpi
        room = HEIGHT - CAPTION - ROW * (len(self.inputs) // 2 + 1)
        return width * min(1, max(room, HEIGHT / 3) / height)

    def _set_pace(self, seconds: float) -> None:
        self.seconds = seconds
        for widget in self.inputs.values():
            if isinstance(widget, ipywidgets.SelectionSlider):
                widget.continuous_update = seconds < WHILE_DRAGGING


def _png(figure: Figure) -> bytes:
    """The figure as a file, at the size it was made with if it lays itself out; otherwise with what stands out."""
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches=None if figure.get_layout_engine() else "tight")
    plt.close(figure)
    return file.getvalue()


def _folded(error: Exception, draw: Callable[..., Any]) -> str:
    """The error with the line of `draw` that it comes from, and folded below it the whole traceback."""
    file = getattr(getattr(draw, "__code__", None), "co_filename", None)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f", line {lines[-1].lineno}: {lines[-1].line}" if lines else ""
    summary = escape(f"{type(error).__name__}: {error}{where}")
    whole = escape("".join(traceback.format_exception(error)))
    return f"<details><summary>{summary}</summary><pre>{whole}</pre></details>"
