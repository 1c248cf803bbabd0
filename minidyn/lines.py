"""The loss on a line in parameter space, and its derivatives along it: in closed form for an `MLP`, else by autograd.

Along a line params + t · direction the outputs of a network with one hidden layer of ReLUs are a quadratic in t between
two switches of its units. The quadratics of all pieces are sums that change by one unit at each switch, so that they
are known once the switches are sorted; then any t costs a look into a table. Other networks are multiplied out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minidyn import derivatives
from minidyn.losses import Loss
from minidyn.mlp import MLP, Params, has_closed_forms
from minidyn.model import Model
from minidyn.parameters import Structure
from minidyn.task import Task

Line = Callable[[NDArray, int], NDArray]  # offsets (n,) and an order k -> the k-th derivative of F there, (n,)
Outputs = Callable[[NDArray, int], list[NDArray]]  # offsets (n,) and k -> outputs (n, P, C), and k derivatives of them

ENTRIES = 2**19  # numbers that a block of offsets may take at once: 4 MB
TABLE = 2**23  # numbers that a table of quadratics may have: 64 MB


class Problem(NamedTuple):
    """What a loss is made of, with the Γ of a step."""

    net: Model
    task: Task
    loss: Loss
    step: int


def through(params: Any, direction: Any, problem: Problem) -> Line:
    """F and its derivatives at params + offset · direction, both in the structure of `net.init`; nothing is checked."""
    net, x = problem.net, problem.task.x
    if not has_closed_forms(net):
        return _by_autograd(params, direction, problem)
    assert isinstance(net, MLP)
    if net.activation == "relu" and len(params) == 2 and 3 * (net.widths[1] + 1) * len(x) * net.widths[2] <= TABLE:
        return _in_blocks(_piecewise_quadratic(params, direction, x), problem, len(x) * net.widths[1])
    return _in_blocks(
        lambda t, order: net.logits_along(params, direction, x, t, order), problem, len(x) * max(net.widths)
    )


def _in_blocks(outputs: Outputs, problem: Problem, entries: int) -> Line:
    """F on a line whose outputs are known, for as many offsets at a time as fit into the processor's cache."""
    size = max(1, ENTRIES // entries)

    def line(t: NDArray, order: int) -> NDArray:
        blocks = [_loss_derivative(outputs, problem, t[k : k + size], order) for k in range(0, len(t), size)]
        return np.concatenate([np.empty(0), *blocks])

    return line


def _loss_derivative(outputs: Outputs, problem: Problem, t: NDArray, order: int) -> NDArray:
    """The chain rule, from the derivatives of the outputs."""
    _, task, loss, step = problem
    values = outputs(t, order)
    if order == 0:
        return np.array([loss.value(logits, task.labels, step) for logits in values[0]])
    logits, *changes = (a.reshape(-1, a.shape[-1]) for a in values)
    labels = task.labels if len(t) == 1 else np.tile(task.labels, len(t))
    terms = (loss.gradient(logits, labels, step) * changes[-1]).sum(axis=1)
    if order == 2:
        terms += np.einsum("pi,pij,pj->p", changes[0], loss.curvature(logits, labels, step), changes[0])
    return terms.reshape(len(t), -1).sum(axis=1) * len(t)  # the loss is a mean over the samples of all offsets


def _piecewise_quadratic(params: Params, direction: Params, x: NDArray) -> Outputs:
    """The outputs of a network with one hidden layer, from a table of the quadratics between its units' switches."""
    (weight, bias), (tilt, shift) = params[1], direction[1]
    switches, table = _quadratics(x @ params[0][0] + params[0][1], x @ direction[0][0] + direction[0][1], weight, tilt)
    table[:, :, 0] += bias
    table[:, :, 1] += shift
    samples = np.arange(len(x))

    def outputs(t: NDArray, order: int) -> list[NDArray]:
        passed = (switches < t[:, None, None]).sum(axis=2)
        constant, linear, square = np.moveaxis(table[samples, passed], 2, 0)
        t = t[:, None, None]
        return [constant + t * (linear + t * square), linear + 2 * t * square, 2 * square][: order + 1]

    return outputs


def _quadratics(z: NDArray, slope: NDArray, weight: NDArray, tilt: NDArray) -> tuple[NDArray, NDArray]:
    """Where the units z + t slope switch, sorted (P, H), and the quadratics before, between and after (P, H + 1, 3, C).

    A unit that is on adds (z + t slope)(weight + t tilt) to the outputs. At its switch itself it is off.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        switches = np.where(slope == 0, np.inf, -z / slope)
    switches = np.where(slope < 0, np.nextafter(switches, -np.inf), switches)
    terms = np.stack([z, slope, np.zeros_like(z)], axis=2)[..., None] * weight[:, None]
    terms += np.stack([np.zeros_like(z), z, slope], axis=2)[..., None] * tilt[:, None]
    first = (slope < 0) | ((slope == 0) & (z > 0))  # which units are on at t = -∞
    begin = np.einsum("ph,phkc->pkc", first.astype(float), terms)
    order = np.argsort(switches, axis=1)
    steps = np.take_along_axis(terms * np.sign(slope)[..., None, None], order[..., None, None], axis=1)
    return np.take_along_axis(switches, order, axis=1), np.cumsum(np.concatenate([begin[:, None], steps], axis=1), 1)


def _by_autograd(params: Any, direction: Any, problem: Problem) -> Line:
    """F on a line of any model, one offset after the other."""
    net, task, loss, step = problem
    structure = Structure(params)
    start, unit = structure.flatten(params), structure.flatten(direction)
    gradients = derivatives.of(net)

    def value(place: Any) -> float:
        return loss.value(net.logits(place, task.x), task.labels, step)

    def force(place: Any) -> float:
        logits, pullback = gradients.vjp(place, task.x)
        return pullback(loss.gradient(logits, task.labels, step)) @ unit

    def curvature(place: Any) -> float:
        return gradients.hessian_product(place, task, loss, step)(unit) @ unit

    def line(t: NDArray, order: int) -> NDArray:
        function = (value, force, curvature)[order]
        return np.array([function(structure.unflatten(start + offset * unit)) for offset in t], float)

    return line
