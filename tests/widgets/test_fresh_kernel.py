"""Pictures in a fresh Jupyter kernel, cell by cell: each appears once, and none makes later ones vanish."""

from __future__ import annotations

import base64
import io

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbclient import NotebookClient

SETUP = """
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from minidyn import plots, widgets

columns = {"weights": (("step", "class"), np.ones((9, 3))), "loss": ("step", np.ones(9))}
record = xr.Dataset(columns, {"step": np.arange(9)})

def draw(k):
    return plots.history(record, ["loss"])
"""
FIRST = [  # what starts the backend; each in a kernel of its own
    'plots.history(record, ["loss"])',
    "plots.figure_four(record, 1.0, zoom=(2, 5))",
    "plots.use_style(); plt.plot([1, 2])",
]
LATER = [
    "plt.plot([1, 2])",
    'plots.history(record, ["loss"])',
    'figure = plots.history(record, ["loss"])',
    'plots.history(record, ["loss"]);',
    'plots.history(record, ["loss"])\nplt.show()',
    "plots.figure_four(record, 1.0, zoom=(2, 5))",
    "figure",
    "display(plots.history(record, ['loss']))",
    "plots.panel(record, 'loss')",
    "import os; os.environ['MINIDYN_BOOK'] = '1'; widgets.explore(draw, k=[1, 2])",
    "figure, ax = plt.subplots(); ax.plot([1, 2]);",
]


IPYMPL = [  # its figures stay open, so that plt.plot draws into the last one
    'plots.history(record, ["loss"])',
    "plots.figure_four(record, 1.0, zoom=(2, 5))",
    'figure = plots.history(record, ["loss"])',
    'plots.history(record, ["loss"]);',
    "figure",
    "figure",
    'plots.history(record, ["loss"])\nplt.show()',
    "display(plots.history(record, ['loss']))",
    "plt.close('all'); plt.plot([1, 2])",
    "figure, ax = plt.subplots(); ax.plot([1, 2]);",
    "plt.close('all'); plots.panel(record, 'loss')",
]
VIEW = "application/vnd.jupyter.widget-view+json"


def executed(*sources):
    """The cells, run in a fresh kernel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook.cells


def pictures(cell):
    """What a cell shows, as far as it is pictures."""
    assert not [output for output in cell.outputs if output.output_type in ("error", "stream")]
    shown = [output.get("data", {}) for output in cell.outputs]
    return [data for data in shown if "image/png" in data]


def is_card(picture):
    """Whether a picture is white to its corners, so that its dark letters can be read on a dark page."""
    pixels = plt.imread(io.BytesIO(base64.b64decode(picture["image/png"])))
    return (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == 1).all()


@pytest.mark.parametrize("first", FIRST)
def test_every_picture_appears_once_and_on_a_card(first):
    setup, *rest = executed(SETUP, first, *LATER)
    assert not pictures(setup)
    assert {cell.source: len(pictures(cell)) for cell in rest} == dict.fromkeys((first, *LATER), 1)
    assert [cell.source for cell in rest if not is_card(pictures(cell)[0])] == []


def test_every_picture_of_ipympl_appears_once_and_can_be_turned():
    pytest.importorskip("ipympl")
    _, setup, *rest = executed("%matplotlib widget", SETUP, *IPYMPL)
    assert not pictures(setup)
    for cell in rest:
        [picture] = pictures(cell)
        assert VIEW in picture, cell.source
