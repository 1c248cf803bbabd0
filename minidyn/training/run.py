"""Gradient descent under a loss that moves: `train`, and the `Run` that it returns."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidyn import _checks as check
from minidyn import _html, _progress, _provenance, model, optimizers, storage
from minidyn.losses import Loss
from minidyn.model import Model
from minidyn.optimizers import PLAIN, Optimizer
from minidyn.task import Task
from minidyn.training import engines, saved, tidy
from minidyn.training.callbacks import Callback, as_callbacks
from minidyn.training.loop import Outcome, descend
from minidyn.training.measures import as_measures
from minidyn.training.record import check_size
from minidyn.training.settings import Schedule, Settings

if TYPE_CHECKING:
    from pandas import DataFrame  # which comes with xarray


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
        with the Γ of the update to come. Its attributes say where it comes from: "settings" and "versions" (JSON),
        "python", "device" and "date", those of its beginning; "resumed" (JSON) lists the steps from which it went on
        by other programs or on another machine.
    status : str
        "finished", "stopped" (by a callback), "diverged" or "interrupted" ("failed" in a run that an error carries,
        "running" in one that a callback is shown).
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
        where = f"Run({self.settings.net!r}, {self._outcome.done} updates, {self.status}"
        if not self.history.sizes.get("step"):
            return f"{where})"
        last = self.history.isel(step=-1)
        return f"{where}: loss {float(last.loss):.4g}, accuracy {float(last.accuracy):.3f})"

    def _repr_html_(self) -> str:
        """Its end, its loss as a small picture, its settings, and where it comes from."""
        rows = self.settings.description() | _provenance.rows(self.history.attrs)
        picture = _html.curve(self.history["loss"].values, "The loss over the steps.") if self.history else ""
        return f"<p>{escape(repr(self))}</p>{picture}{_html.table(rows)}"

    def resume(self, steps: int, *, callbacks: Sequence[Any] = (), progress: bool = True) -> Run:
        """Go on for `steps` more updates, exactly as if the run had not stopped, with what its optimiser remembers.

        Parameters
        ----------
        steps : int
            Number of updates, at least 1.
        callbacks : list of (int, function)
            As for `train`, whose callbacks are not kept: they are given anew.
        progress : bool
            Whether to show a progress bar if it takes longer than a second.

        Returns
        -------
        Run
            A new run whose history covers all updates; this one is unchanged.

        Raises
        ------
        TypeError, ValueError
            If `steps` is not an integer of at least 1, the run has diverged, or a measure of your own was not given to
            `load_run`.
        """
        steps = check.integer("steps", steps, least=1)
        if self.status == "diverged":
            raise ValueError("a diverged run cannot be resumed; train again with a smaller learning_rate")
        for measure in self.settings.measures:
            measure.check_callable()
        called = as_callbacks(callbacks)
        self.settings.learning_rates(self._outcome.done, self._outcome.done + steps + 1)
        begun = Run(self.settings, replace(self._outcome, status="finished")) if self.status == "stopped" else self
        return _finish(begun, steps, _Escort(progress=progress, callbacks=called))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run to a netCDF file, whole or not at all; `load_run` reads it.

        The history can also be opened alone with `xarray.open_dataset(path)`. The file holds numbers and
        settings, no code: a model, waveform or measure of your own is given to `load_run` again.

        Parameters
        ----------
        path : path-like
            An existing file is replaced.

        Raises
        ------
        TypeError
            If `path` is not a path.
        OSError
            If it cannot be written; a file that was there stays as it was.
        """
        saved.write(path, self.settings, self._outcome)

    def to_pandas(self, name: str | None = None) -> DataFrame:
        """The history as a table for pandas.

        Parameters
        ----------
        name : str, optional
            A variable of the history. Default: all that have one number per step.

        Returns
        -------
        pandas.DataFrame
            By default with a row per step and the columns "step", "loss", "static_loss", "accuracy", ..., the weight
            and the loss of each class in columns of their own ("weights_0", "class_loss_0", ...), and measures of one
            number, which are NaN between two measurements. With `name` the variable in long form: a row per number,
            with its step and its place on each further axis ("class", "rank", ...). Where the run comes from is in the
            table's attribute `attrs`.

        Raises
        ------
        ValueError
            If the history has no such variable, or no step; or if a measure of your own is named like a column of the
            weights or class losses.

        Examples
        --------
        >>> import minidyn as md
        >>> net, task, measure = md.MLP(2, 10, 3), md.spiral(), {"hessian_max": 5, "hessian_spectrum": 10}
        >>> run = md.train(net, net.init(0), task, md.CrossEntropy(), learning_rate=0.5, steps=10, measure=measure)
        >>> table = run.to_pandas()
        >>> table.shape, table.hessian_max.count()
        ((11, 11), np.int64(3))
        >>> run.to_pandas("hessian_spectrum").columns.tolist()
        ['step', 'rank', 'hessian_spectrum']
        """
        return tidy.table(self.history, name)

    def to_csv(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Write the table of `to_pandas` as comma-separated values, whole or not at all.

        The first line names the columns; each number is written with all its digits, and NaN as nothing. The file
        holds the table alone: `save` keeps the run with its settings and where it comes from.

        Parameters
        ----------
        path : path-like
            An existing file is replaced.
        name : str, optional
            As for `to_pandas`.

        Raises
        ------
        TypeError, ValueError
            If `path` is not a path, or as for `to_pandas`.
        OSError
            If it cannot be written; a file that was there stays as it was.
        """
        text = tidy.table(self.history, name).to_csv(index=False, lineterminator="\n")
        storage.atomically(path, lambda part: part.write_bytes(text.encode()))


def load_run(
    path: str | os.PathLike[str],
    *,
    net: Model | None = None,
    loss: Loss | None = None,
    learning_rate: Schedule | None = None,
    measure: Mapping[str, Any] | None = None,
) -> Run:
    """A run that `Run.save` wrote, ready to be resumed.

    Parameters
    ----------
    path : path-like
    net : model, optional
        Needed if the run's net was not a plain `MLP`.
    loss : loss, optional
        Needed if the run's loss or waveform was your own.
    learning_rate : function, optional
        Needed if the run's learning rate was a function of the step.
    measure : mapping of name to function, optional
        The measures of your own, needed to resume: name to f(net, params, task, loss, step).

    Returns
    -------
    Run

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError, ValueError
        If the file is not a saved run, is damaged, needs `net`, `loss` or `learning_rate`, or was made with others than
        those given.

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
    return Run(*saved.read(path, net=net, loss=loss, learning_rate=learning_rate, measure=measure))


def train(
    net: Model,
    params: Any,
    task: Task,
    loss: Loss,
    *,
    learning_rate: float | Schedule,
    steps: int,
    optimizer: Optimizer = PLAIN,
    start: int = 0,
    batch_size: int | None = None,
    seed: int = 0,
    validation: Task | None = None,
    measure: Mapping[str, Any] | None = None,
    engine: str = "auto",
    store: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    callbacks: Sequence[Any] = (),
    progress: bool = True,
) -> Run:
    """Train by gradient descent, and keep a record of every step.

    Parameters
    ----------
    net : MLP or any model with `init` and `logits`
    params
        The weights where descent starts, as `net.init` returns them; left unchanged.
    task : Task
    loss : CrossEntropy or SquaredError
    learning_rate : float or function
        η, above 0; or a schedule: a function of the step (the value of the clock) that gives η of the update that
        follows, at least 0, and is defined up to the end of the run. The history then holds it as "learning_rate".
    steps : int
        Number of updates, at least 1.
    optimizer : GradientDescent, Momentum or Adam
        How the gradient becomes an update: see `minidyn.optimizers`. Plain descent is unstable in a frozen valley whose
        sharpness exceeds 2/η, momentum β where it exceeds 2 (1 + β)/η; for Adam no sharpness is a threshold.
    start : int
        The value of the clock at the first update, which says at which phase of the oscillation the run begins.
    batch_size : int, optional
        Number of samples per mini-batch; batches are drawn without replacement, epoch by epoch, and the last of an
        epoch holds what is left. None: full batch. The record is always taken on all samples.
    seed : int
        Seed of the order of the mini-batches.
    validation : Task, optional
        Other samples of the same kind, on which the validation accuracy is recorded.
    measure : mapping, optional
        What else to record, by name, and the number of steps between two measurements: "hessian_max", "hessian_min",
        "hessian_spectrum" (of F with the Γ in force), "ntk_max" (largest eigenvalue of the full kernel, unnormalised),
        "params"; or a name of your own to (cadence, f) with f(net, params, task, loss, step) -> scalar or array of
        real numbers. Prefer odd cadences: an even one sees a single branch of a period-2 orbit.
    engine : {"auto", "numpy", "compiled"}
        How the updates are computed. "compiled" needs numba, an `MLP` of activation "relu" or "tanh", one of the
        library's losses, full batches, and plain descent or momentum; it is several times faster, compiles for some
        seconds once per machine, and agrees with "numpy" to rounding (in chaos, therefore, only statistically). "auto":
        "compiled" if it can be. A run is resumed by its own.
    store : path-like, optional
        A file in which the run is kept as it goes, as `Run.save` writes it. If it exists already, the run goes on from
        there, exactly as if it had not stopped, until `steps` updates are done in all; a run that is done is returned.
        It must be the run of these very settings, `steps` aside.
    checkpoint_every : int, optional
        Number of updates between two writes of the store, of which a killed process loses at most the last ones.
        Default: the store is written when the run ends, be it by an interrupt or an error. Each write takes the whole
        record.
    callbacks : list of (int, function)
        Functions f(run) of the run so far, each with the number of updates between two calls, from the start on. One
        that returns True stops the run, whose status is then "stopped"; `minidyn.training.EarlyStopping` is one. They
        are not part of the run: a store or a file does not hold them. A stopped run in a store goes on if the
        callbacks that are given now let it.
    progress : bool
        Whether to show a progress bar if the run takes longer than a second.

    Returns
    -------
    Run
        With `params`, `history` (an xarray.Dataset), `status`, `save` and `resume`. If the loss stops being finite the
        run stops, warns, and keeps what it has; so it does on a keyboard interrupt.

    Raises
    ------
    TypeError, ValueError
        If the arguments are out of range or do not fit each other, or if the store holds another run or a damaged
        file; before any update.
    OSError
        If the store cannot be written; before any update.
    MemoryError
        If the record would not fit the memory that is left; before any update.
    ImportError
        If `engine` is "compiled" and numba is missing.

    Any later error, such as one inside a measure of your own, is passed on with the run up to there in its attribute
    `run`; so is a warning that the caller turns into an error.

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
    initial = model.structure_of(net, net.init(0), task.x).flatten(params)
    settings = Settings(
        net=net,
        task=task,
        loss=loss,
        learning_rate=learning_rate if callable(learning_rate) else check.real("learning_rate", learning_rate, above=0),
        optimizer=optimizers.checked(optimizer),
        start=check.integer("start", start, least=0),
        batch_size=batch_size,
        seed=check.integer("seed", seed, least=0, most=2**32 - 1),
        validation=_check_validation(validation, task),
        measures=as_measures(measure),
        engine=engines.choose(engine, net, loss, batch_size, optimizers.checked(optimizer)),
        initial=initial,
    )
    steps = check.integer("steps", steps, least=1)
    check_size(settings, steps)
    settings.learning_rates(0, steps + 1)
    _check_loss(settings)
    called = as_callbacks(callbacks)
    checkpoints = _Checkpoints.checked(store, checkpoint_every)
    escort = _Escort(progress=progress, callbacks=called, checkpoints=checkpoints)
    if checkpoints is None:
        return _finish(Run(settings, Outcome(initial)), steps, escort)
    run = Run(settings, saved.stored(checkpoints.path, settings))
    return _finish(run, checkpoints.steps_left(run, steps), escort)


@dataclass(frozen=True)
class _Checkpoints:
    """Where a run is kept as it goes, and after how many updates."""

    path: Path
    every: int | None  # None: when it ends

    @classmethod
    def checked(cls, store: Any, every: Any) -> _Checkpoints | None:
        every = None if every is None else check.integer("checkpoint_every", every, least=1)
        if store is None and every is not None:
            raise ValueError(f"checkpoint_every needs a store to write to, got checkpoint_every={every} without one")
        if store is None:
            return None
        storage.check_writable("store", store)
        return cls(Path(store), every)

    def steps_left(self, run: Run, steps: int) -> int:
        done = run._outcome.done
        if done > steps:
            raise ValueError(f"store {str(self.path)!r} holds {done} updates, more than steps={steps}")
        return steps - done


@dataclass(frozen=True, kw_only=True)
class _Escort:
    """What goes along with a run and changes none of its numbers."""

    progress: bool
    callbacks: tuple[Callback, ...] = ()
    checkpoints: _Checkpoints | None = None


def _finish(run: Run, steps: int, escort: _Escort) -> Run:
    """Continue for `steps` updates and return the run with its status; any error carries the run so far."""
    try:
        if run.status != "diverged" and (steps or run.status != "finished"):
            with _progress.bar(steps, "training", "steps", shown=escort.progress) as bar:
                for longer_run in _intervals(run, steps, escort, bar.update):
                    run = longer_run
        _report(run)
    except BaseException as error:
        error.run = run  # type: ignore[attr-defined]
        raise
    return run


def _intervals(run: Run, steps: int, escort: _Escort, tick: Callable[[int], Any]) -> Iterator[Run]:
    """The run after each interval between two checkpoints, each of which is written before the next interval."""
    settings, last, checkpoints = run.settings, run._outcome.done + steps, escort.checkpoints
    callbacks = [_of_outcomes(callback, settings) for callback in escort.callbacks]
    while True:
        interval = last - run._outcome.done
        if checkpoints is not None and checkpoints.every is not None:
            interval = min(interval, checkpoints.every)
        run = Run(settings, descend(settings, run._outcome, interval, tick, callbacks))
        yield run
        if checkpoints is not None:
            try:
                run.save(checkpoints.path)
            except KeyboardInterrupt:  # the file is whole, and that of the interval before
                run = Run(settings, replace(run._outcome, status="interrupted"))
                yield run
                run.save(checkpoints.path)
        if run.status != "finished" or run._outcome.done == last:
            return


def _of_outcomes(callback: Callback, settings: Settings) -> Callback:
    """A callback as the loop calls it, which knows outcomes and no runs."""
    return replace(callback, function=lambda outcome: callback.function(Run(settings, outcome)))


def _report(run: Run) -> None:
    """Raise the error of a run that failed; warn of a run that was interrupted or diverged."""
    done, error = run._outcome.done, run._outcome.error
    if error is not None:
        error.add_note(f"the run up to update {done} is kept in this error's attribute `run`")
        raise error
    if run.status == "interrupted":
        warnings.warn(f"interrupted after {done} updates; the record so far is kept", stacklevel=4)
    if run.status == "diverged":
        warnings.warn(
            f"diverged: the loss is not finite after {done + 1} updates (learning rate "
            f"{run.settings.learning_rates(done, done + 1)[0]:g}); the record up to there is kept",
            RuntimeWarning,
            stacklevel=4,
        )


@np.errstate(under="ignore")
def _check_loss(settings: Settings) -> None:
    """Raise a ValueError if descent cannot begin, or its record would show another loss."""
    s = settings
    assert s.initial is not None
    logits = s.net.logits(s.unflatten(s.initial), s.task.x)
    if not np.isfinite(s.loss.value(logits, s.task.labels, s.start)):
        raise ValueError("params must give a finite loss, got one that is not finite")
    s.loss.check_sums(logits, s.task.labels)


def _check_validation(validation: Any, task: Task) -> Task | None:
    if validation is not None and not isinstance(validation, Task):
        raise TypeError(f"validation must be a Task or None, got {validation!r:.80}")
    if validation is not None and validation.kind != task.kind:
        raise ValueError(f"validation must be like task ({task!r}), got {validation!r}")
    return validation
