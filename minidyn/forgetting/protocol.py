"""Learn one task, then another; or learn from one random example at a time. Watch what is kept and what is gained.

The measures are the standard ones of continual learning, functions of the accuracies R[i, j] on task j after training
on task i. Everything is done for many seeds at once and comes back as labelled arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
import xarray as xr

from minidyn import _checks as check
from minidyn.forgetting import facts
from minidyn.forgetting.learners import Learner

START = "start"  # the row of R before any training


def sequential(
    learner: Learner,
    seeds: Sequence[int],
    tasks: Mapping[str, Any] | None = None,
    *,
    tests: Mapping[str, Any] | None = None,
    until: float = 0.9,
    most: int = 500,
    passes: int = 100,
    rehearsal: float = 0.0,
) -> xr.Dataset:
    """Train on tasks one after the other, and measure them all on the way.

    Every task but the last is trained until a network has at least `until` of it right (that network then waits for
    the others), the last for `passes` passes. A pass shows each fact once, in random order, one at a time.

    Parameters
    ----------
    learner : Learner
        From `minidyn.forgetting.learners`, or your own.
    seeds : sequence of int
        One network each.
    tasks : mapping of names to pairs (n, 2), optional
        In order. Default: the ones, then the twos addition facts.
    tests : mapping of names to pairs (n, 2), optional
        Measured beside the tasks. Default: the unseen single-digit additions, all of them ("unseen") and parted by
        the full carry ("without full carry", "with full carry"); see `facts.full_carry`.
    until : float
        Fraction right at which a task is learned, in (0, 1].
    most : int
        Most passes over a task that is not the last.
    passes : int
        Passes over the last task.
    rehearsal : float
        Facts of earlier tasks mixed into each pass, as a fraction of the task's own number, in [0, 1].

    Returns
    -------
    xarray.Dataset
        accuracy (seed, point, set), at points of the training with coordinates `task` and `passes`; R (seed, after,
        set), after "start" and each task; needed (seed, trained), passes taken over each task; learned (seed, trained),
        whether `until` was reached. Attributes: learner, parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> from minidyn.forgetting.learners import Perceptron
    >>> data = sequential(Perceptron(), range(5), passes=20)
    >>> float(data.R.sel(after="ones", set="ones").mean()) > 0.9 > float(data.R.sel(after="twos", set="ones").mean())
    True
    """
    seeds = facts.seeds_of(seeds)
    tasks = _sets("tasks", {"ones": facts.ones(), "twos": facts.twos()} if tasks is None else tasks)
    sets = tasks | _sets("tests", _unseen() if tests is None else tests)
    until = check.real("until", until, above=0, most=1)
    most, passes = check.integer("most", most, least=1), check.integer("passes", passes, least=0)
    rehearsal = check.real("rehearsal", rehearsal, least=0, most=1)

    state, streams = learner.init(seeds), streams_of(seeds)
    start = accuracies(learner, state, sets)
    points, rows, needed, learned = [(START, 0)], [start], [], []
    after, old = [start], np.empty((0, 2), dtype=int)
    for name, pairs in tasks.items():
        last = name == list(tasks)[-1]
        limit = passes if last else most
        marks = set(rising(limit))

        def measure(k: int, state: Any, name: str = name, marks: set[int] = marks) -> None:
            if k in marks:
                points.append((name, k))
                rows.append(accuracies(learner, state, sets))

        state, count, right = _fit(
            learner, state, streams, pairs, np.inf if last else until, limit, measure, old, rehearsal
        )
        after.append(accuracies(learner, state, sets))
        needed.append(count)
        learned.append(right >= until)
        old = np.concatenate([old, pairs])
    return xr.Dataset(
        {
            "accuracy": (("seed", "point", "set"), np.stack(rows, axis=1)),
            "R": (("seed", "after", "set"), np.stack(after, axis=1)),
            "needed": (("seed", "trained"), np.stack(needed, axis=1)),
            "learned": (("seed", "trained"), np.stack(learned, axis=1)),
        },
        coords={
            "seed": seeds,
            "set": list(sets),
            "task": ("point", [task for task, _ in points]),
            "passes": ("point", [k for _, k in points]),
            "after": [START, *tasks],
            "trained": list(tasks),
        },
        attrs=_about(learner),
    )


def one_by_one(
    learner: Learner,
    seeds: Sequence[int],
    *,
    bits: int = 3,
    examples: int = 6000,
    held_out: float = 0.25,
    deal: int = 0,
    tests: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Train on random additions, one at a time, and measure pairs that are never shown.

    Parameters
    ----------
    learner : Learner
    seeds : sequence of int
        One network each; each draws its own examples.
    bits : int
        Binary digits of the numbers, 1 to 8 (1 to 3 for a coarse code, which reads single decimal digits).
    examples : int
        Additions seen.
    held_out : float
        Fraction of all pairs that is never shown, in (0, 1).
    deal : int
        Seed that deals the pairs into shown and held out.
    tests : mapping of names to pairs (n, 2), optional
        Measured beside them. Default: 200 random pairs of 16-bit numbers ("16 bits") for a learner that adds numbers
        of any length.

    Returns
    -------
    xarray.Dataset
        accuracy (seed, examples, set) with sets "shown", "unseen" and the tests. Attributes: learner, parameters.

    Examples
    --------
    >>> from minidyn.forgetting.learners import Adder
    >>> data = one_by_one(Adder(digits=4), range(3), examples=300)
    >>> data.accuracy.sel(set="unseen").isel(examples=-1).shape
    (3,)
    """
    seeds = facts.seeds_of(seeds)
    examples = check.integer("examples", examples, least=0)
    shown, unseen = facts.split(bits, held_out=held_out, seed=deal)
    if not len(unseen):
        raise ValueError(f"held_out must leave at least one of {len(shown)} pairs unseen, got {held_out!r}")
    if tests is None:
        tests = {"16 bits": facts.random_pairs(200, 16, seed=deal)} if learner.any_length else {}
    sets = {"shown": shown, "unseen": unseen} | _sets("tests", tests)

    state, active = learner.init(seeds), np.full(len(seeds), True)
    drawn = np.array([stream.randint(len(shown), size=examples) for stream in streams_of(seeds)], dtype=int)
    marks, rows = [0, *rising(examples)], [accuracies(learner, state, sets)]
    for k in range(examples):
        state = learner.update(state, shown[drawn[:, k]], active)
        if k + 1 in marks:
            rows.append(accuracies(learner, state, sets))
    return xr.Dataset(
        {"accuracy": (("seed", "examples", "set"), np.stack(rows, axis=1))},
        coords={"seed": seeds, "examples": marks, "set": list(sets)},
        attrs=_about(learner),
    )


def fit(learner: Learner, seeds: Sequence[int], pairs: Any, *, until: float = 1.0, most: int = 500) -> xr.Dataset:
    """Train on one set of facts, pass after pass, until a network has them right.

    Parameters
    ----------
    learner : Learner
    seeds : sequence of int
    pairs : array_like of int, shape (n, 2)
    until : float
        Fraction right that ends the training of a network, in (0, 1].
    most : int
        Most passes.

    Returns
    -------
    xarray.Dataset
        learned (seed), whether `until` was reached, and needed (seed), the passes taken.

    Examples
    --------
    >>> from minidyn.forgetting.learners import Perceptron
    >>> bool(fit(Perceptron(), range(3), facts.ones()).learned.all())
    True
    """
    seeds, pairs = facts.seeds_of(seeds), facts.pair_array("pairs", pairs)
    until = check.real("until", until, above=0, most=1)
    most = check.integer("most", most, least=1)
    _, needed, right = _fit(learner, learner.init(seeds), streams_of(seeds), pairs, until, most)
    data = {"learned": ("seed", right >= until), "needed": ("seed", needed)}
    return xr.Dataset(data, coords={"seed": seeds}, attrs=_about(learner))


def present(
    learner: Learner,
    state: Any,
    streams: Sequence[np.random.RandomState],
    pairs: np.ndarray,
    *,
    active: np.ndarray | None = None,
    old: np.ndarray | None = None,
    rehearsal: float = 0.0,
) -> Any:
    """One pass: each network is shown every fact once, in its own random order, and updated after each.

    Parameters
    ----------
    learner, state
        A learner and the state of its networks.
    streams : sequence of RandomState
        One for each network; from `streams_of`.
    pairs : ndarray of int, shape (n, 2)
    active : ndarray of bool, shape (seeds,), optional
        Networks that take part.
    old : ndarray of int, shape (m, 2), optional
        Facts to rehearse: rehearsal * n of them (at most m), drawn anew in each pass, are mixed in.
    rehearsal : float

    Returns
    -------
    state
    """
    active = np.full(len(streams), True) if active is None else active
    old = pairs[:0] if old is None else old
    extra = min(round(rehearsal * len(pairs)), len(old))
    order = np.zeros((len(streams), len(pairs) + extra), dtype=int)
    for row, stream, on in zip(order, streams, active, strict=True):
        if on:  # a network that waits draws nothing, so that no network depends on the others
            again = stream.permutation(len(old))[:extra] if extra else np.empty(0, dtype=int)
            row[:] = stream.permutation(np.concatenate([np.arange(len(pairs)), len(pairs) + again]))
    shown = np.concatenate([pairs, old])
    for items in order.T:
        state = learner.update(state, shown[items], active)
    return state


def average_accuracy(R: xr.DataArray) -> xr.DataArray:
    """Accuracy after the last task, averaged over the tasks: ACC = (1/T) sum_i R[T, i].

    Parameters
    ----------
    R : xarray.DataArray
        Over "after" ("start", then the tasks in order), "set" and what else there is (seeds).

    Returns
    -------
    xarray.DataArray
        Over what else there is.

    References
    ----------
    Lopez-Paz and Ranzato, "Gradient episodic memory for continual learning" (NeurIPS 2017), equation 2.
    """
    tasks = _tasks(R)
    return R.sel(after=tasks[-1], set=tasks).mean("set")


def backward_transfer(R: xr.DataArray) -> xr.DataArray:
    """What later tasks do to earlier ones: BWT = (1/(T-1)) sum_{i<T} (R[T, i] - R[i, i]). Negative: forgetting.

    Parameters, returned value and source as in `average_accuracy`; equation 3 there.
    """
    tasks = _tasks(R)
    return _mean(_at(R, tasks[-1], task) - _at(R, task, task) for task in tasks[:-1])


def forward_transfer(R: xr.DataArray) -> xr.DataArray:
    """What earlier tasks do for later ones: FWT = (1/(T-1)) sum_{i>1} (R[i-1, i] - b[i]), b before any training.

    Parameters, returned value and source as in `average_accuracy`; equation 4 there.
    """
    tasks = _tasks(R)
    return _mean(_at(R, before, task) - _at(R, START, task) for before, task in pairwise(tasks))


def forgetting_measure(R: xr.DataArray) -> xr.DataArray:
    """Fall from the best accuracy that a task ever had: F = (1/(T-1)) sum_{j<T} (max_{l<T} R[l, j] - R[T, j]).

    Parameters
    ----------
    R : xarray.DataArray
        As in `average_accuracy`. The best is taken after tasks 1 to T-1.

    Returns
    -------
    xarray.DataArray

    References
    ----------
    Chaudhry, Dokania, Ajanthan and Torr, "Riemannian walk for incremental learning" (ECCV 2018), section 3.
    """
    tasks = _tasks(R)
    best = R.sel(after=tasks[:-1], set=tasks[:-1]).max("after")
    return (best - R.sel(after=tasks[-1], set=tasks[:-1], drop=True)).mean("set")


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a proportion.

    Parameters
    ----------
    successes, trials : int
    level : float
        In (0, 1).

    Returns
    -------
    low, high : float

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference" (JASA 22, 209, 1927).

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(193, 200)]
    [0.93, 0.983]
    """
    trials = check.integer("trials", trials, least=1)
    successes = check.integer("successes", successes, least=0, most=trials)
    level = check.real("level", level, above=0)
    if level >= 1:
        raise ValueError(f"level must be a finite number > 0 and < 1, got {level!r}")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p, n = successes / trials, trials + z**2
    middle = (successes + z**2 / 2) / n
    half = z / n * math.sqrt(trials * p * (1 - p) + z**2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def streams_of(seeds: Sequence[int]) -> list[np.random.RandomState]:
    """A random stream for each seed, apart from the one that draws its network's weights."""
    return [np.random.RandomState([seed, 1]) for seed in seeds]


def rising(last: int) -> list[int]:
    """1, 2, 3, 5, 7, 10, 14, ...: about six numbers a decade up to `last`, which is among them."""
    found = {round(10 ** (k / 6)) for k in range(6 * len(str(last)) + 1)}
    return sorted({k for k in found if k < last} | ({last} if last else set()))


def accuracies(learner: Learner, state: Any, sets: Mapping[str, np.ndarray]) -> np.ndarray:
    """Fraction of each set that each network has right, shape (seeds, sets)."""
    return np.stack([_accuracy(learner, state, pairs) for pairs in sets.values()], axis=-1)


def _fit(
    learner: Learner,
    state: Any,
    streams: Sequence[np.random.RandomState],
    pairs: np.ndarray,
    until: float,
    most: int,
    measure: Callable[[int, Any], None] = lambda passes, state: None,
    old: np.ndarray | None = None,
    rehearsal: float = 0.0,
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Up to `most` passes, each network until it has `until` right: state, passes taken, fraction right."""
    right = _accuracy(learner, state, pairs)
    count = np.zeros(len(streams), dtype=int)
    for k in range(1, most + 1):
        active = right < until
        if not active.any():
            break
        state = present(learner, state, streams, pairs, active=active, old=old, rehearsal=rehearsal)
        count += active
        right = _accuracy(learner, state, pairs)
        measure(k, state)
    return state, count, right


def _accuracy(learner: Learner, state: Any, pairs: np.ndarray) -> np.ndarray:
    return (learner.answers(state, pairs) == pairs.sum(-1)).astype(bool).mean(axis=-1)


def _unseen() -> dict[str, np.ndarray]:
    pairs = facts.unseen()
    full = facts.full_carry(pairs)
    return {"unseen": pairs, "without full carry": pairs[~full], "with full carry": pairs[full]}


def _sets(name: str, sets: Any) -> dict[str, np.ndarray]:
    if not isinstance(sets, Mapping) or (name == "tasks" and len(sets) < 2):
        least = " of at least two" if name == "tasks" else ""
        raise TypeError(f"{name} must be a mapping{least} from names to pairs, got {sets!r:.80}")
    return {str(key): facts.pair_array(f"{name}[{key!r}]", pairs) for key, pairs in sets.items()}


def _tasks(R: xr.DataArray) -> list[str]:
    if not isinstance(R, xr.DataArray) or not {"after", "set"} <= set(R.dims):
        raise TypeError(f"R must be an xarray.DataArray over 'after' and 'set', got {R!r:.80}")
    rows = [str(row) for row in R["after"].values]
    if rows[0] != START or len(rows) < 3:
        raise ValueError(f"R's rows must be after 'start' and at least two tasks, got {rows}")
    return rows[1:]


def _at(R: xr.DataArray, after: str, task: str) -> xr.DataArray:
    return R.sel(after=after, set=task, drop=True)


def _mean(parts: Iterable[xr.DataArray]) -> xr.DataArray:
    return xr.concat(list(parts), "part").mean("part")


def _about(learner: Learner) -> dict[str, Any]:
    return {"learner": learner.name, "parameters": learner.parameters}
