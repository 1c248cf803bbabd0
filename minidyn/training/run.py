"""Gradient descent under a loss that moves: `train`, and the `Run` that it returns."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from minidyn import _checks as check
from minidyn import losses, model, storage
from minidyn.losses import Loss
from minidyn.mlp import MLP, has_closed_forms
from minidyn.model import Model
from minidyn.task import Task
from minidyn.training import engines
from minidyn.training.loop import Outcome, descend
from minidyn.training.measures import as_measures, restored
from minidyn.training.settings import Settings


class Run:
    """A training run: where it is, and its record. `train` makes it, `load_run` brings it back.

    Attributes
    ----------
    params
        The parameters reached, in the structure of `net.init`.
    history : xarray.Dataset
        Over "step" = start..start+steps: loss (the dynamical F), static_loss, accuracy, weights (step, class),
        class_loss (step, class), which Γ multiplies: F(t) = Σ_c Γ_c(t) L_c; and, with validation data,
        validation_accuracy. Each measure is over its own "<name>_step". Entry k is measured after k updates,
        with the Γ of the update to come.
    status : str
        "finished", "diverged" or "interrupted" ("failed" in a run that an error carries).
    settings : Settings
        Everything that `train` was given.
    """

    def __init__(self, settings: Settings, outcome: Outcome):
        self.settings = settings
        self.history = outcome.history
        self.status = outcome.status
        self._outcome = outcome

    @property
    def params(self) -> Any:
        return self.settings.unflatten(self._outcome.vector.copy())

    def __repr__(self) -> str:
        last = self.history.isel(step=-1)
        return (
            f"Run({self.settings.net!r}, {self._outcome.done} updates, {self.status}: "
            f"loss {float(last.loss):.4g}, accuracy {float(last.accuracy):.3f})"
        )

    def _report(self) -> None:
        """Warn, or raise, unless the run finished."""
        done = self._outcome.done
        if self._outcome.error is not None:
            self._outcome.error.add_note(f"the run up to update {done} is kept in this error's attribute `run`")
            raise self._outcome.error
        if self.status == "interrupted":
            warnings.warn(f"interrupted after {done} updates; the record so far is kept", stacklevel=4)
        if self.status == "diverged":
            warnings.warn(
                f"diverged: the loss is not finite after {done + 1} updates (learning rate "
                f"{self.settings.learning_rate:g}); the record up to there is kept",
                RuntimeWarning,
                stacklevel=4,
            )

    def resume(self, steps: int, *, progress: bool = True) -> Run:
        """Go on for `steps` more updates, exactly as if the run had not stopped.

        Parameters
        ----------
        steps : int
            Updates, at least 1.
        progress : bool
            Show a progress bar where it takes longer than a second.

        Returns
        -------
        Run
            A new run whose history covers all updates; this one is unchanged.

        Raises
        ------
        TypeError, ValueError
            Where `steps` is not an integer of at least 1, the run has diverged, or a measure of your own was
            not given to `load_run`.
        """
        steps = check.integer("steps", steps, least=1)
        if self.status == "diverged":
            raise ValueError("a diverged run cannot be resumed; train again with a smaller learning_rate")
        for measure in self.settings.measures:
            measure.check_callable()
        return _run(self.settings, self._outcome, steps, progress)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run to a netCDF file, whole or not at all; `load_run` reads it.

        The history can also be opened alone with `xarray.open_dataset(path)`. The file holds numbers and
        settings, no code: a model, waveform or measure of your own is given to `load_run` again.

        Parameters
        ----------
        path : path-like
            An existing file is replaced.
        """
        s, outcome = self.settings, self._outcome
        state = {"vector": outcome.vector, "x": s.task.x, "labels": s.task.labels}
        state |= {f"warm_{name}": vector for name, vector in outcome.start_vectors.items()}
        if s.validation is not None:
            state |= {"validation_x": s.validation.x, "validation_labels": s.validation.labels}
        about = {
            "widths": s.net.widths if type(s.net) is MLP and has_closed_forms(s.net) else None,
            "loss": losses.to_dict(s.loss),
            "classes": s.task.classes,
            "measures": {measure.name: measure.every for measure in s.measures},
            "done": outcome.done,
            "status": outcome.status,
            **{name: getattr(s, name) for name in ("learning_rate", "start", "batch_size", "seed", "engine")},
        }
        storage.write(path, self.history, state, about)


def load_run(
    path: str | os.PathLike[str],
    *,
    net: Model | None = None,
    loss: Loss | None = None,
    measure: Mapping[str, Any] | None = None,
) -> Run:
    """A run that `Run.save` wrote, ready to be resumed.

    Parameters
    ----------
    path : path-like
    net : model, optional
        Needed where the run's net was not an `MLP`.
    loss : loss, optional
        Needed where the run's loss or waveform was your own.
    measure : mapping of name to function, optional
        The measures of your own, needed to resume: name to f(net, params, task, loss, step).

    Returns
    -------
    Run

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file is not a saved run, is damaged, or needs `net` or `loss`.

    Examples
    --------
    >>> import minidyn as md, os, tempfile
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> run = md.train(net, net.init(0), task, md.CrossEntropy(), learning_rate=0.5, steps=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run.save(os.path.join(folder, "run.nc"))
    ...     again = md.load_run(os.path.join(folder, "run.nc"))
    >>> again.resume(10).history.sizes["step"]
    21
    """
    history, state, about = storage.read(path)
    if "widths" not in about:
        raise ValueError(f"path {str(path)!r} is not a saved run")
    if about["widths"] is not None:
        net = MLP(*about["widths"])
    if about["loss"] is not None:
        loss = losses.from_dict(about["loss"])
    for name, given in (("net", net), ("loss", loss)):
        if given is None:
            raise ValueError(f"{name} must be given: the run in {str(path)!r} was made with one of your own")
    validation = None
    if "validation_x" in state:
        validation = Task(state["validation_x"], state["validation_labels"], about["classes"])
    settings = Settings(
        net=cast(Model, net),
        task=Task(state["x"], state["labels"], about["classes"]),
        loss=cast(Loss, loss),
        validation=validation,
        measures=restored(about["measures"], measure),
        **{name: about[name] for name in ("learning_rate", "start", "batch_size", "seed", "engine")},
    )
    check.array(f"params in {str(path)!r}", state["vector"], (settings.size,))
    starts = {name.removeprefix("warm_"): value for name, value in state.items() if name.startswith("warm_")}
    return Run(settings, Outcome(state["vector"], about["done"], history, about["status"], starts))


def train(
    net: Model,
    params: Any,
    task: Task,
    loss: Loss,
    *,
    learning_rate: float,
    steps: int,
    start: int = 0,
    batch_size: int | None = None,
    seed: int = 0,
    validation: Task | None = None,
    measure: Mapping[str, Any] | None = None,
    engine: str = "auto",
    progress: bool = True,
) -> Run:
    """Train by plain gradient descent, and keep a record of every step.

    Parameters
    ----------
    net : MLP or any model with `init` and `logits`
    params
        Where descent starts, as `net.init` returns them; left unchanged.
    task : Task
    loss : CrossEntropy or SquaredError
    learning_rate : float
        η, above 0.
    steps : int
        Updates, at least 1.
    start : int
        The value of the clock at the first update: where in the oscillation the run begins.
    batch_size : int, optional
        Samples a mini-batch; batches are drawn without replacement, epoch by epoch, and the last of an epoch
        holds what is left. None: full batch. The record is always taken on all samples.
    seed : int
        Of the order of the mini-batches.
    validation : Task, optional
        Other samples of the same kind, for the accuracy on unseen data.
    measure : mapping, optional
        What else to record, name to cadence in steps: "hessian_max", "hessian_min", "hessian_spectrum" (of F
        with the Γ in force), "ntk_max" (largest eigenvalue of the full kernel, unnormalised), "params"; or a
        name of your own to (cadence, f) with f(net, params, task, loss, step) -> scalar or array.
        Prefer odd cadences: an even one sees a single branch of a period-2 orbit.
    engine : {"auto", "numpy", "compiled"}
        Who does the sums. "compiled" needs numba, an `MLP`, one of the library's losses and full batches; it is
        several times faster, compiles for some seconds once a machine, and agrees with "numpy" to rounding (in
        chaos, therefore, only statistically). "auto": "compiled" where it can be. A run is resumed by its own.
    progress : bool
        Show a progress bar where the run takes longer than a second.

    Returns
    -------
    Run
        With `params`, `history` (an xarray.Dataset), `status`, `save` and `resume`. Where the loss stops being
        finite the run stops, warns, and keeps what it has; so it does on a keyboard interrupt.

    Raises
    ------
    TypeError, ValueError
        Where the arguments are out of range or do not fit each other. An error inside a measure of your own is
        passed on, with the run up to there in its attribute `run`.
    ImportError
        Where `engine` is "compiled" and numba is missing.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task = md.MLP(2, 20, 3), md.spiral()
    >>> loss = md.CrossEntropy(md.Oscillation(amplitude=5, period=50))
    >>> run = md.train(net, net.init(0), task, loss, learning_rate=0.5, steps=100, measure={"hessian_max": 25})
    >>> run.history.loss.sizes["step"], run.history.hessian_max.sizes["hessian_max_step"]
    (101, 5)
    """
    model.check_problem(net, params, task, loss)
    if batch_size is not None:
        batch_size = check.integer("batch_size", batch_size, least=1, most=len(task))
    settings = Settings(
        net=net,
        task=task,
        loss=loss,
        learning_rate=check.real("learning_rate", learning_rate, above=0),
        start=check.integer("start", start, least=0),
        batch_size=batch_size,
        seed=check.integer("seed", seed, least=0, most=2**32 - 1),
        validation=_check_validation(validation, task),
        measures=as_measures(measure),
        engine=engines.choose(engine, net, loss, batch_size),
    )
    vector = settings.structure.flatten(params)
    steps = check.integer("steps", steps, least=1)
    logits = net.logits(settings.unflatten(vector), task.x)
    if not np.isfinite(loss.value(logits, task.labels, settings.start)):
        raise ValueError("params must give a finite loss, got one that is not finite")
    loss.check_sums(logits, task.labels)
    return _run(settings, Outcome(vector), steps, progress)


def _run(settings: Settings, before: Outcome, steps: int, progress: bool) -> Run:
    """Descend, and say how it ended; an error carries the run up to there in its attribute `run`."""
    run = Run(settings, descend(settings, before, steps, progress=progress))
    try:
        run._report()
    except BaseException as error:
        error.run = run  # type: ignore[attr-defined]
        raise
    return run


def _check_validation(validation: Any, task: Task) -> Task | None:
    if validation is not None and not isinstance(validation, Task):
        raise TypeError(f"validation must be a Task or None, got {validation!r:.80}")
    if validation is not None and (validation.x.shape[1], validation.classes) != (
        task.x.shape[1],
        task.classes,
    ):
        raise ValueError(f"validation must be like task ({task!r}), got {validation!r}")
    return validation
