"""The trajectories of the library that the lab's engine must follow, as golden.json keeps them.

Each run is compared up to the step at which the library's own run, started 1e-15 away, differs by 1e-10: after that
step rounding decides, and no two programs agree. After a change that is meant to move the numbers::

    python -c "from tests.lab import golden; golden.write()"
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import minidyn as md
from minidyn.experiments.tilting.instabilities import figure_four_weights

GOLDEN = Path(__file__).with_name("golden.json")
EVERY = 51  # the lab's cadence for the sharpness
STEPS = 6018
SETTINGS = [
    {"amplitude": 70, "period": 5000, "learning_rate": 1, "width": 100, "loss": "cross_entropy"},
    {"amplitude": 20, "period": 500, "learning_rate": 1, "width": 10, "loss": "cross_entropy", "seed": 1},
    {"amplitude": 5, "period": 201, "learning_rate": 0.5, "width": 30, "loss": "mse_sample", "seed": 2, "noise": 0.1},
    {"amplitude": 5, "period": 500, "learning_rate": 1, "width": 50, "loss": "mse_output", "data_seed": 3},
    {"amplitude": 1, "period": 1000, "learning_rate": 0.2, "width": 128, "loss": "cross_entropy", "seed": 2**32 - 1},
    {
        "amplitude": 70,
        "period": 5000,
        "learning_rate": 1,
        "width": 100,
        "loss": "cross_entropy",
        "weights": "figure4",
        "clock": "notebook",
        "rest_from": 65013,
    },
]
USUAL = {"noise": 0.2, "seed": 0, "data_seed": 0, "rest_from": 0}


def train(settings: dict, *, shift: float = 0.0, **options) -> md.Run:
    """The library's run under the lab's settings, from weights moved by `shift` times normal noise."""
    period, rest_from = settings["period"], settings["rest_from"] or None
    dwell = period + 1 if settings.get("clock") == "notebook" else period
    gamma = md.Oscillation(settings["amplitude"], period, dwell=dwell, rest_from=rest_from)
    loss = {
        "cross_entropy": md.CrossEntropy(gamma),
        "mse_sample": md.SquaredError(gamma, "sample"),
        "mse_output": md.SquaredError(gamma, "output"),
    }[settings["loss"]]
    net = md.MLP(2, settings["width"], 3)
    random = np.random.RandomState(0)
    start = figure_four_weights() if settings.get("weights") == "figure4" else net.init(settings["seed"])
    params = [tuple(a + shift * random.randn(*a.shape) for a in layer) for layer in start]
    task, validation = (md.spiral(noise=settings["noise"], seed=settings["data_seed"] + other) for other in (0, 1))
    rate = float(settings["learning_rate"])
    return md.train(net, params, task, loss, learning_rate=rate, validation=validation, progress=False, **options)


def agreeing_steps(settings: dict) -> int:
    """The last step before F differs by 1e-10 of itself between the run and one started 1e-15 away."""
    loss = [train(settings, shift=shift, steps=STEPS).history.loss.values for shift in (0, 1e-15)]
    apart = np.abs(loss[1] / loss[0] - 1) > 1e-10
    return int(np.argmax(apart)) - 1 if apart.any() else STEPS


def trajectory(settings: dict, steps: int) -> dict:
    """The values that the lab must show after 0, 51, 102, ... steps."""
    history = train(settings, steps=steps, measure={"hessian_max": EVERY}).history
    recorded = history.isel(step=slice(None, None, EVERY))
    count = 300
    return {
        "F": recorded.loss.values.tolist(),
        "correct": np.rint(recorded.accuracy.values * count).astype(int).tolist(),
        "validation_correct": np.rint(recorded.validation_accuracy.values * count).astype(int).tolist(),
        "sharpness": history.hessian_max.values[: recorded.sizes["step"]].tolist(),
    }


def write() -> None:
    """Compute golden.json anew."""
    runs = []
    for settings in SETTINGS:
        settings = USUAL | settings
        steps = agreeing_steps(settings)
        print(settings, steps)
        runs.append({"settings": settings, "steps": steps, **trajectory(settings, steps)})
    GOLDEN.write_text("[\n" + ",\n".join(map(json.dumps, runs)) + "\n]\n")
