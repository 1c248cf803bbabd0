"""Engines: how the updates of a run are computed. The loop, the record and what they mean are the same for all.

The NumPy engine (`numpy_engine`) takes every problem and is the one to read. The compiled engine (`compiled_engine`)
does the same sums in another order: results agree to rounding, which a chaotic run amplifies like any perturbation.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

from minidyn import _checks as check
from minidyn.losses import CrossEntropy, SquaredError
from minidyn.mlp import MLP, has_closed_forms
from minidyn.optimizers import PLAIN, GradientDescent, Momentum, Optimizer
from minidyn.training.numpy_engine import NumpyEngine
from minidyn.training.record import Record
from minidyn.training.settings import Settings
from minidyn.training.state import Evaluation, State

NAMES = ("auto", "numpy", "compiled")
COMPILED_ACTIVATIONS = ("relu", "tanh")
NUMERICS = 1  # grows when the same settings give other bits than before, so that no stored run is continued by mistake


class Engine(Protocol):
    """What the loop asks of an engine."""

    chunk: int  # updates at most between two looks at the progress bar and the keyboard

    def evaluate(self, state: State, record: Record) -> Evaluation:
        """Write the record's entry at a state."""

    def advance(self, here: Evaluation, stop: int, record: Record) -> State:
        """Go on until `stop` updates are done, or F is not finite; entries before the last update are written."""


def choose(engine: str, net: Any, loss: Any, batch_size: int | None, optimizer: Optimizer = PLAIN) -> str:
    """The engine for a problem, "numpy" or "compiled"; raise if the requested one cannot handle it."""
    engine = check.choice("engine", engine, NAMES)
    obstacle = compiled_obstacle(net, loss, batch_size, optimizer)
    if engine == "compiled" and obstacle is not None:
        raise ValueError(f"engine 'compiled' {obstacle}")
    if engine == "auto":
        return "compiled" if obstacle is None and has_numba() else "numpy"
    return engine


def compiled_obstacle(net: Any, loss: Any, batch_size: int | None = None, optimizer: Optimizer = PLAIN) -> str | None:
    """Why the compiled engine cannot handle a problem, or None."""
    plain = type(net) is MLP and has_closed_forms(net)
    if not plain or type(loss) not in (CrossEntropy, SquaredError) or batch_size is not None:
        return (
            "takes an MLP, a CrossEntropy or SquaredError, and full batches, "
            f"got {net!r:.80}, {loss!r:.80} and batch_size={batch_size}"
        )
    if net.activation not in COMPILED_ACTIVATIONS:
        return f"takes an MLP of activation 'relu' or 'tanh', got {net!r:.80}"
    if not isinstance(optimizer, GradientDescent | Momentum):
        return f"takes the optimizer GradientDescent or Momentum, got {optimizer!r}"
    return None


def start(settings: Settings) -> Engine:
    """The engine that the settings name, ready to run."""
    if settings.engine == "numpy":
        return NumpyEngine(settings)
    if not has_numba():
        raise ImportError("engine 'compiled' needs numba: pip install 'minidyn[fast]', or choose engine='numpy'")
    from minidyn.training.compiled_engine import CompiledEngine

    return CompiledEngine(settings)


@cache
def has_numba() -> bool:
    """Whether numba is installed and can be imported."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True
