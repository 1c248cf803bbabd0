"""Where results live, and where they come from: netCDF files whose attributes say how to make them again."""

from __future__ import annotations

import datetime
import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from minidyn import storage
from minidyn.experiments.registry import Experiment

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
        Of the experiment.
    folder : path-like, optional
        Default: the results that the book shows.

    Raises
    ------
    FileNotFoundError
        Where it is not stored; the message has the command that makes it.

    Examples
    --------
    >>> from minidyn.experiments import load
    >>> load("published-run").attrs["experiment"]
    'published-run'
    """
    path = path_of(name, folder)
    if not path.exists():
        raise FileNotFoundError(f"no result of {name!r} in {path.parent}: make it with `minidyn run {name} --full`")
    return xr.load_dataset(path, engine=storage.ENGINE)


def save(data: xr.Dataset, name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """Write a result whole or not at all, compressed; the path."""
    path = path_of(name, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = {
        str(n): {"zlib": True, "complevel": 6} for n, v in data.variables.items() if v.ndim and v.dtype.kind in "fiu"
    }
    storage.atomically(path, lambda part: data.to_netcdf(part, engine=storage.ENGINE, encoding=packed))
    return path


def path_of(name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    return Path(folder or book_data()) / f"{name}.nc"


def provenance(experiment: Experiment, size: str, seconds: float) -> dict[str, Any]:
    """What a stored result says of its making."""
    full = " --full" if size == "full" else ""
    packages = ("minidyn", "numpy", "autograd", "xarray", "numba", "torch")
    return {
        "experiment": experiment.name,
        "shows": experiment.shows,
        "claims": " ".join(experiment.claims),
        "size": size,
        "arguments": json.dumps(experiment.arguments(size), default=_plain),
        "command": f"minidyn run {experiment.name}{full}",
        "seconds": round(seconds, 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": json.dumps({name: version for name in packages if (version := _version(name))}),
    }


def moved(stored: xr.Dataset, fresh: xr.Dataset) -> dict[str, float]:
    """How far a rerun is from a stored result, a variable: 0 is the same, 1 is at the edge of the stored spread.

    A variable over "seed" is compared by its mean over the seeds that both have, in units of the stored standard
    deviation over all seeds, and by the median of these distances over its other dimensions: in chaos single events
    land anywhere. Any other variable is compared by its greatest difference relative to the greatest stored
    value. A variable that is missing from one of them is infinitely far.
    """
    found = {str(name): np.inf for name in {*stored.data_vars} ^ {*fresh.data_vars}}
    for name in {*stored.data_vars} & {*fresh.data_vars}:
        old, new = xr.align(stored[name], fresh[name], join="inner")
        if not old.size:
            found[str(name)] = np.inf
            continue
        if "seed" in old.dims:
            scale = stored[name].std("seed") + 1e-6 * np.abs(stored[name]).max() + 1e-12
            found[str(name)] = float((np.abs(new.mean("seed") - old.mean("seed")) / scale).median())
        else:
            found[str(name)] = float((np.abs(new - old) / (np.abs(stored[name]).max() + 1e-12)).max())
    return found


def note(data: xr.Dataset) -> str:
    """One sentence of provenance, for below a figure."""
    a = data.attrs
    return (
        f"Stored result of `{a['command']}` ({a['size']} size, {a['seconds']:g} s on {a['device']}, {a['date']}, "
        f"minidyn {json.loads(a['versions']).get('minidyn', '?')}). Arguments: {a['arguments']}."
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _plain(value: Any) -> Any:
    """Ranges and arrays as JSON can hold them."""
    if isinstance(value, range):
        return f"{value.start}..{value.stop - 1}"
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"cannot store an argument of type {type(value).__name__}")
