"""What the table of a sweep holds of the end of each run, computed run by run in NumPy.

`torch_evaluation` computes the same for many networks at once, on a GPU for example.
"""

from __future__ import annotations

import numpy as np

from minidyn.curvature import hessian_eigenvalues
from minidyn.ensembles.interface import FinalValues, Member, RunResult
from minidyn.losses import CrossEntropy, Loss, SquaredError, accuracy
from minidyn.task import Task


def static_loss(loss: Loss) -> Loss:
    """The loss with Γ = 1."""
    return SquaredError(weighting=loss.weighting) if isinstance(loss, SquaredError) else CrossEntropy()


def final_values(member: Member, result: RunResult) -> FinalValues:
    """The static loss, the accuracies and the sharpness where a run ended."""
    net, task, params, static = member.net, member.task, result.params, static_loss(member.loss)
    return FinalValues(
        static_loss=float(static.value(net.logits(params, task.x), task.labels)),
        accuracy=_accuracy(member, result, task),
        validation_accuracy=None if member.validation is None else _accuracy(member, result, member.validation),
        sharpness=np.nan if result.diverged else float(hessian_eigenvalues(net, params, task, static).values[0]),
    )


def _accuracy(member: Member, result: RunResult, task: Task) -> float:
    return accuracy(member.net.logits(result.params, task.x), task.labels)
