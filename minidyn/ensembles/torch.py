"""Many small networks at once: one product of batched matrices instead of a thousand small products.

The engine behind the names "torch" (float64) and "torch32" (float32). The networks of a launch have one hidden layer,
the same widths, the same kind of loss and equally many samples; weights, data, Γ and learning rate are each network's
own. A network whose loss is not finite stays at the weights before, and the others go on.

Rows are units and columns are samples: products with three outputs are three times as fast that way round. What is
computed here is defined in `mlp`, `losses` and `training`, and agrees with them to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minidyn import _renamed
from minidyn.ensembles.interface import Ensemble, FinalValues, Member, RunResult
from minidyn.ensembles.members import ProcessorMeasures, check_activations, settings_of, train_in_launches, widths
from minidyn.losses import CrossEntropy
from minidyn.model import flatten
from minidyn.training.record import SERIES

try:
    import torch
    from torch import Tensor

    from minidyn.ensembles import torch_evaluation
except ImportError as error:
    raise ImportError("minidyn.ensembles.torch needs PyTorch 2.6 or later: pip install 'minidyn[torch]'") from error

DTYPES = {"torch": torch.float64, "torch32": torch.float32}
MEMORY = {"cpu": 2**22, "cuda": 2**32}  # bytes per launch: what a processor's cache holds, or 4 GiB
CHUNK = 1024  # networks per call of `train`
WORK = {"cpu": 5e10, "cuda": 5e12}  # weights times samples times updates per call: some seconds
BLOCK = 256  # updates for which Γ is computed at a time

_renamed.names(__name__, networks_a_launch="minidyn.ensembles.torch.networks_per_launch")


def check_device(device: Any, engine: str) -> str:
    """The device to use: the one asked for, else a GPU that CUDA sees, else the processor.

    Raises a ValueError if PyTorch cannot use it.
    """
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, dtype=DTYPES[engine], device=name)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise ValueError(f"device must be one that PyTorch can use here, as 'cpu', got {device!r}: {error}") from error
    return str(name)


@dataclass(frozen=True)
class TorchEngine:
    """Trains all members of a shape together, as many per launch as fit the memory."""

    name: str
    device: str
    one_by_one: bool = False
    activations: tuple[str, ...] = ("relu",)

    @property
    def chunk_size(self) -> int:
        return CHUNK

    @property
    def chunk_work(self) -> float:
        return WORK.get(torch.device(self.device).type, WORK["cuda"])

    @property
    def workers(self) -> int:
        return 1

    def train(self, ensemble: Ensemble) -> Iterator[RunResult]:
        check_activations(ensemble.members, self)
        with torch.no_grad(), _one_thread():
            results = train_in_launches(ensemble, self._per_launch, self._launch)
        yield from results

    def _launch(self, ensemble: Ensemble) -> Iterator[RunResult]:
        batch = _Batch(ensemble.members, ensemble.measure, DTYPES[self.name], self.device)
        return batch.descend(ensemble.steps, ensemble.cadences)

    def final_values(self, ensemble: Ensemble, results: Sequence[RunResult]) -> list[FinalValues]:
        with _one_thread():
            return torch_evaluation.final_values(ensemble.members, results, self.device)

    def _per_launch(self, member: Member) -> int:
        return networks_per_launch(member, DTYPES[self.name], self.device)


@contextmanager
def _one_thread() -> Iterator[None]:
    """On a processor a second thread costs more than it brings to products this small; a GPU needs none."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def networks_per_launch(member: Member, dtype: torch.dtype, device: str) -> int:
    """Number of networks like this one that fit the memory of a launch."""
    inputs, hidden, outputs = widths(member)
    samples = max(len(member.task), len(member.validation or ()))
    numbers = samples * (inputs + 1 + 2 * hidden + 6 * outputs) + 6 * member.net.size
    return max(1, MEMORY.get(torch.device(device).type, MEMORY["cuda"]) // (numbers * dtype.itemsize))


class _Evaluation(NamedTuple):
    """The losses of all networks where they stand."""

    gamma: Tensor  # (n, C)
    logits: Tensor  # (n, C, P)
    terms: Tensor  # of the loss, per sample, (n, 1, P), or per output, (n, C, P)
    slopes: Tensor  # their derivatives with respect to the logits, (n, C, P)


class _Batch:
    """Networks that go down together: the first axis of every tensor."""

    def __init__(self, members: Sequence[Member], measure: Mapping[str, Any], dtype: torch.dtype, device: str):
        self.settings = settings_of(members, measure)
        self.measures = ProcessorMeasures(self.settings)
        self.dtype, self.device = dtype, device
        self.widths, self.loss = widths(members[0]), members[0].loss
        self.vector = self._tensor(np.stack([flatten(m.net, m.params, m.task.x)[0] for m in members]))
        self.before = self.vector
        self.alive = torch.ones(len(members), dtype=torch.bool, device=device)
        self.updates = torch.zeros(len(members), dtype=torch.int64, device=device)
        self.rate = self._tensor(np.array([[member.learning_rate] for member in members]))
        self.x, self.labels = self._data([member.task for member in members])
        self.truth = (self.labels[:, None] == torch.arange(self.widths[2], device=device)[:, None]).to(dtype)
        validation = [member.validation for member in members]
        self.validation = None if validation[0] is None else self._data(validation)
        self.hidden = torch.empty(len(members), self.widths[1], self.x.shape[2], dtype=dtype, device=device)
        self.back = torch.empty_like(self.hidden)

    def descend(self, steps: int, cadences: Mapping[str, int]) -> Iterator[RunResult]:
        histories: dict[str, list[NDArray]] = {name: [] for name in cadences}
        for done in range(steps + 1):
            if done % BLOCK == 0:
                gammas = self._class_weights(done, min(done + BLOCK, steps + 1))
            here = self._evaluate(gammas[done % BLOCK])
            self._stop_where_not_finite(here, done)
            for name in (name for name, every in cadences.items() if done % every == 0):
                histories[name].append(self._entry(name, done, here))
            if done < steps:
                self._update(here)
        return self._results({name: np.stack(entries, axis=1) for name, entries in histories.items()})

    def _results(self, histories: Mapping[str, NDArray]) -> Iterator[RunResult]:
        vectors, updates, alive = self._vectors(), self.updates.tolist(), self.alive.tolist()
        for n, settings in enumerate(self.settings):
            yield RunResult(
                params=settings.unflatten(vectors[n]),
                updates=updates[n],
                diverged=not alive[n],
                histories={name: history[n] for name, history in histories.items()},
                error=self.measures.errors.get(n),
            )

    def _data(self, tasks: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Samples (n, d + 1, P), with a constant 1 for the biases, and labels (n, P); held once if all are the same."""
        different = tasks[:1] if all(task is tasks[0] for task in tasks) else tasks
        x = self._tensor(np.stack([np.vstack([task.x.T, np.ones(len(task))]) for task in different]))
        labels = torch.as_tensor(np.stack([task.labels for task in different]), device=self.device)
        return x.expand(len(tasks), -1, -1), labels.expand(len(tasks), -1)

    def _tensor(self, values: NDArray) -> Tensor:
        return torch.as_tensor(values, dtype=self.dtype, device=self.device)

    def _vectors(self) -> NDArray:
        return self.vector.cpu().to(torch.float64).numpy()

    def _class_weights(self, first: int, stop: int) -> Tensor:
        """Γ from `first` updates up to `stop`, (stop - first, n, C)."""
        different = {settings.loss.gamma: settings for settings in self.settings}
        rows = {gamma: row for row, gamma in enumerate(different)}
        table = np.stack([settings.class_weights(first, stop) for settings in different.values()], axis=1)
        index = torch.as_tensor([rows[settings.loss.gamma] for settings in self.settings], device=self.device)
        return self._tensor(table)[:, index]

    def _layers(self) -> tuple[Tensor, Tensor, Tensor]:
        """[W1; b1], W2 and b2, as views of the flat weights."""
        inputs, hidden, outputs = self.widths
        first, second, bias = self.vector.split([(inputs + 1) * hidden, hidden * outputs, outputs], dim=1)
        return first.unflatten(1, (inputs + 1, hidden)), second.unflatten(1, (hidden, outputs)), bias[:, :, None]

    def _logits(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Outputs (n, C, P), and the hidden units in `hidden`, (n, H, P)."""
        first, second, bias = self._layers()
        torch.bmm(first.mT, x, out=hidden).clamp_(min=0)
        return torch.baddbmm(bias, second.mT, hidden)

    def _evaluate(self, gamma: Tensor) -> _Evaluation:
        logits = self._logits(self.x, self.hidden)
        if isinstance(self.loss, CrossEntropy):
            logarithm = logits.log_softmax(dim=1)
            terms = -logarithm.gather(1, self.labels[:, None])
            return _Evaluation(gamma, logits, terms, logarithm.exp_().sub_(self.truth))
        residual, outputs = logits - self.truth, self.widths[2]
        return _Evaluation(gamma, logits, residual.square() / outputs, residual * (2 / outputs))

    def _stop_where_not_finite(self, here: _Evaluation, done: int) -> None:
        """Put the networks that have diverged back to where their loss was finite."""
        finite = here.terms.sum(dim=(1, 2)).isfinite()
        self.vector = torch.where(finite[:, None], self.vector, self.before)
        self.alive &= finite
        self.updates = torch.where(self.alive, done, self.updates)

    def _update(self, here: _Evaluation) -> None:
        self.before = self.vector
        after = self.before - self.rate * self._gradient(here)
        self.vector = torch.where(self.alive[:, None], after, self.before)

    def _gradient(self, here: _Evaluation) -> Tensor:
        """∂F/∂weights, flat, (n, p), at the weights for which the hidden units were computed last."""
        weight = here.gamma[:, :, None] if self.loss.per_output else here.gamma[:, None] @ self.truth
        delta = here.slopes * (weight / here.slopes.shape[2])
        second = (delta @ self.hidden.mT).mT
        torch.bmm(self._layers()[1], delta, out=self.back)
        torch.ops.aten.threshold_backward.grad_input(self.back, self.hidden, 0, grad_input=self.back)  # relu'(0) = 0
        first = self.x @ self.back.mT
        return torch.cat([first.flatten(1), second.flatten(1), delta.sum(dim=2)], dim=1)

    def _entry(self, name: str, done: int, here: _Evaluation) -> NDArray:
        """The entries of all networks in a history, NaN for those that have diverged."""
        if name not in SERIES:
            return self.measures.take(name, done, self._vectors(), self.alive.cpu().numpy())
        if name == "accuracy":
            values = _accuracy(here.logits, self.labels)
        elif name == "validation_accuracy":
            values = self._validation_accuracy()
        else:
            values = self._class_losses(here, static=name == "static_loss").sum(dim=1)
        return torch.where(self.alive, values, torch.nan).cpu().to(torch.float64).numpy()

    def _class_losses(self, here: _Evaluation, *, static: bool) -> Tensor:
        """What each class adds to the loss, (n, C)."""
        per_sample = here.terms.sum(dim=1, keepdim=True)
        per_class = (here.terms if self.loss.per_output else self.truth * per_sample).mean(dim=2)
        return per_class if static else here.gamma * per_class

    def _validation_accuracy(self) -> Tensor:
        assert self.validation is not None
        x, labels = self.validation
        hidden = torch.empty(len(x), self.widths[1], x.shape[2], dtype=self.dtype, device=self.device)
        return _accuracy(self._logits(x, hidden), labels)


def _accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(dim=1) == labels).to(logits.dtype).mean(dim=1)
