"""Where results live, and where they come from: netCDF files whose attributes say how to make them again."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from minidyn import _provenance, _renamed, storage
from minidyn.experiments.registry import Experiment

_renamed.names(__name__, moved="minidyn.experiments.results.reproduction_error")

PACKAGE = Path(__file__).resolve().parent.parent


def book_data() -> Path:
    """The folder of the results that the book shows: book/_data in a checkout, else a copy inside the package."""
    checkout = PACKAGE.parent / "book" / "_data"
    return checkout if checkout.is_dir() else PACKAGE / "_data"


def load(name: str, folder: str | os.PathLike[str] | None = None) -> xr.Dataset:
    """A stored result, with its provenance in `.attrs`.

    Parameters
    ----------
    name : str
        The name of the experiment.
    folder : path-like, optional
        The folder of the results; default: that of the results that the book shows.

    Raises
    ------
    FileNotFoundError
        If it is not stored; the message has the command that makes it.

    Examples
    --------
    >>> from minidyn.experiments import load
    >>> load("published-run").attrs["experiment"]
    'published-run'
    """
    path = path_of(name, folder)
    if not path.exists():
        raise FileNotFoundError(f"no result of {name!r} in {path.parent}: make it with `minidyn run {name} --full`")
    try:
        return xr.load_dataset(path, engine=storage.FILE_FORMAT)
    except (OSError, ValueError) as error:
        raise ValueError(f"path {str(path)!r} is not a result of an experiment, or it is damaged: {error}") from error


def is_stored(name: str, folder: str | os.PathLike[str] | None = None) -> bool:
    """Whether there is a stored result of that name."""
    return path_of(name, folder).exists()


def save(data: xr.Dataset, name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """Write a result whole or not at all, compressed, and return its path.

    Raises
    ------
    ValueError
        If the name is not one of a file.
    OSError
        If the folder is not one that can be written to.
    """
    path = path_of(name, folder)
    check_writable([name], path.parent)
    packed = {
        str(n): {"zlib": True, "complevel": 6} for n, v in data.variables.items() if v.ndim and v.dtype.kind in "fiu"
    }
    storage.write_dataset(path, data, packed)
    return path


def save_elsewhere(data: xr.Dataset, name: str) -> Path:
    """Write a result whose folder has failed to a new folder for temporary files, and return its path."""
    return save(data, name, tempfile.mkdtemp(prefix="minidyn-results-"))


def check_writable(names: Iterable[str], folder: str | os.PathLike[str]) -> None:
    """Raise an OSError if results of these names cannot be written to a folder, which is made if there is none."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(f"folder {str(folder)!r} must be one that can be written to: {error.strerror}") from error
    for name in names:
        path = path_of(name, folder)
        if path.is_dir():
            raise IsADirectoryError(f"path {str(path)!r} must be a file or nothing, but it is a folder")


def path_of(name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """The path of a result."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"name must be that of an experiment, of letters, digits and hyphens, got {name!r:.80}")
    return Path(folder or book_data()) / f"{name}.nc"


def provenance(experiment: Experiment, size: str) -> dict[str, Any]:
    """What a stored result says of its making, besides how many seconds it took."""
    full = " --full" if size == "full" else ""
    return {
        "experiment": experiment.name,
        "shows": experiment.shows,
        "claims": " ".join(experiment.claims),
        "size": size,
        "arguments": arguments_of(experiment, size),
        "command": f"minidyn run {experiment.name}{full}",
        **_provenance.provenance("torch"),
    }


def arguments_of(experiment: Experiment, size: str) -> str:
    """The arguments of an experiment as they are stored with its result."""
    return json.dumps(experiment.arguments(size), default=_plain)


def check_full_size(data: xr.Dataset, experiment: Experiment) -> None:
    """Raise a ValueError if a stored result was not made with the arguments of the full size as they are now."""
    stored, full = data.attrs.get("arguments"), arguments_of(experiment, "full")
    if stored != full:
        raise ValueError(
            f"the result of {experiment.name!r} was made with the arguments {stored}, so it cannot be compared with a "
            f"rerun at full size, {full}: make it with `minidyn run {experiment.name} --full`"
        )


def reproduction_error(stored: xr.Dataset, fresh: xr.Dataset) -> dict[str, float]:
    """The distance of a rerun from a stored result, per variable: 0 is the same, 1 is a stored standard deviation.

    A variable over "seed" is compared by its mean over the seeds that both have, in units of the stored standard
    deviation over all seeds, and by the median of these distances over its other dimensions: in chaos single events
    land anywhere. Where fewer than two seeds have a number, the unit is the variable's greatest deviation elsewhere.
    Any other variable is compared by its greatest difference relative to the greatest stored value.

    The distance is infinite for a variable that one of the two lacks, and where only one of the two is NaN; what is
    NaN in both is left out.
    """
    errors = dict.fromkeys(map(str, {*stored.data_vars} ^ {*fresh.data_vars}), np.inf)
    for name in {*stored.data_vars} & {*fresh.data_vars}:
        errors[str(name)] = _error(stored[name], *xr.align(stored[name], fresh[name], join="inner"))
    return errors


def _error(stored: xr.DataArray, old: xr.DataArray, new: xr.DataArray) -> float:
    """The distance between the parts of a stored and a fresh variable that have the same labels."""
    if not old.size:
        return np.inf
    greatest = float(abs(stored).where(np.isfinite(stored)).max())
    if "seed" in old.dims:
        spread = stored.std("seed")
        scale = spread.where(stored.count("seed") > 1, spread.max()) + 1e-6 * greatest + 1e-12
        return float(_distance(old.mean("seed"), new.mean("seed"), scale).median())
    return float(_distance(old, new, xr.full_like(old, greatest + 1e-12, float)).max())


def _distance(old: xr.DataArray, new: xr.DataArray, scale: xr.DataArray) -> xr.DataArray:
    """|new - old| / scale where both are numbers, infinite where one of them is NaN, 0 if all of both is NaN."""
    if bool((old.isnull() & new.isnull()).all()):
        return xr.zeros_like(old, float)
    distance = (abs(new - old) / scale).where(old != new, 0.0)  # equal infinities are not apart
    return distance.where(old.isnull() == new.isnull(), np.inf)


def note(data: xr.Dataset) -> str:
    """One sentence of provenance, for below a figure.

    Raises
    ------
    ValueError
        If the data do not say how they were made.
    """
    a = data.attrs
    told = ("command", "size", "seconds", "device", "date", "versions", "arguments")
    missing = [name for name in told if name not in a]
    if missing:
        raise ValueError(f"data must be a stored result with its provenance, but they lack {', '.join(missing)}")
    return (
        f"Stored result of `{a['command']}` ({a['size']} size, {a['seconds']:g} s on {a['device']}, {a['date']}, "
        f"minidyn {json.loads(a['versions']).get('minidyn', '?')}). Arguments: {a['arguments']}."
    )


def _plain(value: Any) -> Any:
    """Ranges and arrays as JSON can hold them."""
    if isinstance(value, range):
        return f"{value.start}..{value.stop - 1}"
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"cannot store an argument of type {type(value).__name__}")
