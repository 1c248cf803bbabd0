"""A network-step of a sweep beside JAX's jitted vmap of the same step: `python -m benchmarks.ensemble`.

Both use all cores (`taskset` gives them fewer), in turn, in float64, and record F, the static loss and the accuracy
at every step. What a sweep costs once (processes, first entries, the sharpness at the end) is the same in a long
and in a short one, and their difference is free of it. The arithmetic limit is the rate of BLAS's matrix product.
Nothing here is asserted.
"""

from __future__ import annotations

import os
import time
from importlib.util import find_spec

import joblib
import numpy as np

import minidyn as md
from benchmarks.__main__ import RATE
from benchmarks.engine import jax_update

WIDTH, POINTS = 100, 300
AMPLITUDE, PERIOD = 70, 5000
NETWORKS = 16
SHORT, LONG = 200, 1200


def with_sweep(width=WIDTH, points=POINTS, workers=None):
    task = md.spiral(points // 3)
    grid = {"amplitude": [AMPLITUDE], "period": [PERIOD], "width": [width], "seed": range(NETWORKS)}
    options = {"learning_rate": RATE, "workers": workers, "task": task, "progress": False}

    def descend(steps):
        md.sweep(grid, steps=steps, **options)

    return descend


def with_jax(width=WIDTH, points=POINTS, networks=NETWORKS):
    """All networks at once: a compiled scan over the steps of a vmap over the networks."""
    jax, update = jax_update(md.spiral(points // 3))
    net, gamma = md.MLP(2, width, 3), md.Oscillation(AMPLITUDE, PERIOD)
    stacked = jax.tree.map(lambda *each: jax.numpy.stack(each), *[net.init(seed) for seed in range(networks)])
    together = jax.vmap(update, in_axes=(0, None))
    scan = jax.jit(lambda params, weights: jax.lax.scan(together, params, weights))

    def descend(steps):
        jax.block_until_ready(scan(stacked, gamma.weights(np.arange(steps))))

    return descend


def seconds(function, *arguments):
    before = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - before


def network_step(*ways, rounds=5):
    """Seconds of the clock for a network-step of each way, called in turn: the least long run minus the least short."""
    for descend in ways:
        descend(SHORT), descend(LONG)
    times = np.array([[[seconds(way, steps) for steps in (SHORT, LONG)] for way in ways] for _ in range(rounds)])
    return np.diff(times.min(axis=0), axis=1)[:, 0] / (LONG - SHORT) / NETWORKS


def operations(width, points):
    """Multiplications and additions of a step's matrix products: outputs, gradient, and back through one layer."""
    outputs = points * (3 * width + (width + 1) * 3)
    return 2 * (2 * outputs + points * width * 3)


def matrix_rate(size=1500, rounds=5):
    """Operations a second in a product of matrices, on all cores."""
    a = np.random.RandomState(0).randn(size, size)
    return 2 * size**3 / min(seconds(np.dot, a, a) for _ in range(rounds))


def main():
    cores = joblib.cpu_count()
    rate = matrix_rate()
    print(f"load {os.getloadavg()[0]:.1f}; {cores} cores; {NETWORKS} networks 2-H-3 at once; µs a network-step")
    print(f"matrix products: {rate / 1e9:.0f} billion operations a second")
    if find_spec("jax"):
        ours, jax = network_step(with_sweep(), with_jax())
        print(
            f"H={WIDTH}, {POINTS} points: sweep {ours * 1e6:.1f}, JAX {jax * 1e6:.1f}: 1/{jax / ours:.1f} (wanted 1/4)"
        )
        many = network_step(with_jax(networks=4 * NETWORKS))[0] / 4
        print(f"JAX with {4 * NETWORKS} networks at once: {many * 1e6:.1f}: 1/{many / ours:.1f}")
    else:
        print("JAX is not installed: not compared.")
    settings = [(10, 300), (30, 300), (100, 300), (400, 300), (100, 30), (100, 3000)]
    for width, points in settings:
        ours = network_step(with_sweep(width, points), rounds=3)[0]
        share = operations(width, points) / ours / rate
        print(f"H={width:4} {points:5} points: {ours * 1e6:8.1f}, {share:.0%} of the rate of matrix products")
    for workers in range(1, cores + 1):
        ours = network_step(with_sweep(workers=workers), rounds=3)[0]
        print(f"H={WIDTH}, {POINTS} points, {workers} workers: {ours * 1e6:.1f}")


if __name__ == "__main__":
    main()
