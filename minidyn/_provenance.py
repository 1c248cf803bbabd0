"""Where numbers come from: the date, the machine, and the versions of the programs that computed them."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

from minidyn._version import __version__

PACKAGES = ("numpy", "autograd", "xarray", "numba")  # whatever computes a run
PROGRAM = ("device", "python", "versions")


def provenance(*others: str) -> dict[str, Any]:
    """Where what is computed now comes from, as attributes of a Dataset.

    They are "date" (in UTC), "device", "python", and "versions" as JSON: those of `minidyn`, of the packages that
    compute, and of `others`, as far as they are installed.
    """
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": _versions(PACKAGES + others),
    }


def continued(before: Mapping[str, Any], after: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The attributes of a record that goes on from `step` as `after` says.

    Those of its beginning stay. If the programs or the machine are others now, "resumed" lists them, as JSON: from
    which step on, and where that part comes from.
    """
    earlier = json.loads(before.get("resumed", "[]"))
    last = earlier[-1] if earlier else before
    if all(last.get(name) == after.get(name) for name in PROGRAM):
        return dict(before)
    entry = {"step": step, **{name: after[name] for name in ("date", *PROGRAM)}}
    return {**before, "resumed": json.dumps([*earlier, entry])}


def rows(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The attributes of a record as rows of a table: where it comes from, and each part that was added elsewhere."""
    origin = _readable(attributes)
    parts = {f"from step {entry['step']}": _readable(entry) for entry in json.loads(attributes.get("resumed", "[]"))}
    return origin | {name: "; ".join(f"{key} {value}" for key, value in part.items()) for name, part in parts.items()}


def _readable(attributes: Mapping[str, Any]) -> dict[str, str]:
    readable = {name: attributes[name] for name in ("date", *PROGRAM) if name in attributes}
    if "versions" in readable:
        readable["versions"] = ", ".join(map(" ".join, json.loads(readable["versions"]).items()))
    return readable


def shown(value: Any) -> Any:
    """A setting as a record shows it: numbers and names as they are, anything else by its repr without addresses."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return re.sub(" at 0x[0-9a-fA-F]+", "", repr(value))[:200]


@cache
def _versions(packages: tuple[str, ...]) -> str:
    versions = {name: version for name in packages if (version := _version(name))}
    return json.dumps({"minidyn": __version__, **versions})


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except Exception:  # it is not installed, or its metadata are damaged: no reason to lose a record
        return None
