"""Static training at several widths and learning rates: the runs begin alike."""

from __future__ import annotations

import numpy as np

from minidyn.experiments import find


def test_sizes_and_rates_begin_alike():
    data = find("size-and-rate").run("quick", progress=False, steps=101)
    first = data.isel(step=0)
    assert float(np.abs(first.static_loss.diff("learning_rate")).max()) == 0
    assert float(data.isel(step=1).static_loss.diff("learning_rate").max()) < 0
