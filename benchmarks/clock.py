"""Seconds by the clock that a way takes in a process of its own: `python -m benchmarks.clock with_minidyn.hessian`.

In one process, JAX's threads slow down whatever else runs in it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from importlib import import_module

import numpy as np

from benchmarks.problem import Way


def seconds_apart(way: str, processes: int = 3) -> float:
    """Seconds of one repetition of a way, "module.function argument ...": the least of several processes."""
    command = [sys.executable, "-m", "benchmarks.clock", *way.split()]
    runs = [subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return min(float(run.stdout) for run in runs)


def seconds_here(way: Way) -> float:
    """Seconds of one repetition: the least time of a long call minus the least time of a short one."""
    calls = way.short, way.long
    for repetitions in calls:
        way.repeat(repetitions)  # compiles what is compiled on first use
    times = np.array([[_seconds(way, repetitions) for repetitions in calls] for _ in range(way.rounds)])
    short, long = times.min(axis=0)
    return (long - short) / (way.long - way.short) / way.at_once


def _seconds(way: Way, repetitions: int) -> float:
    before = time.perf_counter()
    way.repeat(repetitions)
    return time.perf_counter() - before


def main() -> None:
    path, *arguments = sys.argv[1:]
    module, name = path.split(".")
    way = getattr(import_module(f"benchmarks.{module}"), name)
    print(seconds_here(way(*(int(argument) if argument.isdigit() else argument for argument in arguments))))


if __name__ == "__main__":
    main()
