"""Many runs at once: a grid of settings, trained in parallel, resumable, as one labelled table of results.

Each cell of the grid is a run of `train`, and only its own settings act on it: results do not depend on workers,
chunks or order. Cells that differ only in the period of an amplitude of 1 are the same run, and are run once. A run
that diverges stays in the table, since a mean over the others would be a mean over a selection.

`sweep` hands its chunks to joblib, so a Dask cluster can train them. The call stays the same; a `store` must be a
folder that all machines of the cluster see:

>>> from dask.distributed import Client  # doctest: +SKIP
>>> with Client("tcp://scheduler:8786"), joblib.parallel_config(backend="dask"):  # doctest: +SKIP
...     data = md.sweep(grid, steps=35000, store="/shared/runs")

In the order of their imports: `axes` (what a grid may vary), `datasets` (the data of each cell), `plan` (the checked
sweep), `collect` (jobs on all cores, and what becomes of them), `table` (results, per run and over the grid),
`store` (finished runs on the disk), `worker` (a chunk of the runs), `run` (`sweep` itself).
"""

from minidyn import _renamed
from minidyn.sweeps.axes import LOSSES
from minidyn.sweeps.datasets import VALIDATION_SEED_OFFSET
from minidyn.sweeps.run import sweep
from minidyn.sweeps.store import Store

__all__ = ["LOSSES", "VALIDATION_SEED_OFFSET", "Store", "sweep"]

_renamed.names(__name__, UNSEEN="minidyn.sweeps.VALIDATION_SEED_OFFSET")
