"""One step of each engine beside autograd's and JAX's, and the published run: `python -m benchmarks.engine`.

Each way runs on one core, in turn, many times over, and the least processor time of each counts. Nothing here is
asserted.
"""

from __future__ import annotations

import os
import time
from importlib.util import find_spec

import numpy as np
from threadpoolctl import threadpool_limits

import minidyn as md
from benchmarks.__main__ import LOSS, NET, PARAMS, RATE, STEP, TASK, with_autograd

SHORT, LONG = 20, 120  # updates: the difference of two runs is free of what a run costs once


def with_engine(engine):
    def descend(steps):
        options = {"learning_rate": RATE, "start": STEP, "engine": engine, "progress": False}
        md.train(NET, PARAMS, TASK, LOSS, steps=steps, **options)

    return descend


def jax_update(task):
    """JAX, in float64, and its update of one 2-H-3 network: the new weights, and F, static loss and accuracy."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    x, labels = jnp.array(task.x), jnp.array(task.labels)

    def loss(params, weights):
        (w1, b1), (w2, b2) = params
        logits = jax.nn.relu(x @ w1 + b1) @ w2 + b2
        elements = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)[:, 0]
        right = jnp.mean(logits.argmax(axis=1) == labels)
        return jnp.mean(weights[labels] * elements), (jnp.mean(elements), right)

    def update(params, weights):
        record, slopes = jax.value_and_grad(loss, has_aux=True)(params, weights)
        return jax.tree.map(lambda p, s: p - RATE * s, params, slopes), record

    return jax, update


def with_jax():
    """JAX's compiled scan on one core, which records at each step what `train` does."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    jax, update = jax_update(TASK)
    scan = jax.jit(lambda params, weights: jax.lax.scan(update, params, weights))
    params = jax.tree.map(jax.numpy.array, PARAMS)

    def descend(steps):
        jax.block_until_ready(scan(params, LOSS.gamma.weights(STEP + np.arange(steps))))

    return descend


def seconds(function, *arguments):
    before = time.process_time()
    function(*arguments)
    return time.process_time() - before


def main(rounds=150):
    autograd = with_autograd()["step"]  # of 500 updates
    ways = {"NumPy engine": with_engine("numpy"), "compiled engine": with_engine("compiled")}
    if find_spec("jax"):
        ways["JAX, jitted scan"] = with_jax()
    for descend in ways.values():
        descend(SHORT), descend(LONG)
    times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, descend in ways.items():
            times[name].append((seconds(descend, SHORT), seconds(descend, LONG)))
    step = {name: np.diff(np.min(pairs, axis=0))[0] / (LONG - SHORT) for name, pairs in times.items()}
    step["autograd.grad"] = min(seconds(autograd) for _ in range(5)) / 500
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; one step with its record, 2-100-3, 300 points")
    for name, each in step.items():
        print(f"{name:20}{each * 1e6:8.1f} µs")
    for name, wanted in (("autograd.grad", "1/25"), ("JAX, jitted scan", "1/2.5"), ("NumPy engine", "-")):
        if name in step:
            print(f"compiled / {name}: 1/{step[name] / step['compiled engine']:.1f} (wanted {wanted})")
    print(f"NumPy / autograd.grad: 1/{step['autograd.grad'] / step['NumPy engine']:.1f} (wanted 1/8)")

    loss = md.CrossEntropy(md.Oscillation(70, 5000, dwell=5001, rest_from=65013))
    measure = {"hessian_max": 25, "ntk_max": 101}
    options = {"learning_rate": 1.0, "steps": 70_000, "measure": measure, "progress": False}
    before = time.perf_counter()
    spent = seconds(lambda: md.train(NET, PARAMS, TASK, loss, **options))
    wall = time.perf_counter() - before
    print(
        f"published run, sharpness every 25 steps, NTK every 101: {spent:.1f} s of a core, {wall:.1f} s (wanted 60 s)"
    )


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        main()
