"""Gradient descent whose step is limited along the leading eigenvectors of the Hessian, or shortened in all directions.

With these limits one can ask what the bursts of a dynamical loss do: they take the bounce away and leave the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from minidyn import _checks as check
from minidyn import model
from minidyn.losses import Loss
from minidyn.mlp import MLP
from minidyn.task import Task
from minidyn.training import engines
from minidyn.training.settings import Settings

LIMITS = ("none", "leading", "all")
GUARDS = 2  # eigenvectors that are followed besides those that are needed
ROUNDS = 20  # of the search for eigenvectors
HALVINGS = 30  # of a step that would raise the loss


@dataclass(frozen=True, kw_only=True)
class StepLimit:
    """How long a step may be where the loss is sharp.

    Attributes
    ----------
    kind : {"none", "leading", "all"}
        "leading": along each of the leading eigenvectors of the Hessian the step is at most ``bound / λ`` times the
        gradient, and in all other directions the learning rate stays. "all": the learning rate itself is at most
        ``bound / λ_max``. "none": the step is that of plain gradient descent, and is only measured.
    directions : int
        Largest number of leading eigenvectors along which the step is limited, at least 1.
    bound : float
        Above 0. From 2 on a limited step no longer stays in the valley; up to 1 it does not overshoot its floor.
    every : int
        Number of updates between two looks at the Hessian, which is that of F with the class weights in force.
    descends : bool
        Whether an update that would raise the loss that it descends is made again: first with new eigenvectors, then
        with half the step, and so on.
    tolerance : float
        Bound on the residuals of the eigenvectors, relative to the largest eigenvalue.
    """

    kind: str = "leading"
    directions: int = 6
    bound: float = 1.7
    every: int = 20
    descends: bool = False
    tolerance: float = 1e-2

    def __post_init__(self) -> None:
        check.choice("kind", self.kind, LIMITS)
        check.integer("directions", self.directions, least=1)
        check.real("bound", self.bound, above=0)
        check.integer("every", self.every, least=1)
        check.real("tolerance", self.tolerance, above=0)
        if not isinstance(self.descends, bool):
            raise TypeError(f"descends must be True or False, got {self.descends!r:.80}")


class CappedRun(NamedTuple):
    """What `train_capped` returns.

    Attributes
    ----------
    params
        The parameters reached, in the structure of `net.init`.
    history : xarray.Dataset
        Over "step" = start..start+steps, taken before the update: static_loss, loss (the dynamical F) and accuracy.
        Over "update": raised (whether the update increased the loss that it descends: F at fixed class weights),
        along (its component along the leading eigenvector) and rate (the learning rate in the directions that are not
        limited, which is smaller than the given one if "all" are, or if the step was halved). Over "look_step":
        hessian_max, and limited (the number of directions along which the step is limited).
    diverged : bool
        Whether F stopped being finite; the history ends there.
    """

    params: Any
    history: xr.Dataset
    diverged: bool


def train_capped(
    net: MLP,
    params: Any,
    task: Task,
    loss: Loss,
    limit: StepLimit,
    *,
    learning_rate: float,
    steps: int,
    start: int = 0,
) -> CappedRun:
    """Train by full-batch gradient descent with a limited step.

    Parameters
    ----------
    net, params, task, loss, learning_rate, steps, start
        As for `minidyn.train`; the network is an `MLP` and the loss one of the library's own.
    limit : StepLimit

    Returns
    -------
    CappedRun

    Raises
    ------
    TypeError, ValueError
        If the arguments are out of range or do not fit each other; before any update.
    ImportError
        If numba is missing.

    Notes
    -----
    The eigenvectors are followed from look to look by a block Krylov iteration that starts from the last ones.

    Examples
    --------
    >>> import minidyn as md
    >>> from minidyn.training.capped import StepLimit, train_capped
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy(md.Oscillation(20, 50))
    >>> run = train_capped(net, net.init(0), task, loss, StepLimit(bound=1.0), learning_rate=1.0, steps=100)
    >>> run.history.sizes["update"], run.history.sizes["look_step"]
    (100, 5)
    """
    if not isinstance(limit, StepLimit):
        raise TypeError(f"limit must be a StepLimit, got {limit!r:.80}")
    model.check_problem(net, params, task, loss)
    engines.choose("compiled", net, loss, None)
    if net.activation != "relu":
        raise ValueError(f"a capped step takes an MLP of activation 'relu', got {net!r:.80}")
    if not engines.has_numba():
        raise ImportError("a capped step needs numba: pip install 'minidyn[fast]'")
    settings = Settings(
        net=net,
        task=task,
        loss=loss,
        learning_rate=check.real("learning_rate", learning_rate, above=0),
        start=check.integer("start", start, least=0),
        engine="compiled",
        initial=net.structure.flatten(params),
    )
    descent = _Descent(settings, limit, check.integer("steps", steps, least=1))
    with threadpool_limits(1, "blas"), np.errstate(all="ignore"):
        descent.run()
    return descent.result()


@dataclass
class _Descent:
    """A descent under way."""

    settings: Settings
    limit: StepLimit
    steps: int
    done: int = 0
    diverged: bool = False
    looks: list[tuple[int, float, int]] = field(default_factory=list)  # step, largest eigenvalue, directions limited

    def __post_init__(self) -> None:
        from minidyn.training import compiled_cap  # here, for it needs numba

        s, steps = self.settings, self.steps
        assert s.initial is not None
        self.compiled, self.problem, self.vector = compiled_cap, compiled_cap.problem(s), s.initial.copy()
        self.entries = compiled_cap.Entries(
            weights=s.class_weights(0, steps + 1),
            class_loss=np.full((steps + 1, s.task.classes), np.nan),
            accuracy=np.full(steps + 1, np.nan),
            raised=np.zeros(steps, bool),
            along=np.zeros(steps),
        )
        self.rates = np.full(steps, s.learning_rate)
        self.followed = _orthonormal(np.random.RandomState(0).randn(min(1 + GUARDS, s.size), s.size))

    def run(self) -> None:
        while self.done < self.steps and not self.diverged:
            self._interval(min(self.steps, (self.done // self.limit.every + 1) * self.limit.every))

    def _interval(self, stop: int) -> None:
        """Go on until `stop` updates are done, with a look at the Hessian first, and more if the loss would rise."""
        looked_at, limit = self.done, self._look()
        while self._advance(limit, stop, stops=self.limit.descends) < stop:
            if not self.limit.descends:
                self.diverged = True
                return
            if looked_at == self.done:
                self._halve(limit)
            else:
                looked_at, limit = self.done, self._look()

    def _advance(self, limit: Any, stop: int, *, stops: bool) -> int:
        done, entries = self.done, self.entries
        rows, updates = slice(done, stop + 1), slice(done, stop)
        here = type(entries)(*(a[rows] for a in entries[:3]), *(a[updates] for a in entries[3:]))
        self.done += self.compiled.advance(self.vector, self.problem, limit, here, stops)
        self.rates[done : self.done] = limit.rate
        return self.done

    def _halve(self, limit: Any) -> None:
        """Make one update with a step so short that the loss does not rise."""
        stop = self.done + 1
        for halvings in range(1, HALVINGS + 1):
            shorter = limit._replace(rate=limit.rate / 2**halvings)
            if self._advance(shorter, stop, stops=halvings < HALVINGS) == stop:
                return

    def _look(self) -> Any:
        """Follow the leading eigenvectors to where the weights are now; the limit of the next steps."""
        limit, rate = self.limit, float(self.settings.learning_rates(self.done, self.done + 1)[0])
        values, vectors = self._leading(limit.bound / rate if limit.kind == "leading" else np.inf)
        fractions = np.zeros(1)  # that the step loses
        if limit.kind == "leading":
            fractions = np.maximum(0, 1 - limit.bound / (rate * np.maximum(values[: limit.directions], 1e-300)))
            fractions = fractions[: max(1, np.count_nonzero(fractions))]
        if limit.kind == "all" and values[0] > 0:
            rate = min(rate, limit.bound / values[0])
        self.looks.append((self.settings.start + self.done, float(values[0]), int(np.count_nonzero(fractions))))
        return self.compiled.Limit(rate, vectors[: len(fractions)], fractions)

    def _leading(self, threshold: float) -> tuple[NDArray, NDArray]:
        """The largest eigenvalue and all above a threshold, `directions` at most, and their eigenvectors as rows."""
        largest = min(self.limit.directions + GUARDS, self.settings.size)
        while True:
            values, vectors = self._ritz_pairs(threshold)
            above = int(np.count_nonzero(values > threshold))
            if above + GUARDS <= len(values) or len(values) == largest:
                self.followed = vectors[: min(largest, max(1, above) + 2 * GUARDS)]
                return values, vectors
            more = np.random.RandomState(len(values)).randn(min(len(values), largest - len(values)), len(self.vector))
            self.followed = _orthonormal(np.concatenate([vectors, more]))

    def _ritz_pairs(self, threshold: float) -> tuple[NDArray, NDArray]:
        """As many eigenpairs as are followed, by a block Krylov iteration; those above the threshold to tolerance."""
        size, tolerance, weights = len(self.followed), self.limit.tolerance, self.entries.weights[self.done]
        basis = self.followed
        images = self.compiled.products(self.vector, self.problem, weights, basis)
        for _ in range(ROUNDS):
            values, coefficients = np.linalg.eigh(basis @ images.T)
            values, top = values[: -size - 1 : -1], coefficients[:, : -size - 1 : -1].T
            vectors, image = np.ascontiguousarray(top @ basis), top @ images
            residuals = image - values[:, None] * vectors
            missed = np.linalg.norm(residuals, axis=1) > tolerance * abs(values[0])
            needed = np.maximum.accumulate((values > threshold)[::-1])[::-1]
            needed[0] = True
            if not (missed & needed).any():
                break
            if len(basis) + np.count_nonzero(missed) > min(4 * size, len(self.vector)):
                basis, images = vectors, image
            added = _orthonormal(_rejected(residuals[missed], basis))
            added = _orthonormal(_rejected(added, basis))
            basis = np.concatenate([basis, added])
            images = np.concatenate([images, self.compiled.products(self.vector, self.problem, weights, added)])
        return values, vectors

    def result(self) -> CappedRun:
        s, done, entries = self.settings, self.done, self.entries
        class_loss = entries.class_loss[: done + 1]
        steps, looks = s.start + np.arange(done + 1), np.array(self.looks)
        history = xr.Dataset(
            {
                "static_loss": ("step", class_loss.sum(axis=1)),
                "loss": ("step", (class_loss * entries.weights[: done + 1]).sum(axis=1)),
                "accuracy": ("step", entries.accuracy[: done + 1]),
                "raised": ("update", entries.raised[:done]),
                "along": ("update", entries.along[:done]),
                "rate": ("update", self.rates[:done]),
                "hessian_max": ("look_step", looks[:, 1]),
                "limited": ("look_step", looks[:, 2].astype(int)),
            },
            {"step": steps, "update": steps[:-1], "look_step": looks[:, 0].astype(int)},
            s.provenance() | {"limit": repr(self.limit)},
        )
        return CappedRun(s.unflatten(self.vector.copy()), history, self.diverged)


def _orthonormal(rows: NDArray) -> NDArray:
    """An orthonormal basis of the space that the rows span."""
    return np.ascontiguousarray(np.linalg.qr(rows.T)[0].T)


def _rejected(rows: NDArray, basis: NDArray) -> NDArray:
    """What is left of the rows outside the space of an orthonormal basis."""
    return rows - (rows @ basis.T) @ basis
