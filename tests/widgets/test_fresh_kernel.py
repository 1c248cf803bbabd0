"""Pictures in a fresh Jupyter kernel, cell by cell: each appears once, and none makes later ones vanish."""

from __future__ import annotations

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


def pictures(cell):
    """Number of pictures that a cell shows."""
    assert not [output for output in cell.outputs if output.output_type in ("error", "stream")]
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


@pytest.mark.parametrize("first", FIRST)
def test_every_picture_appears_once(first):
    cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, first, *LATER)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    setup, *rest = notebook.cells
    assert pictures(setup) == 0
    assert {cell.source: pictures(cell) for cell in rest} == dict.fromkeys((first, *LATER), 1)
