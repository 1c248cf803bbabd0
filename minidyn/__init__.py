"""minidyn: dynamical loss functions on small networks, with exact curvature and kernels.

    import minidyn as md

    task = md.spiral()
    loss = md.CrossEntropy(md.Oscillation(amplitude=70, period=5000))
    net = md.MLP(2, 100, 3)
    run = md.train(net, net.init(0), task, loss, learning_rate=1.0, steps=5000, measure={"hessian_max": 25})
    run.history.hessian_max.plot()

Pictures, sliders, PyTorch and the third paper have modules of their own, imported on demand: `minidyn.plots`,
`minidyn.widgets`, `minidyn.lab`, `minidyn.torch` and `minidyn.forgetting`.
"""

from minidyn import _renamed
from minidyn import optimizers as optimizers
from minidyn._version import __version__ as __version__
from minidyn.curvature import hessian, hessian_eigenvalues, hessian_product, landscape
from minidyn.derivatives import gradient
from minidyn.eigenvalues import Spectrum
from minidyn.losses import CrossEntropy, SquaredError
from minidyn.mlp import MLP
from minidyn.oscillation import Oscillation
from minidyn.sweeps import sweep
from minidyn.tangent_kernel import ntk, ntk_eigenvalues
from minidyn.task import Task, spiral
from minidyn.training import Run, load_run, train
from minidyn.valley import ValleySlice, valley_floor, valley_slice

_renamed.install()

__all__ = [
    "MLP",
    "CrossEntropy",
    "Oscillation",
    "Run",
    "Spectrum",
    "SquaredError",
    "Task",
    "ValleySlice",
    "gradient",
    "hessian",
    "hessian_eigenvalues",
    "hessian_product",
    "landscape",
    "load_run",
    "ntk",
    "ntk_eigenvalues",
    "spiral",
    "sweep",
    "train",
    "valley_floor",
    "valley_slice",
]
