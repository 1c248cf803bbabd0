"""Training on images with a dynamical loss: stochastic gradient descent that can be killed and goes on exactly.

Everything random in update k (the order of the samples, dropout) is a function of the seed and k, so a checkpoint
needs no random state, and a resumed run repeats what the uninterrupted one would have done.
"""

from __future__ import annotations

import json
import os
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from minidyn import _checks as check
from minidyn import _progress, _provenance, _renamed, storage
from minidyn.torch import interrupts
from minidyn.torch._functional import check_model, usable_device
from minidyn.torch.images import Images
from minidyn.torch.inputs import answer, by_name, logits
from minidyn.torch.losses import _DynamicalLoss
from minidyn.torch.update import GraphedUpdate, Update
from minidyn.torch.waveform import class_weights, difference

CHUNK = 1000  # images that are evaluated at a time
SERIES = ("loss", "static_loss", "accuracy", "validation_loss", "validation_accuracy")


class Trainer:
    """Stochastic gradient descent with momentum on images, with the data on the device.

    Parameters
    ----------
    model : torch.nn.Module
        Trained in place, and moved to the device.
    train : Images
    loss : DynamicalCrossEntropyLoss or DynamicalMSELoss
        Its clock advances by one per update. With amplitude 1 it is the static loss.
    validation : Images, optional
    learning_rate, momentum, weight_decay : float
        As in `torch.optim.SGD`.
    schedule : callable, optional
        Takes the optimizer to a scheduler of `torch.optim.lr_scheduler`, as
        `lambda optimizer: CosineAnnealingLR(optimizer, 1000)`. It steps once per update; a `ReduceLROnPlateau` once
        per `measure_every` updates, with the validation loss or, without validation images, the static loss. The record
        has the learning rate then. On a GPU the update runs eagerly, since a CUDA graph would keep the first rate.
    batch_size : int
        Samples per update. An epoch goes through all of them in its own order; its last batch may be smaller.
    seed : int
        Of the order of the samples, and of what is random in the model.
    mixed_precision : bool
        Compute the forward pass in bfloat16 under `torch.autocast`; weights and loss stay in float32.
    measure_every : int
        Updates between two entries of the record, which go through all images: choose it odd, so that the record
        does not see one branch of a period-2 orbit only.
    device : optional
        Default: an accelerator if PyTorch sees one, else the CPU.

    Attributes
    ----------
    done : int
        Number of updates so far.
    history : xarray.Dataset
    status : str
        As of `minidyn.Run`: "finished", "diverged" or "interrupted"; "new" before the first call of `run`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, the model has nothing to train, `validation` has other classes, or
        PyTorch cannot use the device.

    Notes
    -----
    The words are those of `minidyn.train`: `store` is where work is kept, `checkpoint_every` how often, and
    `resume(steps)` adds that number of updates, as `Run.resume` does. `run(steps)` goes on until that number is done in
    all, so that the same call can be made again after it was stopped.

    Examples
    --------
    >>> from minidyn.torch import DynamicalCrossEntropyLoss, Myrtle5, Trainer, digits
    >>> train, validation = digits(train_size=100)
    >>> loss = DynamicalCrossEntropyLoss(amplitude=5, period=20, num_classes=10)
    >>> trainer = Trainer(Myrtle5(1, width=4), train, loss, validation=validation, batch_size=50, measure_every=5)
    >>> trainer.run(10, progress=False).sizes["step"]
    3
    """

    def __init__(
        self,
        model: nn.Module,
        train: Images,
        loss: _DynamicalLoss,
        *,
        validation: Images | None = None,
        learning_rate: float = 0.05,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        schedule: Callable[[torch.optim.Optimizer], LRScheduler] | None = None,
        batch_size: int = 128,
        seed: int = 0,
        mixed_precision: bool = False,
        measure_every: int = 51,
        device: Any = None,
    ):
        _check_kinds(model, train, loss, validation)
        self.batch_size = check.integer("batch_size", batch_size, least=1, most=len(train))
        self.seed = check.integer("seed", seed, least=0, most=2**32 - 1)
        self.measure_every = check.integer("measure_every", measure_every, least=1)
        self.mixed_precision = bool(mixed_precision)
        self.device = default_device() if device is None else usable_device(device)
        self._move_to_device(model, loss, train, validation)
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            check.real("learning_rate", learning_rate, above=0),
            momentum=check.real("momentum", momentum, least=0),
            weight_decay=check.real("weight_decay", weight_decay, least=0),
        )
        self.schedule = None if schedule is None else _checked_schedule(schedule, self.optimizer)
        self._schedule_settings = _settings_of(self.schedule)
        self.done, self.status = 0, "new"
        self._origin = self._provenance()
        self._updating = False
        self._entries: list[dict[str, Any]] = []
        self._batch_losses: list[Tensor] = []
        self._eager = Update(
            self.model,
            self.loss,
            self.optimizer,
            self.train,
            batch_size=self.batch_size,
            mixed_precision=self.mixed_precision,
        )
        self._forget_graph()
        self._check_answers()

    def _move_to_device(self, model: nn.Module, loss: _DynamicalLoss, train: Images, validation: Images | None) -> None:
        self.model, self.loss = model.to(self.device), loss.to(self.device)
        if self.device.type == "cuda":
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.train, self.validation = train.to(self.device), validation and validation.to(self.device)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that a checkpoint must agree on; the images by a checksum, which takes a while if they are many."""
        return self._options | {"train": _fingerprint(self.train), "validation": _fingerprint(self.validation)}

    @property
    def _options(self) -> dict[str, Any]:
        options = self.optimizer.defaults
        return {
            "learning_rate": options["lr"],
            "momentum": options["momentum"],
            "weight_decay": options["weight_decay"],
            "batch_size": self.batch_size,
            "seed": self.seed,
            "mixed_precision": self.mixed_precision,
            "measure_every": self.measure_every,
            "model": str(self.model),
            "loss": str(self.loss),
            "schedule": self._schedule_settings,
        }

    def _provenance(self) -> dict[str, Any]:
        """What the record says of its making here and now."""
        data = {"train": repr(self.train), "validation": repr(self.validation)}
        settings = json.dumps(self._options | data, ensure_ascii=False, default=str)
        device = {} if self.device.type == "cpu" else {"device": str(self.device)}
        return {"settings": settings, **_provenance.provenance("torch"), **device}

    @_renamed.arguments(checkpoint="store")
    def run(
        self,
        steps: int,
        *,
        store: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 500,
        progress: bool = True,
    ) -> xr.Dataset:
        """Go on until `steps` updates are done in all.

        Parameters
        ----------
        steps : int
            The total number of updates, those before this call included.
        store : path-like, optional
            A file written every `checkpoint_every` updates and at the end, whole or not at all. If it exists and this
            trainer has done nothing yet, the run goes on from it: a killed run loses at most one interval.
        checkpoint_every : int
            Number of updates between two writings.
        progress : bool
            Show a progress bar if the run takes longer than a second.

        Returns
        -------
        xarray.Dataset
            `history`.

        Raises
        ------
        ValueError
            If the store is of another run; the message names what differs.
        OSError
            If the store cannot be written, before any update.

        Warns
        -----
        RuntimeWarning
            If the loss is not finite at a measurement; the run stops there.
        UserWarning
            After a keyboard interrupt: the update is finished, the store written, and the record so far returned.

        Notes
        -----
        On the CPU a resumed run ends with the same bits; on a GPU as far as its kernels are deterministic. There the
        update is replayed as a CUDA graph, with images in channels-last order; a model that draws random numbers, such
        as dropout, runs eagerly.
        """
        steps = check.integer("steps", steps, least=0)
        interval = check.integer("checkpoint_every", checkpoint_every, least=1)
        path = None if store is None else Path(store)
        if path is not None:
            storage.check_writable("store", path)
            if self.done == 0 and path.exists():
                self.load(path)
        with (
            _progress.bar(max(steps - self.done, 0), "training", "steps", shown=progress) as bar,
            self._own_randomness(),
            _fastest_convolutions(),
        ):
            try:
                self.status = self._run(steps, path, interval, bar.update)
            except KeyboardInterrupt:
                if self._updating:  # a second one, in the middle of an update: nothing whole could be kept
                    raise
                self.status = "interrupted"
                warnings.warn(f"interrupted after {self.done} updates; the record so far is kept", stacklevel=3)
        if path is not None and self.status != "diverged":
            self.save(path)
        return self.history

    def _run(self, steps: int, path: Path | None, interval: int, tick: Callable[[int], Any]) -> str:
        """Alternate between measurements and updates; the way it ended."""
        with interrupts.postponed() as look:
            while self.done < steps:
                if not self._measure_if(self.done % self.measure_every == 0):
                    return "diverged"
                look()
                self._advance()
                tick(1)
                if path is not None and self.done % interval == 0:
                    self.save(path)
                look()
        return "finished" if self._measure_if(True) else "diverged"

    def resume(
        self,
        steps: int,
        *,
        store: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 500,
        progress: bool = True,
    ) -> xr.Dataset:
        """Go on for `steps` more updates, as `minidyn.Run.resume` does; the other arguments are those of `run`."""
        more = check.integer("steps", steps, least=1)
        return self.run(self.done + more, store=store, checkpoint_every=checkpoint_every, progress=progress)

    @property
    def history(self) -> xr.Dataset:
        """The record so far.

        Over "step" (entry k is measured after k updates, over all images, with the model in evaluation mode): loss
        (F with the Γ in force), static_loss, accuracy, weights (step, class), validation_loss (static) and
        validation_accuracy, and with a schedule the learning_rate of the update to come. Over "update": batch_loss, the
        F of each update's batch, from which its gradient came. Its attributes say where it comes from, as those of
        `minidyn.Run.history` do.
        """
        steps = [entry["step"] for entry in self._entries]
        history = xr.Dataset(
            coords={"step": steps, "class": np.arange(self.train.classes), "update": np.arange(self.done)},
            attrs=self._origin,
        )
        history["weights"] = (
            ("step", "class"),
            np.reshape([entry["weights"] for entry in self._entries], (len(steps), self.train.classes)),
            {"long_name": "class weights Γ"},
        )
        names = SERIES if self.validation else SERIES[:3]
        for name in names if self.schedule is None else (*names, "learning_rate"):
            history[name] = "step", np.array([entry[name] for entry in self._entries], dtype=np.float64)
        history["batch_loss"] = "update", self._gathered_batch_losses().numpy()
        return history

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that is needed to go on, whole or not at all. `torch.load` reads it; "model" are the weights."""
        state = {
            "settings": self.settings,
            "provenance": self._origin,
            "done": self.done,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "loss": self.loss.state_dict(),
            "entries": self._entries,
            "batch_losses": self._gathered_batch_losses(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
        }

        def write(temporary: Path) -> None:
            torch.save(state, temporary)
            storage.seal(temporary)

        storage.atomically(path, write)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go back to what `save` wrote, by a trainer with the same settings.

        Raises FileNotFoundError, or a ValueError if the file is something else, damaged, or of another run.
        """
        storage.check_sealed(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        differing = [name for name, value in self.settings.items() if state["settings"].get(name) != value]
        if differing:
            there, here = (
                {name: settings.get(name) for name in differing} for settings in (state["settings"], self.settings)
            )
            raise ValueError(f"checkpoint {str(path)!r} is of another run: it has {there}, and this trainer {here}")
        other = difference(self.loss.gamma, state["loss"]["_extra_state"])
        if other is not None:
            raise ValueError(f"checkpoint {str(path)!r} is of another run: its loss has {other}")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.loss.load_state_dict(state["loss"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        self.done, self._entries, self._batch_losses = state["done"], state["entries"], [state["batch_losses"]]
        self._origin = _provenance.continued(state.get("provenance", {}), self._provenance(), self.done)
        self._forget_graph()

    def _advance(self) -> None:
        """One batch, one update, one tick of the clock."""
        epoch, batch = divmod(self.done, len(self._eager.values))
        if self._epoch != epoch:
            self._begin_epoch(epoch, batch)
        self._updating = True
        torch.manual_seed((self.seed << 32) + self.done)
        self.model.train()
        self.loss.train()
        self._update(min(self.batch_size, len(self.train) - batch * self.batch_size))
        self.loss.step()
        if self.schedule is not None and not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()
        self._batch_losses.append(self._eager.values[batch : batch + 1].clone())  # read later: the device need not wait
        self.done += 1
        self._updating = False

    def _forget_graph(self) -> None:
        """Begin with eager updates and a new epoch: what a graph has captured, and what it reads, stands elsewhere."""
        self._update: Callable[[int], None]
        has_graph = self.device.type == "cuda" and self.schedule is None
        self._update = GraphedUpdate(self._eager) if has_graph else self._eager
        self._epoch = -1  # whose order and Γ stand on the device

    def _begin_epoch(self, epoch: int, batch: int) -> None:
        """Each epoch has an order of its own, and Γ of its updates, from the clock's on."""
        order = np.random.RandomState([self.seed, epoch]).permutation(len(self.train))
        steps = np.maximum(0, int(self.loss.clock) + np.arange(len(self._eager.values)) - batch)
        gammas = torch.tensor(np.array([class_weights(self.loss.gamma, int(k), self.loss.num_classes) for k in steps]))
        self._eager.begin_epoch(torch.from_numpy(order), gammas, batch)
        self._epoch = epoch

    def _measure_if(self, due: bool) -> bool:
        """Add an entry to the record if one is due and not yet there; whether the loss is finite."""
        if due and not (self._entries and self._entries[-1]["step"] == self.done):
            self._entries.append(self._measured())
            if self.schedule is not None:
                self._entries[-1]["learning_rate"] = self._scheduled_rate(self._entries[-1])
        finite = not self._entries or bool(np.isfinite(self._entries[-1]["loss"]))
        if not finite:
            warnings.warn(f"diverged: the loss is not finite after {self.done} updates", RuntimeWarning, stacklevel=5)
        return finite

    def _scheduled_rate(self, entry: dict[str, Any]) -> float:
        """The learning rate of the update to come; a scheduler that waits for a plateau learns first how it goes."""
        if isinstance(self.schedule, ReduceLROnPlateau) and self.done % self.measure_every == 0:
            self.schedule.step(entry.get("validation_loss", entry["static_loss"]))
        return self.optimizer.param_groups[0]["lr"]

    @torch.no_grad()
    def _measured(self) -> dict[str, Any]:
        outputs = self._logits(self.train)
        entry = {
            "step": self.done,
            "weights": self.loss.get_last_weights().tolist(),
            "loss": float(self.loss.train()(outputs, self.train.labels)),
            "static_loss": float(self.loss.eval()(outputs, self.train.labels)),
            "accuracy": _accuracy(outputs, self.train.labels),
        }
        if self.validation:
            outputs = self._logits(self.validation)
            entry["validation_loss"] = float(self.loss(outputs, self.validation.labels))
            entry["validation_accuracy"] = _accuracy(outputs, self.validation.labels)
        return entry

    def _logits(self, images: Images) -> Tensor:
        self.model.eval()
        with self._eager.autocast():
            starts = range(0, len(images), CHUNK)
            return torch.cat([self._logits_of(images, slice(k, k + CHUNK)) for k in starts]).float()

    def _logits_of(self, images: Images, part: slice) -> Tensor:
        return logits(answer(self.model, images.samples(part)[0]))

    def _check_answers(self) -> None:
        """Raise an error if the model cannot take the images, or does not answer with a finite logit per class."""
        modes, few = {module: module.training for module in self.model.modules()}, slice(2)
        self.model.eval()
        try:
            with torch.no_grad(), self._own_randomness(), self._eager.autocast():
                outputs = self._logits_of(self.train, few)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"model must take the samples of train, {self.train!r}, got the error: {error}") from error
        finally:
            for module, mode in modes.items():
                module.training = mode
        wanted = (len(self.train.labels[few]), self.train.classes)
        if tuple(outputs.shape) != wanted:
            raise ValueError(f"model must give a logit per class, shape {wanted}, got {tuple(outputs.shape)}")
        if not bool(outputs.isfinite().all()):
            raise ValueError("model must give finite outputs for train, got some that are not")

    def _gathered_batch_losses(self) -> Tensor:
        if self._batch_losses:
            self._batch_losses = [torch.cat([part.cpu().float() for part in self._batch_losses])]
        return self._batch_losses[0] if self._batch_losses else torch.empty(0)

    def _own_randomness(self) -> Any:
        """Leave the random state of the program that calls as it was."""
        kind = self.device.type
        return torch.random.fork_rng(
            [] if kind == "cpu" else [self.device], device_type="cuda" if kind == "cpu" else kind
        )


def _checked_schedule(schedule: Any, optimizer: torch.optim.Optimizer) -> LRScheduler:
    """The scheduler that a function makes of an optimizer."""
    if not callable(schedule):
        raise TypeError(f"schedule must take the optimizer to a scheduler of torch, got {schedule!r:.80}")
    scheduler = schedule(optimizer)
    if not isinstance(scheduler, LRScheduler) or scheduler.optimizer is not optimizer:
        raise TypeError(f"schedule must return a scheduler of the optimizer that it is given, got {scheduler!r:.80}")
    return scheduler


def _settings_of(scheduler: LRScheduler | None) -> str | None:
    """What a checkpoint compares of a scheduler: its name and what its state says at the start."""
    return None if scheduler is None else f"{type(scheduler).__name__}({scheduler.state_dict()})"


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return int((logits.argmax(dim=1) == labels).sum()) / len(labels)


@contextmanager
def _fastest_convolutions() -> Iterator[None]:
    """Let cuDNN time its algorithms for the shapes that it sees, and keep the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def default_device() -> torch.device:
    """An accelerator if PyTorch sees one, else the CPU."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator or torch.device("cpu")


def _fingerprint(images: Images | None) -> list[int] | None:
    """Tells one set of images from another."""
    if images is None:
        return None
    tensors = (*by_name(images.x).values(), images.labels)
    return [len(images), *(zlib.crc32(part.cpu().contiguous().numpy().data) for part in tensors)]


def _check_kinds(model: Any, train: Any, loss: Any, validation: Any) -> None:
    for name, value, kind in (("model", model, nn.Module), ("train", train, Images), ("loss", loss, _DynamicalLoss)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__.removeprefix('_')}, got {value!r:.80}")
    if not isinstance(validation, Images | None):
        raise TypeError(f"validation must be Images, got {validation!r:.80}")
    if loss.reduction == "none":
        raise ValueError("loss must have reduction 'mean' or 'sum', got 'none'")
    if loss.num_classes != train.classes:
        raise ValueError(f"loss has {loss.num_classes} classes, but train has {train.classes}")
    if validation is not None and (validation.classes, validation.shapes) != (train.classes, train.shapes):
        raise ValueError(f"validation must be like train, {train!r}, got {validation!r}")
    check_model(model)
