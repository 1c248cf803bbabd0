"""A small experiment made up for the tests: how often heads come up."""

from __future__ import annotations

import numpy as np
import xarray as xr

from minidyn.experiments import registry


def register(monkeypatch, name="coin-flips"):
    """Register the experiment, and no other."""
    monkeypatch.setattr(registry, "CHAPTERS", ())
    monkeypatch.setattr(registry, "_REGISTERED", {})
    return register_beside(name)


def register_beside(name, function=None, **changes):
    """Register the experiment, perhaps with another function, beside those that are registered."""
    declaration = {
        "shows": "how often heads come up",
        "claims": ("C0",),
        "quick": {"seeds": range(3)},
        "sample": {"seeds": range(4)},
        "summary": lambda data: f"heads {float(data.heads.mean()):.2f}",
    }
    registry.experiment(name, **{**declaration, **changes})(function or flip)
    return registry.find(name)


def flip(*, seeds=range(20), bias=0.5):
    """The fraction of heads in ten flips, for each seed."""
    means = [(np.random.RandomState(seed).rand(10) < bias).mean() for seed in seeds]
    return xr.Dataset({"heads": ("seed", means)}, {"seed": list(seeds)})
