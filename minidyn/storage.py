"""Files of results: netCDF, written whole or not at all, with numbers and settings in them and never code."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

ENGINE: Literal["h5netcdf"] = "h5netcdf"


def write(path: str | os.PathLike[str], data: xr.Dataset, state: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """A Dataset, and beside it, in the group "state", named arrays and a dictionary of settings."""
    beside = xr.Dataset({name: (tuple(f"{name}_{axis}" for axis in range(a.ndim)), a) for name, a in state.items()})
    beside.attrs["about"] = json.dumps(about)

    def write_both(temporary: Path) -> None:
        data.to_netcdf(temporary, engine=ENGINE)
        beside.to_netcdf(temporary, mode="a", group="state", engine=ENGINE)
        seal(temporary)

    atomically(path, write_both)


def read(path: str | os.PathLike[str]) -> tuple[xr.Dataset, dict[str, np.ndarray], dict[str, Any]]:
    """What `write` wrote.

    Raises FileNotFoundError, or a ValueError where the file is something else or damaged.
    """
    check_sealed(path)
    data = xr.load_dataset(path, engine=ENGINE)
    beside = xr.load_dataset(path, group="state", engine=ENGINE)
    return data, {str(name): beside[name].values for name in beside}, json.loads(beside.attrs["about"])


def seal(path: Path) -> None:
    """Append a checksum of what precedes it, so that damage is found before it is read.

    HDF5 and PyTorch ignore what follows the end of their own files.
    """
    with open(path, "r+b") as file:
        file.write(sha256(file.read()).digest())


def check_sealed(path: str | os.PathLike[str]) -> None:
    """Raise FileNotFoundError where there is no file, and a ValueError where its seal does not fit."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"path {str(path)!r} does not exist or is not a file")
    content = Path(path).read_bytes()
    if sha256(content[:-32]).digest() != content[-32:]:
        raise ValueError(f"path {str(path)!r} is not a whole file written by minidyn, or it is damaged")


def atomically(path: str | os.PathLike[str], write_to: Callable[[Path], Any]) -> None:
    """Let `write_to` fill a temporary file beside `path`, then put it in place in one step."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path {str(path)!r} is in a folder that does not exist")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    try:
        write_to(Path(name))
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check_writable(name: str, path: str | os.PathLike[str]) -> None:
    """Raise an OSError, which names the argument, if a file cannot be written at `path`; its folder is made."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{name} must be a file, and {str(path)!r} is a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise type(error)(f"{name} must be in a folder that can be written to, got {str(path)!r}: {error}") from error
