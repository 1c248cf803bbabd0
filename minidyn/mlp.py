"""The small network: a multilayer perceptron with ReLU between its layers, and its derivatives in closed form.

Between two switches of its units such a network is linear in the weights of each layer, so its first and
second derivatives are short sums over samples. With the constant 1 appended to a layer's inputs, W and b are
one matrix [W; b], and row-major flattening of [W; b] is W, then b: the order of parameters everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import autograd.numpy as anp
import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import _renamed
from minidyn.parameters import Structure

Params = list[tuple[NDArray, NDArray]]


class MLP:
    """A multilayer perceptron: `MLP(2, 100, 3)` has 2 inputs, 100 hidden ReLU units and 3 outputs (logits).

    The derivative of ReLU at 0 is 0, as in PyTorch and JAX.

    Parameters
    ----------
    *widths : int
        Number of units per layer, inputs first; at least two numbers, each at least 1.

    Attributes
    ----------
    widths : tuple of int
    size : int
        The number of parameters p.
    structure : Structure
        Takes parameters to a flat vector and back.

    Raises
    ------
    TypeError, ValueError
        If a width is not an integer of at least 1, or there are fewer than two.

    Examples
    --------
    >>> import minidyn as md
    >>> net = md.MLP(2, 100, 3)
    >>> params = net.init(seed=0)
    >>> net.logits(params, md.spiral().x).shape
    (300, 3)
    """

    def __init__(self, *widths: int):
        if len(widths) < 2:
            raise ValueError(f"widths must name at least inputs and outputs, got {widths!r}")
        self.widths = tuple(check.integer("widths", width, least=1) for width in widths)
        self._shapes = list(zip(self.widths[:-1], self.widths[1:], strict=True))
        self.structure = Structure([(np.broadcast_to(0.0, w), np.broadcast_to(0.0, w[1:])) for w in self._shapes])
        self.size = self.structure.size

    def __repr__(self) -> str:
        return f"MLP({', '.join(map(str, self.widths))})"

    def init(self, seed: int = 0) -> Params:
        """Initial parameters [(W, b), ...]: W ~ N(0, 2/(inputs + outputs)), b ~ N(0, 0.01²).

        They are drawn from `numpy.random.RandomState(seed)` in the order W1, b1, W2, b2, ..., row-major.

        Parameters
        ----------
        seed : int
            0 to 2³² - 1.

        Returns
        -------
        list of (W, b)
            W of shape (inputs, outputs), b of shape (outputs,).
        """
        random = np.random.RandomState(check.integer("seed", seed, least=0, most=2**32 - 1))
        return [
            (random.randn(inputs, outputs) * np.sqrt(2 / (inputs + outputs)), random.randn(outputs) * 0.01)
            for inputs, outputs in self._shapes
        ]

    def logits(self, params: Params, x: NDArray) -> NDArray:
        """Outputs of shape (P, C) for samples x of shape (P, d). Written in `autograd.numpy`."""
        for weight, bias in params[:-1]:
            z = anp.dot(x, weight) + bias
            x = anp.where(z > 0, z, 0.0)
        weight, bias = params[-1]
        return anp.dot(x, weight) + bias

    def logits_along(
        self, params: Params, direction: Params, x: NDArray, offsets: NDArray, order: int = 0
    ) -> list[NDArray]:
        """The outputs on the line params + offset · direction, at all offsets at once, and their derivatives along it.

        Parameters
        ----------
        params, direction
            As `init` returns them.
        x : numpy.ndarray, shape (P, d)
            Samples.
        offsets : numpy.ndarray, shape (n,)
        order : int
            The highest derivative with respect to the offset, at least 0.

        Returns
        -------
        list of numpy.ndarray, each of shape (n, P, C)
            The outputs, then their derivatives of order 1 to `order`. Between two switches of a unit they are exact.
        """
        t, inputs = offsets[:, None, None], [x[None]]
        for layer, ((weight, bias), (tilt, shift)) in enumerate(zip(params, direction, strict=True)):
            products = [a @ np.hstack([weight, tilt]) for a in inputs]
            products[0] += np.concatenate([bias, shift])
            outputs = _along_line([np.split(a, 2, axis=-1) for a in products], t, order)
            if layer < len(params) - 1:
                on = (outputs[0] > 0).astype(float)  # times floats, which is faster than times booleans
                inputs = [z * on for z in outputs]
        shape = (len(offsets), len(x), self.widths[-1])
        outputs += [np.zeros(1)] * (order + 1 - len(outputs))  # a polynomial in the offset, of a degree below `order`
        return [np.broadcast_to(a, shape) for a in outputs]

    def check_params(self, params: Any) -> None:
        """Raise an error if `params` are not [(W, b), ...] of this network's shapes."""
        expected = [((inputs, outputs), (outputs,)) for inputs, outputs in self._shapes]
        try:
            shapes = [tuple(np.shape(array) for array in layer) for layer in params]
        except TypeError:
            raise TypeError(f"params must be [(W, b), ...], got {params!r:.80}") from None
        if shapes != expected:
            raise ValueError(f"params must have the shapes {expected} of {self}, got {shapes}")

    def unflatten(self, vector: NDArray) -> Params:
        """[(W, b), ...] as views into a flat vector of shape (p,)."""
        return self.structure.unflatten(vector)

    def vjp(self, params: Params, x: NDArray) -> tuple[NDArray, Callable[[NDArray], NDArray]]:
        """Outputs (P, C), and the function that takes a cotangent v (P, C) to Jᵀv, flat (p,)."""
        inputs, on, logits = self._forward(params, x)
        ones = np.ones(len(x))  # a sum over samples is fastest as a product

        def pullback(cotangent: NDArray) -> NDArray:
            pieces: list[NDArray] = []
            for layer in reversed(range(len(params))):
                pieces[:0] = (inputs[layer].T @ cotangent).ravel(), ones @ cotangent
                if layer:
                    cotangent = cotangent @ params[layer][0].T
                    cotangent *= on[layer - 1]
            return np.concatenate(pieces)

        return logits, pullback

    def jvp(self, params: Params, x: NDArray, tangent: NDArray) -> NDArray:
        """J u, shape (P, C), for a direction u in parameter space, flat (p,)."""
        inputs, on, _ = self._forward(params, x)
        return self._forward_tangents(params, inputs, on, self.unflatten(tangent))[1]

    def jacobian(self, params: Params, x: NDArray) -> NDArray:
        """J = ∂logits/∂params, shape (P, C, p)."""
        check.memory(f"the Jacobian of {self} on {len(x)} samples", 2 * len(x) * self.widths[-1] * self.size)
        inputs, on, _ = self._forward(params, x)
        backward = self._sensitivities(params, on, len(x))
        pieces = [_append_one(a)[:, None, :, None] * d[:, :, None, :] for a, d in zip(inputs, backward, strict=True)]
        return np.concatenate([piece.reshape(len(x), self.widths[-1], -1) for piece in pieces], axis=2)

    def ntk(self, params: Params, x: NDArray) -> NDArray:
        """J Jᵀ, shape (P, C, P, C), from the layers' Gram matrices: J itself is never formed."""
        samples, classes = len(x), self.widths[-1]
        check.memory(f"the tangent kernel of {samples} samples", 3 * (samples * classes) ** 2)
        inputs, on, _ = self._forward(params, x)
        kernel = np.zeros((samples, classes, samples, classes))
        for a, d in zip(inputs[:-1], self._sensitivities(params, on, samples)[:-1], strict=True):
            d = d.reshape(samples * classes, -1)
            kernel += (d @ d.T).reshape(kernel.shape) * (a @ a.T + 1)[:, None, :, None]
        gram = inputs[-1] @ inputs[-1].T + 1  # the last layer's sensitivities are the identity
        for c in range(classes):
            kernel[:, c, :, c] += gram
        return kernel

    @_renamed.arguments(slope="output_gradient", bend="output_hessian")
    def hessian(self, params: Params, x: NDArray, output_gradient: NDArray, output_hessian: NDArray) -> NDArray:
        """Exact Hessian, shape (p, p), of a loss with the given derivatives with respect to the outputs.

        Parameters
        ----------
        params, x
            As for `logits`.
        output_gradient : numpy.ndarray, shape (P, C)
            ∂F/∂f.
        output_hessian : numpy.ndarray, shape (P, C, C)
            ∂²F/∂f∂f, sample by sample.

        Returns
        -------
        numpy.ndarray, shape (p, p)
            Jᵀ (∂²F/∂f∂f) J (the Gauss-Newton part) + Σ ∂F/∂f ∂²f/∂params².

        Raises
        ------
        MemoryError
            If it would not fit the memory that is left; before any work.
        """
        numbers = 2 * self.size**2 + 3 * len(x) * self.widths[-1] * self.size
        check.memory(f"the Hessian of {self}, which has {self.size:,} parameters,", numbers)
        jacobian = self.jacobian(params, x)
        weighted = output_hessian @ jacobian
        hessian = jacobian.reshape(-1, self.size).T @ weighted.reshape(-1, self.size)
        hessian += hessian.T.copy()
        hessian *= 0.5
        self._add_network_curvature(hessian, params, x, output_gradient)
        return hessian

    @_renamed.arguments(slope="output_gradient", bend="output_hessian")
    def hessian_product(
        self, params: Params, x: NDArray, output_gradient: NDArray, output_hessian: NDArray
    ) -> Callable[[NDArray], NDArray]:
        """The function that takes v (p,) to H v without forming H; arguments as for `hessian`.

        Source: Pearlmutter, "Fast exact multiplication by the Hessian" (1994).
        """
        inputs, on, _ = self._forward(params, x)
        deltas = [output_gradient]  # ∂F/∂z, layer by layer
        for layer in reversed(range(1, len(params))):
            deltas.insert(0, deltas[0] @ params[layer][0].T * on[layer - 1])

        def product(vector: NDArray) -> NDArray:
            direction = self.unflatten(vector)
            tangents, logits_tangent = self._forward_tangents(params, inputs, on, direction)
            delta_tangent = (output_hessian @ logits_tangent[:, :, None])[:, :, 0]
            pieces: list[NDArray] = []
            for layer in reversed(range(len(params))):
                in_weight = inputs[layer].T @ delta_tangent + tangents[layer].T @ deltas[layer]
                pieces[:0] = in_weight.ravel(), delta_tangent.sum(axis=0)
                if layer:
                    delta_tangent = delta_tangent @ params[layer][0].T + deltas[layer] @ direction[layer][0].T
                    delta_tangent *= on[layer - 1]
            return np.concatenate(pieces)

        return product

    def _forward(self, params: Params, x: NDArray) -> tuple[list[NDArray], list[NDArray], NDArray]:
        """The inputs of each layer, which hidden units are on, and the outputs."""
        inputs, on = [x], []
        for weight, bias in params[:-1]:
            z = inputs[-1] @ weight
            z += bias
            on.append(z > 0)
            inputs.append(np.maximum(z, 0, out=z))
        weight, bias = params[-1]
        return inputs, on, inputs[-1] @ weight + bias

    def _forward_tangents(
        self, params: Params, inputs: list[NDArray], on: list[NDArray], direction: Params
    ) -> tuple[list[NDArray], NDArray]:
        """The derivatives of the inputs of each layer, and of the outputs, along a direction in parameter space."""
        tangents = [np.zeros_like(inputs[0])]
        for layer, (weight, bias) in enumerate(direction):
            z = inputs[layer] @ weight + bias
            if layer:
                z += tangents[-1] @ params[layer][0]
            tangents.append(z * on[layer] if layer < len(on) else z)
        return tangents[:-1], tangents[-1]

    def _sensitivities(self, params: Params, on: list[NDArray], samples: int) -> list[NDArray]:
        """∂logits/∂z of each layer, shape (P, C, units)."""
        classes = self.widths[-1]
        backward = [np.broadcast_to(np.eye(classes), (samples, classes, classes))]
        for layer in reversed(range(1, len(params))):
            backward.insert(0, backward[0] @ params[layer][0].T * on[layer - 1][:, None, :])
        return backward

    def _add_network_curvature(self, hessian: NDArray, params: Params, x: NDArray, output_gradient: NDArray) -> None:
        """Add Σ_p ∂F/∂f ∂²f/∂params², which is zero but for pairs of different layers l < m:

        ∂²/∂[W;b]_l[u,v] ∂W_m[i,j] = Σ_p a_l[u] (∂a_m[i]/∂z_l[v]) δ_m[j], with a_l, a_m the inputs of the layers
        and δ_m = ∂F/∂z_m, which does not depend on layer l while no unit switches.
        """
        inputs, on, _ = self._forward(params, x)
        deltas = [np.einsum("pc,pcv->pv", output_gradient, d) for d in self._sensitivities(params, on, len(x))]
        starts = np.cumsum([0] + [(rows + 1) * columns for rows, columns in self._shapes])
        for low in range(len(on)):
            for high, reach in enumerate(_reaches(params, on, low), start=low + 1):
                block = _coupling(_append_one(inputs[low])[:, :, None] * deltas[high][:, None, :], on[low], reach)
                rows = slice(starts[low], starts[low] + block.shape[0])
                columns = slice(starts[high], starts[high] + block.shape[1])
                hessian[rows, columns] += block
                hessian[columns, rows] += block.T


def _reaches(params: Params, on: list[NDArray], low: int) -> Iterator[NDArray | None]:
    """∂a_m/∂z_l, (P, units of l, units of m), layer by layer above l; None for the first, where it is diag(on)."""
    reach = None
    yield reach
    for high in range(low + 1, len(on)):
        weight = params[high][0]
        reach = (on[low][:, :, None] * weight if reach is None else reach @ weight) * on[high][:, None, :]
        yield reach


def _coupling(left: NDArray, on: NDArray, reach: NDArray | None) -> NDArray:
    """The block of the Hessian between [W;b]_l, with (u, v) as rows, and W_m, with (i, j) as columns."""
    if reach is None:
        (_, u, j), units = left.shape, on.shape[1]
        block = np.zeros((u, units, units, j))
        block[:, range(units), range(units), :] = np.einsum("puj,pv->uvj", left, on.astype(float), optimize=True)
    else:
        block = np.einsum("puj,pvi->uvij", left, reach, optimize=True)
    u, v, i, j = block.shape
    return block.reshape(u * v, i * j)


OVERRIDABLE = ("__init__", "__repr__", "init")  # without touching the outputs


def has_closed_forms(net: Any) -> bool:
    """Whether `net` is an MLP whose outputs and derivatives are all MLP's own; otherwise they need not agree."""
    own = [name for name, member in vars(MLP).items() if callable(member) and name not in OVERRIDABLE]
    return isinstance(net, MLP) and not any(
        name in vars(net) or getattr(type(net), name) is not getattr(MLP, name) for name in own
    )


def _append_one(a: NDArray) -> NDArray:
    return np.concatenate([a, np.ones((len(a), 1))], axis=1)


def _along_line(products: list[list[NDArray]], t: NDArray, order: int) -> list[NDArray]:
    """The derivatives of a layer's a·(W + t U) by Leibniz's rule, from those of a: `products` holds each one's W- and
    U-part."""
    outputs = [base + t * tilt for base, tilt in products]
    for k in range(1, min(order, len(products)) + 1):
        inner = k * products[k - 1][1]
        outputs[k : k + 1] = [outputs[k] + inner if k < len(products) else inner]
    return outputs
