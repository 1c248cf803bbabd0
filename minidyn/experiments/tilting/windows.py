"""Windows in which a run bounces: the floor under it, the slice along one direction, and what the map there does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import minidyn as md
from minidyn import orbits
from minidyn.experiments.tilting.instabilities import figure_four_weights
from minidyn.experiments.topography.losses import dynamical_loss
from minidyn.losses import Loss

PUBLISHED = -1  # in place of a seed: the initial weights of the paper's figure 4
UPDATES = 300  # of a map before its orbit is looked at
BOUNCING = 0.75  # a window bounces if at least this share of its updates reverse
SHARE = 0.1  # ... and, where the reversals are those of the weights, the direction holds this share of their variance
WALL = 0.3  # the distance from the floor at which the forces of the two walls are compared
DISTANCE = 0.1  # along the direction, over which the sharpness is differentiated


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A loss, a network and a learning rate."""

    loss: str = "cross_entropy"
    width: int = 100
    amplitude: float = 70
    period: int = 5000
    learning_rate: float = 1.0

    @property
    def window(self) -> int:
        """Updates that make up a window: 64, but 32 where 64 would be an eighth of a turn."""
        return 64 if self.period > 500 else 32

    def init(self, seed: int) -> Any:
        return figure_four_weights() if seed == PUBLISHED else md.MLP(2, self.width, 3).init(seed)

    def make_loss(self) -> Loss:
        return dynamical_loss(self.loss, self.amplitude, self.period)

    def train(self, params: Any, start: int, steps: int, every: int | None = None) -> md.Run:
        """A run from `start` on. If `every` is given, it records its weights every `every` updates."""
        return md.train(
            md.MLP(2, self.width, 3),
            params,
            md.spiral(),
            self.make_loss(),
            learning_rate=self.learning_rate,
            start=start,
            steps=steps,
            measure=None if every is None else {"params": every},
            progress=False,
        )

    def record(self, seed: int, first: int, last: int) -> md.Run:
        """The run of a seed with its weights at every update from step `first` to `last`."""
        params = self.init(seed)
        if first > 0:
            params = self.train(params, 0, first).params
        return self.train(params, max(first, 0), last - max(first, 0), every=1)

    def cycles(self, seed: int, turns: Iterable[int]) -> Iterator[tuple[int, md.Run]]:
        """The run of a seed from the middle of each turn, counted from 1, to the middle of the next."""
        params, step = self.init(seed), 0
        for turn in turns:
            begin = turn * self.period - self.period // 2
            if begin > step:
                params = self.train(params, step, begin - step).params
            run = self.train(params, begin, self.period, every=1)
            yield turn, run
            params, step = run.params, begin + self.period

    def turns(self, seed: int, first: int, last: int) -> md.Run:
        """The run of a seed over turns `first` to `last`, counted from 1, and two windows more at both ends."""
        more = 2 * self.window
        return self.record(seed, (first - 1) * self.period - more, last * self.period + more)


class FrozenClock:
    """Class weights that stay as they are at one step."""

    def __init__(self, loss: Loss, step: int, classes: int = 3):
        self.classes = classes
        self._weights = loss.class_weights(step, classes)

    def weights(self, step: int) -> NDArray:
        return self._weights


@dataclass(frozen=True, eq=False)
class Window:
    """The updates of a run around a step."""

    run: md.Run
    step: int
    length: int = 64

    @property
    def problem(self) -> tuple[Any, Any, md.Task, Any, int]:
        """Network, floor, task, loss and step."""
        s = self.run.settings
        return s.net, self.floor, s.task, s.loss, self.step

    @cached_property
    def floor(self) -> Any:
        return md.valley_floor(self.run, self.step, window=self.length)

    @cached_property
    def top(self) -> md.Spectrum:
        """The two leading eigenvectors of the Hessian at the floor."""
        return md.hessian_eigenvalues(*self.problem, k=2)

    @cached_property
    def cut(self) -> md.ValleySlice:
        """The slice along the sharpest direction, with the steeper wall at negative x."""
        cut = self.slice_along(self.top.vectors[:, 0])
        return cut if cut.force([-WALL, WALL]).sum() < 0 else self.slice_along(-cut.direction)

    def slice_along(self, direction: NDArray) -> md.ValleySlice:
        rate = self.run.settings.learning_rates(0, 1)[0]
        return md.valley_slice(*self.problem, learning_rate=float(rate), direction=direction)

    @cached_property
    def weights(self) -> NDArray:
        """The weights of the window, from the floor, shape (length, p)."""
        weights = self._recorded(self.step)
        return weights - weights.mean(axis=0)

    def path_around(self, step: int) -> NDArray:
        """The run's way along the sharpest direction in a window around another step."""
        return self._recorded(step) @ self.cut.direction

    def _recorded(self, step: int) -> NDArray:
        first = step - self.length // 2
        return self.run.history.params.sel(params_step=slice(first, first + self.length - 1)).values

    def path(self, cut: md.ValleySlice) -> NDArray:
        """The run's own way along a slice."""
        return self.weights @ cut.direction

    def map_orbit(self, cut: md.ValleySlice) -> NDArray:
        """Where the map of a slice ends up, from where the run's window begins: as many points as the window has."""
        return cut.orbit(UPDATES, start=float(self.path(cut)[0]))[-self.length :]

    def period_of(self, orbit: NDArray) -> int:
        """The period of an orbit of the window's length; -1 if it has left."""
        if not np.isfinite(orbit).all():
            return -1
        return orbits.period(orbit, 0, entries=self.length, longest=self.length // 4)

    def bounces(self) -> bool:
        """Whether the weights bounce along the sharpest direction."""
        path = self.path(self.cut)
        return bool(orbits.reversals(path).mean() >= BOUNCING and self.share >= SHARE)

    @property
    def share(self) -> float:
        """The share of the weights' variance that lies along the sharpest direction."""
        return float(self.path(self.cut).var() / (self.weights**2).sum(axis=1).mean())

    def swing(self) -> dict[str, float]:
        """Amplitudes and periods of the run and of the map."""
        path, orbit = self.path(self.cut), self.map_orbit(self.cut)
        return {
            "step": self.step,
            "run": path.std(),
            "map": orbit.std(),
            "run_period": self.period_of(path),
            "map_period": self.period_of(orbit),
            "share": self.share,
            "edge": self.cut.learning_rate * self.cut.curvature,
        }

    def expansion(self) -> dict[str, float]:
        """The multiplier at the slice's floor, the flip coefficient and the amplitude that they predict."""
        cut = self.cut
        return {
            "multiplier": cut.multiplier,
            "flip_coefficient": cut.flip_coefficient,
            "wall": cut.period_two_amplitude,
        }

    def drift(self) -> float:
        """The amplitude at which a bounce pushes the sharpness down as fast as descent and the clock raise it.

        sqrt(2 (α + ∂λ/∂t / η) / β) with α = -∇F·∇λ and β = |∇λ|², both without their part along the direction: the
        balance of self-stabilisation (Damian, Nichani & Lee 2023, section 4); NaN if the sharpness falls by itself.
        """
        unit, rate = self.cut.direction, self.cut.learning_rate
        behind, here, ahead = (self.gradient(offset * unit) for offset in (-DISTANCE, 0.0, DISTANCE))
        sharpening = (ahead - 2 * here + behind) / DISTANCE**2  # ∇(u·H u)
        sharpening -= (sharpening @ unit) * unit
        balance = 2 * (self._clock() / rate - here @ sharpening) / (sharpening @ sharpening)
        return float(np.sqrt(balance)) if balance > 0 else np.nan

    def gradient(self, away: NDArray) -> NDArray:
        """∇F, flat, at a displacement from the floor."""
        net, floor, task, loss, step = self.problem
        return flat(md.gradient(net, net.unflatten(flat(floor) + away), task, loss, step))

    def _clock(self, updates: int = 50) -> float:
        """By how much the moving class weights alone raise the sharpness per update, over the updates around."""
        ends = []
        for step in (max(self.step - updates, 0), self.step + updates):
            net, floor, task, loss, _ = self.problem
            cut = md.valley_slice(net, floor, task, loss, step, learning_rate=1.0, direction=self.cut.direction)
            ends.append((step, cut.curvature))
        (before, low), (after, high) = ends
        return (high - low) / (after - before)


def bouncing_steps(run: md.Run, window: int, count: int) -> list[int]:
    """Steps, evenly drawn from all, at which F reverses in three quarters of the window's updates."""
    turns = np.convolve(orbits.reversals(run.history.loss), np.ones(window) / window, "valid")
    steps = run.history.step.values[: len(turns)] + window // 2
    bouncing = steps[turns >= BOUNCING]
    return [int(bouncing[k]) for k in np.linspace(0, len(bouncing) - 1, min(count, len(bouncing))).astype(int)]


def table(rows: list[dict[str, float]], length: int, names: list[str]) -> xr.Dataset:
    """Rows over "window", filled up with NaN to a length."""
    empty = dict.fromkeys(names, np.nan)
    filled = [*rows, *[empty] * (length - len(rows))]
    return xr.Dataset({name: ("window", np.array([row[name] for row in filled], np.float32)) for name in names})


def flat(params: Any) -> NDArray:
    return np.concatenate([part.ravel() for layer in params for part in layer])
