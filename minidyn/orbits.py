"""Orbits: how a run moves from one update to the next: period doublings, bursts, bifurcations, chaos.

The functions on a series take `run.history.loss`, any other one-dimensional DataArray over steps, or a plain array,
whose entries then count as steps 0, 1, 2, ... An orbit is visible only in a record of every update, or of every third,
fifth, ... update: at an even cadence a period-2 orbit shows only one of its two branches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check
from minidyn import derivatives, model, valley
from minidyn.losses import Loss
from minidyn.model import Model
from minidyn.task import Task
from minidyn.training import Run, train

ROUNDING = 1e-13  # second differences below this, relative to the series, count as zero
DISTANCE_ERROR = 0.01  # largest relative rounding error of the distance between two runs


def reversals(series: ArrayLike) -> NDArray:
    """Where a series reverses: entry k is true if the series rises to entry k after falling, or falls after rising.

    Parameters
    ----------
    series : DataArray or array_like of float, shape (n,)
        Finite numbers.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        The first two entries are false.

    Raises
    ------
    TypeError, ValueError
        If `series` is not a one-dimensional array of finite numbers, or its steps do not increase.

    Examples
    --------
    >>> from minidyn import orbits
    >>> orbits.reversals([3, 2, 1, 2, 1, 1])
    array([False, False, False,  True,  True, False])
    """
    return _reversals(_series("series", series)[1])


def first_period_doubling(loss: ArrayLike, *, updates: int = 20) -> int | None:
    """The first step from which the loss alternates between falling and rising for a number of updates.

    From this step on the period-2 orbit exceeds the slow change of F with the phase. The orbit begins earlier: see
    `period`, and `loss_changes`, which separates the slow change.

    Parameters
    ----------
    loss : DataArray or array_like of float, shape (n,)
        F at every step.
    updates : int
        Number of consecutive updates, at least 1, each of which must reverse the change of the one before.

    Returns
    -------
    int or None
        The step of the first entry that reverses, or None if there is no such step.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> from minidyn import orbits
    >>> orbits.first_period_doubling([5, 4, 3, 2, 3, 2, 3, 2], updates=4)
    4
    """
    steps, values = _series("loss", loss)
    updates = check.integer("updates", updates, least=1)
    count = np.concatenate([[0], np.cumsum(_reversals(values))])
    starts = np.flatnonzero(count[updates:] - count[:-updates] == updates)
    return int(steps[starts[0]]) if len(starts) else None


def period(series: ArrayLike, step: int, *, entries: int = 64, longest: int = 16, tolerance: float = 0.05) -> int:
    """The period of the orbit in a window of a series: 1, 2, 4, ...; 0 if there is none up to `longest`.

    Second differences, ``D_q = |x(t + q) - 2 x(t) + x(t - q)|``, remove slow changes; their median over the window
    ignores isolated kinks. The period is the first q for which the median of D_q is at most `tolerance` times that of
    D_1. If there is none, the period is 1 if the series reverses at fewer than an eighth of the entries (slow descent,
    or a corner of the oscillation), and otherwise 0: chaos, a longer period, or an orbit that changes within the
    window.

    Parameters
    ----------
    series : DataArray or array_like of float, shape (n,)
        For example F at every step. Periods count entries: in a record of every third step a period of 2 steps is 2,
        and a period of 3 steps is 1.
    step : int
        First step of the window.
    entries : int
        Number of entries in the window, at least 3 `longest`.
    longest : int
        Longest period that is tried, at least 2.
    tolerance : float
        As above, greater than 0.

    Returns
    -------
    int

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or the window reaches beyond the series; the message names it.

    Examples
    --------
    >>> from minidyn import orbits
    >>> orbits.period([1.0, 2.0, 1.5, 2.0] * 20, 4)
    4
    """
    steps, values = _series("series", series)
    longest = check.integer("longest", longest, least=2)
    entries = check.integer("entries", entries, least=3 * longest)
    tolerance = check.real("tolerance", tolerance, above=0)
    first = int(np.searchsorted(steps, check.integer("step", step)))
    if not (len(steps) and steps[0] <= step and first + entries <= len(values)):
        raise ValueError(f"step must leave {entries} entries from it on in the series, got {step}")
    window = values[first : first + entries]
    middle = np.arange(longest, entries - longest)
    differences = [window[middle + q] - 2 * window[middle] + window[middle - q] for q in range(1, longest + 1)]
    sizes = np.median(np.abs(differences), axis=1)
    if sizes[0] <= ROUNDING * np.abs(window).max():
        return 1
    periodic = np.flatnonzero(sizes <= tolerance * sizes[0])
    return int(periodic[0]) + 1 if len(periodic) else int(8 * _reversals(window).sum() < entries)


def windows(condition: ArrayLike, *, gap: int = 0) -> NDArray:
    """The intervals of steps in which a condition holds, with short gaps closed.

    Parameters
    ----------
    condition : DataArray or array_like of bool, shape (n,)
        For example `history.hessian_max > 2 / learning_rate`: where a static quadratic valley would be unstable.
    gap : int
        Largest number of steps between two steps of the same interval. At 0 consecutive steps only are joined; for a
        record of every 25th step it must be at least 24.

    Returns
    -------
    numpy.ndarray of int, shape (windows, 2)
        The first and the last step of each interval, in order.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> from minidyn import orbits
    >>> orbits.windows([True, False, True, False, False, False, True], gap=1)
    array([[0, 2],
           [6, 6]])
    """
    if np.asarray(condition).dtype != bool:
        raise TypeError(f"condition must be true or false at each step, got {condition!r:.80}")
    steps, values = _series("condition", condition)
    return _windows(steps[values > 0], check.integer("gap", gap, least=0))


def bursts(loss: ArrayLike, *, gap: int = 100, least: int = 20) -> xr.Dataset:
    """The bursts of a run: intervals in which the loss keeps reversing, because descent is unstable.

    A burst is a sequence of reversals (see `reversals`) with at most `gap` steps between neighbours, and at least
    `least` of them. Smooth descent reverses only at the minima and maxima of the loss within an oscillation.

    Parameters
    ----------
    loss : DataArray or array_like of float, shape (n,)
        F at every step.
    gap : int
        Largest number of steps between two reversals of the same burst, at least 0. A longer calm ends the burst.
    least : int
        Smallest number of reversals that count as a burst, at least 1.

    Returns
    -------
    xarray.Dataset
        Over "burst", in order of time: start and end, the steps of the first and the last reversal; reversals, their
        number; swing, the largest ``|F(t) - F(t - 1)|`` inside, which is large in a burst and small in a trembling at
        the edge of stability.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from minidyn import orbits
    >>> loss = np.linspace(1, 0, 300)
    >>> loss[100:150:2] += 0.5
    >>> orbits.bursts(loss).start.values, orbits.bursts(loss).end.values
    (array([100]), array([149]))
    """
    steps, values = _series("loss", loss)
    gap, least = check.integer("gap", gap, least=0), check.integer("least", least, least=1)
    reverses = _reversals(values)
    change = np.abs(np.diff(values, prepend=values[:1]))
    rows = []
    for start, end in _windows(steps[reverses], gap):
        inside = (steps >= start) & (steps <= end)
        if reverses[inside].sum() >= least:
            rows.append((start, end, reverses[inside].sum(), change[inside].max()))
    columns = np.array(rows).reshape(-1, 4).T
    types = {"start": int, "end": int, "reversals": int, "swing": float}
    return xr.Dataset({n: ("burst", c.astype(t)) for (n, t), c in zip(types.items(), columns, strict=True)})


def bifurcation_diagram(series: ArrayLike, *, dwell: int, every: int = 25) -> xr.DataArray:
    """The values that a series takes at each phase of the oscillation.

    The phase plays the role that a parameter plays in the bifurcation diagram of a map: it changes slowly compared with
    the orbit. Draw the values as dots over "phase", in one panel per turn.

    Parameters
    ----------
    series : DataArray or array_like of float, shape (n,)
        For example F at every step.
    dwell : int
        Number of steps that each class is held: the `dwell` of the oscillation, which is its `period` by default.
    every : int
        Number of steps per bin of phases, 1 to `dwell`. Steps at the end of a turn that do not fill a bin are left out.

    Returns
    -------
    xarray.DataArray
        Over "turn" (the number of the turn), "phase" (the first step of the bin, counted within its turn) and "visit"
        (0..every - 1, in order of time); NaN where the series has no entry.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from minidyn import orbits
    >>> orbits.bifurcation_diagram(np.arange(100.0), dwell=50, every=20).shape
    (2, 2, 20)
    """
    steps, values = _series("series", series)
    dwell = check.integer("dwell", dwell, least=1)
    every = check.integer("every", every, least=1, most=dwell)
    turn, phase = np.divmod(steps, dwell)
    row, visit = np.divmod(phase, every)
    turns, rows = np.unique(turn), dwell // every
    diagram = np.full((len(turns), rows, every), np.nan)
    shown = row < rows
    diagram[np.searchsorted(turns, turn[shown]), row[shown], visit[shown]] = values[shown]
    return xr.DataArray(
        diagram,
        {"turn": turns, "phase": every * np.arange(rows), "visit": np.arange(every)},
        ("turn", "phase", "visit"),
        name=getattr(series, "name", None),
    )


def loss_changes(history: xr.Dataset) -> xr.Dataset:
    """The change of F in each update, divided into that of the descent and that of the tilting landscape.

    Parameters
    ----------
    history : xarray.Dataset
        The history of a run, at every step: its weights and class_loss, over "step" and "class".

    Returns
    -------
    xarray.Dataset
        Over "step"; entry t belongs to the update that follows. total, F(t+1, w_{t+1}) - F(t, w_t), is what the paper
        shows; descent, F(t, w_{t+1}) - F(t, w_t), is the change with Γ held; tilt, F(t+1, w_{t+1}) - F(t, w_{t+1}), is
        the change with the network held. Descent is negative as long as the update lowers the loss, and shows period 2
        earlier than the total.

    Raises
    ------
    TypeError, ValueError
        If `history` lacks these variables, has further dimensions (such as several runs), or skips steps.

    Notes
    -----
    Exact, because F(t, w) = Σ_c Γ_c(t) L_c(w). Source: figure 4 of "Tilting the playing field" shows the total.

    Examples
    --------
    >>> import minidyn as md
    >>> from minidyn import orbits
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy(md.Oscillation(5, 50))
    >>> run = md.train(net, net.init(0), task, loss, learning_rate=0.1, steps=30)
    >>> bool((orbits.loss_changes(run.history).descent < 0).all())
    True
    """
    _check_history(history)
    weights, class_loss = history.weights.values, history.class_loss.values
    descent = (weights[:-1] * np.diff(class_loss, axis=0)).sum(axis=1)
    tilt = (np.diff(weights, axis=0) * class_loss[1:]).sum(axis=1)
    columns = {"total": descent + tilt, "descent": descent, "tilt": tilt}
    return xr.Dataset({n: ("step", c) for n, c in columns.items()}, {"step": history.step.values[:-1]})


def tangent_growth(
    net: Model,
    params: Any,
    task: Task,
    loss: Loss,
    *,
    learning_rate: float,
    steps: int,
    start: int = 0,
    seed: int = 0,
    progress: bool = True,
) -> xr.DataArray:
    """Growth of an infinitesimal perturbation along a run: log ``|(I - η H_t) v|`` for a unit vector v at each update.

    The image of v, normalised, is the v of the next update. The mean over an interval is the largest Lyapunov exponent
    of that interval, per update. Two caveats. The exponent is slightly positive even without instabilities, because the
    Hessian of a network has negative eigenvalues: along their directions nearby runs separate without chaos. And it
    misses the switching of ReLUs, because H describes one side of the switch only: see `separation_growth`.

    Parameters
    ----------
    net, params, task, loss, learning_rate, steps, start, progress
        As for `train`; plain descent at a constant learning rate, full batch.
    seed : int
        Seed of the first direction v, which no longer matters after about a hundred updates.

    Returns
    -------
    xarray.DataArray
        Over "step": entry t is the logarithm of the growth in the update that follows. If the run diverges, there are
        fewer than `steps` entries.

    Raises
    ------
    TypeError, ValueError
        As for `train`.

    Examples
    --------
    >>> import minidyn as md
    >>> from minidyn import orbits
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy()
    >>> growth = orbits.tangent_growth(net, net.init(0), task, loss, learning_rate=0.1, steps=30)
    >>> bool(growth.mean() < 0.1)
    True
    """
    learning_rate = check.real("learning_rate", learning_rate, above=0)
    seed = check.integer("seed", seed, least=0, most=2**32 - 1)
    tangent: NDArray | None = None

    def growth(net: Model, params: Any, task: Task, loss: Loss, step: int) -> float:
        nonlocal tangent
        if tangent is None:
            tangent = _direction(model.flatten(net, params, task.x)[0].size, seed)
        image = tangent - learning_rate * derivatives.hessian_product(net, params, task, loss, step)(tangent)
        norm = np.linalg.norm(image)
        tangent = image / norm
        return float(np.log(norm))

    measure = {"growth": (1, growth)}
    run = train(
        net,
        params,
        task,
        loss,
        learning_rate=learning_rate,
        steps=steps,
        start=start,
        measure=measure,
        progress=progress,
    )
    return run.history.growth[:-1].rename(growth_step="step")


def separation_growth(
    net: Model,
    params: Any,
    task: Task,
    loss: Loss,
    *,
    learning_rate: float,
    steps: int,
    start: int = 0,
    distance: float = 1e-9,
    seed: int = 0,
    progress: bool = True,
) -> xr.DataArray:
    """Growth of the distance between two nearby runs: its logarithm at each update.

    After each update the second run is moved back to `distance` from the first, along the line between them. The mean
    over an interval is the largest Lyapunov exponent of that interval, per update. Two caveats. The distance is finite:
    rounding errors (1e-16 of the parameters) must be small compared with it, and it must be small compared with the
    attractor; check that another distance gives the same exponent. And like that of `tangent_growth`, the exponent is
    slightly positive without instabilities if the Hessian has negative eigenvalues. Unlike `tangent_growth`, this
    function accounts for ReLUs that switch between the two runs.

    Parameters
    ----------
    net, params, task, loss, learning_rate, steps, start, progress
        As for `train`; plain descent at a constant learning rate, full batch.
    distance : float
        Distance between the two runs in the space of the parameters, greater than 0 and than their rounding errors.
    seed : int
        Seed of the direction of the second run, which no longer matters after about a hundred updates.

    Returns
    -------
    xarray.DataArray
        Over "step": entry t is the logarithm of the growth in the update that follows. If the run diverges, there are
        fewer than `steps` entries.

    Raises
    ------
    TypeError, ValueError
        As for `train`, or if rounding would change the distance; the message names the argument.

    Notes
    -----
    Source: Benettin, Galgani & Strelcyn, "Kolmogorov entropy and numerical experiments" (1976).

    Examples
    --------
    >>> import minidyn as md
    >>> from minidyn import orbits
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy()
    >>> growth = orbits.separation_growth(net, net.init(0), task, loss, learning_rate=0.1, steps=30)
    >>> growth.sizes["step"]
    30
    """
    learning_rate = check.real("learning_rate", learning_rate, above=0)
    distance = check.real("distance", distance, above=0)
    seed = check.integer("seed", seed, least=0, most=2**32 - 1)
    second: NDArray | None = None  # the second run, one update after it was moved back to `distance`

    def growth(net: Model, params: Any, task: Task, loss: Loss, step: int) -> float:
        nonlocal second
        first, unflatten = model.flatten(net, params, task.x)
        if second is None:
            second = _beside(first, distance, seed)
        separation = np.linalg.norm(second - first)
        near = first + (second - first) * (distance / separation)
        logits, pullback = derivatives.vjp(net, unflatten(near), task.x)
        second = near - learning_rate * pullback(loss.gradient(logits, task.labels, step))
        return float(np.log(separation / distance))

    measure = {"growth": (1, growth)}
    run = train(
        net,
        params,
        task,
        loss,
        learning_rate=learning_rate,
        steps=steps,
        start=start,
        measure=measure,
        progress=progress,
    )
    growths = run.history.growth.rename(growth_step="step")
    return growths[1:].assign_coords(step=growths.step.values[:-1])


def projection(run: Run, floor: Any, direction: ArrayLike) -> xr.DataArray:
    """The recorded weights of a run, projected on a direction of parameter space: (w(t) - w̄)·u.

    Parameters
    ----------
    run : Run
        A run that recorded its weights: `measure={"params": 1}`.
    floor
        The origin w̄, in the structure of `net.init`, for example from `valley_floor`.
    direction : array_like of float, shape (p,)
        The direction u, of any length.

    Returns
    -------
    xarray.DataArray
        Over "step", the steps at which the weights were recorded. Compare it with `ValleySlice.orbit`.

    Raises
    ------
    TypeError, ValueError
        If the run did not record its weights, or `floor` or `direction` does not fit them.

    Examples
    --------
    >>> import minidyn as md
    >>> from minidyn import orbits
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy()
    >>> run = md.train(net, net.init(0), task, loss, learning_rate=1.0, steps=100, measure={"params": 1})
    >>> floor = md.valley_floor(run, 50)
    >>> cut = md.valley_slice(net, floor, task, loss, 50, learning_rate=1.0)
    >>> orbits.projection(run, floor, cut.direction).sizes["step"]
    101
    """
    weights = valley.recorded_weights(run)
    origin, _ = model.flatten(run.settings.net, floor, run.settings.task.x)
    unit = valley.unit_direction(direction, run.settings.size)
    return xr.DataArray((weights.values - origin) @ unit, {"step": weights.step.values}, ["step"])


def swings(series: ArrayLike, *, entries: int = 64, longest: int = 16) -> xr.Dataset:
    """The amplitude and the period of a series in consecutive windows.

    Parameters
    ----------
    series : DataArray or array_like of float, shape (n,)
        For example F at every step, a `projection` of the weights, or the orbit of a map.
    entries : int
        Number of entries in a window, at least 3 `longest`. Entries at the end that do not fill a window are left out.
    longest : int
        Longest period that is tried, at least 2.

    Returns
    -------
    xarray.Dataset
        Over "step", the first step of each window: amplitude, the standard deviation, which for a period-2 orbit is
        half the distance between its two points; period, as in `period`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> from minidyn import orbits
    >>> table = orbits.swings([1.0, 3.0] * 40 + [2.0, 2.5] * 40, entries=80)
    >>> table.amplitude.values, table.period.values
    (array([1.  , 0.25]), array([2, 2]))
    """
    steps, values = _series("series", series)
    longest = check.integer("longest", longest, least=2)
    entries = check.integer("entries", entries, least=3 * longest)
    starts = range(0, len(values) - entries + 1, entries)
    columns = {
        "amplitude": [values[first : first + entries].std() for first in starts],
        "period": [period(values, first, entries=entries, longest=longest) for first in starts],
    }
    return xr.Dataset({name: ("step", column) for name, column in columns.items()}, {"step": steps[list(starts)]})


def _direction(size: int, seed: int) -> NDArray:
    vector = np.random.RandomState(seed).randn(size)
    return vector / np.linalg.norm(vector)


def _beside(params: NDArray, distance: float, seed: int) -> NDArray:
    """Parameters at `distance` from `params`, in a random direction."""
    second = params + distance * _direction(params.size, seed)
    if abs(np.linalg.norm(second - params) - distance) > DISTANCE_ERROR * distance:
        limit = np.finfo(float).eps * np.linalg.norm(params) / DISTANCE_ERROR
        raise ValueError(
            f"distance must exceed the rounding errors of the parameters, about {limit:.1g}, got {distance}"
        )
    return second


def _reversals(values: NDArray) -> NDArray:
    change = np.diff(values)
    return np.concatenate([np.zeros(min(2, len(values)), bool), change[1:] * change[:-1] < 0])


def _windows(steps: NDArray, gap: int) -> NDArray:
    """First and last of each group of steps in which at most `gap` steps are missing between neighbours."""
    if not len(steps):
        return np.empty((0, 2), int)
    breaks = np.flatnonzero(np.diff(steps) > gap + 1)
    return np.stack([steps[np.concatenate([[0], breaks + 1])], steps[np.concatenate([breaks, [-1]])]], axis=1)


def _series(name: str, series: Any) -> tuple[NDArray, NDArray]:
    """The steps and the values of a series."""
    values = check.array(name, series, (None,))
    if not isinstance(series, xr.DataArray) or series.dims[0] not in series.coords:
        return np.arange(len(values)), values
    steps = np.asarray(series[series.dims[0]].values)
    if steps.dtype.kind not in "iuf" or (steps != np.floor(steps)).any() or (np.diff(steps) <= 0).any():
        raise ValueError(f"{name} must be over whole steps in rising order, got {steps!r:.80}")
    return steps.astype(int), values


def _check_history(history: Any) -> None:
    if not isinstance(history, xr.Dataset):
        raise TypeError(f"history must be the history of a run, got {history!r:.80}")
    missing = [name for name in ("weights", "class_loss") if name not in history]
    if missing:
        raise ValueError(f"history must have weights and class_loss, but lacks {', '.join(missing)}")
    for name in ("weights", "class_loss"):
        if history[name].dims != ("step", "class"):
            raise ValueError(f"history must have {name} over ('step', 'class'), got {history[name].dims}")
    skipped = np.flatnonzero(np.diff(history.step.values) != 1)
    if len(skipped):
        after, before = history.step.values[skipped[0]], history.step.values[skipped[0] + 1]
        raise ValueError(f"history must hold every step, got {before} after {after}")
