"""CIFAR-10 on a GPU: a small convolutional network over amplitude and period; and the record of what GPUs did here."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from minidyn import _progress, storage
from minidyn.experiments.registry import experiment
from minidyn.experiments.results import book_data
from minidyn.experiments.statistics import best_cell, format_interval, interval

WIDTHS = (8, 64)  # channels of Myrtle5
AMPLITUDES, PERIODS = (1, 2, 5, 20), (50, 100, 250)
SEEDS = range(20)
CHOICE_SEEDS = range(8)  # seeds on which A and T are chosen; the others are for the report
TRAINS = 0.2  # the training accuracy from which a run counts as trained at all: twice that of guessing
MADE = ""  # the folder that stands for a few digits, written as images: for the quick size


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the network is trained, fixed before the grid was run; the rate, batches and steps are those of a pilot."""

    learning_rate: float
    batch_size: int
    steps: int
    rest: int


RECIPE = Recipe(learning_rate=0.1, batch_size=512, steps=2500, rest=250)


class Run(NamedTuple):
    """One run of the grid. Amplitude 1 is the static loss; its period is None, since it makes no difference."""

    width: int
    amplitude: float
    period: int | None
    seed: int


def gpu_record() -> dict[str, Any]:
    """What was measured on a GPU, with the device, the versions and the date: `python -m benchmarks.gpu` writes it."""
    return json.loads((book_data() / "gpu.json").read_text())


def gain_over_static(data: xr.Dataset, width: int) -> xr.DataArray:
    """The gain in validation accuracy of the best cell, chosen on some seeds, on the others; NaN if not yet run."""
    here = data.sel(width=width)
    for_choice = here.seed.isin(list(CHOICE_SEEDS))
    cell = best_cell(here.sel(seed=for_choice))
    reported = here.sel(seed=~for_choice) if (~for_choice).any() else here
    accuracy = reported.validation_accuracy.sel(period=cell.period)
    return (accuracy.sel(amplitude=cell.amplitude) - accuracy.sel(amplitude=1)).assign_attrs(cell=cell)


def _summarise(data: xr.Dataset) -> str:
    lines = []
    for width in data.width.values:
        gain, here = gain_over_static(data, width), data.sel(width=width)
        cell = gain.attrs["cell"]
        static = here.sel(amplitude=1).isel(period=0)
        lines.append(
            f"width {width}: static {float(static.validation_accuracy.mean()):.3f}; A={cell.amplitude:g}, "
            f"T={cell.period} gains {format_interval(interval(gain, 'seed'))}; "
            f"{float((here.accuracy >= TRAINS).mean()):.0%} of the runs train at all"
        )
    return "\n".join(lines)


@experiment(
    "cifar10-grid",
    shows="Myrtle5 on CIFAR-10 (a JPEG copy) at two widths over amplitude and period",
    claims=("C2", "C6", "C7"),
    needs=("torch", "sklearn", "PIL"),
    waits_for="a GPU, and CIFAR-10 as JPEG files in cifar10/train/CLASS and cifar10/test/CLASS",
    quick={
        "folder": MADE,
        "widths": (2, 3),
        "amplitudes": (1, 5),
        "periods": (4,),
        "seeds": range(3),
        "batch_size": 50,
        "steps": 12,
        "rest": 2,
    },
    sample={"widths": (8,), "amplitudes": (1, 5), "periods": (100,), "seeds": range(2)},
    summary=_summarise,
)
def cifar10_grid(
    *,
    folder: str = "cifar10",
    widths: Sequence[int] = WIDTHS,
    amplitudes: Sequence[float] = AMPLITUDES,
    periods: Sequence[int] = PERIODS,
    seeds: Sequence[int] = SEEDS,
    recipe: Recipe = RECIPE,
    store: str | None = None,
    seconds: float = np.inf,
) -> xr.Dataset:
    """How runs end over (width, amplitude, period, seed).

    `store` is a file for the runs so far: a grid that was stopped goes on from there. No run begins after `seconds`;
    what is missing then is NaN. The seed draws the weights and the order of the images.
    """
    axes: dict[str, list[Any]] = {
        "width": list(widths),
        "amplitude": list(amplitudes),
        "period": list(periods),
        "seed": list(seeds),
    }
    cells = [Run(w, a, None if a == 1 else t, s) for w, a, t, s in product(*axes.values())]
    ends = _Ends(store, {"folder": folder, **vars(recipe)})
    missing = [run for run in _in_order_of_use(cells) if run not in ends]
    if missing:
        _train(missing, ends, folder, recipe, time.monotonic() + seconds)
    shape = [len(values) for values in axes.values()]
    names = ("static_loss", "accuracy", "validation_loss", "validation_accuracy")
    columns = {name: np.reshape([ends.value(cell, name) for cell in cells], shape) for name in names}
    data = xr.Dataset({name: (tuple(axes), values) for name, values in columns.items()}, axes)
    return data.astype("float32")


def _in_order_of_use(cells: Sequence[Run]) -> list[Run]:
    """Each run once, seed by seed, so that a grid that is stopped has whole pairs."""
    return sorted(dict.fromkeys(cells), key=lambda run: run.seed)


def _train(runs: Sequence[Run], ends: _Ends, folder: str, recipe: Recipe, deadline: float) -> None:
    from minidyn.torch.training import default_device

    device = default_device()
    train, validation = (images.to(device) for images in _images(folder))
    with _progress.bar(len(runs), "training a grid", "runs") as bar:
        for run in runs:
            if time.monotonic() > deadline:
                return
            trainer = _trainer(run, train, validation, recipe)
            ends.add(run, trainer.run(recipe.steps, progress=False).isel(step=-1))
            bar.update(1)


def _trainer(run: Run, train: Any, validation: Any, recipe: Recipe) -> Any:
    from minidyn.torch import DynamicalCrossEntropyLoss, Myrtle5, Trainer

    rest_from = recipe.steps - recipe.rest
    return Trainer(
        Myrtle5(train.x.shape[1], train.classes, width=run.width, seed=run.seed),
        train,
        DynamicalCrossEntropyLoss(run.amplitude, run.period or 1, train.classes, rest_from=rest_from),
        validation=validation,
        learning_rate=recipe.learning_rate,
        batch_size=recipe.batch_size,
        seed=run.seed,
        mixed_precision=True,
        measure_every=recipe.steps,
        device=train.x.device,
    )


class _Ends:
    """How runs have ended, in a file if there is one, which is written whole after each run."""

    def __init__(self, store: str | None, settings: dict[str, Any]):
        self.path = None if store is None else Path(store)
        self.settings = settings
        self.ends: dict[str, dict[str, float]] = {}
        if self.path is not None and self.path.exists():
            stored = json.loads(self.path.read_text())
            if stored["settings"] != settings:
                raise ValueError(f"store {store!r} holds runs with settings {stored['settings']}, got {settings}")
            self.ends = stored["ends"]

    def __contains__(self, run: Run) -> bool:
        return str(tuple(run)) in self.ends

    def value(self, run: Run, name: str) -> float:
        return self.ends.get(str(tuple(run)), {}).get(name, np.nan)

    def add(self, run: Run, last: xr.Dataset) -> None:
        self.ends[str(tuple(run))] = {str(name): float(last[name]) for name in last.data_vars if last[name].ndim == 0}
        if self.path is not None:
            content = json.dumps({"settings": self.settings, "ends": self.ends})
            storage.atomically(self.path, lambda temporary: temporary.write_text(content))


def _images(folder: str) -> tuple[Any, Any]:
    from minidyn.torch import image_folder

    if folder != MADE:
        return image_folder(Path(folder) / "train", validation=Path(folder) / "test")
    with tempfile.TemporaryDirectory() as made:
        for part, pixels, label, name in _digit_files():
            target = Path(made) / part / str(label) / f"{name}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_png(target, pixels)
        return image_folder(f"{made}/train", validation=f"{made}/test", cache=made)


def _digit_files() -> Iterator[tuple[str, Any, int, int]]:
    """A few hundred of scikit-learn's digits: part, pixels, label, number."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number in range(300):
        part = "train" if number < 200 else "test"
        yield part, (digits.images[number] * 15).astype(np.uint8), int(digits.target[number]), number


def _write_png(path: Path, pixels: Any) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(path)
