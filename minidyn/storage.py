"""Files of results: netCDF, written whole or not at all, with numbers and settings in them and never code."""

from __future__ import annotations

import glob
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import h5netcdf
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from minidyn import _checks as check
from minidyn import _renamed

try:
    import fcntl
except ImportError:  # not on Windows, where files that are left behind stay
    fcntl = None  # type: ignore[assignment]

FILE_FORMAT: Literal["h5netcdf"] = "h5netcdf"  # as xarray calls what reads and writes the files

_renamed.names(__name__, ENGINE="minidyn.storage.FILE_FORMAT")


def write(path: str | os.PathLike[str], data: xr.Dataset, state: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """A Dataset, and beside it, in the group "state", named arrays and a dictionary of settings; sealed."""
    beside = xr.Dataset({name: (tuple(f"{name}_{axis}" for axis in range(a.ndim)), a) for name, a in state.items()})
    beside.attrs["about"] = json.dumps(about)
    content = _encoded(data, {}, state=beside)
    atomically(path, lambda part: part.write_bytes(content + sha256(content).digest()))


def read(path: str | os.PathLike[str]) -> tuple[xr.Dataset, dict[str, np.ndarray], dict[str, Any]]:
    """What `write` wrote.

    Raises FileNotFoundError, or a ValueError if the file is something else or damaged; both name the path.
    """
    check_sealed(path)
    try:
        data = xr.load_dataset(path, engine=FILE_FORMAT).drop_encoding()
        beside = xr.load_dataset(path, group="state", engine=FILE_FORMAT)
        about = json.loads(beside.attrs["about"])
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"path {str(path)!r} was not written by `storage.write`: {error!s:.200}") from error
    return data, {str(name): beside[name].values for name in beside}, about


def write_dataset(path: str | os.PathLike[str], data: xr.Dataset, encoding: dict[str, Any] | None = None) -> None:
    """A Dataset as a plain netCDF file, which any reader of netCDF opens."""
    content = _encoded(data, encoding or {})
    atomically(path, lambda part: part.write_bytes(content))


def seal(path: Path) -> None:
    """Append a checksum of what precedes it, so that damage shows before anything is read.

    HDF5 and PyTorch ignore what follows the end of their own files.
    """
    with open(path, "r+b") as file:
        file.write(sha256(file.read()).digest())


def check_sealed(path: str | os.PathLike[str]) -> None:
    """Raise FileNotFoundError if there is no file, and a ValueError if its seal does not fit."""
    if not check.path("path", path).is_file():
        raise FileNotFoundError(f"path {str(path)!r} does not exist or is not a file")
    content = Path(path).read_bytes()
    if sha256(content[:-32]).digest() != content[-32:]:
        raise ValueError(f"path {str(path)!r} is not a whole file written by minidyn, or it is damaged")


def atomically(path: str | os.PathLike[str], write_to: Callable[[Path], Any]) -> None:
    """Let `write_to` fill a temporary file beside `path`, then put it in place in one step."""
    path = check.path("path", path)
    with _part(path) as part:
        write_to(part)
        os.chmod(part, 0o644)
        os.replace(part, path)


def check_writable(name: str, path: str | os.PathLike[str]) -> None:
    """Raise an OSError, which names the argument, if a file cannot be written at `path`; its folder is made."""
    path = check.path(name, path)
    if os.path.isdir(path):  # which is False, and no error, if the name is too long
        raise IsADirectoryError(f"{name} must be a file, and {str(path)!r} is a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _part(path):
            pass
    except OSError as error:
        raise type(error)(f"{name} must be in a folder that can be written to, got {str(path)!r}: {error}") from error


def remove_orphans(folder: Path, names: str) -> None:
    """Remove what killed writers left in a folder: the temporary files for files whose names fit a pattern."""
    for part in folder.glob(f".{names}.*.part"):
        with suppress(OSError), _locked(part):  # unless its writer lives, and holds the lock
            part.unlink()


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    """A hidden file beside `path`, which is gone afterwards; an OSError names `path`."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path {str(path)!r} is in a folder that does not exist")
    remove_orphans(path.parent, glob.escape(path.name))
    try:
        handle, part = _new_part(path)
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)
            os.close(handle)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _new_part(path: Path) -> tuple[int, Path]:
    """A new hidden file, and the handle that keeps it locked until it is closed."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        if fcntl is None:
            os.close(handle)
            return os.open(os.devnull, os.O_RDONLY), Path(name)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # nobody took it for an orphan before it was locked
            return handle, Path(name)
        os.close(handle)


@contextmanager
def _locked(part: Path) -> Iterator[None]:
    """Hold the lock of a file; an OSError if another process holds it, or if there are no locks."""
    if fcntl is None:
        raise OSError("no locks")
    handle = os.open(part, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _encoded(data: xr.Dataset, encoding: dict[str, Any], **groups: xr.Dataset) -> bytes:
    """The bytes of a netCDF file, made in memory: HDF5 crashes at its next use if a disk is full as it writes."""
    memory = BytesIO()
    with h5netcdf.File(memory, "w") as file:
        data.drop_encoding().dump_to_store(H5NetCDFStore(file), encoding=encoding)  # not as it was once stored
        for name, group in groups.items():
            group.drop_encoding().dump_to_store(H5NetCDFStore(file.create_group(name)))
    return memory.getvalue()
