"""What minidyn does; updates by `train` and `sweep`, with their record."""

from __future__ import annotations

import minidyn as md
from benchmarks.problem import LOSS, NET, NETWORKS, PARAMS, RATE, STEP, TASK, Way


def hessian() -> Way:
    return Way(lambda repetitions: [md.hessian(NET, PARAMS, TASK, LOSS, STEP) for _ in range(repetitions)])


def ntk() -> Way:
    return Way(lambda repetitions: [md.ntk(NET, PARAMS, TASK.x) for _ in range(repetitions)])


def step(engine: str) -> Way:
    def descend(updates):
        md.train(NET, PARAMS, TASK, LOSS, learning_rate=RATE, steps=updates, start=STEP, engine=engine, progress=False)

    return Way(descend, 200, 2200)


def network_steps(width: int = 100, points: int = 300, workers: int = 0) -> Way:
    """One update of many networks at once, by a sweep on so many processes (0: one per core)."""
    task = md.spiral(points // 3)
    gamma = LOSS.gamma
    grid = {"amplitude": [gamma.amplitude], "period": [gamma.period], "width": [width], "seed": range(NETWORKS)}

    def descend(updates):
        md.sweep(grid, steps=updates, learning_rate=RATE, workers=workers or None, task=task, progress=False)

    return Way(descend, 200, 1200, at_once=NETWORKS)


def published_run() -> Way:
    """The published run of 70,000 updates, with the sharpness every 25 and the kernel every 101."""
    loss = md.CrossEntropy(md.Oscillation(70, 5000, dwell=5001, rest_from=65013))
    measure = {"hessian_max": 25, "ntk_max": 101}

    def train(updates):
        md.train(NET, PARAMS, TASK, loss, learning_rate=RATE, steps=updates, measure=measure, progress=False)

    return Way(train, 0, 70_000, rounds=1)
