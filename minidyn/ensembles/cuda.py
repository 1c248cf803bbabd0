"""Many small networks at once on an NVIDIA GPU: one thread block per network, many updates per launch.

The engine behind the names "cuda" (float64) and "cuda32" (float32). `cuda_kernel` has the kernel; here its arguments
are laid out, launches alternate with the measures that the processor takes, and what the kernel cannot take goes to
the torch engine on the same device. numba's simulator runs it all without a GPU: set NUMBA_ENABLE_CUDASIM=1 before
Python starts.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minidyn.ensembles import torch_evaluation
from minidyn.ensembles.interface import Ensemble, FinalValues, Member, RunResult
from minidyn.ensembles.members import (
    ProcessorMeasures,
    check_activations,
    settings_of,
    subset,
    train_in_launches,
    widths,
)
from minidyn.ensembles.torch import TorchEngine
from minidyn.losses import CrossEntropy, SquaredError
from minidyn.mlp import MLP
from minidyn.model import flatten
from minidyn.oscillation import Oscillation
from minidyn.task import Task
from minidyn.training.record import SERIES

NEEDS = "minidyn.ensembles.cuda needs numba-cuda 0.30 or later: pip install 'minidyn[gpu]'"
try:
    from numba import core, cuda

    from minidyn.ensembles.cuda_kernel import (
        CROSS_ENTROPY,
        SQUARED_BY_OUTPUT,
        SQUARED_BY_SAMPLE,
        Data,
        History,
        Networks,
        Shape,
        kernel,
    )
except ImportError as error:
    raise ImportError(NEEDS) from error

SIMULATED: bool = core.config.ENABLE_CUDASIM

DTYPES = {"cuda": "float64", "cuda32": "float32"}
FALLBACKS = {"cuda": "torch", "cuda32": "torch32"}
OLDEST = 0, 30  # version of numba-cuda: the oldest that was tried; older ones fail with NumPy 2.5
SHARED_BYTES = 48 * 1024  # what CUDA grants a block of threads without further ado
CHUNK = 4096  # networks per call of `train`: several for each place on a large GPU
WORK = 2e13  # weights times samples times updates per call: some seconds
BLOCK = 1000  # updates per launch at most, so that a keyboard interrupt is heard
NEVER = np.iinfo(np.int64).max
THREADS = range(32, 257, 32)  # sizes of a block of threads to choose from
SIMULATED_THREADS = 8  # the simulator starts a Python thread for each


def check_device(device: Any, engine: str) -> str:
    """The GPU to use, as "cuda:0": the one asked for, "cuda" or "cuda:NUMBER", else the first.

    Raises an ImportError if numba-cuda is missing or too old, and a ValueError if there is no such GPU.
    """
    _check_numba_cuda()
    name = device if isinstance(device, str) else "cuda" if device is None else repr(device)
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise ValueError(f"device must be 'cuda' or 'cuda:0', 'cuda:1', ... for engine {engine!r}, got {device!r}")
    number, gpus = int(match[1] or 0), len(cuda.gpus) if cuda.is_available() else 0
    if number >= gpus:
        raise ValueError(
            f"device must be a GPU that CUDA finds here, and there are {gpus}, got {device!r} for engine {engine!r}; "
            "engines 'compiled' and 'torch' need none"
        )
    return f"cuda:{number}"


def _check_numba_cuda() -> None:
    if SIMULATED:
        return
    try:
        version = metadata.version("numba-cuda")
    except metadata.PackageNotFoundError as error:
        raise ImportError(NEEDS) from error
    if tuple(int(digits) for digits in re.findall(r"\d+", version)[:2]) < OLDEST:
        raise ImportError(f"{NEEDS}; here is {version}, which fails with NumPy 2.5")


@dataclass(frozen=True)
class CudaEngine:
    """Trains all members of a shape together, as many per launch as fit the memory of the GPU."""

    name: str
    device: str
    one_by_one: bool = False
    activations: tuple[str, ...] = ("relu",)

    @property
    def chunk_size(self) -> int:
        return CHUNK

    @property
    def chunk_work(self) -> float:
        return WORK

    @property
    def workers(self) -> int:
        return 1

    def train(self, ensemble: Ensemble) -> Iterator[RunResult]:
        check_activations(ensemble.members, self)
        obstacles = [obstacle(member, self.name) for member in ensemble.members]
        here = [n for n, reason in enumerate(obstacles) if reason is None]
        elsewhere = [n for n, reason in enumerate(obstacles) if reason is not None]
        results: dict[int, RunResult] = {}
        if elsewhere:
            reason, engine = obstacles[elsewhere[0]], self._fallback()
            warnings.warn(
                f"engine {engine.name!r} on {engine.device!r} trains {len(elsewhere)} of {len(obstacles)} runs "
                f"instead of {self.name!r}: {reason}",
                stacklevel=2,
            )
            results |= zip(elsewhere, engine.train(subset(ensemble, elsewhere)), strict=True)
        if here:
            results |= zip(here, self._train(subset(ensemble, here)), strict=True)
        yield from (results[number] for number in range(len(ensemble.members)))

    def final_values(self, ensemble: Ensemble, results: Sequence[RunResult]) -> list[FinalValues]:
        return torch_evaluation.final_values(ensemble.members, results, self._torch_device)

    def _train(self, ensemble: Ensemble) -> list[RunResult]:
        with cuda.gpus[int(self.device.removeprefix("cuda:"))]:
            return train_in_launches(
                ensemble,
                lambda member: self._per_launch(member, ensemble),
                lambda launched: _Batch(launched, DTYPES[self.name]).descend(),
            )

    def _per_launch(self, member: Member, ensemble: Ensemble) -> int:
        """Number of networks like this one that fit the free memory, three quarters of it."""
        free = cuda.current_context().get_memory_info()[0]
        needed = bytes_per_network(member, ensemble, DTYPES[self.name])
        if free < 2 * needed:
            raise ValueError(
                f"device {self.device!r} has {free:,} bytes of free memory, and a network of this sweep needs "
                f"{needed:,}: measure less often, or use fewer validation samples"
            )
        return int(min(CHUNK, 0.75 * free // needed))

    def _fallback(self) -> TorchEngine:
        return TorchEngine(FALLBACKS[self.name], self._torch_device)

    @property
    def _torch_device(self) -> str:
        return "cpu" if SIMULATED else self.device


def obstacle(member: Member, engine: str) -> str | None:
    """Why the kernel cannot train this member, or None."""
    net, loss = member.net, member.loss
    if type(net) is not MLP or len(net.widths) != 3:
        return f"its kernel takes an MLP with one hidden layer, not {net!r:.80}"
    if type(loss) not in (CrossEntropy, SquaredError):
        return f"its kernel takes a CrossEntropy or a SquaredError, not {loss!r:.80}"
    if not isinstance(loss.gamma, Oscillation | None):
        return f"its kernel computes the class weights of an Oscillation, not of {loss.gamma!r:.80}"
    if best_shape(member, DTYPES[engine]) is None:
        return f"{net!r} with {len(member.task)} samples does not fit the {SHARED_BYTES:,} bytes that a block shares"
    return None


def best_shape(member: Member, dtype: str) -> Shape | None:
    """The shape of the kernel, with the number of threads that promises the least effort; None if none fits."""
    inputs, hidden, outputs = widths(member)
    sizes = [SIMULATED_THREADS] if SIMULATED else THREADS
    shapes = [
        Shape(
            inputs=inputs,
            hidden=hidden,
            outputs=outputs,
            points=len(member.task),
            loss=_kind(member),
            dtype=dtype,
            threads=threads,
        )
        for threads in sizes
    ]
    fitting = [shape for shape in shapes if shape.shared_bytes <= SHARED_BYTES]
    return min(fitting, key=lambda shape: shape.effort, default=None)


def bytes_per_network(member: Member, ensemble: Ensemble, dtype: str) -> int:
    """Memory on the GPU that a network needs: weights, data (if they are its own) and histories."""
    samples = len(member.task) + len(member.validation or ())
    entries = sum(ensemble.steps // every + 1 for name, every in ensemble.cadences.items() if name in SERIES)
    numbers = 2 * member.net.size + samples * member.task.x.shape[1] + entries
    return numbers * np.dtype(dtype).itemsize + 4 * samples + 100


def _kind(member: Member) -> int:
    if isinstance(member.loss, SquaredError):
        return SQUARED_BY_OUTPUT if member.loss.per_output else SQUARED_BY_SAMPLE
    return CROSS_ENTROPY


class _Batch:
    """Networks of one shape, on the GPU."""

    def __init__(self, ensemble: Ensemble, dtype: str):
        self.members, self.steps, self.cadences = ensemble.members, ensemble.steps, ensemble.cadences
        self.settings = settings_of(ensemble.members, ensemble.measure)
        self.measures = ProcessorMeasures(self.settings)
        self.dtype = dtype
        shape = best_shape(self.members[0], dtype)
        assert shape is not None
        self.launch = kernel(shape)[len(self.members), shape.threads]
        self.networks = self._networks()
        self.data = self._data([member.task for member in self.members])
        validation = [member.validation or member.task for member in self.members]  # the task: never looked at
        self.validation = self._data(validation)
        self.history = self._history()

    def descend(self) -> Iterator[RunResult]:
        """Make all updates; the results in the order of the members."""
        own = {name: every for name, every in self.cadences.items() if name not in SERIES}
        histories: dict[str, list[NDArray]] = {name: [] for name in own}
        for first, stop in pairwise([0, *self._stops(own.values())]):
            self.launch(first, stop, self.networks, self.data, self.validation, self.history)
            cuda.synchronize()
            for name in (name for name, every in own.items() if stop % every == 0):
                histories[name].append(self.measures.take(name, stop, self._vectors(), self._alive()))
        return self._results({name: np.stack(entries, axis=1) for name, entries in histories.items()})

    def _stops(self, cadences: Iterable[int]) -> list[int]:
        """Where launches end: where a measure is due on the processor, and every `BLOCK` updates."""
        return sorted({0, self.steps}.union(*(range(0, self.steps, every) for every in (BLOCK, *cadences))))

    def _results(self, histories: Mapping[str, NDArray]) -> Iterator[RunResult]:
        histories = {**histories, **self._series()}
        vectors, updates, alive = self._vectors(), self.networks.updates.copy_to_host().tolist(), self._alive()
        for n, settings in enumerate(self.settings):
            yield RunResult(
                params=settings.unflatten(vectors[n]),
                updates=updates[n],
                diverged=not alive[n],
                histories={name: histories[name][n] for name in self.cadences},
                error=self.measures.errors.get(n),
            )

    def _series(self) -> dict[str, NDArray]:
        """The histories that the kernel has recorded, (n, entries)."""
        table = self.history.entries.copy_to_host().astype(np.float64)
        columns = self.history.column.copy_to_host()
        lengths = {name: self._length(name) for name in SERIES}
        return {name: table[:, c : c + lengths[name]] for name, c in zip(SERIES, columns, strict=True)}

    def _length(self, name: str) -> int:
        return self.steps // self.cadences[name] + 1 if name in self.cadences else 0

    def _vectors(self) -> NDArray:
        return self.networks.vectors.copy_to_host().astype(np.float64)

    def _alive(self) -> NDArray:
        return self.networks.alive.copy_to_host()

    def _networks(self) -> Networks:
        count = len(self.members)
        vectors = [flatten(member.net, member.params, member.task.x)[0] for member in self.members]
        oscillations = [_oscillation(member) for member in self.members]
        return Networks(
            vectors=self._real(vectors),
            before=self._real(vectors),
            alive=cuda.to_device(np.ones(count, bool)),
            updates=cuda.to_device(np.zeros(count, np.int64)),
            rates=self._real([member.learning_rate for member in self.members]),
            amplitudes=cuda.to_device(np.array([gamma.amplitude for gamma in oscillations], np.float64)),
            clocks=cuda.to_device(np.array([_clock(gamma) for gamma in oscillations], np.int64)),
        )

    def _data(self, tasks: Sequence[Task]) -> Data:
        """The different sets of samples, and which each network sees."""
        different = {id(task): task for task in tasks}
        number = {identity: n for n, identity in enumerate(different)}
        return Data(
            x=self._real([task.x for task in different.values()]),
            labels=cuda.to_device(np.array([task.labels for task in different.values()], np.int32)),
            which=cuda.to_device(np.array([number[id(task)] for task in tasks], np.int64)),
        )

    def _history(self) -> History:
        lengths = [self._length(name) for name in SERIES]
        entries = np.full((len(self.members), max(1, sum(lengths))), np.nan, self.dtype)
        return History(
            every=cuda.to_device(np.array([self.cadences.get(name, 0) for name in SERIES], np.int64)),
            column=cuda.to_device(np.cumsum([0, *lengths[:-1]], dtype=np.int64)),
            entries=cuda.to_device(entries),
        )

    def _real(self, values: Any) -> Any:
        return cuda.to_device(np.array(values, self.dtype))


def _oscillation(member: Member) -> Oscillation:
    """The member's, or one that leaves Γ = 1."""
    gamma = member.loss.gamma
    return gamma if isinstance(gamma, Oscillation) else Oscillation(1, 1, member.task.classes)


def _clock(gamma: Oscillation) -> tuple[int, int, int]:
    """Period, dwell and rest_from."""
    rest_from = NEVER if gamma.rest_from is None else gamma.rest_from
    return gamma.period, gamma.dwell or gamma.period, rest_from
