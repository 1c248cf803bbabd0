"""Many networks at once: engines that train an ensemble, behind one interface.

`choose` gives an engine by its name:

- "numpy" and "compiled" train one network after the other, by `minidyn.train`; "auto" is "compiled" if numba is
  installed, else "numpy";
- "torch" (float64) and "torch32" (float32) train thousands of networks of one shape together, in PyTorch.

A new engine is a class with the properties and the method of `EnsembleEngine`, and a line in `choose`.
"""

from __future__ import annotations

from typing import Any

from minidyn import _checks as check
from minidyn.ensembles.interface import Ensemble, EnsembleEngine, Member, RunResult
from minidyn.ensembles.sequential import SequentialEngine
from minidyn.training.engines import has_numba

SEQUENTIAL = ("numpy", "compiled")
TORCH = ("torch", "torch32")
ENGINES = ("auto", *SEQUENTIAL, *TORCH)

__all__ = ["ENGINES", "Ensemble", "EnsembleEngine", "Member", "RunResult", "choose"]


def choose(name: str, device: Any = None) -> EnsembleEngine:
    """The engine of that name, ready to train.

    Parameters
    ----------
    name : {"auto", "numpy", "compiled", "torch", "torch32"}
    device : optional
        Of a torch engine, such as "cpu" or "cuda". Default: a GPU if PyTorch sees one through CUDA, else the processor.

    Returns
    -------
    EnsembleEngine

    Raises
    ------
    ValueError
        If there is no engine of that name, if PyTorch cannot use the device, or if the engine has no device to choose.
    ImportError
        If what the engine is built on is not installed.

    Examples
    --------
    >>> from minidyn import ensembles
    >>> ensembles.choose("numpy").name
    'numpy'
    """
    name = check.choice("engine", name, ENGINES)
    if name in TORCH:
        from minidyn.ensembles.torch import TorchEngine, check_device

        return TorchEngine(name, check_device(device, name))
    if device is not None:
        raise ValueError(f"device must be None for engine {name!r}, which has none, got {device!r}")
    if name == "auto":
        name = "compiled" if has_numba() else "numpy"
    return SequentialEngine(name)
