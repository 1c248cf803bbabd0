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

from minidyn import _checks as check
from minidyn import storage
from minidyn._command_line import add_version, ends_quietly
from minidyn.torch._functional import usable_device
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


@ends_quietly
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(arguments)
    single = len(options.amplitude) == len(options.period) == len(options.seed) == 1
    try:
        _check(options, single)
        make_trainer = partial(_trainer, options, *_images(options))
        record, summary = _run(make_trainer, options) if single else _run_grid(make_trainer, options)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"minidyn.torch: {error}", file=sys.stderr)
        return 2
    if options.history:
        record.attrs.setdefault("settings", str(vars(options)))
        storage.write_dataset(options.history, record)
    print(summary)
    return 0


def _check(options: argparse.Namespace, single: bool) -> None:
    """Raise an error for what could otherwise fail only after the images are there, or at the end."""
    check.integer("--steps", options.steps, least=0 if single else 1)
    check.integer("--rest", options.rest, least=0, most=options.steps)
    if options.device is not None:
        usable_device(options.device)
    if options.history:
        storage.check_writable("--history", options.history)
    if options.checkpoint and single:
        storage.check_writable("--checkpoint", options.checkpoint)
    elif options.checkpoint and options.checkpoint.is_file():
        raise NotADirectoryError(f"--checkpoint of a grid must be a folder, and {str(options.checkpoint)!r} is a file")


def _run(make_trainer: MakeTrainer, options: argparse.Namespace) -> tuple[xr.Dataset, str]:
    """The record of a run, and a summary."""
    trainer = make_trainer(options.amplitude[0], options.period[0], options.seed[0])
    history = trainer.run(
        options.steps,
        store=options.checkpoint,
        checkpoint_every=options.checkpoint_every,
        progress=not options.quiet,
    )
    last = history.isel(step=-1)
    summary = (
        f"{int(last.step)} updates on {trainer.train} ({trainer.device}): static loss {float(last.static_loss):.4g}, "
        f"accuracy {float(last.accuracy):.4f}, validation accuracy {float(last.validation_accuracy):.4f}"
    )
    return history, summary


def _run_grid(make_trainer: MakeTrainer, options: argparse.Namespace) -> tuple[xr.Dataset, str]:
    """The table of a grid, and its means."""
    table = train_grid(
        make_trainer,
        amplitudes=options.amplitude,
        periods=options.period,
        seeds=options.seed,
        steps=options.steps,
        store=options.checkpoint,
        checkpoint_every=options.checkpoint_every,
        progress=not options.quiet,
    )
    means = table.validation_accuracy.mean("seed").to_pandas().to_string(float_format="{:.4f}".format)
    return table, f"validation accuracy, mean of {len(options.seed)} seeds, by amplitude (rows) and period:\n{means}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m minidyn.torch",
        description="Train Myrtle5 on images with a dynamical loss.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_version(parser)
    add = parser.add_argument
    add("data", choices=["digits", "cifar10"], help="digits need no network; CIFAR-10 is fetched once")
    add("--train-size", type=int, help="training images (default: all)")
    add("--folder", type=Path, help="where CIFAR-10 is kept (default: the system's cache)")
    add("--loss", choices=LOSSES, default="cross_entropy", help="which loss oscillates")
    add("--amplitude", type=float, nargs="+", default=[1.0], help="A; 1 is the static loss; several make a grid")
    add("--period", type=int, nargs="+", default=[100], help="T, in updates; or several")
    add("--rest", type=int, default=0, help="last updates with all class weights 1")
    add("--steps", type=int, default=1000, help="number of updates in all")
    add("--width", type=int, default=64, help="channels of each convolution")
    add("--learning-rate", type=float, default=0.05, help="of SGD")
    add("--momentum", type=float, default=0.9, help="of SGD")
    add("--weight-decay", type=float, default=0.0, help="of SGD")
    add("--batch-size", type=int, default=128, help="images per update")
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


def _images(options: argparse.Namespace) -> tuple[Images, Images]:
    if options.data == "digits":
        return digits(options.train_size, seed=options.data_seed)
    return cifar10(options.train_size, seed=options.data_seed, folder=options.folder)


def _trainer(
    options: argparse.Namespace, train: Images, validation: Images, amplitude: float, period: int, seed: int
) -> Trainer:
    rest_from = options.steps - options.rest if options.rest else None
    loss = LOSSES[options.loss](amplitude, period, train.classes, rest_from=rest_from)
    model = Myrtle5(train.x.shape[1], train.classes, width=options.width, seed=seed)
    return Trainer(
        model,
        train,
        loss,
        validation=validation,
        learning_rate=options.learning_rate,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        batch_size=options.batch_size,
        seed=seed,
        mixed_precision=options.mixed_precision,
        measure_every=options.measure_every,
        device=options.device,
    )


if __name__ == "__main__":
    sys.exit(main())
