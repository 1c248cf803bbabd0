"""Train Myrtle5 on images with a dynamical loss: python -m minidyn.torch digits --amplitude 10 --period 100.

Several amplitudes, periods or seeds make a grid, which goes on where it was when the same line is called again:

    python -m minidyn.torch cifar10 --amplitude 1 10 70 --period 100 500 --seed 0 1 2 3 4 \\
        --steps 20000 --rest 2000 --checkpoint cifar10-grid --history cifar10-grid.nc
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from minidyn import storage
from minidyn.torch.grid import train_grid
from minidyn.torch.images import Images, cifar10, digits
from minidyn.torch.losses import DynamicalCrossEntropyLoss, DynamicalMSELoss
from minidyn.torch.networks import Myrtle5
from minidyn.torch.training import Trainer

MakeTrainer = Callable[[float, int, int], Trainer]
LOSSES: dict[str, Callable[..., Any]] = {
    "cross_entropy": DynamicalCrossEntropyLoss,
    "mse_sample": partial(DynamicalMSELoss, weighting="sample"),
    "mse_output": partial(DynamicalMSELoss, weighting="output"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    chosen = _parser().parse_args(arguments)
    single = len(chosen.amplitude) == len(chosen.period) == len(chosen.seed) == 1
    try:
        if chosen.history:
            chosen.history.parent.mkdir(parents=True, exist_ok=True)
        make_trainer = partial(_trainer, chosen, *_images(chosen))
        found = _run(make_trainer, chosen) if single else _run_grid(make_trainer, chosen)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"minidyn.torch: {error}", file=sys.stderr)
        return 2
    if chosen.history:
        found.attrs.setdefault("settings", str(vars(chosen)))
        storage.atomically(chosen.history, lambda path: found.to_netcdf(path, engine=storage.ENGINE))
    return 0


def _run(make_trainer: MakeTrainer, chosen: argparse.Namespace) -> xr.Dataset:
    trainer = make_trainer(chosen.amplitude[0], chosen.period[0], chosen.seed[0])
    history = trainer.run(
        chosen.steps,
        checkpoint=chosen.checkpoint,
        checkpoint_every=chosen.checkpoint_every,
        progress=not chosen.quiet,
    )
    last = history.isel(step=-1)
    print(
        f"{int(last.step)} updates on {trainer.train} ({trainer.device}): static loss {float(last.static_loss):.4g}, "
        f"accuracy {float(last.accuracy):.4f}, validation accuracy {float(last.validation_accuracy):.4f}"
    )
    return history.assign_attrs(settings=str(trainer.settings))


def _run_grid(make_trainer: MakeTrainer, chosen: argparse.Namespace) -> xr.Dataset:
    found = train_grid(
        make_trainer,
        amplitudes=chosen.amplitude,
        periods=chosen.period,
        seeds=chosen.seed,
        steps=chosen.steps,
        checkpoints=chosen.checkpoint,
        checkpoint_every=chosen.checkpoint_every,
        progress=not chosen.quiet,
    )
    print(f"validation accuracy, mean of {len(chosen.seed)} seeds, by amplitude (rows) and period:")
    print(found.validation_accuracy.mean("seed").to_pandas().to_string(float_format="{:.4f}".format))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m minidyn.torch",
        description="Train Myrtle5 on images with a dynamical loss.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("data", choices=["digits", "cifar10"], help="digits need no network; CIFAR-10 is fetched once")
    add("--train-size", type=int, help="training images (default: all)")
    add("--folder", type=Path, help="where CIFAR-10 is kept (default: the system's cache)")
    add("--loss", choices=LOSSES, default="cross_entropy", help="which loss oscillates")
    add("--amplitude", type=float, nargs="+", default=[1.0], help="A; 1 is the static loss; several make a grid")
    add("--period", type=int, nargs="+", default=[100], help="T, in updates; or several")
    add("--rest", type=int, default=0, help="last updates with all class weights 1")
    add("--steps", type=int, default=1000, help="updates in all")
    add("--width", type=int, default=64, help="channels of each convolution")
    add("--learning-rate", type=float, default=0.05, help="of SGD")
    add("--momentum", type=float, default=0.9, help="of SGD")
    add("--weight-decay", type=float, default=0.0, help="of SGD")
    add("--batch-size", type=int, default=128, help="images an update")
    add("--seed", type=int, nargs="+", default=[0], help="of the weights and of the order of the images; or several")
    add("--data-seed", type=int, default=0, help="of which images are for training")
    add("--mixed-precision", action="store_true", help="forward pass in bfloat16")
    add("--device", help="cpu, cuda, cuda:1, ... (default: an accelerator if there is one)")
    add("--measure-every", type=int, default=51, help="updates between two entries of the record; odd is better")
    add("--checkpoint", type=Path, help="file to write, and to go on from where it exists; of a grid, a folder")
    add("--checkpoint-every", type=int, default=500, help="updates: what a killed run loses at most")
    add("--history", type=Path, help="file for the record, or for the table of a grid (netCDF)")
    add("--quiet", action="store_true", help="no progress bar")
    return parser


def _images(chosen: argparse.Namespace) -> tuple[Images, Images]:
    if chosen.data == "digits":
        return digits(chosen.train_size, seed=chosen.data_seed)
    return cifar10(chosen.train_size, seed=chosen.data_seed, folder=chosen.folder)


def _trainer(
    chosen: argparse.Namespace, train: Images, validation: Images, amplitude: float, period: int, seed: int
) -> Trainer:
    rest_from = chosen.steps - chosen.rest if chosen.rest else None
    loss = LOSSES[chosen.loss](amplitude, period, train.classes, rest_from=rest_from)
    model = Myrtle5(train.x.shape[1], train.classes, width=chosen.width, seed=seed)
    return Trainer(
        model,
        train,
        loss,
        validation=validation,
        learning_rate=chosen.learning_rate,
        momentum=chosen.momentum,
        weight_decay=chosen.weight_decay,
        batch_size=chosen.batch_size,
        seed=seed,
        mixed_precision=chosen.mixed_precision,
        measure_every=chosen.measure_every,
        device=chosen.device,
    )


if __name__ == "__main__":
    sys.exit(main())
