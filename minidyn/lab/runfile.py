"""Runs of the lab as files: JSON that the page downloads and uploads, and an xarray.Dataset in Python."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import storage
from minidyn.lab import state as states
from minidyn.oscillation import Oscillation

FORMAT, VERSION = "minidyn lab run", 1
POINTS = 300  # samples of the lab's spirals
CLASSES = 3
COLUMNS = (
    "step", "F", "change", "frozenChange", "correct", "validationCorrect", "sharpness", "unstable",
    "loss0", "loss1", "loss2",
)  # fmt: skip
SPECIAL = {"Infinity": np.inf, "-Infinity": -np.inf}  # JSON has neither these nor NaN, which is null


def read_run(path: str | os.PathLike[str]) -> xr.Dataset:
    """A run that was downloaded from the lab, named as the history of `md.train`.

    Parameters
    ----------
    path : str or path
        A file that the lab's *Download*, or `write_run`, has written.

    Returns
    -------
    xarray.Dataset
        Over "step", the steps that the lab still had: all of the last 12,000, and fewer of the ones before. loss,
        static_loss, accuracy, validation_accuracy, class_loss and weights (step, class), and hessian_max
        (hessian_max_step) are as in the history of `md.train`. total_change is F(t) - F(t - 1), descent_change the part
        of it that the update at held Γ makes; both are NaN at step 0. unstable says whether the sharpness exceeded 2/η
        in one of its last two measurements. The settings of the run are its attributes.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not such a run; the message names the path, the field, its value and what is allowed.

    Examples
    --------
    >>> from minidyn.lab import read_run
    >>> run = read_run("minidyn-run-seed-0-step-5000.json")  # doctest: +SKIP
    >>> run.loss.sel(step=4500), run.attrs["learning_rate"]  # doctest: +SKIP
    """
    try:
        content = json.loads(Path(path).read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"path {str(path)!r} is not JSON: {error}") from error
    try:
        settings, column = _checked(content)
    except (TypeError, ValueError) as error:
        raise ValueError(f"path {str(path)!r} is not a run of the lab: {error}") from error
    changes = {"total_change": column["change"], "descent_change": column["frozenChange"]}
    flags = {**changes, "unstable": column["unstable"].astype(bool)}
    data = history(settings, column).assign({name: ("step", values) for name, values in flags.items()})
    return data.assign_attrs(settings)


def write_run(dataset: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a run for the lab's *Upload a run*; `read_run` reads the same Dataset from it.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the variables and the attributes that `read_run` gives.
    path : str or path
        The file, which is written whole or not at all.

    Raises
    ------
    TypeError, ValueError
        If `dataset` is no such Dataset; the message names the variable or the setting.

    Examples
    --------
    >>> from minidyn.lab import read_run, write_run
    >>> run = read_run("minidyn-run-seed-0-step-5000.json")  # doctest: +SKIP
    >>> write_run(run.sel(step=slice(4000, None)), "second-half.json")  # doctest: +SKIP
    """
    if not isinstance(dataset, xr.Dataset):
        raise TypeError(f"dataset must be an xarray.Dataset, as read_run gives, got {dataset!r:.80}")
    content = {
        "format": FORMAT,
        "version": VERSION,
        "settings": {name: value for name, value in dataset.attrs.items() if name in states.RUN_KEYS.values()},
        "record": {name: [_encode(value) for value in values.tolist()] for name, values in _columns(dataset).items()},
    }
    _checked(content)
    text = json.dumps(content, allow_nan=False, default=lambda value: value.item())
    storage.atomically(path, lambda part: part.write_text(text, "utf-8"))


def history(
    settings: Mapping[str, Any], column: Mapping[str, NDArray], counts: tuple[float, float] = (POINTS, POINTS)
) -> xr.Dataset:
    """The columns that the lab measures, named as in the history of `md.train`; counts: of both sets of samples."""
    step = column["step"].astype(int)
    class_loss = np.stack([column[f"loss{c}"] for c in range(CLASSES)], axis=1)
    measured = ~np.isnan(column["sharpness"])
    return xr.Dataset(
        {
            "loss": ("step", column["F"]),
            "static_loss": ("step", class_loss.sum(axis=1)),
            "accuracy": ("step", column["correct"] / counts[0]),
            "validation_accuracy": ("step", column["validationCorrect"] / counts[1]),
            "weights": (("step", "class"), oscillation(settings).weights(step)),
            "class_loss": (("step", "class"), class_loss),
            "hessian_max": ("hessian_max_step", column["sharpness"][measured]),
        },
        coords={"step": step, "class": np.arange(CLASSES), "hessian_max_step": step[measured]},
    )


def oscillation(settings: Mapping[str, Any]) -> Oscillation:
    """The class weights of a run in the lab."""
    period = settings["period"]
    dwell = period + 1 if settings["clock"] == "notebook" else period
    return Oscillation(settings["amplitude"], period, dwell=dwell, rest_from=settings["rest_from"] or None)


def _columns(dataset: xr.Dataset) -> dict[str, NDArray]:
    """What `read_run` made the Dataset from."""
    sources = {
        "F": "loss", "change": "total_change", "frozenChange": "descent_change", "correct": "accuracy",
        "validationCorrect": "validation_accuracy", "unstable": "unstable",
    }  # fmt: skip
    missing = [name for name in (*sources.values(), "class_loss", "hessian_max") if name not in dataset]
    if missing:
        raise ValueError(f"dataset must have the variables that read_run gives, but lacks {', '.join(missing)}")
    column = {name: dataset[source].values.astype(float) for name, source in sources.items()}
    for name in ("correct", "validationCorrect"):
        column[name] = np.rint(column[name] * POINTS)
    column |= {f"loss{c}": dataset.class_loss.sel({"class": c}).values for c in range(CLASSES)}
    column["step"] = dataset.step.values
    measured = dataset.hessian_max.rename(hessian_max_step="step")
    column["sharpness"] = measured.reindex(step=dataset.step).values
    return {name: column[name] for name in COLUMNS}


def _encode(value: float) -> float | str | None:
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _checked(content: Any) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Settings and columns of the content of a file."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        _fail("format", content.get("format") if isinstance(content, dict) else content, repr(FORMAT))
    if content.get("version") != VERSION:
        _fail("version", content.get("version"), str(VERSION))
    settings, record = (_object(name, content.get(name)) for name in ("settings", "record"))
    missing = [name for name in states.RUN_KEYS.values() if name not in settings]
    if missing:
        raise ValueError(f"settings lacks {', '.join(missing)}")
    own = {name: settings[name] for name in states.RUN_KEYS.values()}
    complete = states.complete(own)
    steps = _steps(record.get("step"))
    column = {name: _numbers(name, record.get(name), len(steps)) for name in COLUMNS}
    return {name: complete[name] for name in own}, column


def _object(name: str, value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else _fail(name, value, "an object")


def _steps(values: Any) -> list[int]:
    if not isinstance(values, list) or not values:
        _fail("record.step", values, "a list of at least one step")
    for k, step in enumerate(values):
        check.integer(f"record.step[{k}]", step, least=0)
        if k and step <= values[k - 1]:
            _fail(f"record.step[{k}]", step, f"greater than {values[k - 1]}, the step before")
    return values


def _numbers(name: str, values: Any, count: int) -> NDArray:
    if not isinstance(values, list) or len(values) != count:
        _fail(f"record.{name}", values, f"a list of {count} numbers")
    numbers = [
        np.nan if value is None else SPECIAL.get(value, value) if isinstance(value, str) else value for value in values
    ]
    for k, value in enumerate(numbers):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            _fail(f"record.{name}[{k}]", value, "a number or null")
    return np.array(numbers, float)


def _fail(field: str, value: Any, allowed: str) -> NoReturn:
    raise ValueError(f"{field} must be {allowed}, got {value!r:.80}")
