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
GUESSES: dict[str, str] = _FILE["guesses"]  # what can be guessed, and the chart that shows it
PARTS: list[str] = [*_FILE["parts"], *(key for key, name in RUN_KEYS.items() if "label" in TABLE[name])]

FIGURE4_WIDTH = 100

_READ: dict[str, Callable[[str], Any]] = {"integer": int, "real": float, "flag": lambda text: text in ("1", "true")}


def checked(state: Mapping[str, Any]) -> dict[str, Any]:
    """`state`, in which each value has its type and lies in its range.

    Raises
    ------
    TypeError, ValueError
        If a setting is unknown, or its value has the wrong type or is out of range.
    """
    return {name: _value(check.choice("a setting of the lab", name, TABLE), value) for name, value in state.items()}


def complete(state: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults with `state`, which must fit together.

    Raises
    ------
    TypeError, ValueError
        As `checked`; or if the weights of figure 4 are asked for in a network of another width; or if a guess is asked
        for that the lab could not check, because its chart is hidden or the run ends before.
    """
    merged = {**DEFAULTS, **checked(state)}
    for width in (merged["width"], _changes(merged["against"]).get("width", merged["width"])):
        if merged["weights"] == "figure4" and width != FIGURE4_WIDTH:
            raise ValueError(f"weights must be 'seed' for width {width}, got 'figure4': it has {FIGURE4_WIDTH} units")
    if merged["guess"]:
        _check_guess(merged)
    return merged


def opening(state: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with which a lab is opened: as `complete`, with a guess that lies ahead.

    Raises
    ------
    TypeError, ValueError
        As `complete`; or if the lab opens at or after the step of its guess.
    """
    settings = complete(state)
    if settings["guess"] and guess_step(settings["guess"]) <= settings["step"]:
        raise ValueError(f"guess must be of a step after step {settings['step']:,}, got {settings['guess']!r}")
    return settings


def guess_step(guess: str) -> int:
    """The step in a guess such as "accuracy@3000"."""
    return int(guess.partition("@")[2])


def shows(state: Mapping[str, Any], part: str) -> bool:
    """Whether `state` shows a part of the lab."""
    return part in _list(state["only"]) if state["only"] else part not in _list(state["hide"])


def query(state: Mapping[str, Any]) -> str:
    """The settings that differ from the defaults, as in links and in data-lab attributes: "A=20&T=500"."""
    return urlencode(
        {TABLE[name]["key"]: _text(value) for name, value in state.items() if value != DEFAULTS[name]}, safe=",:@"
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
        case "changes" | "guess" | "list" if not isinstance(value, str):
            raise TypeError(f"{name} must be a string, got {value!r}")
        case "changes":
            _check_changes(name, value)
        case "guess" if value:
            _check_form_of_guess(name, value)
        case "list":
            for part in _list(value):
                check.choice(f"{name}: a part of the lab", part, PARTS)
    return value


def _list(text: str) -> list[str]:
    return re.findall(r"[^\s,]+", text)


def _check_form_of_guess(name: str, text: str) -> None:
    """Raise if `text` is not a quantity and a step, as "accuracy@3000" is."""
    quantity, _, step = text.partition("@")
    check.choice(f"{name}: a quantity", quantity, GUESSES)
    if not re.fullmatch("[1-9][0-9]{0,8}", step):
        raise ValueError(f"{name} must have the form 'accuracy@3000', with a step from 1 on, got {text!r}")


def _check_guess(state: Mapping[str, Any]) -> None:
    """Raise if the lab could not show how good the guess was."""
    guess, until = state["guess"], state["until"]
    chart = GUESSES[guess.partition("@")[0]]
    if not shows(state, chart):
        raise ValueError(f"guess must be of a chart that is shown, got {guess!r}: {chart!r} is hidden")
    if 0 < until < guess_step(guess):
        raise ValueError(f"guess must be of a step up to until, {until:,}, got {guess!r}")


def _check_changes(name: str, text: str) -> None:
    """Raise if `text` is not empty and does not name changed settings, as "A:1,H:10" does."""
    for change in text.split(",") if text else []:
        key, colon, value = change.partition(":")
        if not colon:
            raise ValueError(f"{name} must have the form 'A:1,H:10', got {text!r}")
        setting = RUN_KEYS[check.choice(f"{name}: a key of the lab's settings", key, RUN_KEYS)]
        _value(setting, _read(setting, value))


def _changes(text: str) -> dict[str, Any]:
    """The settings that `against` changes."""
    pairs = (change.split(":") for change in text.split(",") if change)
    return {RUN_KEYS[key]: _read(RUN_KEYS[key], value) for key, value in pairs}
