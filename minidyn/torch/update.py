"""One update of a `Trainer`, on tensors that stay where they are, so that a CUDA graph can replay it.

A network this small is bound by launches on a GPU: an update is a hundred short kernels, and starting them takes
longer than running them. A graph starts them all at once. It repeats the same kernels on the same memory, so what
changes from one update to the next (the samples of the batch, Γ) must be read on the device: both stand there for an
epoch, and the update looks them up by the number of its batch, which it then advances. Everywhere else the same
function runs eagerly.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from minidyn.torch.images import Images
from minidyn.torch.inputs import answer, logits, mapped
from minidyn.torch.losses import _DynamicalLoss

WARM_UP = 3  # eager updates, on a stream of their own, before a capture

Capture = Callable[[Callable[[], None]], Callable[[], None]]


class Update:
    """A batch, the gradient of its F, a step of the optimizer: all from what stands on the device.

    Attributes
    ----------
    batch : torch.Tensor, shape (1,)
        The number of the next batch in the epoch.
    values : torch.Tensor, shape (batches,)
        F of each batch of the epoch so far.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: _DynamicalLoss,
        optimizer: torch.optim.Optimizer,
        images: Images,
        *,
        batch_size: int,
        mixed_precision: bool = False,
    ):
        self.model, self.loss, self.optimizer, self.images = model, loss, optimizer, images
        self.batch_size, self.mixed_precision, self.device = batch_size, mixed_precision, images.labels.device
        batches = -(-len(images) // batch_size)
        self.order = torch.zeros(len(images), dtype=torch.int64, device=self.device)
        self.gammas = loss._class_weights.expand(batches, -1).clone()
        self.offsets = torch.arange(batch_size, device=self.device)
        self.batch = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.values = torch.zeros(batches, device=self.device)

    def begin_epoch(self, order: Tensor, gammas: Tensor, batch: int) -> None:
        """Lay out an epoch: the order of its samples, Γ at each of its batches, and the batch to begin with."""
        self.order.copy_(order)
        self.gammas.copy_(gammas)
        self.batch.fill_(batch)

    def __call__(self, samples: int) -> None:
        """Make the update for the next batch, of `samples` samples."""
        index = self.order.index_select(0, self.batch * self.batch_size + self.offsets[:samples])
        x = mapped(lambda tensor: self._selected(tensor, index), self.images.x)
        self.loss._class_weights = self.gammas.index_select(0, self.batch)[0]
        self.optimizer.zero_grad()
        with self.autocast():
            value = self.loss(logits(answer(self.model, x)), self.images.labels.index_select(0, index))
        value.backward()
        self.optimizer.step()
        self.values.index_copy_(0, self.batch, value.detach()[None].to(self.values))
        self.batch += 1

    def _selected(self, tensor: Tensor, index: Tensor) -> Tensor:
        tensor = tensor.index_select(0, index)
        is_image = self.device.type == "cuda" and tensor.ndim == 4
        return tensor.contiguous(memory_format=torch.channels_last) if is_image else tensor

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed_precision)


class GraphedUpdate:
    """An `Update` that is replayed as one CUDA graph once it has warmed up.

    The last batch of an epoch, if it is smaller, runs eagerly between replays, and so do all updates of a model that
    draws random numbers: each of its updates is seeded by itself, so that a run can be resumed, and a graph cannot be.
    """

    def __init__(self, update: Update, capture: Capture | None = None):
        self.update = update
        self.capture = capture or _capture
        self.replay: Callable[[], None] | None = None
        self.warm = 0  # eager updates of full size so far
        self.is_eager = False  # for good

    def __call__(self, samples: int) -> None:
        if self.is_eager or samples < self.update.batch_size:
            self.update(samples)
        elif self.replay is not None:
            self.replay()
        elif self.warm < WARM_UP:
            self._warm_up(samples)
        else:
            self._capture_and_replay(samples)

    def _warm_up(self, samples: int) -> None:
        before = _random_state(self.update.device)
        _on_a_stream_of_its_own(self.update.device, lambda: self.update(samples))
        self.warm += 1
        self.is_eager = not torch.equal(before, _random_state(self.update.device))

    def _capture_and_replay(self, samples: int) -> None:
        try:
            self.replay = self.capture(lambda: self.update(samples))
        except RuntimeError as error:
            warnings.warn(f"the update cannot be captured as a CUDA graph and runs eagerly: {error}", stacklevel=2)
            self.is_eager = True
        (self.replay or (lambda: self.update(samples)))()


def _capture(function: Callable[[], None]) -> Callable[[], None]:
    """Record what a function launches, without running it; the function that runs it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph.replay


def _on_a_stream_of_its_own(device: torch.device, function: Callable[[], None]) -> None:
    """A capture requires that what it records ran before on another stream than the default one."""
    if device.type != "cuda":
        function()
        return
    stream: Any = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        function()
    torch.cuda.current_stream(device).wait_stream(stream)


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
