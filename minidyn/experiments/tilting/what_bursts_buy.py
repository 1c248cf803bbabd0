"""What the bursts buy: runs whose bounce is limited, whose rate swings instead, and other ways to disturb descent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from minidyn import _checks as check
from minidyn.experiments.grids import FULL, SHORT, Budget, table_of_ends
from minidyn.experiments.parallel import in_parallel
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import format_interval, interval, trained
from minidyn.experiments.tilting.limited_steps import DETAILS, LIMITS, REGIMES, LimitedRun
from minidyn.experiments.tilting.swinging_rates import KINDS, SwingingRun
from minidyn.experiments.tilting.tuned_controls import CANDIDATES, ControlRun, Setting
from minidyn.training.capped import StepLimit

LADDER_LOOKS = 199  # updates between two looks at the Hessian; it shares no divisor with the periods


def _summarise_limits(data: xr.Dataset) -> str:
    rows = [f"{data.sizes['seed']} seeds"]
    gain = data.validation_accuracy - data.validation_accuracy.sel(regime="static", limit="as it comes")
    for width in data.width.values:
        for regime in data.regime.values:
            for limit in data.limit.values:
                cell = {"width": width, "regime": regime, "limit": limit}
                runs, over_plain = data.sel(cell), interval(gain.sel(cell), "seed")
                mean = runs.mean("seed")
                rows.append(
                    f"H={width}, {regime}, {limit}: validation {float(mean.validation_accuracy):.3f}, over plain "
                    f"static descent {format_interval(over_plain)}, trained {int(trained(runs).sum())}, static loss "
                    f"{float(mean.static_loss):.3f}, sharpness {float(runs.sharpness.median()):.1f}, raised "
                    f"{float(mean.raised):.2f}, swing {float(mean.swing):.4f}"
                )
    return "\n".join(rows)


@experiment(
    "step-limits",
    shows="static and dynamical loss with the bounce as it comes, limited, ended, and with the whole step shortened",
    claims=("C1", "C2", "C5", "C6", "C7", "B5"),
    quick={
        "widths": (5,),
        "regimes": ("static", "A=20, T=50"),
        "limits": ("as it comes", "six directions"),
        "seeds": range(100, 102),
        **SHORT,
    },
    sample={"widths": (30,), "regimes": ("static",), "seeds": range(100, 104)},
    summary=_summarise_limits,
    needs=("numba",),
)
def step_limits(
    *,
    widths: Sequence[int] = (30, 50, 100),
    regimes: Sequence[str] = tuple(REGIMES),
    limits: Sequence[str] = tuple(LIMITS),
    seeds: Sequence[int] = range(100, 112),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How runs end over (width, regime, limit, seed): each seed has its own weights and samples, the same in all cells.

    `LimitedRun.ends` says what is measured.
    """
    return _limited_runs({"width": widths, "regime": regimes, "limit": limits, "seed": seeds}, budget, "step-limits")


@experiment(
    "step-limit-details",
    shows="the static loss with other limits of the step: more and fewer directions, other bounds and cadences",
    claims=("C5", "C6", "B5"),
    quick={"widths": (5,), "limits": ("two directions", "never rising"), "seeds": range(100, 102), **SHORT},
    sample={"limits": ("two directions",), "seeds": range(100, 104)},
    summary=_summarise_limits,
    needs=("numba",),
)
def step_limit_details(
    *,
    widths: Sequence[int] = (30,),
    limits: Sequence[str] = tuple(DETAILS),
    seeds: Sequence[int] = range(100, 108),
    budget: Budget = FULL,
) -> xr.Dataset:
    """The same table for the static loss alone, with plain descent first, for comparison."""
    limits = ("as it comes", *limits)
    grid = {"width": widths, "regime": ("static",), "limit": limits, "seed": seeds}
    return _limited_runs(grid, budget, "step-limit-details")


def _check_regimes(regimes: Sequence[str]) -> None:
    for regime in regimes:
        check.choice("regimes", regime, tuple(REGIMES))


def _limited_runs(grid: Mapping[str, Sequence[Any]], budget: Budget, name: str) -> xr.Dataset:
    _check_regimes(grid["regime"])
    for limit in grid["limit"]:
        check.choice("limits", limit, (*LIMITS, *DETAILS))
    runs = [
        LimitedRun(
            limit={**LIMITS, **DETAILS}[limit],
            width=width,
            amplitude=REGIMES[regime][0],
            period=REGIMES[regime][1],
            seed=seed,
            budget=budget,
        )
        for width, regime, limit, seed in product(*grid.values())
    ]
    return table_of_ends(
        in_parallel(LimitedRun.ends, runs, name), {name: list(values) for name, values in grid.items()}
    )


def _summarise_ladder(data: xr.Dataset) -> str:
    rows = [f"{data.sizes['seed']} seeds; rates {', '.join(f'{rate:g}' for rate in data.learning_rate.values)}"]
    mean, trains = data.validation_accuracy.mean("seed"), trained(data).sum("seed")
    for cell in product(data.width.values, data.matched.values, data.regime.values):
        labels = dict(zip(("width", "matched", "regime"), cell, strict=True))
        accuracies = " ".join(f"{value:.3f}" for value in mean.sel(labels).values)
        counts = " ".join(f"{value}" for value in trains.sel(labels).values)
        rows.append(f"H={cell[0]}, as many {cell[1]}, {cell[2]}: validation {accuracies}; trained {counts}")
    return "\n".join(rows)


@experiment(
    "rate-ladder",
    shows="static and dynamical loss over a ladder of learning rates, at equal updates and at equal summed rates",
    claims=("C5", "C7", "B8"),
    quick={"widths": (5,), "rates": (0.5, 8), "seeds": range(100, 102), **SHORT},
    sample={"widths": (30,), "rates": (2, 4), "seeds": range(100, 104)},
    summary=_summarise_ladder,
    needs=("numba",),
)
def rate_ladder(
    *,
    widths: Sequence[int] = (30, 100),
    rates: Sequence[float] = (0.5, 1, 2, 3, 4, 6),
    seeds: Sequence[int] = range(100, 112),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How runs end over (width, matched, regime, learning_rate, seed): each seed has its own weights and samples.

    "updates": all runs have as many. "summed rate": the rates of all updates add up to what they do at η = 1, and so do
    those of a turn; η = 1 is the same for both. `LimitedRun.ends` says what is measured.
    """
    coords: dict[str, list[Any]] = {
        "width": list(widths),
        "matched": ["updates", "summed rate"],
        "regime": list(REGIMES)[:2],
        "learning_rate": list(rates),
        "seed": list(seeds),
    }
    runs = [
        LimitedRun(
            limit=StepLimit(kind="none", every=LADDER_LOOKS),
            width=width,
            amplitude=REGIMES[regime][0],
            period=round(REGIMES[regime][1] / slower),
            seed=seed,
            budget=Budget(steps=round(budget.steps / slower), rest=round(budget.rest / slower)),
            learning_rate=rate,
        )
        for width, matched, regime, rate, seed in product(*coords.values())
        for slower in [rate if matched == "summed rate" else 1]
    ]
    return table_of_ends(in_parallel(LimitedRun.ends, runs, "rate-ladder"), coords)


def _summarise_swings(data: xr.Dataset) -> str:
    gain = data.validation_accuracy - data.validation_accuracy.sel(kind="static")
    rows = [f"{data.sizes['seed']} seeds"]
    for cell in product(data.width.values, data.regime.values, data.kind.values):
        labels = dict(zip(("width", "regime", "kind"), cell, strict=True))
        runs, over_static = data.sel(labels), interval(gain.sel(labels), "seed")
        mean = runs.mean("seed")
        rows.append(
            f"H={labels['width']}, {labels['regime']}, {labels['kind']}: validation "
            f"{float(mean.validation_accuracy):.3f}, over static {format_interval(over_static)}, "
            f"trained {int(trained(runs).sum())}, mean rate {float(mean.rate):.2f}, raised {float(mean.raised):.2f}, "
            f"above two {float(mean.above_two):.2f}"
        )
    return "\n".join(rows)


@experiment(
    "swinging-rates",
    shows="the static loss at a learning rate that makes η·λ_max swing as the class weights do: bursts without weights",
    claims=("C5", "C6", "C7", "B7"),
    quick={"widths": (5,), "regimes": ("A=20, T=50",), "seeds": range(100, 102), **SHORT},
    sample={"widths": (30,), "regimes": ("A=20, T=50",), "seeds": range(100, 102)},
    summary=_summarise_swings,
)
def swinging_rates(
    *,
    widths: Sequence[int] = (30, 100),
    regimes: Sequence[str] = tuple(REGIMES)[1:],
    seeds: Sequence[int] = range(100, 112),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How runs end over (width, regime, seed, kind): each seed has its own weights and samples.

    `SwingingRun.ends` says what the kinds are and what is measured.
    """
    _check_regimes(regimes)
    runs = [
        SwingingRun(width=width, amplitude=REGIMES[regime][0], period=REGIMES[regime][1], seed=seed, budget=budget)
        for width, regime, seed in product(widths, regimes, seeds)
    ]
    ends = [ends[kind] for ends in in_parallel(SwingingRun.ends, runs, "swinging-rates") for kind in KINDS]
    return table_of_ends(
        ends, {"width": list(widths), "regime": list(regimes), "seed": list(seeds), "kind": list(KINDS)}
    )


def _summarise_tuned(data: xr.Dataset) -> str:
    gain = data.validation_accuracy - data.validation_accuracy.sel(control="static")
    rows = [f"{data.sizes['seed']} seeds, settings chosen on {data.sizes['choice_seed']} others"]
    for width in data.width.values:
        chosen = data.candidate.values[data.chosen.sel(width=width).values > 0]
        for control in data.control.values[np.argsort(gain.sel(width=width).mean("seed").values)[::-1]]:
            cell = {"width": width, "control": control}
            setting = next(name for name in chosen if name.split(", ")[0] == control)
            rows.append(
                f"H={width}, {setting}: validation {float(data.validation_accuracy.sel(cell).mean()):.3f}, over static "
                f"{format_interval(interval(gain.sel(cell), 'seed'))}, trained {int(trained(data.sel(cell)).sum())}"
            )
    return "\n".join(rows)


@experiment(
    "tuned-controls",
    shows="other ways to disturb or to tune descent, each at its own best setting, which other seeds have chosen",
    claims=("C2", "C7", "B6"),
    quick={
        "controls": {
            "static": ((),),
            "gradient noise": ((0.003,), (0.03,)),
            "momentum": ((0.5, 0.5),),
            "sharpness-aware": ((0.1,),),
            "label smoothing": ((0.1,),),
        },
        "widths": (5,),
        "choice_seeds": range(2),
        "seeds": range(100, 102),
        **SHORT,
    },
    sample={"widths": (30,), "controls": {"static": ((),), "mini-batches": ((10,), (30,), (100,))}},
    summary=_summarise_tuned,
    needs=("numba",),
)
def tuned_controls(
    *,
    controls: Mapping[str, Sequence[Setting]] = CANDIDATES,
    widths: Sequence[int] = (30, 100),
    choice_seeds: Sequence[int] = range(4),
    seeds: Sequence[int] = range(100, 112),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How runs end over (control, width, seed), each control at its best setting for that width.

    Each seed has its own weights and samples. "choice_accuracy" is the validation accuracy over (width, candidate,
    choice_seed); "chosen", over (width, candidate), is 1 for the settings of the greatest mean of it.
    """
    if shared := set(seeds) & set(choice_seeds):
        raise ValueError(f"seeds must not be among choice_seeds, got {sorted(shared)} in both")
    candidates = [(control, setting) for control, settings in controls.items() for setting in settings]
    trials = [
        ControlRun(control=control, setting=setting, width=width, seed=seed, budget=budget)
        for width, (control, setting), seed in product(widths, candidates, choice_seeds)
    ]
    names = list(dict.fromkeys(trial.name for trial in trials))
    trial_ends = in_parallel(ControlRun.ends, trials, "tuned-controls")
    choice = table_of_ends(trial_ends, {"width": list(widths), "candidate": names, "choice_seed": list(choice_seeds)})
    score = choice.validation_accuracy.mean("choice_seed")
    best: dict[tuple[int, str], ControlRun] = {}
    for trial in sorted(trials, key=lambda trial: float(score.sel(width=trial.width, candidate=trial.name))):
        best[trial.width, trial.control] = trial
    runs = [replace(best[cell[:2]], seed=cell[2]) for cell in product(widths, controls, seeds)]
    data = table_of_ends(
        in_parallel(ControlRun.ends, runs, "tuned-controls"),
        {"width": list(widths), "control": list(controls), "seed": list(seeds)},
    )
    chosen = xr.zeros_like(score, dtype=np.int8)
    for run in best.values():
        chosen.loc[{"width": run.width, "candidate": run.name}] = 1
    return data.assign(choice_accuracy=choice.validation_accuracy, chosen=chosen)
