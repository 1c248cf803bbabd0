"""The small network: a multilayer perceptron with an activation between its layers, its derivatives in closed form.

Between two switches of its units a network of ReLUs is linear in the weights of each layer, so its first and second
derivatives are short sums over samples; a smooth activation adds its own second derivative. With the constant 1
appended to a layer's inputs, W and b are one matrix [W; b], and row-major flattening of [W; b] is W, then b: the order
of parameters everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import _renamed
from minidyn.activations import ACTIVATIONS, Activation
from minidyn.parameters import Structure

Params = list[tuple[NDArray, NDArray]]


class _Pass(NamedTuple):
    """What a forward pass leaves, each a list over layers of arrays (P, units)."""

    inputs: list[NDArray]  # of each layer
    slopes: list[NDArray]  # of the hidden units: first derivatives of their activations
    curvatures: list[NDArray]  # second derivatives; empty if they are 0, or were not asked for
    logits: NDArray


class MLP:
    """A multilayer perceptron: `MLP(2, 100, 3)` has 2 inputs, 100 hidden units and 3 outputs (logits).

    Parameters
    ----------
    *widths : int
        Number of units per layer, inputs first; at least two numbers, each at least 1.
    activation : {"relu", "tanh", "gelu", "softplus"}
        The function of all hidden units, as PyTorch defines it: "gelu" is z Φ(z), with the distribution function Φ of
        the normal distribution, and "softplus" is log(1 + exp z). The derivative of ReLU at 0 is 0, as in PyTorch and
        JAX.

    Attributes
    ----------
    widths : tuple of int
    activation : str
    size : int
        The number of parameters p.
    structure : Structure
        Takes parameters to a flat vector and back.

    Raises
    ------
    TypeError, ValueError
        If a width is not an integer of at least 1, there are fewer than two, or `activation` is another word.

    Examples
    --------
    >>> import minidyn as md
    >>> net = md.MLP(2, 100, 3)
    >>> params = net.init(seed=0)
    >>> net.logits(params, md.spiral().x).shape
    (300, 3)
    >>> md.MLP(2, 50, 50, 3, activation="tanh")
    MLP(2, 50, 50, 3, activation='tanh')
    """

    def __init__(self, *widths: int, activation: str = "relu"):
        if len(widths) < 2:
            raise ValueError(f"widths must name at least inputs and outputs, got {widths!r}")
        self.widths = tuple(check.integer("widths", width, least=1) for width in widths)
        self._shapes = list(zip(self.widths[:-1], self.widths[1:], strict=True))
        self.structure = Structure([(np.broadcast_to(0.0, w), np.broadcast_to(0.0, w[1:])) for w in self._shapes])
        self.size = self.structure.size
        self.activation = check.choice("activation", activation, ACTIVATIONS)

    def __repr__(self) -> str:
        activation = "" if self.activation == "relu" else f", activation={self.activation!r}"
        return f"MLP({', '.join(map(str, self.widths))}{activation})"

    @property
    def _function(self) -> Activation:
        return ACTIVATIONS[self.activation]

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
            x = self._function.value(anp.dot(x, weight) + bias)
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
            The highest derivative with respect to the offset, at least 0; at most 2 if the activation is smooth.

        Returns
        -------
        list of numpy.ndarray, each of shape (n, P, C)
            The outputs, then their derivatives of order 1 to `order`. Between two switches of a unit they are exact.

        Raises
        ------
        ValueError
            If `order` is higher than that.
        """
        order = check.integer("order", order, least=0, most=None if self._function.curvature is None else 2)
        t, inputs = offsets[:, None, None], [x[None]]
        for layer, ((weight, bias), (tilt, shift)) in enumerate(zip(params, direction, strict=True)):
            products = [a @ np.hstack([weight, tilt]) for a in inputs]
            products[0] += np.concatenate([bias, shift])
            outputs = _along_line([np.split(a, 2, axis=-1) for a in products], t, order)
            if layer < len(params) - 1:
                inputs = _activated_along_line(self._function, outputs, order)
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
        inputs, slopes, _, logits = self._forward(params, x)
        ones = np.ones(len(x))  # a sum over samples is fastest as a product

        def pullback(cotangent: NDArray) -> NDArray:
            pieces: list[NDArray] = []
            for layer in reversed(range(len(params))):
                pieces[:0] = (inputs[layer].T @ cotangent).ravel(), ones @ cotangent
                if layer:
                    cotangent = cotangent @ params[layer][0].T
                    cotangent *= slopes[layer - 1]
            return np.concatenate(pieces)

        return logits, pullback

    def jvp(self, params: Params, x: NDArray, tangent: NDArray) -> NDArray:
        """J u, shape (P, C), for a direction u in parameter space, flat (p,)."""
        return self._forward_tangents(params, self._forward(params, x), self.unflatten(tangent))[1][-1]

    def jacobian(self, params: Params, x: NDArray) -> NDArray:
        """J = ∂logits/∂params, shape (P, C, p)."""
        check.memory(f"the Jacobian of {self} on {len(x)} samples", 2 * len(x) * self.widths[-1] * self.size)
        inputs, slopes, _, _ = self._forward(params, x)
        backward = self._sensitivities(params, slopes, len(x))
        pieces = [_append_one(a)[:, None, :, None] * d[:, :, None, :] for a, d in zip(inputs, backward, strict=True)]
        return np.concatenate([piece.reshape(len(x), self.widths[-1], -1) for piece in pieces], axis=2)

    def ntk(self, params: Params, x: NDArray, other_x: NDArray | None = None) -> NDArray:
        """J J'ᵀ, shape (P, C, Q, C), with J at x and J' at other_x (default: x), from the layers' Gram matrices.

        J itself is never formed.
        """
        classes, columns = self.widths[-1], len(x if other_x is None else other_x)
        check.memory(f"the tangent kernel between {len(x)} and {columns} samples", 3 * len(x) * columns * classes**2)
        inputs, sensitivities = self._inputs_and_sensitivities(params, x)
        other = (inputs, sensitivities) if other_x is None else self._inputs_and_sensitivities(params, other_x)
        kernel = np.zeros((len(x), classes, columns, classes))
        for a, d, other_a, other_d in zip(inputs[:-1], sensitivities, other[0][:-1], other[1], strict=True):
            kernel += (d @ other_d.T).reshape(kernel.shape) * (a @ other_a.T + 1)[:, None, :, None]
        gram = inputs[-1] @ other[0][-1].T + 1  # the last layer's sensitivities are the identity
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
        if self._function.curvature is not None:
            numbers += 2 * self.size**2 + 4 * len(x) * sum(width**2 for width in self.widths[1:-1])
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
        layers = self._forward(params, x, second=True)
        inputs, slopes, curvatures, _ = layers
        deltas = [output_gradient]  # ∂F/∂z, layer by layer
        second_terms: list[NDArray] = []  # ∂F/∂a σ''(z) of the hidden units
        for layer in reversed(range(1, len(params))):
            back = deltas[0] @ params[layer][0].T
            deltas.insert(0, back * slopes[layer - 1])
            if curvatures:
                second_terms.insert(0, back * curvatures[layer - 1])

        def product(vector: NDArray) -> NDArray:
            direction = self.unflatten(vector)
            tangents, z_tangents = self._forward_tangents(params, layers, direction)
            delta_tangent = (output_hessian @ z_tangents[-1][:, :, None])[:, :, 0]
            pieces: list[NDArray] = []
            for layer in reversed(range(len(params))):
                in_weight = inputs[layer].T @ delta_tangent + tangents[layer].T @ deltas[layer]
                pieces[:0] = in_weight.ravel(), delta_tangent.sum(axis=0)
                if layer:
                    delta_tangent = delta_tangent @ params[layer][0].T + deltas[layer] @ direction[layer][0].T
                    delta_tangent *= slopes[layer - 1]
                    if second_terms:
                        delta_tangent += second_terms[layer - 1] * z_tangents[layer - 1]
            return np.concatenate(pieces)

        return product

    def _forward(self, params: Params, x: NDArray, *, second: bool = False) -> _Pass:
        """A forward pass; with `second`, also the second derivatives of the activations."""
        value, slope, curvature = self._function
        layers = _Pass([x], [], [], x)
        for weight, bias in params[:-1]:
            z = layers.inputs[-1] @ weight
            z += bias
            layers.inputs.append(value(z))
            layers.slopes.append(slope(z, layers.inputs[-1]))
            if second and curvature is not None:
                layers.curvatures.append(curvature(z, layers.inputs[-1], layers.slopes[-1]))
        weight, bias = params[-1]
        return layers._replace(logits=layers.inputs[-1] @ weight + bias)

    def _forward_tangents(
        self, params: Params, layers: _Pass, direction: Params
    ) -> tuple[list[NDArray], list[NDArray]]:
        """The derivatives of the inputs of each layer, and of its outputs z, along a direction in parameter space."""
        tangents, z_tangents = [np.zeros_like(layers.inputs[0])], []
        for layer, (weight, bias) in enumerate(direction):
            z = layers.inputs[layer] @ weight + bias
            if layer:
                z += tangents[-1] @ params[layer][0]
            z_tangents.append(z)
            if layer < len(layers.slopes):
                tangents.append(z * layers.slopes[layer])
        return tangents, z_tangents

    def _sensitivities(self, params: Params, slopes: list[NDArray], samples: int) -> list[NDArray]:
        """∂logits/∂z of each layer, shape (P, C, units)."""
        classes = self.widths[-1]
        backward = [np.broadcast_to(np.eye(classes), (samples, classes, classes))]
        for layer in reversed(range(1, len(params))):
            backward.insert(0, backward[0] @ params[layer][0].T * slopes[layer - 1][:, None, :])
        return backward

    def _inputs_and_sensitivities(self, params: Params, x: NDArray) -> tuple[list[NDArray], list[NDArray]]:
        """The inputs (P, units) of each layer, and ∂logits/∂z (P C, units) of each but the last."""
        inputs, slopes, _, _ = self._forward(params, x)
        hidden = self._sensitivities(params, slopes, len(x))[:-1]
        return inputs, [d.reshape(len(x) * self.widths[-1], -1) for d in hidden]

    def _add_network_curvature(self, hessian: NDArray, params: Params, x: NDArray, output_gradient: NDArray) -> None:
        """Add Σ_p ∂F/∂f ∂²f/∂params², block by block.

        For a pair of different layers l < m, ∂²/∂[W;b]_l[u,v] ∂W_m[i,j] = Σ_p a_l[u] (∂a_m[i]/∂z_l[v]) δ_m[j], with
        a_l, a_m the inputs of the layers and δ_m = ∂F/∂z_m, as long as δ_m does not depend on layer l: that is, while
        no ReLU switches. A smooth activation adds that dependence, and a block per layer (l = m):
        Σ_p a_l[u] a_m[i] (∂z_m/∂z_l S_m)[v,j], with the curvature S_m of F by way of z_m.
        """
        layers = self._forward(params, x, second=True)
        slopes = layers.slopes
        deltas = [np.einsum("pc,pcv->pv", output_gradient, d) for d in self._sensitivities(params, slopes, len(x))]
        for low, inputs in enumerate(map(_append_one, layers.inputs[:-1])):
            for high, reach in enumerate(_reaches(params, slopes, low), start=low + 1):
                left = inputs[:, :, None] * deltas[high][:, None, :]
                self._add_block(hessian, low, high, _coupling(left, slopes[low], reach))
        if layers.curvatures:
            curvatures = _unit_curvatures(params, layers, deltas)
            for low, inputs in enumerate(map(_append_one, layers.inputs[:-1])):
                for high, reach in enumerate(_unit_reaches(params, slopes, low), start=low):
                    other = _append_one(layers.inputs[high])
                    self._add_block(hessian, low, high, _bending(inputs, other, reach @ curvatures[high]))

    def _add_block(self, hessian: NDArray, low: int, high: int, block: NDArray) -> None:
        """Add the block between the first parameters of two layers, and its mirror image."""
        starts = np.cumsum([0] + [(rows + 1) * columns for rows, columns in self._shapes])
        rows = slice(starts[low], starts[low] + block.shape[0])
        columns = slice(starts[high], starts[high] + block.shape[1])
        if low == high:
            block = (block + block.T) / 2
        hessian[rows, columns] += block
        if low != high:
            hessian[columns, rows] += block.T


def _reaches(params: Params, slopes: list[NDArray], low: int) -> Iterator[NDArray | None]:
    """∂a_m/∂z_l, (P, units of l, units of m), layer by layer above l; None for the first, where it is diag(slopes)."""
    reach = None
    yield reach
    for high in range(low + 1, len(slopes)):
        weight = params[high][0]
        reach = (slopes[low][:, :, None] * weight if reach is None else reach @ weight) * slopes[high][:, None, :]
        yield reach


def _coupling(left: NDArray, slopes: NDArray, reach: NDArray | None) -> NDArray:
    """The block of the Hessian between [W;b]_l, with (u, v) as rows, and W_m, with (i, j) as columns."""
    if reach is None:
        (_, u, j), units = left.shape, slopes.shape[1]
        block = np.zeros((u, units, units, j))
        block[:, range(units), range(units), :] = np.einsum("puj,pv->uvj", left, slopes.astype(float), optimize=True)
    else:
        block = np.einsum("puj,pvi->uvij", left, reach, optimize=True)
    u, v, i, j = block.shape
    return block.reshape(u * v, i * j)


def _unit_curvatures(params: Params, layers: _Pass, deltas: list[NDArray]) -> list[NDArray]:
    """S_m = Σ_c ∂F/∂f_c ∂²f_c/∂z_m∂z_m of each hidden layer, (P, units, units)."""
    curvatures: list[NDArray] = []
    for layer in reversed(range(len(layers.slopes))):
        weight, slopes = params[layer + 1][0], layers.slopes[layer]
        own = deltas[layer + 1] @ weight.T * layers.curvatures[layer]
        total = own[:, :, None] * np.eye(own.shape[1])
        if curvatures:
            total += slopes[:, :, None] * (weight @ curvatures[0] @ weight.T) * slopes[:, None, :]
        curvatures.insert(0, total)
    return curvatures


def _unit_reaches(params: Params, slopes: list[NDArray], low: int) -> Iterator[NDArray]:
    """∂z_m/∂z_l, (P, units of l, units of m), of the hidden layers from l on."""
    reach: NDArray = np.eye(slopes[low].shape[1])[None]
    yield reach
    for high in range(low + 1, len(slopes)):
        reach = reach * slopes[high - 1][:, None, :] @ params[high][0]
        yield reach


def _bending(low: NDArray, high: NDArray, curvature: NDArray) -> NDArray:
    """Σ_p low[u] high[i] curvature[v, j], with (u, v) as rows and (i, j) as columns."""
    (samples, u), i, (_, v, j) = low.shape, high.shape[1], curvature.shape
    pairs = (low[:, :, None] * high[:, None, :]).reshape(samples, u * i)
    block = (pairs.T @ curvature.reshape(samples, v * j)).reshape(u, i, v, j)
    return block.transpose(0, 2, 1, 3).reshape(u * v, i * j)


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


def _activated_along_line(function: Activation, outputs: list[NDArray], order: int) -> list[NDArray]:
    """The derivatives of σ(z) along a line, from those of z, of which the highest may be missing if they are 0."""
    z = outputs[0]
    if function.curvature is None:
        on = (z > 0).astype(float)  # times floats, which is faster than times booleans
        return [derivative * on for derivative in outputs]
    value = function.value(z)
    slope = function.slope(z, value)
    derivatives = [value, *(slope * derivative for derivative in outputs[1:])]
    if order == 2:
        bend = function.curvature(z, value, slope) * outputs[1] ** 2
        derivatives[2:] = [bend + second for second in derivatives[2:]] or [bend]
    return derivatives
