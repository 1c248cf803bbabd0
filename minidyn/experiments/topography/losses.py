"""The dynamical losses of "Shaping the landscape", by name."""

from __future__ import annotations

import minidyn as md
from minidyn.losses import Loss
from minidyn.sweeps import LOSSES

NAMES = {"cross_entropy": "DCE", "mse_sample": "DMSE1", "mse_output": "DMSE2"}  # static at amplitude 1


def dynamical_loss(name: str, amplitude: float, period: int) -> Loss:
    """A loss by its name in a sweep; static at amplitude 1."""
    return LOSSES[name](md.Oscillation(amplitude, period) if amplitude > 1 else None)


def static_name(name: str) -> str:
    """The name of the static loss of a dynamical one: the two squared errors share theirs."""
    return "mse_sample" if name == "mse_output" else name
