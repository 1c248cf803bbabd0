"""Orbits: what a run does from one update to the next: period doublings, bursts, bifurcations, chaos.

The functions on a series take `run.history.loss`, any other one-dimensional DataArray over steps, or a plain array,
whose entries then count as steps 0, 1, 2, ... An orbit shows only in a record of every update, or of every third,
fifth, ...: an even cadence sees a single branch of a period-2 orbit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check
from minidyn import derivatives, model
from minidyn.losses import Loss
from minidyn.model import Model
from minidyn.task import Task
from minidyn.training import train

ROUNDING = 1e-13  # relative: a wobble below this is none


def reversals(series: ArrayLike) -> NDArray:
    """Where a series turns: entry k is true if it rises to entry k after falling, or falls after rising.

    Parameters
    ----------
    series : DataArray or array_like, shape (n,)

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        The first two entries are false.

    Raises
    ------
    TypeError, ValueError
        Where `series` is not a one-dimensional array of finite numbers.

    Examples
    --------
    >>> from minidyn import orbits
    >>> orbits.reversals([3, 2, 1, 2, 1, 1])
    array([False, False, False,  True,  True, False])
    """
    _, values = _series(series)
    change = np.diff(values)
    return np.concatenate([np.zeros(min(2, len(values)), bool), change[1:] * change[:-1] < 0])


def first_period_doubling(loss: ArrayLike, *, updates: int = 20) -> int | None:
    """The first step at which the loss falls and rises in turn, and goes on to for a number of updates.

    This is where a period-2 orbit has outgrown the slow change of F with the phase; the orbit is born earlier
    (see `period`, and `loss_changes`, which takes the slow change away).

    Parameters
    ----------
    loss : DataArray or array_like, shape (n,)
        F at every step.
    updates : int
        How many updates in a row must each reverse the one before, at least 1.

    Returns
    -------
    int or None
        The step of the first entry that reverses; None where there is none.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not of the kind above.

    Examples
    --------
    >>> from minidyn import orbits
    >>> orbits.first_period_doubling([5, 4, 3, 2, 3, 2, 3, 2], updates=4)
    4
    """
    steps, _ = _series(loss)
    updates = check.integer("updates", updates, least=1)
    turns = np.concatenate([[0], np.cumsum(reversals(loss))])
    starts = np.flatnonzero(turns[updates:] - turns[:-updates] == updates)
    return int(steps[starts[0]]) if len(starts) else None


def period(series: ArrayLike, step: int, *, entries: int = 64, longest: int = 16, tolerance: float = 0.05) -> int:
    """The period of the orbit that begins at a step: 1, 2, 4, ...; 0 where there is none up to `longest`.

    Slow changes are taken away by second differences, ``D_q = |x(t + q) - 2 x(t) + x(t - q)|``, the median over the
    window, which overlooks single kinks. The period is the first q for which D_q is below `tolerance` times D_1.
    Where there is none it is 1 if the series reverses at less than an eighth of the entries (slow descent, an edge
    of the cycle), and else 0: chaos, a longer period, or an orbit that changes within the window.

    Parameters
    ----------
    series : DataArray or array_like, shape (n,)
        Such as F at every step. Periods count entries: a record of every third step shows 2 as 2, and 3 as 1.
    step : int
        Where the window begins.
    entries : int
        Length of the window, at least 3 `longest`.
    longest : int
        The longest period to try, at least 2.
    tolerance : float
        As above.

    Returns
    -------
    int

    Raises
    ------
    TypeError, ValueError
        Where an argument is not of the kind above, or the window reaches beyond the series.

    Examples
    --------
    >>> from minidyn import orbits
    >>> orbits.period([1.0, 2.0, 1.5, 2.0] * 20, 4)
    4
    """
    steps, values = _series(series)
    longest = check.integer("longest", longest, least=2)
    entries = check.integer("entries", entries, least=3 * longest)
    tolerance = check.real("tolerance", tolerance, above=0)
    first = int(np.searchsorted(steps, check.integer("step", step)))
    if not (len(steps) and steps[0] <= step and first + entries <= len(values)):
        raise ValueError(f"step must leave {entries} entries from it on in the series, got {step}")
    window = values[first : first + entries]
    middle = np.arange(longest, entries - longest)
    wobbles = [window[middle + q] - 2 * window[middle] + window[middle - q] for q in range(1, longest + 1)]
    sizes = np.median(np.abs(wobbles), axis=1)
    if sizes[0] <= ROUNDING * np.abs(window).max():
        return 1
    periodic = np.flatnonzero(sizes <= tolerance * sizes[0])
    return int(periodic[0]) + 1 if len(periodic) else int(8 * reversals(window).sum() < entries)


def windows(condition: ArrayLike, *, gap: int = 0) -> NDArray:
    """The stretches of steps in which a condition holds, but for gaps.

    Parameters
    ----------
    condition : DataArray or array_like of bool, shape (n,)
        Such as `history.hessian_max > 2 / learning_rate`: where a frozen valley would be unstable.
    gap : int
        Two steps at which the condition holds belong together if at most `gap` steps lie between them.

    Returns
    -------
    numpy.ndarray of int, shape (windows, 2)
        The first and the last step of each.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not of the kind above.

    Examples
    --------
    >>> from minidyn import orbits
    >>> orbits.windows([True, False, True, False, False, False, True], gap=1)
    array([[0, 2],
           [6, 6]])
    """
    if np.asarray(condition).dtype != bool:
        raise TypeError(f"condition must be true or false at each step, got {condition!r:.80}")
    steps, values = _series(condition)
    gap = check.integer("gap", gap, least=0)
    holds = steps[values > 0]
    if not len(holds):
        return np.empty((0, 2), int)
    breaks = np.flatnonzero(np.diff(holds) > gap + 1)
    return np.stack([holds[np.concatenate([[0], breaks + 1])], holds[np.concatenate([breaks, [-1]])]], axis=1)


def bursts(loss: ArrayLike, *, gap: int = 100, least: int = 20) -> xr.Dataset:
    """The bursts of a run: stretches in which the loss keeps reversing, as it does when descent is unstable.

    A burst is a window of `reversals` that are at most `gap` steps apart, and at least `least` in number. Smooth
    descent reverses only where the loss has a minimum or maximum in the cycle.

    Parameters
    ----------
    loss : DataArray or array_like, shape (n,)
        F at every step.
    gap, least : int
        As above.

    Returns
    -------
    xarray.Dataset
        Over "burst": start and end (the steps of the first and the last reversal), reversals (how many), and swing
        (the largest ``|F(t) - F(t - 1)|`` inside), by which a burst differs from a tremble at the edge of stability.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not of the kind above.

    Examples
    --------
    >>> import numpy as np
    >>> from minidyn import orbits
    >>> loss = np.linspace(1, 0, 300)
    >>> loss[100:150:2] += 0.5
    >>> orbits.bursts(loss).start.values, orbits.bursts(loss).end.values
    (array([100]), array([149]))
    """
    steps, values = _series(loss)
    least = check.integer("least", least, least=1)
    turns = reversals(loss)
    change = np.abs(np.diff(values, prepend=values[:1]))
    found = []
    for start, end in windows(xr.DataArray(turns, {"step": steps}, ["step"]), gap=gap):
        inside = (steps >= start) & (steps <= end)
        if turns[inside].sum() >= least:
            found.append((start, end, turns[inside].sum(), change[inside].max()))
    columns = np.array(found).reshape(-1, 4).T
    names = ("start", "end", "reversals", "swing")
    kinds = (int, int, int, float)
    return xr.Dataset({n: ("burst", c.astype(k)) for n, c, k in zip(names, columns, kinds, strict=True)})


def bifurcation_diagram(series: ArrayLike, *, dwell: int, every: int = 25) -> xr.DataArray:
    """The values that a series visits at each phase of the oscillation.

    The phase plays the part that a parameter plays in the diagram of a map: it changes slowly against the orbit.
    Draw the values as dots over "phase", one panel a turn.

    Parameters
    ----------
    series : DataArray or array_like, shape (n,)
        Such as F at every step.
    dwell : int
        Steps that each class is held: the oscillation's `dwell`, or its `period`.
    every : int
        Steps a bin of phases, 1 to `dwell`; what is left at the end of a turn is not shown.

    Returns
    -------
    xarray.DataArray
        Over "turn" (number of the turn), "phase" (the bin's first step in its turn) and "visit" (0..every - 1, in
        order of time); NaN where the series has no entry.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not of the kind above.

    Examples
    --------
    >>> import numpy as np
    >>> from minidyn import orbits
    >>> orbits.bifurcation_diagram(np.arange(100.0), dwell=50, every=20).shape
    (2, 2, 20)
    """
    steps, values = _series(series)
    dwell = check.integer("dwell", dwell, least=1)
    every = check.integer("every", every, least=1, most=dwell)
    turn, phase = np.divmod(steps, dwell)
    row, visit = np.divmod(phase, every)
    turns, rows = np.unique(turn), dwell // every
    found = np.full((len(turns), rows, every), np.nan)
    shown = row < rows
    found[np.searchsorted(turns, turn[shown]), row[shown], visit[shown]] = values[shown]
    return xr.DataArray(
        found,
        {"turn": turns, "phase": every * np.arange(rows), "visit": np.arange(every)},
        ("turn", "phase", "visit"),
        name=getattr(series, "name", None),
    )


def loss_changes(history: xr.Dataset) -> xr.Dataset:
    """How much of the change of F in each update is descent, and how much is the tilting of the landscape.

    Parameters
    ----------
    history : xarray.Dataset
        Of a run: its loss, weights and class_loss.

    Returns
    -------
    xarray.Dataset
        Over "step", entry t of the update that follows: total F(t+1, w_{t+1}) - F(t, w_t), which the paper shows;
        descent F(t, w_{t+1}) - F(t, w_t), with Γ held; tilt F(t+1, w_{t+1}) - F(t, w_{t+1}), with the network held.
        Descent is negative while the update does what it should, and shows period 2 before the total does.

    Raises
    ------
    TypeError, ValueError
        Where `history` lacks these variables.

    Notes
    -----
    Exact, from F(t, w) = Σ_c Γ_c(t) L_c(w). Source: figure 4 of "Tilting the playing field" shows the total.

    Examples
    --------
    >>> import minidyn as md
    >>> from minidyn import orbits
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy(md.Oscillation(5, 50))
    >>> run = md.train(net, net.init(0), task, loss, learning_rate=0.1, steps=30)
    >>> bool((orbits.loss_changes(run.history).descent < 0).all())
    True
    """
    if not isinstance(history, xr.Dataset):
        raise TypeError(f"history must be the history of a run, got {history!r:.80}")
    missing = [name for name in ("weights", "class_loss") if name not in history]
    if missing:
        raise ValueError(f"history must have weights and class_loss, but lacks {', '.join(missing)}")
    weights, parts = history.weights.values, history.class_loss.values
    descent = (weights[:-1] * np.diff(parts, axis=0)).sum(axis=1)
    tilt = (np.diff(weights, axis=0) * parts[1:]).sum(axis=1)
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
    """How fast an infinitesimal perturbation grows along a run: log ``|(I - η H_t) v|`` for a unit v, which it moves.

    The mean over a stretch is the stretch's largest Lyapunov exponent, per update. Two caveats. It is slightly
    positive even in calm, because the Hessian of a network has negative eigenvalues: along them nearby runs part
    without chaos. And it misses what happens where a ReLU switches, because H knows one side only: see
    `separation_growth`.

    Parameters
    ----------
    net, params, task, loss, learning_rate, steps, start, progress
        As for `train`; full batch.
    seed : int
        Of the first direction v; it is forgotten within some hundred updates.

    Returns
    -------
    xarray.DataArray
        Over "step": entry t is the logarithm of the growth in the update that follows. Fewer than `steps` entries
        where the run diverges.

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
    seed = check.integer("seed", seed, least=0, most=2**32 - 1)
    tangent: NDArray | None = None

    def growth(net: Model, params: Any, task: Task, loss: Loss, step: int) -> float:
        nonlocal tangent
        if tangent is None:
            tangent = _direction(model.flatten(net, params, task.x)[0].size, seed)
        moved = tangent - learning_rate * derivatives.hessian_product(net, params, task, loss, step)(tangent)
        norm = np.linalg.norm(moved)
        tangent = moved / norm
        return float(np.log(norm))

    run = train(
        net, params, task, loss, learning_rate=learning_rate, steps=steps, start=start,
        measure={"growth": (1, growth)}, progress=progress,
    )  # fmt: skip
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
    """How fast two nearby runs part: log of the growth of their distance in each update.

    After each update the second run is put back to `distance` from the first, along the line between them. The
    mean over a stretch is the stretch's largest Lyapunov exponent, per update. Two caveats. The distance is finite:
    rounding (1e-16 of the weights) must be small against it, and it must be small against the attractor; check that
    another distance gives the same. And like the tangent's, the exponent is slightly positive in calm where the
    Hessian has negative eigenvalues. But the switching of ReLUs between the two runs is seen.

    Parameters
    ----------
    net, params, task, loss, learning_rate, steps, start, progress
        As for `train`; full batch.
    distance : float
        In parameter space, above 0.
    seed : int
        Of the direction of the second run; it is forgotten within some hundred updates.

    Returns
    -------
    xarray.DataArray
        Over "step": entry t is the logarithm of the growth in the update that follows. Fewer than `steps` entries
        where the run diverges.

    Raises
    ------
    TypeError, ValueError
        As for `train`.

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
    distance = check.real("distance", distance, above=0)
    seed = check.integer("seed", seed, least=0, most=2**32 - 1)
    second: NDArray | None = None  # the other run, one update after it was put at `distance`

    def growth(net: Model, params: Any, task: Task, loss: Loss, step: int) -> float:
        nonlocal second
        here, unflatten = model.flatten(net, params, task.x)
        if second is None:
            second = here + distance * _direction(here.size, seed)
        apart = np.linalg.norm(second - here)
        near = here + (second - here) * (distance / apart)
        logits, pullback = derivatives.vjp(net, unflatten(near), task.x)
        second = near - learning_rate * pullback(loss.gradient(logits, task.labels, step))
        return float(np.log(apart / distance))

    run = train(
        net, params, task, loss, learning_rate=learning_rate, steps=steps, start=start,
        measure={"growth": (1, growth)}, progress=progress,
    )  # fmt: skip
    found = run.history.growth.rename(growth_step="step")
    return found[1:].assign_coords(step=found.step.values[:-1])


def _direction(size: int, seed: int) -> NDArray:
    vector = np.random.RandomState(seed).randn(size)
    return vector / np.linalg.norm(vector)


def _series(series: Any) -> tuple[NDArray, NDArray]:
    """The steps and the values of a series."""
    values = check.array("series", series, (None,))
    if isinstance(series, xr.DataArray) and series.dims[0] in series.coords:
        return series[series.dims[0]].values, values
    return np.arange(len(values)), values
