"""Which runs a sweep's store holds, by the names of its files."""

from __future__ import annotations

from pathlib import Path


def stored_runs(store: Path) -> list[int]:
    """The numbers of the runs, in order. A chunk that takes long is written in parts, so files do not count them."""
    ends = [map(int, path.stem.split("-")[1:]) for path in store.glob("chunk-*.nc")]
    return sorted(number for first, last in ends for number in range(first, last + 1))
