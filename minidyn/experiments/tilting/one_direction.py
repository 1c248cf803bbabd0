"""How much of a bounce happens along one direction: the map through the valley's floor against the run itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

import minidyn as md
from minidyn import orbits
from minidyn.experiments.parallel import in_parallel
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import Interval, interval
from minidyn.experiments.tilting.windows import (
    PUBLISHED,
    UPDATES,
    FrozenClock,
    Setting,
    Window,
    bouncing_steps,
    flat,
    table,
)
from minidyn.experiments.topography.edge_of_instability import EDGE_RATES
from minidyn.experiments.topography.losses import NAMES

SWING = ["step", "run", "map", "run_period", "map_period", "share", "edge"]
EXPANSION = ["multiplier", "flip_coefficient", "wall"]
CONTROLS = ["second_run", "second_map", "random_run", "random_map", "wrong_map"]
HELD_OUT = 100  # the first of the seeds on which nothing was chosen
SEEDS = (
    PUBLISHED,
    0,
    *range(HELD_OUT, HELD_OUT + 32),
)  # both published sets of weights; seeds on which nothing was chosen
QUICK = {"period": 500, "amplitude": 20}
RESAMPLES = 4000
EVERY, FINER, FELT = 100, 10, 0.1  # steps between looks for the onset; updates of the flow per step; distance
PHASES = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)  # of a turn
SETTINGS = (  # amplitude, period, width, learning rate
    *((amplitude, period, 100, 1.0) for amplitude in (5, 20, 70) for period in (500, 2000, 5000)),
    (70, 5000, 30, 1.0),
    (70, 5000, 10, 1.0),
    (20, 2000, 30, 1.0),
    (20, 2000, 10, 1.0),
    (70, 5000, 100, 0.3),
    (20, 2000, 100, 0.3),
)


def ratios(data: xr.Dataset, numerator: str = "map", denominator: str = "run") -> xr.DataArray:
    """How far the map swings over how far the run does; infinite where the map's orbit has left."""
    left = data[numerator].isnull() & data[denominator].notnull()
    return (data[numerator] / data[denominator]).where(~left, np.inf)


def median(values: xr.DataArray, over: str = "seed") -> Interval:
    """The median of all values, and its 95% bootstrap interval over whole seeds; NaN does not count.

    Examples
    --------
    >>> import xarray as xr
    >>> from minidyn.experiments.tilting.one_direction import median
    >>> median(xr.DataArray([[1.0, 2.0], [1.0, 2.0]], dims=["seed", "window"]))
    Interval(mean=1.5, low=1.5, high=1.5)
    """
    rows = values.transpose(over, ...).values.reshape(values.sizes[over], -1)
    again = np.random.RandomState(0).randint(0, len(rows), (RESAMPLES, len(rows)))
    if not np.isfinite(rows).any():
        return Interval(np.nan, np.nan, np.nan)
    medians = _medians(rows[again].reshape(RESAMPLES, -1))
    return Interval(float(np.nanmedian(rows)), *(float(q) for q in np.quantile(medians, (0.025, 0.975))))


def _medians(rows: NDArray) -> NDArray:
    """`numpy.nanmedian` of each row, of all rows at once; rows without a value are left out."""
    counts = (~np.isnan(rows)).sum(axis=1)
    rows, counts = np.sort(rows[counts > 0], axis=1), counts[counts > 0]  # NaN come last
    low, high = (np.take_along_axis(rows, middle[:, None], axis=1)[:, 0] for middle in ((counts - 1) // 2, counts // 2))
    return np.where(low == high, low, (low + high) / 2)


def _summarise(data: xr.Dataset) -> str:
    middle, low, high = median(ratios(data))
    return f"swing of the map over swing of the run: median {middle:.3f} ({low:.3f} to {high:.3f})"


@experiment(
    "one-direction",
    shows="bursts of many seeds against the map through the valley's floor along its sharpest direction",
    claims=("B1",),
    quick={"seeds": (100,), "turns": (2,), "windows": 3, **QUICK},
    sample={"seeds": (100, 101), "turns": (2,)},
    summary=_summarise,
)
def one_direction(
    *,
    seeds: Sequence[int] = SEEDS,
    turns: Sequence[int] = (2, 3),
    windows: int = 6,
    setting: Setting = Setting(),  # noqa: B008
) -> xr.Dataset:
    """Over "seed", "turn" and "window", evenly drawn from the bouncing ones between the middles of two turns.

    See `Window.swing` and `Window.expansion`; and the controls: second_*, the second eigenvector;
    random_*, a random direction; wrong_map, the map through the floor of another window, half of them away.
    """
    work = partial(_turns_of_seed, turns=turns, setting=setting, windows=windows)
    tables = in_parallel(work, seeds, "one-direction")
    return xr.concat(tables, xr.IndexVariable("seed", list(seeds)))


def _turns_of_seed(seed: int, turns: Sequence[int], setting: Setting, windows: int) -> xr.Dataset:
    tables = [_turn(run, setting, windows) for _, run in setting.cycles(seed, turns)]
    return xr.concat(tables, xr.IndexVariable("turn", list(turns)))


def _turn(run: md.Run, setting: Setting, windows: int) -> xr.Dataset:
    steps = bouncing_steps(run, setting.window, windows)
    all_windows = [Window(run, step, setting.window) for step in steps]
    rows = []
    for number, window in enumerate(all_windows):
        other = all_windows[(number + len(steps) // 2) % len(steps)]
        rows.append({**window.swing(), **window.expansion(), **_controls(window, other)})
    return table(rows, windows, [*SWING, *EXPANSION, *CONTROLS])


def _controls(window: Window, other: Window) -> dict[str, float]:
    direction = np.random.RandomState(window.step).randn(window.cut.direction.size)
    second, random = window.slice_along(window.top.vectors[:, 1]), window.slice_along(direction)
    net, floor, task, loss, _ = other.problem
    rate = window.cut.learning_rate
    wrong = md.valley_slice(net, floor, task, loss, window.step, learning_rate=rate, direction=other.cut.direction)
    return {
        "second_run": window.path(second).std(),
        "second_map": window.map_orbit(second).std(),
        "random_run": window.path(random).std(),
        "random_map": window.map_orbit(random).std(),
        "wrong_map": window.map_orbit(wrong).std(),
    }


@experiment(
    "one-direction-settings",
    shows="the same comparison over amplitudes, periods, widths and learning rates",
    claims=("B1",),
    quick={"seeds": (100,), "settings": ((20, 500, 100, 1.0),), "windows": 7},
    sample={"seeds": (100, 101), "settings": ((20, 500, 100, 1.0), (5, 2000, 100, 1.0))},
    summary=_summarise,
)
def one_direction_settings(
    *,
    seeds: Sequence[int] = range(100, 108),
    settings: Sequence[tuple[float, int, int, float]] = SETTINGS,
    windows: int = 14,
) -> xr.Dataset:
    """Over "setting", "seed" and "window", evenly drawn from turns 2 and 3, or 2 to 8 of a period up to 500."""
    tables = in_parallel(partial(_one_setting, windows=windows), list(product(settings, seeds)), "settings")
    data = _arranged(tables, setting=range(len(settings)), seed=seeds)
    columns = dict(zip(("amplitude", "period", "width", "learning_rate"), zip(*settings, strict=True), strict=True))
    return data.assign_coords({name: ("setting", list(values)) for name, values in columns.items()})


def _one_setting(cell: tuple[tuple[float, int, int, float], int], windows: int) -> xr.Dataset:
    (amplitude, period, width, rate), seed = cell
    setting = Setting(width=width, amplitude=amplitude, period=period, learning_rate=rate)
    turns = range(2, 4 if period > 500 else 9)
    rows = []
    for _, run in setting.cycles(seed, turns):
        steps = bouncing_steps(run, setting.window, windows // len(turns))
        rows += [Window(run, step, setting.window).swing() for step in steps]
    return table(rows, windows, SWING)


@experiment(
    "one-direction-cascade",
    shows="the orbits of run and map along one direction through a burst, and those of more directions",
    quick={"seeds": (100,), "first": 960, "last": 990, **QUICK},
    sample={"seeds": (PUBLISHED,), "first": 9000, "last": 9200},
    summary=_summarise,
)
def one_direction_cascade(
    *,
    seeds: Sequence[int] = (PUBLISHED, 0),
    first: int = 8700,
    last: int = 10300,
    every: int = 25,
    directions: Sequence[int] = (2, 3, 6),
    setting: Setting = Setting(),  # noqa: B008
) -> xr.Dataset:
    """Over "seed" and "step": orbits of "run" and "map" in each window, and of descent with Γ frozen.

    - run_orbit, map_orbit: over "visit", the places along the sharpest direction, from the floor
    - frozen: over "directions", the amplitude along the sharpest direction of descent with Γ frozen, confined to the
      leading eigenvectors, as many as "directions" says (603: all weights); frozen_period: its period
    - the rest as in `one_direction`, with flip_error
    """
    steps = range(first, last, every)
    work = partial(_cascade_of_seed, steps=steps, setting=setting, directions=directions)
    return xr.concat(in_parallel(work, seeds, "cascade"), xr.IndexVariable("seed", list(seeds)))


def _cascade_of_seed(seed: int, steps: Sequence[int], setting: Setting, directions: Sequence[int]) -> xr.Dataset:
    run = setting.record(seed, steps[0] - setting.window, steps[-1] + setting.window)
    tables = [_cascade_window(Window(run, step, setting.window), directions) for step in steps]
    return xr.concat(tables, xr.IndexVariable("step", list(steps)))


def _cascade_window(window: Window, directions: Sequence[int]) -> xr.Dataset:
    cut = window.cut
    vectors = md.hessian_eigenvalues(*window.problem, k=max(directions)).vectors
    frozen = [_confined(window, vectors[:, :k]) for k in directions] + [_unconfined(window)]
    values = {**window.swing(), **window.expansion(), "flip_error": cut.flip_error, "drift": window.drift()}
    del values["step"]
    data = xr.Dataset(values, {"directions": [*directions, cut.direction.size]})
    data["run_orbit"] = "visit", window.path(cut)
    data["map_orbit"] = "visit", window.map_orbit(cut)
    data["frozen"] = "directions", [orbit.std() for orbit in frozen]
    data["frozen_period"] = "directions", [window.period_of(orbit) for orbit in frozen]
    return data.astype(np.float32)


def _confined(window: Window, basis: NDArray) -> NDArray:
    """Descent with Γ frozen that can move along the columns of a basis only: its last places along the first."""
    rate, place = window.cut.learning_rate, window.weights[0] @ basis
    places = []
    for _ in range(UPDATES):
        place = place - rate * window.gradient(basis @ place) @ basis
        places.append(place[0])
    return np.array(places[-window.length :])


def _unconfined(window: Window) -> NDArray:
    """Descent of all weights with Γ frozen: its last places along the sharpest direction."""
    net, floor, task, loss, step = window.problem
    frozen = md.CrossEntropy(FrozenClock(loss, step))
    start = net.unflatten(flat(floor) + window.weights[0])
    options: dict[str, Any] = {"learning_rate": window.cut.learning_rate, "steps": UPDATES, "progress": False}
    run = md.train(net, start, task, frozen, measure={"params": 1}, **options)
    return orbits.projection(run, floor, window.cut.direction).values[-window.length :]


def _summarise_flips(data: xr.Dataset) -> str:
    return "\n".join(
        f"{loss}: flip coefficient {format_median(part.flip_coefficient)}, amplitude over the wall's "
        f"{format_median(part.run / part.wall)}, over the drift's {format_median(part.run / part.drift)}"
        for loss, part in data.groupby("loss")
    )


def format_median(values: xr.DataArray) -> str:
    middle, low, high = median(values)
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


@experiment(
    "flip-coefficients",
    shows="the flip coefficient of three losses, and what their bounces do, over phases and widths",
    claims=("B2", "B3"),
    quick={"seeds": (100,), "widths": (20,), "losses": ("cross_entropy", "mse_sample"), "turns": (2,), "period": 500},
    sample={"seeds": (100, 101), "widths": (30,)},
    summary=_summarise_flips,
)
def flip_coefficients(
    *,
    losses: Sequence[str] = tuple(EDGE_RATES),
    widths: Sequence[int] = (10, 30, 100),
    seeds: Sequence[int] = range(100, 112),
    turns: Sequence[int] = (2,),
    period: int = 5000,
) -> xr.Dataset:
    """Over "loss", "width", "seed", "turn" and "phase", at the learning rates of `EDGE_RATES`; NaN where calm.

    As in `one_direction`; and flip_error; drift, the amplitude that self-stabilisation predicts; beyond, the share of
    five windows around the step in which the weights along the sharpest direction have no period up to 2.
    """
    cells = list(product(losses, widths, seeds, turns))
    data = _arranged(
        in_parallel(partial(_flips_of_turn, period=period), cells, "flip coefficients"),
        loss=losses,
        width=widths,
        seed=seeds,
        turn=turns,
    )
    return data.rename(window="phase").assign_coords(phase=list(PHASES))


def _flips_of_turn(cell: tuple[str, int, int, int], period: int) -> xr.Dataset:
    loss, width, seed, turn = cell
    setting = Setting(loss=loss, width=width, learning_rate=EDGE_RATES[loss], period=period)
    run = setting.turns(seed, turn, turn)
    names = [*SWING, *EXPANSION, "flip_error", "drift", "beyond"]
    rows = []
    for phase in PHASES:
        window = Window(run, int((turn - 1 + phase) * period), setting.window)
        rows.append(_flip(window) if window.bounces() else dict.fromkeys(names, np.nan))
    return table(rows, len(PHASES), names)


def _flip(window: Window) -> dict[str, float]:
    nearby = range(window.step - 2 * window.length, window.step + 3 * window.length, window.length)
    periods = [window.period_of(window.path_around(step)) for step in nearby]
    return {
        **window.swing(),
        **window.expansion(),
        "flip_error": window.cut.flip_error,
        "drift": window.drift(),
        "beyond": float(np.mean([period not in (1, 2) for period in periods])),
    }


# Chosen on seeds 1000 to 1002, where squared errors had coefficients up to 1.3 and cross-entropy from 14 on.
THRESHOLD = 4  # of the median flip coefficient of a run's windows, above which it is predicted to double
DOUBLED = 0.05  # the share of its windows beyond period 2 from which a run has doubled; below, it trembles


def doublings(data: xr.Dataset) -> xr.Dataset:
    """The runs that bounce, over "run": whether they were predicted to double, and whether they did."""
    runs = data[["flip_coefficient", "beyond"]].stack(run=("loss", "width", "seed"), window=("turn", "phase"))
    runs = runs.dropna("run", how="all")
    predicted = runs.flip_coefficient.median("window") > THRESHOLD
    return xr.Dataset({"predicted": predicted, "doubled": runs.beyond.mean("window") >= DOUBLED})


def hit_table(data: xr.Dataset) -> pd.DataFrame:
    """How many runs of each loss and width were predicted to double or to tremble, and did."""
    runs = doublings(data).to_dataframe()[["predicted", "doubled"]].reset_index()
    kinds = {
        (True, True): "doubles, did",
        (True, False): "doubles, did not",
        (False, False): "trembles, did",
        (False, True): "trembles, doubled",
    }
    runs["kind"] = [kinds[pair] for pair in zip(runs.predicted, runs.doubled, strict=True)]
    runs["loss"] = runs.loss.map(NAMES)
    return pd.crosstab([runs.loss, runs.width], runs.kind).reindex(columns=list(kinds.values()), fill_value=0)


def hit_rate(data: xr.Dataset) -> Interval:
    """The share of the runs in which the prediction was right."""
    runs = doublings(data)
    return interval((runs.predicted == runs.doubled).astype(float).unstack("run"), "seed")


LEADS = (7500, 8000, 8500)  # steps of turn 2 whose weights the onset is predicted from


def _summarise_onset(data: xr.Dataset) -> str:
    early = (data.felt - data.onset).median("seed").values
    flow = float((data.felt_flow - data.onset).median())
    return f"predicted minus actual onset, median: {early} from steps {data.lead.values}; from the flow {flow:.0f}"


@experiment(
    "onset",
    shows="when the second burst begins, predicted from earlier weights: held, or following the gradient flow",
    claims=("B4",),
    quick={"seeds": (100,), "leads": (750,), "period": 500, "amplitude": 20},
    sample={"seeds": (100, 101)},
    summary=_summarise_onset,
)
def onset(
    *,
    seeds: Sequence[int] = SEEDS[:18],
    leads: Sequence[int] = LEADS,
    setting: Setting = Setting(),  # noqa: B008
) -> xr.Dataset:
    """Steps, of the second turn's burst, over "seed".

    - onset: the first at which F turns round, and goes on to for 20 updates; alternation: the same of the part of
      the change of F that is due to descent, which shows it earlier
    - predicted: over "lead", the first at which η λ_max of the weights at that step exceeds 2, with Γ moving on and
      the weights held; felt: the same of the slope of the force over ± 0.1 along the leading eigenvector
    - predicted_flow, felt_flow: the same from the first of these steps, with the weights following the gradient flow
      (a tenth of η, a clock ten times slower)
    NaN if there is none in the turn, and from a lead at which the burst has begun: there is nothing left to predict.
    """
    rows = in_parallel(partial(_onset_of_seed, leads=leads, setting=setting), seeds, "onset")
    return xr.concat(rows, xr.IndexVariable("seed", list(seeds))).assign_coords(lead=list(leads))


def _onset_of_seed(seed: int, leads: Sequence[int], setting: Setting) -> xr.Dataset:
    run, end = setting.turns(seed, 2, 2), 2 * setting.period
    later = slice(leads[0], end)
    begins = {
        "onset": orbits.first_period_doubling(run.history.loss.sel(step=later)),
        "alternation": orbits.first_period_doubling(orbits.loss_changes(run.history).descent.sel(step=later)),
    }
    weights = run.history.params
    held = [
        _first_crossings({t: weights.sel(params_step=lead).values for t in range(lead, end, EVERY)}, setting)
        for lead in leads
    ]
    flow = _first_crossings(_gradient_flow(weights.sel(params_step=leads[0]).values, leads[0], end, setting), setting)
    data = xr.Dataset({name: np.nan if step is None else float(step) for name, step in begins.items()})
    for number, name in enumerate(("predicted", "felt")):
        early = [crossings[number] for crossings in held]
        data[name] = "lead", np.where(np.array(leads) >= data.onset.values, np.nan, early)
        data[f"{name}_flow"] = flow[number]
    return data


def _gradient_flow(weights: NDArray, start: int, end: int, setting: Setting) -> dict[int, NDArray]:
    """The weights at every `EVERY`th step, if they follow the gradient flow from a step on."""
    slow = replace(setting, learning_rate=setting.learning_rate / FINER, period=setting.period * FINER)
    params = md.MLP(2, setting.width, 3).unflatten(weights)
    path = slow.train(params, start * FINER, (end - start) * FINER, every=EVERY * FINER).history.params
    return dict(zip((path.params_step.values // FINER).tolist(), path.values, strict=True))


def _first_crossings(path: Mapping[int, NDArray], setting: Setting) -> tuple[float, float]:
    """The first steps at which η times the sharpness, and the sharpness as felt, exceed 2; NaN if none does."""
    net, task, loss = md.MLP(2, setting.width, 3), md.spiral(), setting.make_loss()
    steps, start = list(path), None
    rows: list[tuple[float, float]] = []
    for step, weights in path.items():
        top = md.hessian_eigenvalues(net, net.unflatten(weights), task, loss, step, start=start)
        start = top.vectors[:, 0]
        problem = net, net.unflatten(weights), task, loss, step
        cut = md.valley_slice(*problem, learning_rate=setting.learning_rate, direction=start)
        low, high = cut.force([-FELT, FELT])
        rows.append((setting.learning_rate * top.values[0], setting.learning_rate * (high - low) / (2 * FELT)))
        if min(rows[-1]) > 2:
            break
    return tuple(_crossing(steps, column) for column in zip(*rows, strict=True))  # type: ignore[return-value]


def _crossing(steps: Sequence[int], values: Sequence[float]) -> float:
    """Where a series first exceeds 2, by linear interpolation."""
    for number, value in enumerate(values):
        if value > 2:
            before = values[number - 1] if number else value
            share = 1.0 if value == before else (2 - before) / (value - before)
            return steps[number] if not number else steps[number - 1] + share * (steps[number] - steps[number - 1])
    return np.nan


def _arranged(tables: Sequence[xr.Dataset], **axes: Sequence[Any]) -> xr.Dataset:
    """Tables over "window", one for each cell of the product of some axes, as one Dataset over axes and "window"."""
    shape = tuple(len(values) for values in axes.values())
    columns = {
        name: ((*axes, "window"), np.stack([t[name].values for t in tables]).reshape(*shape, -1)) for name in tables[0]
    }
    return xr.Dataset(columns, {name: list(values) for name, values in axes.items()})
