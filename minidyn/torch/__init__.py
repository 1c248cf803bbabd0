"""The same ideas for PyTorch: dynamical losses, sharpness and the NTK of your own model.

    from minidyn.torch import DynamicalCrossEntropyLoss, top_eigenvalues

    criterion = DynamicalCrossEntropyLoss(amplitude=10, period=100, num_classes=10)
    ...
    loss = criterion(model(x), y)      # in your training loop
    ...
    criterion.step()                   # once per update, after optimizer.step()

    top_eigenvalues(model, (x, y), criterion, k=3)

Images: `python -m minidyn.torch digits --amplitude 10 --period 100` trains Myrtle5; `Trainer` does it from Python.
Ensembles of small networks: `minidyn.sweep(..., engine="torch")`; `python -m minidyn.torch.benchmark` times them.
Works with PyTorch 2.6 and later. Everything here is tested on the CPU. On 2026-11-27 the tests passed on one NVIDIA
H100, but for two that assumed the CPU; the CUDA graph of `Trainer` came after that, and has not been run on a GPU yet.
"""

try:
    from torch import nn as _nn  # noqa: F401
except ImportError as error:
    raise ImportError("minidyn.torch needs PyTorch 2.6 or later: pip install 'minidyn[torch]'") from error

from minidyn.torch.curvature import top_eigenvalues
from minidyn.torch.folders import image_folder
from minidyn.torch.grid import train_grid
from minidyn.torch.images import Images, cifar10, digits
from minidyn.torch.losses import DynamicalCrossEntropyLoss, DynamicalMSELoss
from minidyn.torch.networks import Myrtle5
from minidyn.torch.tangent_kernel import empirical_ntk
from minidyn.torch.training import Trainer
from minidyn.torch.valley import valley_slice

__all__ = [
    "DynamicalCrossEntropyLoss",
    "DynamicalMSELoss",
    "Images",
    "Myrtle5",
    "Trainer",
    "cifar10",
    "digits",
    "empirical_ntk",
    "image_folder",
    "top_eigenvalues",
    "train_grid",
    "valley_slice",
]
