"""What a run writes down: plain arrays on the way, an xarray.Dataset in the end."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import _provenance
from minidyn.training.settings import Settings

SERIES = ("loss", "static_loss", "accuracy", "validation_accuracy")
AXES = {"hessian_spectrum": "rank", "params": "parameter"}  # of measures with one axis besides the steps
RESERVED = (*SERIES, "weights", "class_loss", "learning_rate", "step", "class", *AXES.values(), "state")
UNITS = {
    "loss": "F(t), with the Γ in force",
    "static_loss": "F with Γ = 1",
    "accuracy": "fraction of samples",
    "weights": "class weights Γ",
    "class_loss": "what each Γ multiplies in F",
    "learning_rate": "η of the update to come",
}


class Record:
    """The entries of one descent, from `first` updates to `first` + `steps`."""

    def __init__(self, settings: Settings, first: int, steps: int):
        self.settings = settings
        self.first = first
        self.weights = settings.class_weights(first, first + steps + 1)
        self.rates = settings.learning_rates(first, first + steps + 1)
        self.class_loss = np.full_like(self.weights, np.nan)  # L, with F(t) = Σ Γ_c(t) L_c
        self.accuracy = np.full(steps + 1, np.nan)
        self.validation_accuracy = None if settings.validation is None else np.full(steps + 1, np.nan)
        self.measured: dict[str, list[tuple[int, NDArray]]] = {measure.name: [] for measure in settings.measures}

    def weights_at(self, done: int) -> NDArray:
        return self.weights[done - self.first]

    def write(self, done: int, class_loss: NDArray, accuracy: float, validation_accuracy: float | None) -> None:
        entry = done - self.first
        self.class_loss[entry], self.accuracy[entry] = class_loss, accuracy
        if self.validation_accuracy is not None:
            self.validation_accuracy[entry] = validation_accuracy

    def add(self, name: str, done: int, value: NDArray) -> None:
        """Append the value of a measure, which keeps its shape throughout a run."""
        entries = self.measured[name]
        if entries and entries[0][1].shape != value.shape:
            raise ValueError(f"measure {name!r} must keep its shape {entries[0][1].shape}, got {value.shape}")
        entries.append((done, value))

    def dataset(self, done: int) -> xr.Dataset:
        """The entries up to `done` updates; none if that is before the first."""
        start, entries = self.settings.start, done - self.first + 1
        weights, class_loss = self.weights[:entries], self.class_loss[:entries]
        columns = {
            "loss": (weights * class_loss).sum(axis=1),
            "static_loss": class_loss.sum(axis=1),
            "accuracy": self.accuracy[:entries],
            "weights": weights,
            "class_loss": class_loss,
        }
        if callable(self.settings.learning_rate):
            columns["learning_rate"] = self.rates[:entries]
        if self.validation_accuracy is not None:
            columns["validation_accuracy"] = self.validation_accuracy[:entries]
        history = xr.Dataset(
            {
                name: (("step", "class")[: values.ndim], values, {"long_name": UNITS.get(name, name)})
                for name, values in columns.items()
            },
            coords={"step": start + np.arange(self.first, done + 1), "class": _classes(self.settings)},
            attrs=self.settings.provenance(),
        )
        for name, measured in self.measured.items():
            if measured:
                values = np.stack([value for _, value in measured])
                dims = (f"{name}_step", *(_axis(name, axis) for axis in range(values.ndim - 1)))
                history[name] = (dims, values)
                history = history.assign_coords({f"{name}_step": start + np.array([at for at, _ in measured])})
        return history


def _classes(settings: Settings) -> NDArray:
    """The classes by name, or by number if they have none."""
    task = settings.task
    return np.array(task.names) if task.names else np.arange(task.classes)


def check_size(settings: Settings, steps: int) -> None:
    """Raise a MemoryError if the record of this number of steps would not fit into the memory that is left."""
    entries = sum(
        (steps // measure.every + 1) * (settings.size if measure.name in AXES else 1) for measure in settings.measures
    )
    check.memory(f"the record of steps={steps:,}", (steps + 1) * (8 * settings.task.classes + 10) + 2 * entries)


def join(before: xr.Dataset, after: xr.Dataset) -> xr.Dataset:
    """Two records in a row, the second beginning with the entry that ends the first."""
    if not before.sizes.get("step"):
        return after
    history = xr.Dataset(attrs=_provenance.continued(before.attrs, after.attrs, int(before.step[-1])))
    for name in {**before.data_vars, **after.data_vars}:
        pieces = [part[name] for part in (before, after) if name in part]
        along = str(pieces[0].dims[0])
        if len(pieces) == 2:
            pieces[1] = pieces[1][{along: pieces[1][along] > pieces[0][along][-1]}]
        history[name] = xr.concat(pieces, along)
    return history


def _axis(name: str, axis: int) -> str:
    return AXES.get(name, f"{name}_axis{axis}")
