"""The lab's state: the typed table in state.json, which the page's script reads too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from minidyn import _checks as check

HERE = Path(__file__).parent
_FILE = json.loads((HERE / "state.json").read_text("utf-8"))
TABLE: dict[str, dict[str, Any]] = {setting["name"]: setting for setting in _FILE["settings"]}
DEFAULTS: dict[str, Any] = {name: setting["default"] for name, setting in TABLE.items()}
RUN_KEYS: dict[str, str] = {s["key"]: name for name, s in TABLE.items() if s.get("restarts") and name != "against"}
PARTS: list[str] = [*_FILE["parts"], *(key for key, name in RUN_KEYS.items() if "label" in TABLE[name])]

_READ: dict[str, Callable[[str], Any]] = {"integer": int, "real": float, "flag": lambda text: text in ("1", "true")}


def checked(state: Mapping[str, Any]) -> dict[str, Any]:
    """`state`, in which each value has its type and lies in its range.

    Raises
    ------
    TypeError, ValueError
        If a setting is unknown, or its value has the wrong type or is out of range.
    """
    return {name: _value(check.choice("a setting of the lab", name, TABLE), value) for name, value in state.items()}


def query(state: Mapping[str, Any]) -> str:
    """The settings that differ from the defaults, as in links and in data-lab attributes: "A=20&T=500"."""
    return urlencode(
        {TABLE[name]["key"]: _text(value) for name, value in state.items() if value != DEFAULTS[name]}, safe=",:"
    )


def parse(query: str) -> dict[str, Any]:
    """The settings in a query such as "A=20&T=500".

    Raises
    ------
    TypeError, ValueError
        If a key is unknown, or its value has the wrong type or is out of range.
    """
    names = {setting["key"]: name for name, setting in TABLE.items()}
    state = {}
    for key, text in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        name = names[check.choice("a key of the lab's settings", key, names)]
        state[name] = _read(name, text)
    return checked(state)


def _read(name: str, text: str) -> Any:
    """The value that `text`, a part of a query, stands for."""
    kind = TABLE[name]["type"]
    try:
        return _READ.get(kind, str)(text)
    except ValueError:
        raise ValueError(
            f"{name} must be {'an integer' if kind == 'integer' else 'a real number'}, got {text!r}"
        ) from None


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
        case "flag" if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {value!r}")
        case "text" | "list" if not isinstance(value, str):
            raise TypeError(f"{name} must be a string, got {value!r}")
        case "text":
            _check_changes(name, value)
        case "list":
            for part in re.findall(r"[^\s,]+", value):
                check.choice(f"{name}: a part of the lab", part, PARTS)
    return value


def _check_changes(name: str, text: str) -> None:
    """Raise if `text` is not empty and does not name changed settings, as "A:1,H:10" does."""
    for change in text.split(",") if text else []:
        key, colon, value = change.partition(":")
        if not colon:
            raise ValueError(f"{name} must have the form 'A:1,H:10', got {text!r}")
        setting = RUN_KEYS[check.choice(f"{name}: a key of the lab's settings", key, RUN_KEYS)]
        _value(setting, _read(setting, value))
