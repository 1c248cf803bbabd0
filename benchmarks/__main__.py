"""How much the closed forms save, as ratios measured in one run: `python -m benchmarks`.

Each line takes the processor time of two ways of computing one thing, in turn, several times over, and compares the
least of each. Nothing here is asserted: a ratio depends on the machine and on what else it does.
"""

from __future__ import annotations

import os
import platform
import time
from importlib.util import find_spec

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.misc import flatten
from threadpoolctl import threadpool_limits

import minidyn as md

NET, TASK = md.MLP(2, 100, 3), md.spiral()
LOSS = md.CrossEntropy(md.Oscillation(70, 5000))
PARAMS, STEP, RATE = NET.init(0), 1000, 1.0
STEPS = 500  # updates whose mean is one sample of "one step"


def with_autograd():
    """The Hessian, the Jacobian of the outputs and the update that a run without closed forms would take, on flat
    parameters; and the cheapest update known for autograd: on a list of arrays, with nothing checked."""
    vector, unflatten = flatten(PARAMS)
    weight = LOSS.gamma.weights(STEP)[TASK.labels]
    truth = np.arange(len(TASK)), TASK.labels

    def logits(v):
        return NET.logits(unflatten(v), TASK.x)

    def loss(v):
        return LOSS.value(logits(v), TASK.labels, STEP)

    def bare_loss(params):
        outputs = NET.logits(params, TASK.x)
        return anp.mean(weight * (anp.log(anp.sum(anp.exp(outputs), axis=1)) - outputs[truth]))

    gradient, bare_gradient = autograd.grad(loss), autograd.grad(bare_loss)

    def descend():
        v = vector
        for _ in range(STEPS):
            v = v - RATE * gradient(v)

    def descend_barely():
        params = PARAMS
        for _ in range(STEPS):
            slopes = bare_gradient(params)
            params = [(w - RATE * dw, b - RATE * db) for (w, b), (dw, db) in zip(params, slopes, strict=True)]

    hessian, jacobian = autograd.hessian(loss), autograd.jacobian(logits)
    return {
        "hessian": lambda: hessian(vector),
        "jacobian": lambda: jacobian(vector),
        "step": descend,
        "bare step": descend_barely,
    }


def with_jax():
    """The same and the kernel, compiled by JAX in float64; the step as a scan, without a record."""
    import jax
    import jax.numpy as jnp
    from jax.flatten_util import ravel_pytree

    jax.config.update("jax_enable_x64", True)
    vector, unflatten = ravel_pytree([(jnp.array(w), jnp.array(b)) for w, b in PARAMS])
    x, labels, weight = jnp.array(TASK.x), jnp.array(TASK.labels), jnp.array(LOSS.gamma.weights(STEP)[TASK.labels])

    def logits(v):
        (w1, b1), (w2, b2) = unflatten(v)
        return jax.nn.relu(x @ w1 + b1) @ w2 + b2

    def loss(v):
        return jnp.mean(weight * -jnp.take_along_axis(jax.nn.log_softmax(logits(v)), labels[:, None], 1)[:, 0])

    def kernel(v):
        jacobian = jax.jacrev(logits)(v).reshape(-1, len(v))
        return jacobian @ jacobian.T

    def descend(v):
        return jax.lax.scan(lambda v, _: (v - RATE * jax.grad(loss)(v), None), v, length=STEPS)[0]

    def ready(function):
        compiled = jax.jit(function)
        return lambda: compiled(vector).block_until_ready()

    return {"hessian": ready(jax.hessian(loss)), "ntk": ready(kernel), "step": ready(descend)}


def in_closed_form():
    """What minidyn does; the step by `train` and its NumPy engine, record included."""

    def descend():
        options = {"learning_rate": RATE, "steps": STEPS, "start": STEP, "engine": "numpy", "progress": False}
        md.train(NET, PARAMS, TASK, LOSS, **options)

    return {
        "hessian": lambda: md.hessian(NET, PARAMS, TASK, LOSS, STEP),
        "ntk": lambda: md.ntk(NET, PARAMS, TASK.x),
        "step": descend,
    }


def fastest(*functions, rounds=5):
    """The least processor time, in seconds, that each function takes, called in turn."""
    times = np.full((rounds + 1, len(functions)), np.inf)
    for row in times:
        for column, function in enumerate(functions):
            before = time.process_time()
            function()
            row[column] = time.process_time() - before
    return times[1:].min(axis=0)  # the first round warms up


def main():
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, {os.cpu_count()} cores,",
        end=" ",
    )
    print(f"load {os.getloadavg()[0]:.1f}; float64, 2-100-3 network, 300 points, one BLAS thread")
    plain, ours = with_autograd(), in_closed_form()
    compiled = with_jax() if find_spec("jax") else {}
    table = [  # what, with what it is compared, their name, our name, the ratio wanted
        ("exact Hessian, 603 x 603", "autograd.hessian", plain["hessian"], "hessian", "1/15"),
        ("full NTK, 900 x 900", "autograd.jacobian alone", plain["jacobian"], "ntk", "1/12"),
        ("one step with its record", "autograd.grad", plain["step"], "step", "1/8"),
        ("", "autograd.grad, barest", plain["bare step"], "step", "-"),
        *[(f"{name}, once more", "JAX, compiled", function, name, "-") for name, function in compiled.items()],
    ]
    print(f"{'what':26}{'compared with':26}{'theirs':>12}{'minidyn':>12}{'ratio':>9}{'wanted':>9}")
    for what, other, function, name, wanted in table:
        theirs, mine = fastest(function, ours[name]) / (STEPS if name == "step" else 1)
        print(f"{what:26}{other:26}{theirs * 1e3:9.3f} ms{mine * 1e3:9.3f} ms{f'1/{theirs / mine:.1f}':>9}{wanted:>9}")
    if not compiled:
        print("JAX is not installed: not compared.")


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        main()
