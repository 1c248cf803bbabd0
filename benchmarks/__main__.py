"""How long the library takes beside autograd and JAX: `python -m benchmarks`, some minutes on an idle machine.

Each way runs in processes of its own and may use all cores; times are by the clock, and the least of them counts.
Beside them stands the time of the matrix products alone at the rate of this machine's BLAS: for an update those of its
layers, for the Hessian Jᵀ D J, for the kernel J Jᵀ, which its closed form avoids. JAX is compared if it is installed.
Nothing is asserted: a ratio depends on the machine, and on what else it does.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.util import find_spec

import joblib
import numpy as np

from benchmarks import with_numpy
from benchmarks.clock import seconds_apart
from benchmarks.problem import hessian_operations, ntk_operations, step_operations

SIZES = ((10, 300), (30, 300), (100, 300), (400, 300), (100, 30), (100, 3000))  # width, points


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A quantity, the operations of its matrix products, our way to compute it and those of others."""

    what: str
    operations: int
    ours: str
    others: dict[str, str]


COMPARISONS = (
    Comparison(
        what="exact Hessian, 603 x 603",
        operations=hessian_operations(),
        ours="with_minidyn.hessian",
        others={"autograd": "with_autograd.hessian", "JAX": "with_jax.hessian"},
    ),
    Comparison(
        what="full NTK, 900 x 900",
        operations=ntk_operations(),
        ours="with_minidyn.ntk",
        others={"autograd, the Jacobian alone": "with_autograd.jacobian", "JAX": "with_jax.ntk"},
    ),
    Comparison(
        what="one update with its record",
        operations=step_operations(),
        ours="with_minidyn.step compiled",
        others={
            "NumPy engine": "with_minidyn.step numpy",
            "autograd": "with_autograd.step",
            "autograd, barest": "with_autograd.barest_step",
            "JAX, scan": "with_jax.step",
        },
    ),
    Comparison(
        what="one update per network of a sweep",
        operations=step_operations(),
        ours="with_minidyn.network_steps",
        others={"JAX, vmap of 16": "with_jax.network_steps 16", "JAX, vmap of 64": "with_jax.network_steps 64"},
    ),
)


def compare(comparison: Comparison, rate: float) -> None:
    """Print our time, that of the matrix products alone, and the times of the others."""
    ours = seconds_apart(comparison.ours)
    products = comparison.operations / rate
    print(f"{comparison.what:36}{_time(ours)}   its matrix products alone {_time(products)} ({products / ours:.0%})")
    for name, way in comparison.others.items():
        if "jax" not in way or find_spec("jax"):
            theirs = seconds_apart(way)
            print(f"    {name:32}{_time(theirs)}   minidyn takes 1/{theirs / ours:.1f} of it", flush=True)


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:9.2f} ms" if seconds > 1e-3 else f"{seconds * 1e6:9.1f} µs"


def main() -> None:
    cores = joblib.cpu_count()
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, {cores} cores,", end=" ")
    print(f"load {os.getloadavg()[0]:.1f}; float64, 2-100-3 network, 300 points")
    rate = with_numpy.OPERATIONS / seconds_apart("with_numpy.matrix_product")
    print(f"Rate of the matrix product on all cores: {rate / 1e9:.0f} billion operations per second")
    if not find_spec("jax"):
        print("JAX is not installed (`pip install jax`), and is not compared.")
    for comparison in COMPARISONS:
        compare(comparison, rate)
    print("One update per network of a sweep, and the share of its matrix products:")
    for width, points in SIZES:
        seconds = seconds_apart(f"with_minidyn.network_steps {width} {points}", processes=1)
        share = step_operations(width, points) / rate / seconds
        print(f"    {width:4} hidden units, {points:4} points       {_time(seconds)} {share:6.0%}", flush=True)
    for workers in range(1, cores + 1):
        print(f"    {workers} of {cores} cores {_time(seconds_apart(f'with_minidyn.network_steps 100 300 {workers}'))}")
    seconds = 70_000 * seconds_apart("with_minidyn.published_run", processes=1)
    print(f"The published run of 70,000 updates with its sharpness and kernel: {seconds:.1f} s")


if __name__ == "__main__":
    main()
