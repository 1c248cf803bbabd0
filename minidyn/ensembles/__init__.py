"""Many networks at once: engines that train an ensemble, behind one interface.

`choose` gives an engine by its name:

- "numpy" and "compiled" train one network after the other, by `minidyn.train`; "auto" is "compiled" if numba is
  installed, else "numpy";
- "torch" (float64) and "torch32" (float32) train thousands of networks of one shape together, in PyTorch;
- "cuda" (float64) and "cuda32" (float32) do so on an NVIDIA GPU, many updates per launch, by numba-cuda.

A new engine is a class with the properties and the methods of `EnsembleEngine`, and a line in `choose`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from minidyn import _checks as check
from minidyn.ensembles.interface import Ensemble, EnsembleEngine, FinalValues, Member, RunResult
from minidyn.ensembles.sequential import SequentialEngine
from minidyn.training.engines import has_numba

SEQUENTIAL = ("numpy", "compiled")
TORCH = ("torch", "torch32")
CUDA = ("cuda", "cuda32")
ENGINES = ("auto", *SEQUENTIAL, *TORCH, *CUDA)
MANY, LARGE = 256, 4_000_000  # networks, and updates of all of them together, from which a GPU pays

__all__ = ["ENGINES", "Ensemble", "EnsembleEngine", "FinalValues", "Member", "RunResult", "choose", "gpu_engine"]


def choose(name: str, device: Any = None) -> EnsembleEngine:
    """The engine of that name, ready to train.

    Parameters
    ----------
    name : {"auto", "numpy", "compiled", "torch", "torch32", "cuda", "cuda32"}
    device : optional
        Of a torch engine, such as "cpu" or "cuda". Default: a GPU if PyTorch sees one through CUDA, else the processor.
        Of a CUDA engine, "cuda" or "cuda:1"; default: the first GPU.

    Returns
    -------
    EnsembleEngine

    Raises
    ------
    ValueError
        If there is no engine of that name, if it cannot use the device, or if it has no device to choose.
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
    if name in CUDA:
        from minidyn.ensembles import cuda

        return cuda.CudaEngine(name, cuda.check_device(device, name))
    if device is not None:
        raise ValueError(f"device must be None for engine {name!r}, which has none, got {device!r}")
    if name == "compiled" and not has_numba():
        raise ImportError("engine 'compiled' needs numba: pip install 'minidyn[fast]', or choose engine='numpy'")
    if name == "auto":
        name = "compiled" if has_numba() else "numpy"
    return SequentialEngine(name)


def gpu_engine(members: Sequence[Member], steps: int) -> EnsembleEngine | None:
    """The engine "cuda", if a GPU and numba-cuda are here, its kernel takes all members, and the work is large enough.

    Below `LARGE` updates of all networks together, a launch takes longer to compile than the processor to compute.
    """
    if len(members) < MANY or len(members) * steps < LARGE or find_spec("numba_cuda") is None:
        return None
    try:
        engine = choose("cuda")
    except (ImportError, ValueError):  # no PyTorch beside it, no GPU, no driver
        return None
    from minidyn.ensembles.cuda import obstacle

    cannot = (member.net.activation not in engine.activations or obstacle(member, "cuda") for member in members)
    return None if any(cannot) else engine
