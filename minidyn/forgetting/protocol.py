"""Learn one task after another, or from one random example at a time; measure what is forgotten and what is gained.

The measures are the standard ones of continual learning, functions of the accuracies R[i, j] on task j after training
on task i. All networks, one per seed, are trained together, and the results are labelled arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
import xarray as xr

from minidyn import _checks as check
from minidyn import _renamed
from minidyn.forgetting import facts, learners
from minidyn.forgetting.learners import Learner

START = "start"  # the row of R before any training
SHOWN, UNSEEN = "shown", "unseen"  # the sets of training and of validation pairs


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """Facts of earlier tasks that are mixed into each epoch of the present one.

    Parameters
    ----------
    pairs : array_like of int, shape (m, 2)
        The earlier facts, of which some are drawn anew for each epoch.
    fraction : float
        How many are drawn, as a fraction of the number of facts of the present task, in [0, 1]; at most all m.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> Rehearsal(pairs=facts.ones(), fraction=0.5).count(10)
    5
    """

    pairs: np.ndarray
    fraction: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "pairs", facts.pair_array("pairs", self.pairs))
        check.real("fraction", self.fraction, least=0, most=1)

    def count(self, facts_of_the_task: int) -> int:
        """Number of earlier facts in an epoch over that number of facts."""
        return min(round(self.fraction * facts_of_the_task), len(self.pairs))


@_renamed.arguments(until="target_accuracy", most="max_epochs", passes="epochs")
def sequential(
    learner: Learner,
    seeds: Sequence[int],
    tasks: Mapping[str, Any] | None = None,
    *,
    tests: Mapping[str, Any] | None = None,
    target_accuracy: float = 0.9,
    max_epochs: int = 500,
    epochs: int = 100,
    rehearsal: float = 0.0,
) -> xr.Dataset:
    """Train on tasks one after the other, and measure the accuracy on all of them along the way.

    A network trains on each task but the last until its accuracy on it is at least `target_accuracy`, and then waits
    for the others; it trains on the last task for `epochs` epochs. An epoch shows each fact once, in random order, with
    an update after each. A learner with a method `consolidate` is told when it is done with a task, except the last.

    Parameters
    ----------
    learner : Learner
        From `minidyn.forgetting.learners` or `minidyn.forgetting.elastic`, or your own.
    seeds : sequence of int
        One network per seed.
    tasks : mapping of names to pairs (n, 2), optional
        At least two, in order of training. Default: the "ones", then the "twos" addition facts.
    tests : mapping of names to pairs (n, 2), optional
        Further sets whose accuracy is measured. Default: the single-digit additions in neither task ("unseen"), and
        of these the ones "without full carry" and "with full carry"; see `facts.full_carry`.
    target_accuracy : float
        Accuracy at which a task counts as learned, in (0, 1].
    max_epochs : int
        Largest number of epochs over a task that is not the last, at least 1.
    epochs : int
        Number of epochs over the last task.
    rehearsal : float
        Number of facts of earlier tasks in each epoch, as a fraction of the facts of the present task, in [0, 1].

    Returns
    -------
    xarray.Dataset
        accuracy (seed, point, set), at points of the training with coordinates `task` and `passes` (epochs over that
        task so far); R (seed, after, set), the accuracy after "start" and after each task; needed (seed, trained), the
        number of epochs over each task; learned (seed, trained), whether its accuracy reached `target_accuracy`.
        Attributes: learner, parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, if a task is named "start" or a test like a task, or if a sum is too large for
        the learner; the message names it.

    Examples
    --------
    >>> from minidyn.forgetting.learners import Perceptron
    >>> data = sequential(Perceptron(), range(5), epochs=20)
    >>> float(data.R.sel(after="ones", set="ones").mean()) > 0.9 > float(data.R.sel(after="twos", set="ones").mean())
    True
    """
    tasks = _tasks({"ones": facts.ones(), "twos": facts.twos()} if tasks is None else tasks)
    sets = _with_tests(tasks, _validation_tests() if tests is None else tests)
    target = check.real("target_accuracy", target_accuracy, above=0, most=1)
    max_epochs, epochs = check.integer("max_epochs", max_epochs, least=1), check.integer("epochs", epochs, least=0)
    rehearsal = check.real("rehearsal", rehearsal, least=0, most=1)
    networks = Networks(learner, seeds)
    for name, pairs in tasks.items():
        networks.check_sums(f"tasks[{name!r}]", pairs)

    record = _Record(networks, sets)
    *_, last = tasks
    earlier: list[np.ndarray] = []
    for name, pairs in tasks.items():
        record.train(
            name,
            target,
            Lesson(
                pairs=pairs,
                max_epochs=epochs if name == last else max_epochs,
                learned=_never if name == last else _reaches(target, pairs),
                rehearsal=Rehearsal(pairs=np.concatenate(earlier), fraction=rehearsal) if earlier else None,
            ),
        )
        if name != last:
            networks.consolidate(pairs)
        earlier.append(pairs)
    return record.dataset()


@_renamed.arguments(held_out="validation_fraction", deal="split_seed")
def one_by_one(
    learner: Learner,
    seeds: Sequence[int],
    *,
    bits: int = 3,
    examples: int = 6000,
    validation_fraction: float = 0.25,
    split_seed: int = 0,
    tests: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Train on random additions, one at a time, and measure the accuracy on validation pairs that are never shown.

    Parameters
    ----------
    learner : Learner
    seeds : sequence of int
        One network per seed; each draws its own examples.
    bits : int
        Binary digits of the numbers, 1 to 8 (1 to 3 for a coarse code, which reads single decimal digits).
    examples : int
        Number of additions that each network is trained on.
    validation_fraction : float
        Fraction of all pairs that is never shown, in (0, 1).
    split_seed : int
        Seed of the split into training and validation pairs.
    tests : mapping of names to pairs (n, 2), optional
        Further sets whose accuracy is measured. Default: for a learner that adds numbers of any length, 200 random
        pairs of 16-bit numbers ("16 bits").

    Returns
    -------
    xarray.Dataset
        accuracy (seed, examples, set), with the sets "shown" (training pairs), "unseen" (validation pairs) and the
        tests. Attributes: learner, parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, if a test is named "shown" or "unseen", or if a sum is too large for the
        learner; the message names it.

    Examples
    --------
    >>> from minidyn.forgetting.learners import Adder
    >>> data = one_by_one(Adder(digits=4), range(3), examples=300)
    >>> data.accuracy.sel(set="unseen").isel(examples=-1).shape
    (3,)
    """
    learner = learners.checked(learner)
    examples = check.integer("examples", examples, least=0)
    training, validation = facts.split(bits, validation_fraction=validation_fraction, seed=split_seed)
    if not len(validation):
        raise ValueError(
            f"validation_fraction must leave at least one of {len(training)} pairs unseen, got {validation_fraction!r}"
        )
    if tests is None:
        tests = {"16 bits": facts.random_pairs(200, 16, seed=split_seed)} if learner.any_length else {}
    sets = _with_tests({SHOWN: training, UNSEEN: validation}, tests)
    networks = Networks(learner, seeds)
    networks.check_sums("bits", training)

    drawn = np.array([stream.randint(len(training), size=examples) for stream in networks.streams], dtype=int)
    marks, rows = [0, *rising(examples)], [networks.accuracies(sets)]
    for k in range(examples):
        networks.update(training[drawn[:, k]])
        if k + 1 in marks:
            rows.append(networks.accuracies(sets))
    return xr.Dataset(
        {"accuracy": (("seed", "examples", "set"), np.stack(rows, axis=1))},
        coords={"seed": networks.seeds, "examples": marks, "set": list(sets)},
        attrs=networks.attributes,
    )


@_renamed.arguments(until="target_accuracy", most="max_epochs")
def fit(
    learner: Learner, seeds: Sequence[int], pairs: Any, *, target_accuracy: float = 1.0, max_epochs: int = 500
) -> xr.Dataset:
    """Train on one set of facts, epoch after epoch, until each network reaches an accuracy.

    Parameters
    ----------
    learner : Learner
    seeds : sequence of int
        One network per seed.
    pairs : array_like of int, shape (n, 2)
        The facts, each of them once.
    target_accuracy : float
        Accuracy that ends the training of a network, in (0, 1].
    max_epochs : int
        Largest number of epochs, at least 1.

    Returns
    -------
    xarray.Dataset
        learned (seed), whether `target_accuracy` was reached, and needed (seed), the number of epochs.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or if a sum is too large for the learner; the message names it.

    Examples
    --------
    >>> from minidyn.forgetting.learners import Perceptron
    >>> bool(fit(Perceptron(), range(3), facts.ones()).learned.all())
    True
    """
    pairs = facts.distinct_pairs("pairs", pairs)
    target = check.real("target_accuracy", target_accuracy, above=0, most=1)
    max_epochs = check.integer("max_epochs", max_epochs, least=1)
    networks = Networks(learner, seeds)
    networks.check_sums("pairs", pairs)
    reached = _reaches(target, pairs)
    needed = networks.fit(Lesson(pairs=pairs, max_epochs=max_epochs, learned=reached))
    data = {"learned": ("seed", reached(networks)), "needed": ("seed", needed)}
    return xr.Dataset(data, coords={"seed": networks.seeds}, attrs=networks.attributes)


def _with_former_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let `present` take `old=facts, rehearsal=fraction`, as before 0.2."""

    @wraps(function)
    def call(*args: Any, old: Any = None, **options: Any) -> Any:
        if old is not None or isinstance(options.get("rehearsal"), (int, float)):
            _renamed.warn("present(old=..., rehearsal=...)", "present(rehearsal=Rehearsal(pairs=..., fraction=...))")
            fraction = options.pop("rehearsal", 0.0)
            options["rehearsal"] = None if old is None or not len(old) else Rehearsal(pairs=old, fraction=fraction)
        return function(*args, **options)

    return call


@_with_former_arguments
def present(
    learner: Learner,
    state: Any,
    streams: Sequence[np.random.RandomState],
    pairs: Any,
    *,
    active: np.ndarray | None = None,
    rehearsal: Rehearsal | None = None,
) -> Any:
    """Train each network for an epoch: it is shown every fact once, in its own random order, with an update after each.

    Parameters
    ----------
    learner, state
        A learner and the state of its networks.
    streams : sequence of RandomState
        One per network, from `streams_of`.
    pairs : array_like of int, shape (n, 2)
        The facts, each of them once.
    active : ndarray of bool, shape (seeds,), optional
        Networks that take part; default: all.
    rehearsal : Rehearsal, optional
        Facts of earlier tasks to mix in.

    Returns
    -------
    state
        The state of the networks after the epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> from minidyn.forgetting.learners import Adder
    >>> adder, seeds = Adder(), range(3)
    >>> state, streams = adder.init(seeds), streams_of(seeds)
    >>> for _ in range(40):
    ...     state = present(adder, state, streams, facts.ones())
    >>> float(accuracies(adder, state, {"ones": facts.ones()}).mean()) > 0.9
    True
    """
    pairs = facts.distinct_pairs("pairs", pairs)
    active = np.full(len(streams), True) if active is None else np.asarray(active)
    if active.dtype != bool or active.shape != (len(streams),):
        raise ValueError(f"active must be true or false for each of {len(streams)} networks, got {active!r:.80}")
    earlier = pairs[:0] if rehearsal is None else rehearsal.pairs
    extra = 0 if rehearsal is None else rehearsal.count(len(pairs))
    order = np.zeros((len(streams), len(pairs) + extra), dtype=int)
    for row, stream, on in zip(order, streams, active, strict=True):
        if on:  # a network that waits draws nothing, so that no network depends on the others
            again = stream.permutation(len(earlier))[:extra] if extra else np.empty(0, dtype=int)
            row[:] = stream.permutation(np.concatenate([np.arange(len(pairs)), len(pairs) + again]))
    shown = np.concatenate([pairs, earlier])
    for items in order.T:
        state = learner.update(state, shown[items], active)
    return state


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What networks are taught: facts, epoch after epoch, until `learned` (a function of the networks) says so."""

    pairs: np.ndarray
    max_epochs: int
    learned: Callable[[Networks], np.ndarray]
    rehearsal: Rehearsal | None = None


class Networks:
    """The networks of a learner in training: their state, which training changes, and a random stream for each.

    Parameters
    ----------
    learner : Learner
    seeds : sequence of int
        One network per seed.
    """

    def __init__(self, learner: Learner, seeds: Sequence[int]) -> None:
        self.learner, self.seeds = learners.checked(learner), facts.seeds_of(seeds)
        self.streams = streams_of(self.seeds)
        self.state = learner.init(self.seeds)

    @property
    def attributes(self) -> dict[str, Any]:
        return {"learner": self.learner.name, "parameters": self.learner.parameters}

    def check_sums(self, name: str, pairs: np.ndarray) -> None:
        """Raise if the learner cannot be trained on the largest sum."""
        largest, limit = pairs.sum(-1).max(), getattr(self.learner, "largest_sum", None)
        if limit is not None and largest > limit:
            raise ValueError(f"{name} must have sums of at most {limit} for {self.learner.name}, got {largest}")

    def update(self, pairs: np.ndarray) -> None:
        """Train each network on its own addition, `pairs` (seeds, 2)."""
        self.state = self.learner.update(self.state, pairs, np.full(len(self.seeds), True))

    def present(self, pairs: np.ndarray, **options: Any) -> None:
        """Train for an epoch; see the function of that name."""
        self.state = present(self.learner, self.state, self.streams, pairs, **options)

    def consolidate(self, pairs: np.ndarray) -> None:
        """Tell a learner that has a method for it that the training on these facts is over."""
        if hasattr(self.learner, "consolidate"):
            self.state = self.learner.consolidate(self.state, pairs)

    def fit(self, lesson: Lesson, after_epoch: Callable[[int], None] = lambda epoch: None) -> np.ndarray:
        """Train each network until it has learned the lesson; return the number of epochs that each took."""
        epochs = np.zeros(len(self.seeds), dtype=int)
        for epoch in range(1, lesson.max_epochs + 1):
            active = ~lesson.learned(self)
            if not active.any():
                break
            self.present(lesson.pairs, active=active, rehearsal=lesson.rehearsal)
            epochs += active
            after_epoch(epoch)
        return epochs

    def accuracy(self, pairs: np.ndarray) -> np.ndarray:
        """Fraction of the pairs that each network adds correctly, shape (seeds,)."""
        return _accuracy(self.learner, self.state, pairs)

    def accuracies(self, sets: Mapping[str, np.ndarray]) -> np.ndarray:
        """Accuracy on each set, shape (seeds, sets)."""
        return accuracies(self.learner, self.state, sets)


class _Record:
    """Accuracies on all sets in the course of a sequential training."""

    def __init__(self, networks: Networks, sets: Mapping[str, np.ndarray]) -> None:
        self.networks, self.sets = networks, sets
        self.points, self.accuracy = [(START, 0)], [networks.accuracies(sets)]
        self.after, self.R = [START], [self.accuracy[0]]
        self.epochs: list[np.ndarray] = []
        self.learned: list[np.ndarray] = []

    def train(self, task: str, target: float, lesson: Lesson) -> None:
        """Teach the networks a task, and measure at some epochs and at the end."""
        marks = set(rising(lesson.max_epochs))

        def measure(epoch: int) -> None:
            if epoch in marks:
                self.points.append((task, epoch))
                self.accuracy.append(self.networks.accuracies(self.sets))

        self.epochs.append(self.networks.fit(lesson, measure))
        self.after.append(task)
        self.R.append(self.networks.accuracies(self.sets))
        self.learned.append(self.networks.accuracy(lesson.pairs) >= target)

    def dataset(self) -> xr.Dataset:
        return xr.Dataset(
            {
                "accuracy": (("seed", "point", "set"), np.stack(self.accuracy, axis=1)),
                "R": (("seed", "after", "set"), np.stack(self.R, axis=1)),
                "needed": (("seed", "trained"), np.stack(self.epochs, axis=1)),
                "learned": (("seed", "trained"), np.stack(self.learned, axis=1)),
            },
            coords={
                "seed": self.networks.seeds,
                "set": list(self.sets),
                "task": ("point", [task for task, _ in self.points]),
                "passes": ("point", [epoch for _, epoch in self.points]),
                "after": self.after,
                "trained": self.after[1:],
            },
            attrs=self.networks.attributes,
        )


def _reaches(target: float, pairs: np.ndarray) -> Callable[[Networks], np.ndarray]:
    return lambda networks: networks.accuracy(pairs) >= target


def _never(networks: Networks) -> np.ndarray:
    return np.full(len(networks.seeds), False)


def average_accuracy(R: xr.DataArray) -> xr.DataArray:
    """Accuracy after the last task, averaged over the tasks: ACC = (1/T) sum_i R[T, i].

    Parameters
    ----------
    R : xarray.DataArray
        Accuracies over "after" ("start", then the tasks in order), "set" (with each task) and any further dimensions,
        such as seeds.

    Returns
    -------
    xarray.DataArray
        Over the further dimensions.

    Raises
    ------
    TypeError, ValueError
        If R is not as above; the message says what it lacks.

    References
    ----------
    Lopez-Paz and Ranzato, "Gradient episodic memory for continual learning" (NeurIPS 2017), equation 2.
    """
    tasks = _task_names(R)
    return R.sel(after=tasks[-1], set=tasks).mean("set")


def backward_transfer(R: xr.DataArray) -> xr.DataArray:
    """Effect of later tasks on earlier ones: BWT = (1/(T-1)) sum_{i<T} (R[T, i] - R[i, i]). Negative: forgetting.

    Parameters, result, errors and source are those of `average_accuracy`; equation 3 there.
    """
    tasks = _task_names(R)
    return _mean(_at(R, tasks[-1], task) - _at(R, task, task) for task in tasks[:-1])


def forward_transfer(R: xr.DataArray) -> xr.DataArray:
    """Effect of earlier tasks on later ones: FWT = (1/(T-1)) sum_{i>1} (R[i-1, i] - b[i]), b before any training.

    Parameters, result, errors and source are those of `average_accuracy`; equation 4 there.
    """
    tasks = _task_names(R)
    return _mean(_at(R, before, task) - _at(R, START, task) for before, task in pairwise(tasks))


def forgetting_measure(R: xr.DataArray) -> xr.DataArray:
    """Drop from the best accuracy that a task ever had: F = (1/(T-1)) sum_{j<T} (max_{l<T} R[l, j] - R[T, j]).

    Parameters
    ----------
    R : xarray.DataArray
        As in `average_accuracy`. The best accuracy is the largest after tasks 1 to T-1.

    Returns
    -------
    xarray.DataArray
        Over the further dimensions.

    Raises
    ------
    TypeError, ValueError
        As in `average_accuracy`.

    References
    ----------
    Chaudhry, Dokania, Ajanthan and Torr, "Riemannian walk for incremental learning" (ECCV 2018), section 3.
    """
    tasks = _task_names(R)
    best = R.sel(after=tasks[:-1], set=tasks[:-1]).max("after")
    return (best - R.sel(after=tasks[-1], set=tasks[:-1], drop=True)).mean("set")


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's confidence interval of a proportion.

    Parameters
    ----------
    successes, trials : int
        0 <= successes <= trials, and at least one trial.
    level : float
        Confidence level, in (0, 1).

    Returns
    -------
    low, high : float

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

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
    """A random stream for each seed, other than the one from which the weights of its network are drawn."""
    return [np.random.RandomState([seed, 1]) for seed in facts.seeds_of(seeds)]


def rising(last: int) -> list[int]:
    """1, 2, 3, 5, 7, 10, 14, ...: about six numbers per decade up to `last`, which is among them.

    Examples
    --------
    >>> rising(15)
    [1, 2, 3, 5, 7, 10, 15]
    """
    last = check.integer("last", last, least=0)
    numbers = {round(10 ** (k / 6)) for k in range(6 * len(str(last)) + 1)}
    return sorted({k for k in numbers if k < last} | ({last} if last else set()))


def accuracies(learner: Learner, state: Any, sets: Mapping[str, np.ndarray]) -> np.ndarray:
    """Fraction of each set that each network adds correctly, shape (seeds, sets)."""
    return np.stack([_accuracy(learner, state, pairs) for pairs in sets.values()], axis=-1)


def _accuracy(learner: Learner, state: Any, pairs: np.ndarray) -> np.ndarray:
    answers = np.asarray(learner.answers(state, pairs))
    if answers.ndim != 2 or answers.shape[1] != len(pairs):
        raise ValueError(f"answers must have shape (seeds, {len(pairs)}), got {answers.shape} from {learner.name}")
    return (answers == pairs.sum(-1)).astype(bool).mean(axis=-1)


def _validation_tests() -> dict[str, np.ndarray]:
    pairs = facts.validation()
    full = facts.full_carry(pairs)
    return {UNSEEN: pairs, "without full carry": pairs[~full], "with full carry": pairs[full]}


def _tasks(tasks: Any) -> dict[str, np.ndarray]:
    if not isinstance(tasks, Mapping) or len(tasks) < 2:
        raise TypeError(f"tasks must be a mapping of at least two names to pairs, got {tasks!r:.80}")
    named = _named_sets("tasks", tasks, facts.distinct_pairs)
    if START in named:
        raise ValueError(f"tasks must not be named {START!r}, which stands for the time before training")
    return named


def _with_tests(sets: Mapping[str, np.ndarray], tests: Any) -> dict[str, np.ndarray]:
    if not isinstance(tests, Mapping):
        raise TypeError(f"tests must be a mapping from names to pairs, got {tests!r:.80}")
    named = _named_sets("tests", tests, facts.pair_array)
    taken = [name for name in named if name in sets]
    if taken:
        raise ValueError(f"tests must have names other than {', '.join(map(repr, sets))}, got {taken[0]!r}")
    return {**sets, **named}


def _named_sets(
    name: str, sets: Mapping[Any, Any], check_pairs: Callable[[str, Any], np.ndarray]
) -> dict[str, np.ndarray]:
    named = {str(key): check_pairs(f"{name}[{key!r}]", pairs) for key, pairs in sets.items()}
    if len(named) < len(sets):
        raise ValueError(f"{name} must have different names, got {', '.join(map(repr, sets))}")
    return named


def _task_names(R: xr.DataArray) -> list[str]:
    """The tasks of R in order, if it is as `average_accuracy` needs it."""
    if not isinstance(R, xr.DataArray) or not {"after", "set"} <= set(R.dims):
        raise TypeError(f"R must be an xarray.DataArray over 'after' and 'set', got {R!r:.80}")
    rows, sets = ([str(label) for label in R[dim].values] for dim in ("after", "set"))
    if len(rows) < 3 or rows[0] != START or len(set(rows)) < len(rows):
        raise ValueError(f"R must have rows after 'start' and at least two different tasks, got {rows}")
    missing = [task for task in rows[1:] if sets.count(task) != 1]
    if missing:
        raise ValueError(f"R must have one column for each task, got {sets.count(missing[0])} for {missing[0]!r}")
    return rows[1:]


def _at(R: xr.DataArray, after: str, task: str) -> xr.DataArray:
    return R.sel(after=after, set=task, drop=True)


def _mean(terms: Iterable[xr.DataArray]) -> xr.DataArray:
    return xr.concat(list(terms), "term").mean("term")
