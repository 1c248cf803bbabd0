"""How fast the torch engine trains, beside what the device can do: `python -m minidyn.torch.benchmark --device cuda`.

An update of a 2-H-3 network on P samples multiplies and adds 30 P H times, and goes ten times over its P H hidden
units: little arithmetic a byte, so memory is the limit where the hidden units do not fit a cache. Both limits are
measured here, by a copy and by a product of matrices, so that the fraction reached needs no data sheet.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence

import torch

import minidyn as md
from minidyn import _checks as check
from minidyn._command_line import add_version, ends_quietly
from minidyn.ensembles import Ensemble, Member
from minidyn.ensembles.torch import DTYPES, TorchEngine, check_device, networks_per_launch

PASSES = 10  # over the hidden units, per update: five products, relu and its derivative, counted one by one
OPERATIONS = 30  # per update, sample and hidden unit, with 2 inputs, a constant and 3 outputs


def bandwidth(device: str, dtype: torch.dtype) -> float:
    """Bytes per second that a copy reads and writes, of an array far larger than a cache."""
    source = torch.ones((2**30 if device.startswith("cuda") else 2**28) // dtype.itemsize, dtype=dtype, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _least(lambda: target.copy_(source), device)


def arithmetic(device: str, dtype: torch.dtype) -> float:
    """Multiplications and additions per second in a product of large matrices."""
    size = 8192 if device.startswith("cuda") else 1500
    a = torch.ones(size, size, dtype=dtype, device=device)
    return 2 * size**3 / _least(lambda: a @ a, device)


def network_steps(device: str, engine: str, networks: int, *, width: int = 100, points: int = 300) -> float:
    """Updates per second, of all networks together, as a sweep makes them. What a launch costs once is left out.

    Examples
    --------
    >>> from minidyn.torch.benchmark import network_steps
    >>> network_steps("cpu", "torch", networks=2, width=5, points=30) > 0
    True
    """
    task, net = md.spiral(points // 3), md.MLP(2, width, 3)
    members = [_member(net, task, seed) for seed in range(networks)]
    short, long = 20, 120

    def train(steps: int) -> Callable[[], object]:
        ensemble = Ensemble(members=members, steps=steps, measure={})
        return lambda: list(TorchEngine(engine, device).train(ensemble))

    return networks * (long - short) / (_least(train(long), device) - _least(train(short), device))


def _member(net: md.MLP, task: md.Task, seed: int) -> Member:
    loss = md.CrossEntropy(md.Oscillation(5 + seed % 8, 500))
    return Member(net=net, params=net.init(seed), task=task, loss=loss, learning_rate=0.1)


@ends_quietly
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m minidyn.torch.benchmark", description=__doc__)
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    parser.add_argument("--width", type=int, default=100, help="hidden units H (default 100)")
    parser.add_argument("--points", type=int, default=300, help="samples P (default 300)")
    parser.add_argument("--networks", type=int, nargs="+", help="how many at once (default: several)")
    add_version(parser)
    options = parser.parse_args(arguments)
    try:
        device = check_device(options.device, "torch32")
        check.integer("--width", options.width, least=1)
        check.integer("--points", options.points, least=3)
        for networks in options.networks or ():
            check.integer("--networks", networks, least=1)
    except ValueError as error:
        parser.error(str(error))
    card = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    torch.set_num_threads(1)  # as the engine does
    print(f"{card}, PyTorch {torch.__version__}; H={options.width}, P={options.points}")
    for engine, dtype in DTYPES.items():
        copied, multiplied = bandwidth(device, dtype), arithmetic(device, dtype)
        print(f"{engine}: copy {copied / 1e9:.3g} GB/s, product {multiplied / 1e12:.3g} TFLOP/s")
        for networks in options.networks or _several(device, engine, options.width, options.points):
            rate = network_steps(device, engine, networks, width=options.width, points=options.points)
            units = rate * options.points * options.width
            print(
                f"  {networks:6} networks: {rate:12,.0f} network-steps/s, {1e6 / rate:.3g} µs each; "
                f"{PASSES * units * dtype.itemsize / copied:.0%} of the copy, {OPERATIONS * units / multiplied:.1%} "
                "of the product"
            )
    return 0


def _several(device: str, engine: str, width: int, points: int) -> list[int]:
    """One launch that fits a cache on a processor; from few to many on a GPU."""
    if device.startswith("cuda"):
        return [64, 256, 1024, 4096]
    member = _member(md.MLP(2, width, 3), md.spiral(points // 3), seed=0)
    return [networks_per_launch(member, DTYPES[engine], device)]


def _least(function: Callable[[], object], device: str, rounds: int = 3) -> float:
    """The least wall-clock time of a call, in seconds, after one to warm up."""
    times = []
    for _ in range(rounds + 1):
        before = time.perf_counter()
        function()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - before)
    return min(times[1:])


if __name__ == "__main__":
    raise SystemExit(main())
