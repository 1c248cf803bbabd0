"""The lab's state: the typed table in state.json, which the page's script reads too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from minidyn import _checks as check

HERE = Path(__file__).parent
TABLE: dict[str, dict[str, Any]] = {
    setting["name"]: setting for setting in json.loads((HERE / "state.json").read_text("utf-8"))["settings"]
}
DEFAULTS: dict[str, Any] = {name: setting["default"] for name, setting in TABLE.items()}

_READ: dict[str, Callable[[str], Any]] = {"integer": int, "real": float, "flag": lambda text: text in ("1", "true")}


def checked(state: Mapping[str, Any]) -> dict[str, Any]:
    """`state` with each value of its type and in its range."""
    return {name: _value(check.choice("a setting of the lab", name, TABLE), value) for name, value in state.items()}


def query(state: Mapping[str, Any]) -> str:
    """What differs from the defaults, as a page's data-lab attribute and links hold it: "A=20&T=500"."""
    return urlencode(
        {TABLE[name]["key"]: _text(value) for name, value in state.items() if value != DEFAULTS[name]}, safe=",:"
    )


def parse(query: str) -> dict[str, Any]:
    """The settings that a query like "A=20&T=500" names; a ValueError where it names none of the lab's."""
    names = {setting["key"]: name for name, setting in TABLE.items()}
    found = {}
    for key, text in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        name = names[check.choice("a key of the lab's settings", key, names)]
        found[name] = _READ.get(TABLE[name]["type"], str)(text)
    return checked(found)


def _text(value: Any) -> str:
    """A value as the page's script writes it: 1 for True, 20 for 20.0."""
    return str(int(value)) if isinstance(value, (bool, float)) and value == int(value) else str(value)


def _value(name: str, value: Any) -> Any:
    setting = TABLE[name]
    bounds = {"least": setting.get("least"), "most": setting.get("most")}
    match setting["type"]:
        case "integer":
            return check.integer(name, value, **bounds)
        case "real":
            return check.real(name, value, **bounds)
        case "choice":
            return check.choice(name, value, setting["choices"])
        case "flag":
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be True or False, got {value!r}")
        case _:
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a string, got {value!r}")
    return value
