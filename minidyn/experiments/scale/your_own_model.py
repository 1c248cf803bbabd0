"""A PyTorch module of one's own on handwritten digits: the learning rates at which it trains, over the amplitude."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from minidyn.experiments.parallel import in_parallel
from minidyn.experiments.registry import experiment

TRAIN_SIZE, BATCH_SIZE = 200, 50
PERIOD = 20
REST = 100  # updates at Γ = 1 before the end


class Cell(NamedTuple):
    """One run; the seed draws the weights and the batches."""

    learning_rate: float
    amplitude: float
    seed: int


def _summarise(data: xr.Dataset) -> str:
    mean = data.accuracy.mean("seed")
    return "\n".join(
        f"rate {rate:g}: "
        + ", ".join(
            f"A={amplitude:g} {float(mean.sel(amplitude=amplitude, learning_rate=rate)):.2f}"
            for amplitude in data.amplitude.values
        )
        for rate in data.learning_rate.values
    )


@experiment(
    "trainable-rates",
    shows="the training accuracy of a small PyTorch module on digits, over the learning rate and the amplitude",
    quick={"learning_rates": (0.2, 1.6), "amplitudes": (1, 10), "seeds": range(2), "steps": 120},
    sample={"learning_rates": (0.2,), "seeds": (0,)},
    summary=_summarise,
    needs=("sklearn", "torch"),
)
def trainable_rates(
    *,
    learning_rates: Sequence[float] = (0.2, 0.8, 1.2, 1.6),
    amplitudes: Sequence[float] = (1, 10, 70),
    seeds: Sequence[int] = range(3),
    steps: int = 600,
) -> xr.Dataset:
    """Accuracy on the training images at the end, over (learning_rate, amplitude, seed)."""
    axes: dict[str, list[Any]] = {
        "learning_rate": list(learning_rates),
        "amplitude": list(amplitudes),
        "seed": list(seeds),
    }
    cells = [Cell(*values) for values in product(*axes.values())]
    ends = in_parallel(partial(_final_accuracy, steps=steps), cells, "trainable-rates")
    accuracy = np.reshape(ends, [len(values) for values in axes.values()]).astype("float32")
    return xr.Dataset({"accuracy": (tuple(axes), accuracy)}, axes)


def _final_accuracy(cell: Cell, *, steps: int) -> float:
    """The page's loop: mini-batches in PyTorch's own order, without momentum."""
    import torch

    from minidyn.torch import DynamicalCrossEntropyLoss, digits

    torch.set_num_threads(1)
    train, _ = digits(train_size=TRAIN_SIZE)
    criterion = DynamicalCrossEntropyLoss(cell.amplitude, PERIOD, train.classes, rest_from=max(steps - REST, 0))
    with torch.random.fork_rng():
        torch.manual_seed(cell.seed)
        model = _network()
        optimizer = torch.optim.SGD(model.parameters(), lr=cell.learning_rate)
        epochs = -(-steps * BATCH_SIZE // TRAIN_SIZE)
        orders = [torch.randperm(TRAIN_SIZE).split(BATCH_SIZE) for _ in range(epochs)]
    for rows in [rows for order in orders for rows in order][:steps]:
        optimizer.zero_grad()
        criterion(model(train.x[rows]), train.labels[rows]).backward()
        optimizer.step()
        criterion.step()
    with torch.no_grad():
        return float((model(train.x).argmax(1) == train.labels).float().mean())


def _network() -> Any:
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
