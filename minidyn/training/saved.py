"""Saved runs: how a run is written to a file and read back, and whether it is the run that is asked for now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import losses, optimizers, storage
from minidyn._fingerprint import fingerprint
from minidyn.losses import CrossEntropy, Loss, SquaredError
from minidyn.mlp import MLP, has_closed_forms
from minidyn.model import Model
from minidyn.optimizers import PLAIN as PLAIN_DESCENT
from minidyn.task import Task
from minidyn.training.engines import NUMERICS
from minidyn.training.loop import Outcome
from minidyn.training.measures import restored
from minidyn.training.settings import Schedule, Settings

PLAIN = ("start", "batch_size", "seed", "engine")  # the settings that JSON holds as they are

AnyPath = str | os.PathLike[str]


def write(path: AnyPath, settings: Settings, outcome: Outcome) -> None:
    """Write a run whole or not at all."""
    s = settings
    state = {"vector": outcome.vector, "x": s.task.x, "labels": s.task.labels}
    state |= {f"warm_{name}": vector for name, vector in outcome.start_vectors.items()}
    if outcome.moments is not None and outcome.moments.size:
        state["moments"] = outcome.moments
    if s.initial is not None:
        state["initial"] = s.initial
    if s.validation is not None:
        state |= {"validation_x": s.validation.x, "validation_labels": s.validation.labels}
    about = {
        "widths": s.net.widths if _is_plain(s.net) else None,
        "activation": s.net.activation if _is_plain(s.net) else None,
        "loss": losses.to_dict(s.loss),
        "classes": s.task.classes,
        "names": s.task.names,
        "measures": {measure.name: measure.every for measure in s.measures},
        "identity": identity(s),
        "done": outcome.done,
        "status": outcome.status,
        **{name: getattr(s, name) for name in PLAIN},
        "learning_rate": None if callable(s.learning_rate) else s.learning_rate,
        "optimizer": optimizers.to_dict(s.optimizer),
    }
    storage.write(path, outcome.history, state, about)


def read(
    path: AnyPath,
    *,
    net: Model | None,
    loss: Loss | None,
    learning_rate: Schedule | None,
    measure: Mapping[str, Any] | None,
) -> tuple[Settings, Outcome]:
    """What `write` wrote; arguments and errors are those of `load_run`."""
    file = _read(path)
    about, state = file.about, file.state
    saved_net = _saved_net(about)
    saved_loss = None if about["loss"] is None else losses.from_dict(about["loss"])
    validation = None
    if "validation_x" in state:
        validation = Task(state["validation_x"], state["validation_labels"], about.get("names") or about["classes"])
    settings = Settings(
        net=_saved_or_given("net", path, saved_net, net),
        task=Task(state["x"], state["labels"], about.get("names") or about["classes"]),
        loss=_saved_or_given("loss", path, saved_loss, loss),
        learning_rate=_saved_or_given("learning_rate", path, about["learning_rate"], learning_rate),
        optimizer=optimizers.from_dict(about["optimizer"]) if "optimizer" in about else PLAIN_DESCENT,
        validation=validation,
        measures=restored(about["measures"], measure),
        initial=state.get("initial"),
        **{name: about[name] for name in PLAIN},
    )
    check.array(f"params in {str(path)!r}", state["vector"], (settings.size,))
    return settings, file.outcome


def stored(path: Path, settings: Settings) -> Outcome:
    """The state of the run of these settings that is stored at a path, or its beginning if nothing is stored there.

    Raises a ValueError that names what is different if the file holds another run.
    """
    assert settings.initial is not None
    here = identity(settings)
    unknown = [name for name, (_, kind) in here.items() if kind is None]
    if unknown:
        raise ValueError(f"store needs to know its run again, but cannot tell this from another: {', '.join(unknown)}")
    if not path.exists():
        return Outcome(settings.initial)
    file = _read(path)
    there = file.about.get("identity", {})
    different = [name for name in {**there, **here} if there.get(name, [None, None])[1] != here.get(name, (0, 0))[1]]
    if different:
        shown = "; ".join(f"{n}: {there.get(n, ['none'])[0]} there, {here.get(n, ['none'])[0]} now" for n in different)
        raise ValueError(
            f"store {str(path)!r} holds another run: {shown}. Choose another store; or go on with the run that is "
            "there, by load_run(...).resume(...)"
        )
    return file.outcome


def identity(settings: Settings) -> dict[str, tuple[Any, Any]]:
    """By what a run is known again: for each setting, how it is shown, and a digest (None if there can be none)."""
    s = settings
    definitions = {
        "net": (s.net, s.net.widths if _is_plain(s.net) and s.net.activation == "relu" else s.net),
        "params": (f"{s.size} numbers", s.initial),
        "task": (s.task, _data(s.task)),
        "loss": (s.loss, losses.to_dict(s.loss) or _definition(s.loss)),
        "validation": (s.validation, s.validation and _data(s.validation)),
        "learning_rate": (s.learning_rate, s.learning_rate),
        **{name: (getattr(s, name), getattr(s, name)) for name in PLAIN},
        **{f"measure[{m.name!r}]": (f"every {m.every} steps", (m.every, m.definition)) for m in s.measures},
        "numerics": (NUMERICS, NUMERICS),
    }
    if s.optimizer != PLAIN_DESCENT:  # which stores of earlier versions, that knew no other, do not name
        definitions["optimizer"] = s.optimizer, optimizers.to_dict(s.optimizer)
    return {name: (f"{shown!s:.80}", _fingerprint(definition)) for name, (shown, definition) in definitions.items()}


class _File(NamedTuple):
    """What a file holds of a run."""

    outcome: Outcome
    state: dict[str, NDArray]
    about: dict[str, Any]


def _read(path: AnyPath) -> _File:
    history, state, about = storage.read(path)
    if "widths" not in about:
        raise ValueError(f"path {str(path)!r} is not a saved run")
    starts = {name.removeprefix("warm_"): value for name, value in state.items() if name.startswith("warm_")}
    outcome = Outcome(state["vector"], about["done"], state.get("moments"), history, about["status"], starts)
    return _File(outcome, state, about)


def _is_plain(net: Model) -> TypeGuard[MLP]:
    """Is this an `MLP`, which its widths and its activation define, and no model of the reader's own?"""
    return type(net) is MLP and has_closed_forms(net)


def _saved_net(about: dict[str, Any]) -> MLP | None:
    """The net in a file; those of version 0.1 knew no other activation than ReLU."""
    if about["widths"] is None:
        return None
    return MLP(*about["widths"], activation=about.get("activation", "relu"))


def _data(task: Task) -> tuple[Any, ...]:
    """What defines a task; stores of version 0.1, which knew no names of classes, must stay valid."""
    return (task.x, task.labels, task.classes, *([task.names] if task.names else []))


def _definition(loss: Loss) -> Any:
    """What defines a loss of the reader's own: its class and attributes, or those of its waveform."""
    own_waveform = type(loss) in (CrossEntropy, SquaredError)
    return (type(loss), getattr(loss, "weighting", None), loss.gamma) if own_waveform else loss


def _fingerprint(definition: Any) -> str | None:
    try:
        return fingerprint(definition)
    except TypeError:
        return None


def _saved_or_given(name: str, path: AnyPath, saved: Any, given: Any) -> Any:
    if saved is None and given is None:
        raise ValueError(f"{name} must be given: the run in {str(path)!r} was made with one of your own")
    if saved is not None and given is not None and (type(given), repr(given)) != (type(saved), repr(saved)):
        raise ValueError(f"{name} must be that of the run in {str(path)!r}, {saved!r}, or left out, got {given!r:.80}")
    return given if saved is None else saved
