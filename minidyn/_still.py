"""What a saved notebook shows of a widget when it is opened again without its kernel: a still picture.

JupyterLab then says "model not found" in place of the widget. The picture stands before the widget in the notebook's
file, and is shown only instead of it.
"""

from __future__ import annotations

from html import escape
from typing import Any

from IPython import get_ipython
from IPython.display import HTML, display

HTML_OF = """<div class="minidyn-still" style="display: none"><p>{caption}</p>{picture}</div>
<style>
.jp-OutputArea-child:has(.minidyn-still) + .jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets) {{
  display: none;
}}
.jp-OutputArea-child:has(+ .jp-OutputArea-child > .jp-OutputArea-output.jupyter-widgets) .minidyn-still {{
  display: block !important;
}}
</style>"""


class Still:
    """The still picture of a widget. Outside a notebook there is none."""

    def __init__(self) -> None:
        self._display: Any = None

    def show(self, settings: str, picture: str = "", alt: str = "") -> None:
        """Begin a new output, right before that of the widget, with a picture whose address is given."""
        if get_ipython() is not None:
            self._display = display(_html(settings, picture, alt), display_id=True)

    def exchange(self, settings: str, picture: str = "", alt: str = "") -> None:
        """Exchange the picture that is shown, if there is one, for the present one."""
        if self._display is not None:
            self._display.update(_html(settings, picture, alt))


def _html(settings: str, picture: str, alt: str) -> HTML:
    caption = escape(f"{settings}, as it was when this notebook was saved. Run the cell to go on.")
    image = f'<img alt="{escape(alt)}" src="{picture}" style="max-width: 100%">' if picture else ""
    return HTML(HTML_OF.format(caption=caption, picture=image))
