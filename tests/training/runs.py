"""A small run, set up in every way that `train` knows, and what it takes for two runs to be the same."""

from __future__ import annotations

from importlib.util import find_spec

from autograd.misc import flatten

import minidyn as md
from tests.core.problems import Sines, Smooth

TASK, NET = md.spiral(20), md.MLP(2, 8, 3)
LOSS = md.CrossEntropy(md.Oscillation(10, 40))
ENGINES = ["numpy", "compiled"] if find_spec("numba") else ["numpy"]
EVERY = {"hessian_max": 5, "hessian_min": 7, "hessian_spectrum": 11, "ntk_max": 5, "params": 1}


def train(net=NET, params=None, task=TASK, loss=LOSS, **options):
    options = {"learning_rate": 0.5, "steps": 40, "engine": "numpy", "progress": False, **options}
    return md.train(net, net.init(1) if params is None else params, task, loss, **options)


def assert_same(run, other):
    """The same bits: parameters, every entry of the record, its coordinates and types."""
    assert flatten(run.params)[0].tobytes() == flatten(other.params)[0].tobytes()
    assert set(run.history.variables) == set(other.history.variables)
    for name, variable in run.history.variables.items():
        assert variable.dtype == other.history[name].dtype, name
        assert variable.dims == other.history[name].dims, name
        assert variable.attrs == other.history[name].attrs, name
        assert variable.values.tobytes() == other.history[name].values.tobytes(), name


OWN = {"flag": (5, lambda net, params, task, loss, step: step > 7), "clock": (3, lambda *args: args[-1])}
SETUPS = {
    "full batch": {},
    "mini-batches": {"batch_size": 7, "seed": 2},
    "validation": {"validation": md.spiral(5, seed=9), "start": 13},
    "measures": {"measure": EVERY},
    "own measures": {"measure": OWN},
    "own model": {"net": Smooth(2, 6, 3), "measure": {"hessian_max": 5, "ntk_max": 5, **OWN}},
    "own waveform": {"loss": md.SquaredError(Sines(30, 3), "output"), "measure": {"hessian_max": 5}},
    **{f"{engine} engine": {"engine": engine, "net": md.MLP(2, 5, 4, 3)} for engine in ENGINES[1:]},
}


def interrupt_at(step):
    def measure(net, params, task, loss, now):
        if now == step:
            raise KeyboardInterrupt
        return now

    return {"stop": (1, measure)}
