"""A store of a sweep: a folder of finished runs, which answers only for exactly what it was made with.

Beside the runs lies `settings.json`: what the sweep was asked to do, the data (with its number of classes), the code of
own measures, the engine, and the versions of the format and of the numbers. The last two are not the version of the
package, and a store outlives a release that changes neither. Each file of runs carries the fingerprint of the
settings and the numbers of its runs; a file that is damaged, or of another sweep, counts as not there.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from minidyn import storage
from minidyn._fingerprint import fingerprint
from minidyn.ensembles.interface import cadence
from minidyn.sweeps.collect import Row
from minidyn.sweeps.datasets import digest_0_1
from minidyn.sweeps.plan import Plan
from minidyn.sweeps.table import of_runs, rows_of

FORMAT = 2  # of a store; 1 was that of version 0.1, which did not write it down
NUMERICS = 1  # raised by whoever changes the numbers that a sweep with the same settings makes
ACCEPTABLE = ("format", "numerics", "engine", "measure", "data", "validation")


@dataclass(frozen=True)
class Store:
    """A folder for the finished runs of a sweep, and which differences to accept in it.

    `sweep(..., store=path)` is short for `sweep(..., store=Store(path))`.

    Parameters
    ----------
    folder : path-like
        A new or empty folder, or one that a sweep made.
    accept : collection of str
        Settings in which the store may differ from what the sweep is asked for, at your own risk: "engine",
        "measure" (the code of own measures), "data", "validation", "numerics" (the version of the numbers that a
        sweep makes), "format". A store of version 0.1 needs "format": it did not write down the number of classes,
        nor the code of own measures; the settings that it has are compared all the same.

    Raises
    ------
    ValueError
        If `accept` names something else.

    Warns
    -----
    UserWarning
        When the sweep opens a store that differs in what is accepted; the warning says in what.

    Examples
    --------
    >>> import minidyn as md
    >>> from minidyn.sweeps import Store
    >>> store = Store("runs", accept={"engine"})
    >>> data = md.sweep({"seed": [0]}, steps=5000, store=store)  # doctest: +SKIP
    """

    folder: str | os.PathLike[str]
    accept: Collection[str] = ()

    def __post_init__(self) -> None:
        for name in [self.accept] if isinstance(self.accept, str) else self.accept:
            if name not in ACCEPTABLE:
                raise ValueError(f"accept may hold {', '.join(map(repr, ACCEPTABLE))}, got {name!r}")

    def engine(self) -> str | None:
        """The name of the engine that the store was begun with, or None if nothing was begun yet."""
        path = Path(self.folder) / "settings.json"
        return _read_settings(path).get("engine") if path.exists() else None


class StoredRuns:
    """The finished runs of a plan in a store, which is opened for them."""

    def __init__(self, store: Store, plan: Plan):
        self.folder, self.total = Path(store.folder).resolve(), len(plan.runs)
        self.path = self.folder / "settings.json"
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"store {str(self.folder)!r} must be a folder, and is a file")
        self.folder.mkdir(parents=True, exist_ok=True)
        storage.remove_orphans(self.folder, "chunk-*")
        settings = _settings(plan, any_measure="measure" in store.accept)
        if not self.path.exists():
            self._begin(settings)
        there = _read_settings(self.path)
        _compare(self.folder, there, settings if "format" in there else _settings_0_1(plan, settings), store.accept)
        self.is_0_1 = "format" not in there
        self.identity = sha256(json.dumps(there, sort_keys=True).encode()).hexdigest()

    def _begin(self, settings: Mapping[str, Any]) -> None:
        """Write the settings of a new store, unless another process is first."""
        others = [path for path in self.folder.iterdir() if not path.name.startswith(".")]
        if others and not self.path.exists():
            raise ValueError(f"store {str(self.folder)!r} must be a new or empty folder, or one that a sweep made")
        _write_if_missing(self.path, json.dumps(settings, indent=1))

    def read(self) -> dict[int, Row]:
        """The finished runs, by their numbers in the plan."""
        rows: dict[int, Row] = {}
        for path in sorted(self.folder.glob("chunk-*.nc")):
            rows |= self._read(path)
        return rows

    def _read(self, path: Path) -> dict[int, Row]:
        """The runs in a file; none if it is damaged, or not a file of this store."""
        try:
            table, _, about = storage.read(path)
        except (OSError, ValueError, KeyError):
            return {}
        of_0_1 = self.is_0_1 and "chunk" in about and "store" not in about
        if not (of_0_1 or about.get("store") == self.identity) or "run" not in table.coords:
            return {}
        return {number: row for number, row in rows_of(table).items() if 0 <= number < self.total}

    def write(self, rows: Mapping[int, Row]) -> None:
        path = self.folder / f"chunk-{min(rows):05d}-{max(rows):05d}.nc"
        storage.write(path, of_runs(rows), {}, {"store": self.identity})


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"store: {str(path)!r} is damaged ({error}), so its runs cannot be used") from error
    if not isinstance(settings, dict):
        raise ValueError(f"store: {str(path)!r} is damaged, so its runs cannot be used: it holds no settings")
    return settings


def _settings(plan: Plan, *, any_measure: bool) -> dict[str, Any]:
    """All that the results depend on."""
    measure = {name: _described(name, request, any_measure) for name, request in plan.measure.items()}
    settings = {"format": FORMAT, "numerics": NUMERICS, **plan.settings(), "measure": measure}
    return json.loads(json.dumps(settings))


def _described(name: str, request: Any, any_measure: bool) -> Any:
    if isinstance(request, int):
        return request
    if any_measure:
        return [cadence(request), "any"]
    try:
        return [cadence(request), fingerprint(request[1])]
    except TypeError as error:
        raise TypeError(
            f"measure[{name!r}] cannot be kept in a store, which could not tell it from another function: it uses "
            f"{error}. Use functions, numbers, strings, arrays and dataclasses only, or accept any function with "
            "store=minidyn.sweeps.Store(path, accept={'measure'})"
        ) from None


def _settings_0_1(plan: Plan, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as version 0.1 wrote them down."""
    names, datasets = settings["data"], plan.datasets.values()
    return {
        **{name: value for name, value in settings.items() if name not in ("format", "numerics")},
        "data": {name: digest_0_1(data.task) for name, data in zip(names, datasets, strict=True)},
        "validation": {name: digest_0_1(data.validation) for name, data in zip(names, datasets, strict=True)},
        "measure": {name: cadence(request) for name, request in plan.measure.items()},
    }


def _compare(folder: Path, there: dict[str, Any], here: dict[str, Any], accept: Collection[str]) -> None:
    """Raise a ValueError if the settings differ in more than what is accepted; warn if they differ in that."""
    if "format" not in there and "format" not in accept:
        raise ValueError(
            f"store {str(folder)!r} was made by version 0.1, which did not write down the number of classes, nor the "
            "code of own measures. Choose a new folder; or, if you know that it is of this sweep, accept it with "
            "store=minidyn.sweeps.Store(path, accept={'format'})"
        )
    different = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    shown = "; ".join(f"{name}: {there.get(name)!r} there, {here.get(name)!r} now" for name in different)
    if not set(different) <= set(accept):
        raise ValueError(f"store {str(folder)!r} holds a sweep with other settings: {shown}")
    if different or "format" not in there:
        warnings.warn(
            f"store {str(folder)!r} is accepted although it differs: {shown or 'it is of version 0.1'}", stacklevel=5
        )


def _write_if_missing(path: Path, text: str) -> None:
    """Write a file whole, unless another process has written it by then."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.link(name, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
