"""Many small networks at once: one product of batched matrices where a loop would make a thousand small ones.

The engine of `minidyn.sweep` with engine="torch" (float64) or "torch32" (float32). All networks of a launch have one
hidden layer, the same widths, the same kind of loss and as many samples; weights, data, Γ and learning rate are each
network's own. A network whose loss is not finite stays at the weights before, and the others go on.

A row is a unit and a column a sample: products with three outputs are three times as fast that way round. What is
computed here is defined in `mlp`, `losses` and `loop`, and agrees with them to rounding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minidyn.losses import CrossEntropy
from minidyn.mlp import MLP
from minidyn.training.settings import Settings

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise ImportError("minidyn.ensembles.torch needs PyTorch 2.6 or later: pip install 'minidyn[torch]'") from error

DTYPES = {"torch": torch.float64, "torch32": torch.float32}
MEMORY = {"cpu": 2**22, "cuda": 2**32}  # bytes a launch: what a processor's cache holds, or 4 GiB
STRETCH = 256  # updates for which Γ is computed at a time


class Ending(NamedTuple):
    """How a run ends, and what was kept on the way."""

    vector: NDArray  # weights, (p,), float64
    updates: int
    diverged: bool
    histories: dict[str, NDArray]  # NaN after a run diverged


def check_device(device: Any, engine: str) -> str:
    """The device to use: the one asked for, else a GPU that CUDA sees, else the processor."""
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, dtype=DTYPES[engine], device=name)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise ValueError(f"device must be one that PyTorch can use here, as 'cpu', got {device!r}: {error}") from error
    return str(name)


def descend_together(
    runs: Sequence[Settings],
    starts: Sequence[NDArray],
    steps: int,
    kept: Mapping[str, int],
    *,
    engine: str,
    device: str,
) -> list[Ending]:
    """`steps` updates of every run from its start, a vector of weights; each quantity in `kept` at its cadence."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for number, run in enumerate(runs):
        groups[_shape(run)].append(number)
    endings: dict[int, Ending] = {}
    with torch.no_grad(), _one_thread():
        for numbers in groups.values():
            size = networks_a_launch(runs[numbers[0]], DTYPES[engine], device)
            for first in range(0, len(numbers), size):
                part = numbers[first : first + size]
                launch = _Launch([runs[n] for n in part], [starts[n] for n in part], DTYPES[engine], device)
                endings |= zip(part, launch.descend(steps, kept), strict=True)
    return [endings[number] for number in range(len(runs))]


@contextmanager
def _one_thread() -> Iterator[None]:
    """On a processor a second thread costs more than it brings to products this small; a GPU needs none."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def networks_a_launch(run: Settings, dtype: torch.dtype, device: str) -> int:
    """How many networks like this one fit the memory of a launch."""
    inputs, hidden, outputs = _widths(run)
    samples = max(len(run.task), len(run.validation or ()))
    numbers = samples * (inputs + 1 + 2 * hidden + 6 * outputs) + 6 * run.size
    return max(1, MEMORY.get(torch.device(device).type, MEMORY["cuda"]) // (numbers * dtype.itemsize))


def _shape(run: Settings) -> Hashable:
    """Runs with the same can be launched together."""
    unseen = run.validation
    return _widths(run), type(run.loss), run.loss.per_output, len(run.task), unseen and len(unseen)


def _widths(run: Settings) -> tuple[int, int, int]:
    """Inputs, hidden units and outputs."""
    assert isinstance(run.net, MLP)
    inputs, hidden, outputs = run.net.widths
    return inputs, hidden, outputs


class _Launch:
    """Networks that go down together: the first axis of every tensor."""

    def __init__(self, runs: list[Settings], vectors: list[NDArray], dtype: torch.dtype, device: str):
        self.runs, self.dtype, self.device = runs, dtype, device
        self.widths, self.loss = _widths(runs[0]), runs[0].loss
        self.vector = self._tensor(np.stack(vectors))
        self.rate = self._tensor(np.array([[run.learning_rate] for run in runs]))
        self.x, self.labels = self._data([run.task for run in runs])
        self.truth = (self.labels[:, None] == torch.arange(self.widths[2], device=device)[:, None]).to(dtype)
        self.unseen = None if runs[0].validation is None else self._data([run.validation for run in runs])
        self.hidden = torch.empty(len(runs), self.widths[1], self.x.shape[2], dtype=dtype, device=device)
        self.back = torch.empty_like(self.hidden)
        self.shapes: dict[str, tuple[int, ...]] = {}  # of the entries of the reader's measures

    def descend(self, steps: int, kept: Mapping[str, int]) -> list[Ending]:
        before = self.vector
        alive = torch.ones(len(self.runs), dtype=torch.bool, device=before.device)
        updates = torch.zeros(len(self.runs), dtype=torch.int64, device=before.device)
        cadences = {**kept, **{m.name: m.every for m in self.runs[0].measures}}
        histories: dict[str, list[NDArray]] = {name: [] for name in cadences}
        warm: list[dict[str, NDArray]] = [{} for _ in self.runs]
        for done in range(steps + 1):
            if done % STRETCH == 0:
                gammas = self._class_weights(done, min(done + STRETCH, steps + 1))
            gamma = gammas[done % STRETCH]
            logits = self._logits(self.x, self.hidden)
            elements, slopes = self._parts(logits)
            finite = elements.sum(dim=(1, 2)).isfinite()
            self.vector = torch.where(finite[:, None], self.vector, before)
            alive &= finite
            updates = torch.where(alive, done, updates)
            for name in (name for name, every in cadences.items() if done % every == 0):
                histories[name].append(self._entry(name, done, alive, logits, elements, gamma, warm))
            if done < steps:
                before = self.vector
                moved = before - self.rate * self._gradient(gamma, slopes)
                self.vector = torch.where(alive[:, None], moved, before)
        vectors = self.vector.cpu().to(torch.float64).numpy()
        columns = {name: np.stack(entries, axis=1) for name, entries in histories.items()}
        ends = zip(vectors, updates.tolist(), (~alive).tolist(), strict=True)
        return [Ending(*end, {name: column[n] for name, column in columns.items()}) for n, end in enumerate(ends)]

    def _data(self, tasks: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Samples (n, d + 1, P), with a constant 1 for the biases, and labels (n, P); kept once where all are one."""
        different = tasks[:1] if all(task is tasks[0] for task in tasks) else tasks
        x = self._tensor(np.stack([np.vstack([task.x.T, np.ones(len(task))]) for task in different]))
        labels = torch.as_tensor(np.stack([task.labels for task in different]), device=self.device)
        return x.expand(len(tasks), -1, -1), labels.expand(len(tasks), -1)

    def _tensor(self, values: NDArray) -> Tensor:
        return torch.as_tensor(values, dtype=self.dtype, device=self.device)

    def _class_weights(self, first: int, stop: int) -> Tensor:
        """Γ from `first` updates up to `stop`, (stop - first, n, C)."""
        different = {run.loss.gamma: run for run in self.runs}
        rows = {gamma: row for row, gamma in enumerate(different)}
        table = np.stack([run.class_weights(first, stop) for run in different.values()], axis=1)
        index = torch.as_tensor([rows[run.loss.gamma] for run in self.runs], device=self.device)
        return self._tensor(table)[:, index]

    def _layers(self) -> tuple[Tensor, Tensor, Tensor]:
        """[W1; b1], W2 and b2, as views of the flat weights."""
        inputs, hidden, outputs = self.widths
        pieces = self.vector.split([(inputs + 1) * hidden, hidden * outputs, outputs], dim=1)
        first, second, bias = pieces
        return first.unflatten(1, (inputs + 1, hidden)), second.unflatten(1, (hidden, outputs)), bias[:, :, None]

    def _logits(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Outputs (n, C, P), and the hidden units in `hidden`, (n, H, P)."""
        first, second, bias = self._layers()
        torch.bmm(first.mT, x, out=hidden).clamp_(min=0)
        return torch.baddbmm(bias, second.mT, hidden)

    def _parts(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Elements of the loss, (n, 1, P) or (n, C, P), and their slopes, (n, C, P)."""
        if isinstance(self.loss, CrossEntropy):
            logarithm = logits.log_softmax(dim=1)
            return -logarithm.gather(1, self.labels[:, None]), logarithm.exp_().sub_(self.truth)
        residual, outputs = logits - self.truth, self.widths[2]
        return residual.square() / outputs, residual * (2 / outputs)

    def _gradient(self, gamma: Tensor, slopes: Tensor) -> Tensor:
        """∂F/∂weights, flat, (n, p), where the hidden units were computed last."""
        weight = gamma[:, :, None] if self.loss.per_output else gamma[:, None] @ self.truth
        delta = slopes * (weight / slopes.shape[2])
        second = (delta @ self.hidden.mT).mT
        torch.bmm(self._layers()[1], delta, out=self.back)
        torch.ops.aten.threshold_backward.grad_input(self.back, self.hidden, 0, grad_input=self.back)  # relu'(0) = 0
        first = self.x @ self.back.mT
        return torch.cat([first.flatten(1), second.flatten(1), delta.sum(dim=2)], dim=1)

    def _entry(
        self,
        name: str,
        done: int,
        alive: Tensor,
        logits: Tensor,
        elements: Tensor,
        gamma: Tensor,
        warm: list[dict[str, NDArray]],
    ) -> NDArray:
        """One entry of a history for each network, NaN for those that diverged."""
        if name == "accuracy":
            found = _accuracy(logits, self.labels)
        elif name == "validation_accuracy":
            assert self.unseen is not None
            x, labels = self.unseen
            found = _accuracy(self._logits(x, logits.new_empty(len(x), self.widths[1], x.shape[2])), labels)
        elif name in ("loss", "static_loss"):
            per_sample = elements.sum(dim=1, keepdim=True)
            per_class = (elements if self.loss.per_output else self.truth * per_sample).mean(dim=2)
            found = (gamma * per_class if name == "loss" else per_class).sum(dim=1)
        else:
            return self._measured(name, done, alive.cpu().numpy(), warm)
        return torch.where(alive, found, torch.nan).cpu().to(torch.float64).numpy()

    def _measured(self, name: str, done: int, alive: NDArray, warm: list[dict[str, NDArray]]) -> NDArray:
        """A measure of `train`, network by network on the processor."""
        vectors = self.vector.cpu().to(torch.float64).numpy()
        found: dict[int, NDArray] = {}
        for n in map(int, np.flatnonzero(alive)):
            measure = next(m for m in self.runs[n].measures if m.name == name)
            found[n] = measure(self.runs[n], vectors[n], done, warm[n])
        for value in found.values():
            self.shapes[name] = value.shape
        missing = np.full(self.shapes[name], np.nan)  # no network has diverged at its first entry
        return np.stack([found.get(n, missing) for n in range(len(alive))])


def _accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(dim=1) == labels).to(logits.dtype).mean(dim=1)
