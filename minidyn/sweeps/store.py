"""A store of a sweep: a folder of finished chunks, which answers only for the settings that it was made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import xarray as xr

from minidyn import storage


class Store:
    """The folder of the results of a sweep, which holds results of these settings or none yet.

    Raises a ValueError if it holds something else.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        self.folder = folder.resolve()
        path, settings = self.folder / "settings.json", json.loads(json.dumps(settings))
        if path.exists():
            self._check_settings(json.loads(path.read_text()), settings)
            return
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise ValueError(f"store {str(self.folder)!r} must be a new or empty folder, or one that a sweep made")
        self.folder.mkdir(parents=True, exist_ok=True)
        storage.atomically(path, lambda part: part.write_text(json.dumps(settings, indent=1)))

    @staticmethod
    def engine_in(folder: Path) -> str | None:
        """The name of the engine that a store was begun with, or None if there is no store yet."""
        path = folder / "settings.json"
        return json.loads(path.read_text()).get("engine") if path.exists() else None

    def _check_settings(self, there: dict[str, Any], here: dict[str, Any]) -> None:
        different = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        if different:
            shown = "; ".join(f"{name}: {there.get(name)!r} there, {here.get(name)!r} now" for name in different)
            raise ValueError(f"store {str(self.folder)!r} holds a sweep with other settings: {shown}")

    def read(self, chunk: int) -> xr.Dataset | None:
        """A finished chunk, or None if it is missing or damaged."""
        try:
            return storage.read(self._path(chunk))[0]
        except (FileNotFoundError, ValueError):
            return None

    def write(self, chunk: int, results: xr.Dataset) -> None:
        storage.write(self._path(chunk), results, {}, {"chunk": chunk})

    def _path(self, chunk: int) -> Path:
        return self.folder / f"chunk-{chunk:05d}.nc"
