"""The valley along one direction: the floor under a bounce, the slice through it, and the map that descent makes there.

Along a unit direction u through a point w̄ the loss is a function of one number x, with the force
g(x) = u·∇F(w̄ + x u). Descent that could move in no other direction would iterate x -> x - η g(x). Where the multiplier
1 - η g'(x*) at the slice's own floor x* passes -1, the sign of one coefficient decides what happens: a *flip* gives
birth to a stable orbit of period 2, or destroys an unstable one (Guckenheimer & Holmes, "Nonlinear oscillations,
dynamical systems, and bifurcations of vector fields", 1983, theorem 3.5.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.polynomial import Polynomial
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check
from minidyn import derivatives, lines, model
from minidyn.eigenvalues import lanczos
from minidyn.losses import Loss
from minidyn.model import Model
from minidyn.task import Task

NODES = 128  # points of a fit


@dataclass(frozen=True)
class Expansion:
    """The force near the slice's own floor, from a cubic fitted to it over a stated range.

    A ReLU network's force jumps wherever a unit switches, so its derivatives at a point miss what a step of finite
    length feels; those of the fit do not.

    Attributes
    ----------
    fixed_point : float
        x*, where the fitted force vanishes: the slice's floor, and the fixed point of descent along it.
    slope, second, third : float
        First, second and third derivative of the fitted force at x*.
    """

    fixed_point: float
    slope: float
    second: float
    third: float

    def flip_coefficient(self, learning_rate: float) -> float:
        """c = (η g₂)²/2 - η g₃/3, minus a third of the map's Schwarzian derivative where its multiplier is -1."""
        return (learning_rate * self.second) ** 2 / 2 - learning_rate * self.third / 3


@dataclass(frozen=True, eq=False, kw_only=True)
class ValleySlice:
    """The loss along one direction, and gradient descent that is confined to it. `valley_slice` makes it.

    Attributes
    ----------
    direction : numpy.ndarray, shape (p,)
        u, of length 1.
    learning_rate : float
        η.
    radius : float
        The force is fitted over the slice's floor ± radius.

    Examples
    --------
    A valley that softens, with the force 2.1 x (1 - x):

    >>> import numpy as np
    >>> from minidyn import ValleySlice
    >>> def line(x, order):
    ...     return (2.1 * (x**2 / 2 - x**3 / 3), 2.1 * x * (1 - x), 2.1 * (1 - 2 * x))[order]
    >>> cut = ValleySlice(direction=np.ones(1), learning_rate=1.0, radius=0.2, line=line)
    >>> round(cut.multiplier, 6), round(cut.flip_coefficient, 6), round(cut.period_two_amplitude, 3)
    (-1.1, 8.82, 0.151)
    >>> float(cut.orbit(1000)[-64:].std().round(3))
    0.152
    """

    direction: NDArray = field(repr=False)
    learning_rate: float
    radius: float
    line: lines.Line = field(repr=False)

    def value(self, x: ArrayLike) -> Any:
        """F(w̄ + x u), in the shape of `x`: a number or an array of offsets."""
        return self._derivative(x, 0)

    def force(self, x: ArrayLike) -> Any:
        """g(x) = u·∇F(w̄ + x u), in the shape of `x`."""
        return self._derivative(x, 1)

    def curvature_at(self, x: ArrayLike) -> Any:
        """u·H(w̄ + x u) u, in the shape of `x`: the slope of the force between the kinks of a ReLU network."""
        return self._derivative(x, 2)

    @cached_property
    def curvature(self) -> float:
        """u·H u at w̄ itself: along the leading eigenvector the sharpness λ_max."""
        return float(self.curvature_at(0.0))

    @cached_property
    def expansion(self) -> Expansion:
        """The force near the slice's floor, fitted over ± radius; NaN if no floor lies within 20 radii."""
        return self._expansion(self.radius)

    @property
    def multiplier(self) -> float:
        """1 - η g₁, by which one update multiplies a small distance from the slice's floor."""
        return 1 - self.learning_rate * self.expansion.slope

    @property
    def flip_coefficient(self) -> float:
        """c = (η g₂)²/2 - η g₃/3 at the slice's floor: if c > 0, the orbit of period 2 beyond the flip is stable."""
        return self.expansion.flip_coefficient(self.learning_rate)

    @cached_property
    def flip_error(self) -> float:
        """How far the flip coefficient moves, at most, if the radius shrinks to 2/3 or grows to 3/2 of it."""
        others = (self._expansion(factor * self.radius) for factor in (2 / 3, 3 / 2))
        return max(abs(other.flip_coefficient(self.learning_rate) - self.flip_coefficient) for other in others)

    @property
    def period_two_amplitude(self) -> float:
        """Half the distance between the two points of the orbit of period 2, to leading order: sqrt(2 (η g₁ - 2) / c).

        NaN where the floor is stable (η g₁ <= 2), or no such orbit is stable beyond it (c <= 0).
        """
        excess = -1 - self.multiplier
        if not (excess > 0 and self.flip_coefficient > 0):
            return np.nan
        return float(np.sqrt(2 * excess / self.flip_coefficient))

    def orbit(self, updates: int, *, start: float = 0.01) -> NDArray:
        """The offsets that descent confined to the direction visits: x -> x - η g(x).

        Parameters
        ----------
        updates : int
            At least 0.
        start : float
            The first offset.

        Returns
        -------
        numpy.ndarray, shape (updates + 1,)
            Beginning with `start`; NaN from where the orbit has left the range of floating-point numbers.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of the kind above.
        """
        path = np.full(check.integer("updates", updates, least=0) + 1, np.nan)
        path[0] = check.real("start", start)
        with np.errstate(over="ignore", invalid="ignore"):
            for k in range(updates):
                path[k + 1] = path[k] - self.learning_rate * self.line(path[k : k + 1], 1)[0]
                if not np.isfinite(path[k + 1]):
                    path[k + 1] = np.nan
                    break
        return path

    def _derivative(self, x: ArrayLike, order: int) -> Any:
        offsets = check.array("x", x, (None,) * np.ndim(x))
        return self.line(offsets.ravel(), order).reshape(offsets.shape)[()]

    def _expansion(self, radius: float) -> Expansion:
        """Fit around the present centre, move it to the root of the fit, and repeat until it rests."""
        center = 0.0
        for _ in range(20):
            force = self._fit(center, radius)
            shift = _nearest_root(force, radius)
            center += shift
            if abs(shift) < radius / 20:
                break
        else:
            return Expansion(np.nan, np.nan, np.nan, np.nan)
        return Expansion(center, *(float(force.deriv(k)(shift)) for k in (1, 2, 3)))

    def _fit(self, center: float, radius: float) -> Polynomial:
        """A cubic in x - center, fitted to the force at Chebyshev's points of center ± radius."""
        nodes = radius * np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
        return Polynomial.fit(nodes, self.line(center + nodes, 1), 3, domain=[-radius, radius]).convert()


def _nearest_root(force: Polynomial, radius: float) -> float:
    """The root nearest to 0 at which the force rises; a step of `radius` downhill if there is none within it."""
    roots = force.roots()
    real = roots[np.abs(roots.imag) < 1e-9 * radius].real
    rising = real[(np.abs(real) <= radius) & (force.deriv()(real) > 0)]
    if rising.size:
        return float(rising[np.abs(rising).argmin()])
    return float(-radius * np.sign(force(0.0)))


def valley_slice(
    net: Model,
    params: Any,
    task: Task,
    loss: Loss,
    step: int = 0,
    *,
    learning_rate: float,
    direction: ArrayLike | None = None,
    radius: float = 0.2,
) -> ValleySlice:
    """The valley through `params` along one direction, with the class weights of `step` in force.

    Parameters
    ----------
    net, params, task, loss, step
        As for `hessian`; `params` is the point w̄, such as a `valley_floor`.
    learning_rate : float
        η of the descent whose map is wanted: plain descent, without momentum.
    direction : array_like, shape (p,), optional
        u; its length does not matter. None: the leading eigenvector of the Hessian at `params`.
    radius : float
        The force is fitted over the slice's floor ± radius, which is the range in which the flip coefficient
        describes the valley. Take about as much as the bounce is wide.

    Returns
    -------
    ValleySlice
        With `value(x)`, `force(x)`, `curvature_at(x)`, `curvature`, `flip_coefficient`, `flip_error`,
        `period_two_amplitude` and `orbit(updates)`. For an `MLP` in closed form, at all offsets at once; for other
        models by autograd, one offset after the other.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit each other, or the direction is zero.

    Notes
    -----
    c = (η g₂)²/2 - η g₃/3 is the stability coefficient of the flip: Guckenheimer & Holmes (1983), theorem 3.5.1.
    Two updates of x -> x - η g(x) take a small distance d from the floor to (1 + 2ε) d - c d³ with ε = η g₁ - 2, so
    that the two points of the orbit lie at about ± sqrt(2 ε / c).

    Examples
    --------
    >>> import minidyn as md
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy()
    >>> run = md.train(net, net.init(0), task, loss, learning_rate=1.0, steps=500)
    >>> cut = md.valley_slice(net, run.params, task, loss, learning_rate=1.0)
    >>> cut.force([-0.1, 0.0, 0.1]).shape
    (3,)
    >>> bool(abs(cut.curvature - md.hessian_eigenvalues(net, run.params, task, loss).values[0]) < 1e-6)
    True
    """
    vector, unflatten = model.check_problem(net, params, task, loss)
    rate = check.real("learning_rate", learning_rate, above=0)
    radius = check.real("radius", radius, above=0)
    if direction is None:
        product = derivatives.hessian_product(net, unflatten(vector), task, loss, step)
        direction = lanczos(product, len(vector)).vectors[:, 0]
    unit = unit_direction(direction, len(vector))
    line = lines.through(unflatten(vector), unflatten(unit), lines.Problem(net, task, loss, step))
    return ValleySlice(direction=unit, learning_rate=rate, radius=radius, line=line)


def valley_floor(run: Any, step: int, *, window: int = 64) -> Any:
    """The floor of the valley under a bouncing run: the mean of its weights over the updates around a step.

    Parameters
    ----------
    run : Run
        A run that recorded its weights at every update of the window: `measure={"params": 1}`.
    step : int
        The value of the clock in the middle of the window: it holds steps `step` - `window` // 2 up to, but not
        including, `step` - `window` // 2 + `window`.
    window : int
        Number of updates, at least 1. A multiple of the orbit's period weighs all of its points alike.

    Returns
    -------
    params
        In the structure of `net.init`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, or the run did not record these weights.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy()
    >>> run = md.train(net, net.init(0), task, loss, learning_rate=1.0, steps=100, measure={"params": 1})
    >>> floor = md.valley_floor(run, 50)
    >>> [(weight.shape, bias.shape) for weight, bias in floor]
    [((2, 10), (10,)), ((10, 3), (3,))]
    """
    weights = recorded_weights(run)
    window = check.integer("window", window, least=1)
    first = check.integer("step", step) - window // 2
    inside = weights.sel(step=slice(first, first + window - 1))
    if len(inside) < window:
        raise ValueError(
            f"step={step} with window={window} needs the weights at every step {first}..{first + window - 1}, but run "
            f'recorded {len(inside)} of them; measure={{"params": 1}} records every update'
        )
    return run.settings.unflatten(inside.values.mean(axis=0))


def recorded_weights(run: Any) -> xr.DataArray:
    """The weights that a run recorded, shape (n, p), over "step"."""
    history, settings = getattr(run, "history", None), getattr(run, "settings", None)
    if not isinstance(history, xr.Dataset) or not hasattr(settings, "unflatten"):
        raise TypeError(f"run must be a Run, as train returns it, got {run!r:.80}")
    if "params" not in history:
        raise ValueError('run must have recorded its weights: train it with measure={"params": 1}')
    return history.params.rename(params_step="step")


def unit_direction(direction: ArrayLike, size: int) -> NDArray:
    """A direction in parameter space with length 1."""
    vector = check.array("direction", direction, (size,))
    length = np.linalg.norm(vector)
    if not 0 < length < np.inf:
        raise ValueError(f"direction must have a length above 0, got {length}")
    return vector / length
