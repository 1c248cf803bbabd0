"""What a machine with a GPU does with this library: `python -m benchmarks.gpu --out book/_data/gpu.json`.

Writes one record with device, versions and date: the rates of a copy and of a product of matrices, the agreement of
each engine with NumPy, network-steps per second over engines, precisions and widths, a sweep from end to end, and
updates per second of `Trainer`. No network is needed, and at most four minutes on an H100: each part begins only if
there is time, and the record is written after each.

With `--cifar FOLDER`, where FOLDER has train/CLASS/*.jpg and test/CLASS/*.jpg, it trains the grid "cifar10-grid"
instead, for at most seven minutes per call, and goes on where it was: `--out cifar10-grid.nc`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

import minidyn as md
from minidyn import ensembles, storage
from minidyn.ensembles import Ensemble, Member
from minidyn.experiments import find, results
from minidyn.torch import DynamicalCrossEntropyLoss, Images, Myrtle5, Trainer
from minidyn.torch.benchmark import arithmetic, bandwidth, network_steps
from minidyn.torch.training import default_device

ENGINES = ("torch", "torch32", "cuda", "cuda32")
DTYPES = {"float64": torch.float64, "float32": torch.float32}
PACKAGES = ("minidyn", "numpy", "torch", "numba", "numba-cuda")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the measurements are: for a GPU, or for a test."""

    widths: tuple = (100, 10, 30, 50)
    points: int = 300
    networks: int = 4096
    steps: int = 500
    runs: int = 640  # of the sweep
    sweep_steps: int = 2000
    image: int = 32
    channels: tuple = (16, 64)
    batch_sizes: tuple = (128, 512)
    updates: int = 200


TINY = Size(
    widths=(3,),
    points=9,
    networks=2,
    steps=3,
    runs=2,
    sweep_steps=2,
    image=4,
    channels=(2,),
    batch_sizes=(4,),
    updates=3,
)


def limits(device, size):
    """Bytes that a copy reads and writes per second, and operations of a product of large matrices."""
    return {
        name: {"copy": bandwidth(device, dtype), "product": arithmetic(device, dtype)} for name, dtype in DTYPES.items()
    }


def parity(device, size):
    """The largest difference of any weight from the NumPy engine after some updates of a few networks, per engine."""
    updates = 200 if size.networks > 100 else 3
    reference, rows = _vectors("numpy", None, updates, size), []
    for engine in _available(device):
        gap = np.abs(_vectors(engine, device, updates, size) - reference).max()
        rows.append({"engine": engine, "updates": updates, "difference": float(gap)})
    return rows


def rates(device, size):
    """Network-steps per second, of all networks together, and the time of a first call, which compiles."""
    rows = []
    for width in size.widths:
        for engine in _available(device):
            began = time.perf_counter()
            _vectors(engine, device, 1, size)
            first = time.perf_counter() - began
            rate = _rate(engine, device, width, size)
            rows.append({"engine": engine, "width": width, "points": size.points, "networks": size.networks})
            rows[-1] |= {"per_second": rate, "first_call": first}
            print(f"  {engine:8} H={width:4}: {rate:14,.0f} network-steps per second", flush=True)
    return rows


def sweep(device, size):
    """Seconds of a sweep from end to end, the second of two: the first compiles."""
    rows = []
    for engine in _available(device):
        grid = {"amplitude": [20], "period": [100], "width": [size.widths[0]], "seed": range(size.runs)}
        for _ in range(2):
            began = time.perf_counter()
            md.sweep(grid, steps=size.sweep_steps, engine=engine, device=_for(engine, device), progress=False)
            seconds = time.perf_counter() - began
        rows.append({"engine": engine, "runs": size.runs, "steps": size.sweep_steps, "seconds": seconds})
    return rows


def trainer(device, size):
    """Updates per second of `Trainer` on random images, in bfloat16, with its graph and without."""
    rows = []
    for width in size.channels:
        for batch_size in size.batch_sizes:
            for graph in (True, False):
                rate, replayed = _updates_per_second(device, width, batch_size, graph, size)
                rows.append({"width": width, "batch_size": batch_size, "graph": replayed, "updates_per_second": rate})
    return rows


PARTS = {"limits": limits, "parity": parity, "network_steps": rates, "sweep": sweep, "trainer": trainer}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the record to write: JSON; with --cifar, netCDF")
    parser.add_argument("--device", help="cuda, cuda:1, cpu, ... (default: an accelerator if there is one)")
    parser.add_argument("--seconds", type=float, help="no part begins after so many (default 240; with --cifar 400)")
    parser.add_argument("--tiny", action="store_true", help="a size for a test, without a GPU")
    parser.add_argument("--cifar", type=Path, metavar="FOLDER", help="train the grid on the images in FOLDER instead")
    options = parser.parse_args(arguments)
    try:
        storage.atomically(options.out.with_suffix(".writable"), lambda part: part.write_text(""))
        options.out.with_suffix(".writable").unlink()
        device = str(torch.device(options.device)) if options.device else str(default_device())
        if options.cifar:
            return _cifar(options, 400 if options.seconds is None else options.seconds)
        return _measure(device, options, 240 if options.seconds is None else options.seconds)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"benchmarks.gpu: {error}", file=sys.stderr)
        return 2


def _measure(device, options, seconds):
    deadline, size = time.monotonic() + seconds, TINY if options.tiny else Size()
    record = _provenance(device) | {"engines_missing": _missing(device), "left_out": []}
    for name, part in PARTS.items():
        if time.monotonic() > deadline:
            record["left_out"].append(name)
            continue
        print(f"{name} ...", flush=True)
        record[name] = part(device, size)
        storage.atomically(options.out, lambda path: path.write_text(json.dumps(record, indent=1)))
    print(f"kept in {options.out}; left out for want of time: {', '.join(record['left_out']) or 'nothing'}")
    return 0


def _cifar(options, seconds):
    """Train what is missing of the grid; 1 if something still is."""
    experiment, store = find("cifar10-grid"), options.out.with_suffix(".runs.json")
    size, began = "quick" if options.tiny else "full", time.monotonic()
    folder = {} if options.tiny else {"folder": str(options.cifar)}
    data = experiment.run(size, store=str(store), seconds=seconds, **folder)
    missing = int(data.accuracy.isnull().sum())
    made = {"device": _name(str(default_device())), "command": "python -m benchmarks.gpu --cifar FOLDER"}
    data.attrs |= results.provenance(experiment, size) | made | {"seconds": round(time.monotonic() - began, 1)}
    storage.write_dataset(options.out, data)
    print(f"{missing} cells are missing: call it again" if missing else experiment.summary(data))
    return 1 if missing else 0


def _provenance(device):
    return {
        "device": _name(device),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "python -m benchmarks.gpu",
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def _name(device):
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _available(device):
    missing = _missing(device)
    return [engine for engine in ENGINES if engine not in missing]


def _missing(device):
    """The engines that cannot be had here, and why."""
    reasons = {}
    for engine in ENGINES:
        try:
            _engine(engine, device)
        except (ImportError, ValueError) as error:
            reasons[engine] = str(error)
    return reasons


def _engine(name, device):
    return ensembles.choose(name, _for(name, device))


def _for(engine, device):
    """The device as the engine takes it: the CUDA engines look for a GPU themselves, and find the simulator's."""
    return device if engine in ensembles.TORCH or (device or "").startswith("cuda") else None


def _members(width, networks, points):
    task, net = md.spiral(points // 3), md.MLP(2, width, 3)
    loss = md.CrossEntropy(md.Oscillation(5, 50))
    return [Member(net=net, params=net.init(seed), task=task, loss=loss, learning_rate=0.1) for seed in range(networks)]


def _vectors(engine, device, steps, size):
    """The weights of two networks after some updates."""
    ensemble = Ensemble(members=_members(size.widths[0], 2, size.points), steps=steps, measure={})
    ends = _engine(engine, device).train(ensemble)
    return np.array([np.concatenate([np.ravel(part) for layer in end.params for part in layer]) for end in ends])


def _rate(engine, device, width, size):
    """The kernel's own rate for the CUDA engines; else that of whole calls, less what a call costs at once."""
    if engine in ensembles.TORCH:
        return network_steps(device, engine, size.networks, width=width, points=size.points)
    from minidyn.ensembles import cuda

    ensemble = Ensemble(members=_members(width, size.networks, size.points), steps=size.steps, measure={})
    batch = cuda._Batch(ensemble, cuda.DTYPES[engine])
    times = []
    for first in range(3):  # the first compiles
        began = time.perf_counter()
        batch.launch(first, first + size.steps, batch.networks, batch.data, batch.validation, batch.history)
        cuda.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return size.networks * size.steps / min(times[1:])


def _updates_per_second(device, width, batch_size, graph, size):
    random = torch.Generator().manual_seed(0)
    images = Images(torch.randn(4 * batch_size, 3, size.image, size.image, generator=random), _labels(batch_size), 10)
    loss = DynamicalCrossEntropyLoss(5, 100, 10)
    options = {"learning_rate": 1e-3, "batch_size": batch_size, "mixed_precision": True, "device": device}
    run = Trainer(Myrtle5(3, width=width), images, loss, **options)
    if not graph:
        run._update = run._eager
    elapsed = []
    for updates in (10, size.updates):
        began = time.perf_counter()
        for _ in range(updates):
            run._advance()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        elapsed.append(time.perf_counter() - began)
    return size.updates / elapsed[1], getattr(run._update, "replay", None) is not None


def _labels(batch_size):
    return torch.arange(4 * batch_size) % 10


if __name__ == "__main__":
    sys.exit(main())
