"""Sharpness against 2/η along the turns of three dynamical losses, and what the orbit does where it exceeds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import minidyn as md
from minidyn import _renamed, orbits
from minidyn.experiments.parallel import in_parallel
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import format_range
from minidyn.experiments.topography.losses import dynamical_loss

# The smallest of 0.2, 0.35, 0.5, 0.7 and 1 at which the first turn of seed 0 had updates that increased their loss.
EDGE_RATES = {"cross_entropy": 0.7, "mse_sample": 0.7, "mse_output": 0.2}
WINDOW = 125  # updates
NEGLIGIBLE = 1e-6  # a rise of the loss below this is no bounce
PERIODS = (10, 25, 50, 100, 250, 1000, 5000)


@dataclass(frozen=True, kw_only=True)
class EdgeRun:
    """A run on the spirals; the seed is of the weights, and of the order of mini-batches."""

    loss: str
    width: int
    learning_rate: float
    seed: int
    amplitude: float
    period: int
    steps: int
    batch_size: int | None = None

    def train(self, measure: Mapping[str, Any] | None = None) -> md.Run:
        net = md.MLP(2, self.width, 3)
        return md.train(
            net,
            net.init(self.seed),
            md.spiral(),
            dynamical_loss(self.loss, self.amplitude, self.period),
            learning_rate=self.learning_rate,
            steps=self.steps,
            batch_size=self.batch_size,
            seed=self.seed,
            measure=measure,
            progress=False,
        )

    def problem(self) -> tuple[md.MLP, Any, md.Task, Any]:
        """Network, parameters, task and loss after the updates of the run."""
        run = self.train()
        return md.MLP(2, self.width, 3), run.params, md.spiral(), dynamical_loss(self.loss, self.amplitude, self.period)


@_renamed.arguments(least="threshold")
def unstable_intervals(data: xr.Dataset, *, threshold: float = 0.05, gap: int = 500) -> pd.DataFrame:
    """The intervals of steps in which the runs of one loss bounce, one per row.

    Parameters
    ----------
    data : xarray.Dataset
        "edge" at one loss, over "seed" and "step".
    threshold : float
        A window bounces if more than this fraction of its updates increase their loss.
    gap : int
        Up to this many updates without bounces do not end an interval.

    Returns
    -------
    pandas.DataFrame
        seed; start and end, in steps; before: η λ_max in the window before; peak: its greatest value, and rise: the
        greatest rise within; first_2, first_4, first_chaos: updates from the start to the first window whose orbit
        has period 2, then 4, then none twice in a row; NaN if there is none.

    Examples
    --------
    >>> from minidyn.experiments import find
    >>> from minidyn.experiments.topography.edge_of_instability import unstable_intervals
    >>> data = find("edge").run("quick", progress=False, seeds=[0], turns=1)
    >>> len(unstable_intervals(data.sel(loss="mse_output")))
    0
    """
    rows = []
    for seed in data.seed.values:
        run = data.sel(seed=seed)
        for start, end in orbits.windows(run.bounces > threshold, gap=gap):
            inside = run.sel(step=slice(start, end))
            before = run.edge.sel(step=slice(None, start - 1))
            rows.append(
                {
                    "seed": int(seed),
                    "start": int(start),
                    "end": int(end) + WINDOW,
                    "before": float(before[-1]) if before.size else np.nan,
                    "peak": float(inside.edge_most.max()),
                    "rise": float(inside.rise.max()),
                    **_first_periods(inside),
                }
            )
    names = ["seed", "start", "end", "before", "peak", "rise", "first_2", "first_4", "first_chaos"]
    return pd.DataFrame(rows, columns=names)


def _first_periods(interval: xr.Dataset) -> dict[str, float]:
    """Updates from the start of an interval to period 2, to period 4 after it, and to chaos after that."""
    periods, steps = interval.period.values, interval.step.values - int(interval.step[0])
    two = periods == 2
    four = np.maximum.accumulate(two) & (periods == 4)
    none = periods == 0
    chaos = np.maximum.accumulate(four) & none & np.append(False, none[:-1])
    hits = {"first_2": two, "first_4": four, "first_chaos": chaos}
    return {name: float(steps[hit][0]) if hit.any() else np.nan for name, hit in hits.items()}


def _summarise_edge(data: xr.Dataset) -> str:
    rows = []
    turn = data.step // data.attrs["period"]
    for loss in data.loss.values:
        part = data.sel(loss=loss)
        peaks = [part.edge_most.where(turn == k).max("step") for k in range(int(turn.max()) + 1)]
        shares = " ".join(f"{float((part.period == p).mean()):.2f}" for p in (1, 2, 4, 0))
        rows.append(
            f"{loss} at η = {float(part.learning_rate):g}: greatest η λ_max per turn "
            f"{' '.join(f'{float(peak.mean()):.2f}' for peak in peaks)}; bounces {float(part.bounces.mean()):.2f}; "
            f"windows of period 1, 2, 4, none {shares}"
        )
    return "\n".join(rows)


@experiment(
    "edge",
    shows="η λ_max against 2, bounces and periods of the orbit through the turns of three dynamical losses",
    claims=("C11",),
    quick={"width": 10, "seeds": range(2), "period": 500, "turns": 2},
    sample={"seeds": (100, 101), "turns": 2},
    summary=_summarise_edge,
)
def edge(
    *,
    rates: Mapping[str, float] = EDGE_RATES,
    width: int = 100,
    seeds: Sequence[int] = range(100, 116),
    amplitude: float = 70,
    period: int = 5000,
    turns: int = 6,
) -> xr.Dataset:
    """What happens in windows of 125 updates that begin at "step", over (loss, seed, step): see `window_table`."""
    coords: dict[str, list] = {"loss": list(rates), "seed": list(seeds)}
    run = partial(EdgeRun, width=width, amplitude=amplitude, period=period, steps=turns * period)
    runs = [run(loss=loss, learning_rate=rates[loss], seed=seed) for loss, seed in product(*coords.values())]
    table = _laid_out(in_parallel(window_table, runs, "edge"), coords)
    table["learning_rate"] = ("loss", list(rates.values()))
    return table.assign_attrs(period=period)


def window_table(run: EdgeRun) -> xr.Dataset:
    """A run in windows of 125 updates.

    - edge, edge_most: mean and maximum of the normalised sharpness η λ_max of F, measured at every 25th update
    - bounces: the fraction of updates that increase the loss they descend, at the Γ they descend it with
    - rise: the greatest such increase
    - period: of the orbit of F, see `orbits.period`; 0 is chaos, or an orbit that changes within the window
    - F, accuracy: of the training samples, mean
    """
    record = run.train(measure={"hessian_max": 25}).history
    history = record.isel(step=slice(0, -1))
    first = np.arange(0, run.steps, WINDOW)
    sharpness = run.learning_rate * record.hessian_max.values[:-1].reshape(len(first), -1)
    rises = orbits.loss_changes(record).descent.values.reshape(len(first), WINDOW)
    columns = {
        "edge": sharpness.mean(axis=1),
        "edge_most": sharpness.max(axis=1),
        "bounces": (rises > NEGLIGIBLE).mean(axis=1),
        "rise": np.maximum(rises.max(axis=1), 0),
        "F": history.loss.values.reshape(len(first), WINDOW).mean(axis=1),
        "accuracy": history.accuracy.values.reshape(len(first), WINDOW).mean(axis=1),
    }
    table = xr.Dataset({name: ("step", column.astype(np.float32)) for name, column in columns.items()}, {"step": first})
    periods = np.array([orbits.period(history.loss, int(step)) for step in first], np.int8)
    return table.assign(period=("step", periods))


def _summarise_periods(data: xr.Dataset) -> str:
    rows = []
    for loss in data.loss.values:
        part = data.sel(loss=loss)
        rise, bounces = part.rise.median("seed").values, part.bounces.mean("seed").values
        rows.append(
            f"{loss}: T {' '.join(map(str, data.period.values))}; greatest rise "
            f"{' '.join(f'{v:.3f}' for v in rise)}; bounces {' '.join(f'{v:.2f}' for v in bounces)}"
        )
    return "\n".join(rows)


@experiment(
    "edge-periods",
    shows="by how much and how often updates increase the loss they descend, over the period",
    claims=("C11",),
    quick={"width": 10, "seeds": range(2), "periods": (50, 500), "steps": 1000},
    sample={"seeds": (100, 101), "periods": (100, 1000)},
    summary=_summarise_periods,
)
def edge_periods(
    *,
    rates: Mapping[str, float] = EDGE_RATES,
    width: int = 100,
    seeds: Sequence[int] = range(100, 104),
    amplitude: float = 70,
    periods: Sequence[int] = PERIODS,
    steps: int = 15000,
) -> xr.Dataset:
    """Bounces and rise of the whole run as in "edge", and accuracy at its end, over (loss, period, seed)."""
    coords: dict[str, list] = {"loss": list(rates), "period": list(periods), "seed": list(seeds)}
    run = partial(EdgeRun, width=width, amplitude=amplitude, steps=steps)
    runs = [
        run(loss=loss, learning_rate=rates[loss], seed=seed, period=period)
        for loss, period, seed in product(*coords.values())
    ]
    return _laid_out(in_parallel(_bounces, runs, "edge-periods"), coords)


def _bounces(run: EdgeRun) -> xr.Dataset:
    history = run.train().history
    rises = orbits.loss_changes(history).descent.values
    values = {"bounces": (rises > NEGLIGIBLE).mean(), "rise": max(rises.max(), 0), "accuracy": history.accuracy[-1]}
    return xr.Dataset({name: float(value) for name, value in values.items()})


def _summarise_noise(data: xr.Dataset) -> str:
    return "\n".join(
        f"{loss}, A={amplitude:g}, batch {size}: η λ_max median {float(cell.edge.sel(quantile=0.5).mean()):.2f}, 90% "
        f"{float(cell.edge.sel(quantile=0.9).mean()):.2f}, accuracy {float(cell.accuracy.mean()):.2f}"
        for loss in data.loss.values
        for amplitude in data.amplitude.values
        for size in data.batch_size.values
        for cell in [data.sel(loss=loss, amplitude=amplitude, batch_size=size)]
    )


@experiment(
    "edge-noise",
    shows="sharpness against 2/η with mini-batches, under static and dynamical losses",
    claims=("C11",),
    quick={"width": 10, "seeds": range(2), "period": 500, "steps": 500},
    sample={"seeds": (100, 101), "batch_sizes": (30,)},
    summary=_summarise_noise,
)
def edge_noise(
    *,
    rates: Mapping[str, float] = EDGE_RATES,
    width: int = 100,
    seeds: Sequence[int] = range(100, 103),
    amplitudes: Sequence[float] = (1, 70),
    period: int = 5000,
    batch_sizes: Sequence[int] = (300, 30),
    steps: int = 10000,
) -> xr.Dataset:
    """Over (loss, amplitude, batch_size, seed), of which amplitude 1 is the static loss, and 300 samples are all.

    edge: quantiles of η λ_max of F on all samples, measured at every 101st update; accuracy: at the end.
    """
    coords: dict[str, list] = {
        "loss": list(rates),
        "amplitude": list(amplitudes),
        "batch_size": list(batch_sizes),
        "seed": list(seeds),
    }
    run = partial(EdgeRun, width=width, period=period, steps=steps)
    runs = [
        run(
            loss=loss,
            learning_rate=rates[loss],
            seed=seed,
            amplitude=amplitude,
            batch_size=None if size == 300 else size,
        )
        for loss, amplitude, size, seed in product(*coords.values())
    ]
    return _laid_out(in_parallel(_sharpness_quantiles, runs, "edge-noise"), coords)


def _sharpness_quantiles(run: EdgeRun) -> xr.Dataset:
    history = run.train(measure={"hessian_max": 101}).history
    quantiles = (run.learning_rate * history.hessian_max).quantile([0.5, 0.9, 1]).astype(np.float32)
    return xr.Dataset({"edge": quantiles, "accuracy": float(history.accuracy[-1])})


def _summarise_growth(data: xr.Dataset) -> str:
    return "\n".join(
        f"{loss}: growth rates per update, tangent {format_range(data.tangent.sel(loss=loss))}, two runs "
        f"{format_range(data.separation.sel(loss=loss))}"
        for loss in data.loss.values
    )


@experiment(
    "edge-growth",
    shows="how fast runs separate under three dynamical losses, by two methods",
    claims=("C11",),
    quick={"width": 10, "seed": 0, "period": 250, "window": (250, 500)},
    sample={"window": (15000, 17000)},
    summary=_summarise_growth,
)
def edge_growth(
    *,
    rates: Mapping[str, float] = EDGE_RATES,
    width: int = 100,
    seed: int = 100,
    amplitude: float = 70,
    period: int = 5000,
    window: tuple[int, int] = (15000, 25000),
) -> xr.Dataset:
    """Growth rates per update over (loss, step), averaged over windows of 125 updates: of a tangent, of a distance."""
    start, stop = window
    run = partial(EdgeRun, width=width, seed=seed, amplitude=amplitude, period=period, steps=start)
    runs = [run(loss=loss, learning_rate=rate) for loss, rate in rates.items()]
    tables = in_parallel(partial(_growth, steps=stop - start), runs, "edge-growth")
    return _laid_out(tables, {"loss": list(rates)})


def _growth(run: EdgeRun, *, steps: int) -> xr.Dataset:
    """Growth rates over `steps` updates after a run."""
    rates = {
        name: measure(*run.problem(), learning_rate=run.learning_rate, start=run.steps, steps=steps, progress=False)
        for name, measure in (("tangent", orbits.tangent_growth), ("separation", orbits.separation_growth))
    }
    return xr.Dataset(rates).coarsen(step=WINDOW, boundary="trim", coord_func="min").mean().astype(np.float32)


def _summarise_spectra(data: xr.Dataset) -> str:
    return "\n".join(
        f"{loss}: eigenvalues above 2/η in {int((above > 0).sum())} of {above.size} spectra, at most {int(above.max())}"
        for loss in data.loss.values
        for above in [(data.edges.sel(loss=loss) > 2).sum("rank")]
    )


@experiment(
    "burst-spectra",
    shows="all eigenvalues of the Hessian through one handover, for three dynamical losses",
    claims=("C11",),
    quick={"width": 5, "seed": 0, "period": 250, "window": (350, 500), "every": 25},
    sample={},
    summary=_summarise_spectra,
)
def burst_spectra(
    *,
    rates: Mapping[str, float] = EDGE_RATES,
    width: int = 100,
    seed: int = 100,
    amplitude: float = 70,
    period: int = 5000,
    window: tuple[int, int] = (18500, 20480),
    every: int = 45,
) -> xr.Dataset:
    """edges: η times all eigenvalues, over (loss, at, rank); F over (loss, step), at every update of the window."""
    start, stop = window
    run = partial(EdgeRun, width=width, seed=seed, amplitude=amplitude, period=period, steps=start)
    runs = [run(loss=loss, learning_rate=rate) for loss, rate in rates.items()]
    tables = in_parallel(partial(_spectra, steps=stop - start, every=every), runs, "burst-spectra")
    return _laid_out(tables, {"loss": list(rates)})


def _spectra(run: EdgeRun, *, steps: int, every: int) -> xr.Dataset:
    """The spectra over `steps` updates after a run, one every `every` updates."""
    history = md.train(
        *run.problem(),
        learning_rate=run.learning_rate,
        start=run.steps,
        steps=steps,
        measure={"hessian_spectrum": every},
        progress=False,
    ).history
    spectra = run.learning_rate * history.hessian_spectrum.values
    series = {"edges": (("at", "rank"), spectra), "F": ("step", history.loss.values)}
    coords = {
        "at": history.hessian_spectrum_step.values,
        "rank": 1 + np.arange(spectra.shape[1]),
        "step": history.step.values,
    }
    return xr.Dataset(series, coords).astype(np.float32)


def _laid_out(tables: list[xr.Dataset], coords: Mapping[str, list]) -> xr.Dataset:
    """Results of all cells, in order, over the dimensions of a grid."""
    table = xr.concat(tables, "cell", combine_attrs="drop")
    index = pd.MultiIndex.from_product(coords.values(), names=coords)
    if len(coords) == 1:
        return table.rename(cell=next(iter(coords))).assign_coords(coords)
    table = table.assign_coords(xr.Coordinates.from_pandas_multiindex(index, "cell")).unstack("cell")
    return table.reindex(coords).transpose(*coords, ...)
