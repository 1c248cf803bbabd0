"""What a model is: an object with `init(seed) -> params` and `logits(params, x) -> (P, C)` in `autograd.numpy`.

Its parameters are nested lists, tuples and dicts of arrays; here they become one flat vector and back, and are checked
against the task and the loss before any work starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import _renamed
from minidyn.losses import Loss
from minidyn.mlp import MLP, has_closed_forms
from minidyn.parameters import Structure
from minidyn.task import Task

_renamed.names(
    __name__,
    gradient="minidyn.derivatives.gradient",
    hessian="minidyn.derivatives.hessian",
    hessian_product="minidyn.derivatives.hessian_product",
    jacobian="minidyn.derivatives.jacobian",
    jvp="minidyn.derivatives.jvp",
    vjp="minidyn.derivatives.vjp",
)


class Model(Protocol):
    """What the library asks of a network: `MLP` has it, and so can one of your own.

    Nothing else about a model is asked. Its derivatives come from autograd, so `logits` is written in `autograd.numpy`;
    its parameters may be nested lists, tuples, named tuples and dicts of arrays.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> import minidyn as md
    >>> class Sines:
    ...     def init(self, seed):
    ...         random = np.random.RandomState(seed)
    ...         return {"in": random.randn(2, 20), "out": random.randn(20, 3) / 20}
    ...     def logits(self, params, x):
    ...         return np.dot(np.sin(np.dot(x, params["in"])), params["out"])
    >>> net, task, loss = Sines(), md.spiral(), md.CrossEntropy(md.Oscillation(5, 50))
    >>> run = md.train(net, net.init(0), task, loss, learning_rate=0.5, steps=50, measure={"hessian_max": 25})
    >>> run.params["out"].shape, md.gradient(net, run.params, task, loss)["in"].shape
    ((20, 3), (2, 20))
    >>> md.ntk_eigenvalues(net, run.params, task.x).converged
    True
    """

    def init(self, seed: int) -> Any:
        """Initial parameters: nested lists, tuples and dicts of float arrays."""

    def logits(self, params: Any, x: NDArray) -> NDArray:
        """Outputs (P, C) for samples x (P, d), written in `autograd.numpy`."""


@np.errstate(under="ignore")
def check_problem(
    net: Model, params: Any, task: Task, loss: Loss | None = None
) -> tuple[NDArray, Callable[[NDArray], Any]]:
    """`params` as a flat vector and the way back, once (net, params, task, loss) are known to fit each other."""
    if not isinstance(task, Task):
        raise TypeError(f"task must be a Task, got {task!r:.80}")
    if loss is not None and not isinstance(loss, Loss):
        raise TypeError(f"loss must be a CrossEntropy or SquaredError, got {loss!r:.80}")
    vector, unflatten = flatten(net, params, task.x)
    if loss is not None:
        outputs = np.asarray(net.logits(unflatten(vector), task.x[:1]))
        if outputs.shape != (1, task.classes):
            raise ValueError(
                f"net must give logits of shape (P, {task.classes}), got {outputs.shape} for P=1 from {net!r:.80}"
            )
        if outputs.dtype.kind not in "biuf":
            raise TypeError(f"net must give logits that are real numbers, got {outputs!r:.80} from {net!r:.80}")
        loss.check_classes(task.classes)
    return vector, unflatten


def flatten(net: Model, params: Any, x: NDArray) -> tuple[NDArray, Callable[[NDArray], Any]]:
    """A flat copy of `params` and the function that takes a vector back to their structure."""
    structure = structure_of(net, params, x)
    return check.array("params", structure.flatten(params), (structure.size,)), structure.unflatten


def structure_of(net: Model, params: Any, x: NDArray) -> Structure:
    """The structure of parameters, once a model, its parameters and samples are known to fit each other."""
    if isinstance(net, type) or not (callable(getattr(net, "init", None)) and callable(getattr(net, "logits", None))):
        raise TypeError(f"net must have init(seed) and logits(params, x), got {net!r:.80}")
    if not has_closed_forms(net):
        return Structure(params)
    assert isinstance(net, MLP)
    net.check_params(params)
    if x.shape[1] != net.widths[0]:
        raise ValueError(f"x has {x.shape[1]} dimensions, but net {net!r} has {net.widths[0]} inputs")
    return net.structure
