"""C1 to C7: Tilting the playing field."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from minidyn.experiments.claims import numbers
from minidyn.experiments.claims.claim import Claim, Finding, Rule
from minidyn.experiments.claims.claim import claim as declare
from minidyn.experiments.statistics import (
    TRAINED,
    Interval,
    PairedGain,
    format_interval,
    format_mean,
    interval,
    paired_gain,
    trained,
)

claim = partial(declare, paper="P1")

SAMPLES = 300  # of a spiral task
LEARNING, BURSTS = "tilting/learning", "tilting/instabilities"
OWN_SETTINGS = (
    "The paper's own settings for this claim could not be read; this book chose A and T on other seeds and data."
)
MANY_SEEDS = "The paper's settings; many seeds of this book's initial weights where the paper shows one run."
SIX = "six directions"  # the limit of "step-limits" that tames the bounce and leaves all other directions alone
FAR_FROM_BURSTS = "with turns this short updates bounce less often than under the static loss, so bursts play no part"


def parameters(width: int) -> int:
    """The number of parameters of a 2-H-3 network with biases."""
    return 6 * width + 3


def _pairs(data: xr.Dataset, width: int) -> tuple[xr.Dataset, xr.Dataset]:
    return data.sel(loss="static", width=width), data.sel(loss="dynamical", width=width)


def _trained_counts(data: xr.Dataset, width: int) -> list[int]:
    return [int(trained(part).sum()) for part in _pairs(data, width)]


def _chosen_settings(data: xr.Dataset) -> str:
    arguments = numbers.arguments(data)
    chosen = "; ".join(
        f"H = {width}: A = {amplitude:g}, T = {period}" for width, (amplitude, period) in arguments["chosen"].items()
    )
    return f"η = 1, {arguments['steps']:,} updates, the last {arguments['rest']:,} at Γ = 1 ({chosen})"


def _burst_settings(data: xr.Dataset) -> str:
    arguments = numbers.arguments(data)
    return f"A = 70, T = {arguments['period']:,}, H = 100, η = 1, {arguments['steps']:,} updates"


@claim(
    "C1",
    "An underparameterised network that fails with cross-entropy trains with the dynamical loss.",
    page=LEARNING,
    experiments=("held-out", "learning-rates", "step-limits"),
    deviation=OWN_SETTINGS,
)
def trains(data: xr.Dataset, rates: xr.Dataset, limits: xr.Dataset) -> Finding:
    """The widths with fewer parameters than samples."""
    narrow = [int(width) for width in data.width.values if parameters(int(width)) < SAMPLES]
    counts = {width: _trained_counts(data, width) for width in narrow}
    pairs = data.sizes["data_seed"] * data.sizes["seed"]
    half = pairs / 2
    better = [
        interval(dynamical.accuracy - static.accuracy, "data_seed")
        for static, dynamical in (_pairs(data, width) for width in narrow)
    ]
    rows = (
        f"H = {width} ({parameters(width)} parameters): {static} of {pairs} static and {dynamical} dynamical runs "
        f"train, "
        f"mean training accuracy {numbers.percent(_pairs(data, width)[0].accuracy)} and "
        f"{numbers.percent(_pairs(data, width)[1].accuracy)}"
        for width, (static, dynamical) in counts.items()
    )
    saved = trained(rates.sel(width=narrow, amplitude=1))
    wide = {
        int(w): [int(trained(part).sum()) for part in _pairs(data, w)] for w in data.width.values if w not in narrow
    }
    beyond = "; ".join(f"H = {width}: {static} and {dynamical}" for width, (static, dynamical) in wide.items())
    return Finding(
        effect="; ".join(rows),
        regime=_chosen_settings(data),
        seeds=numbers.pairs_per_width(data),
        control=f"other learning rates from {float(rates.learning_rate.min()):g} to "
        f"{float(rates.learning_rate.max()):g}: "
        f"{int(saved.sum())} of {saved.size} static runs of these widths train; {_limited_runs_that_train(limits, 30)}",
        caveat=f"the clearest cases have at least as many parameters as samples ({beyond} of {pairs} static and "
        f"dynamical "
        f"runs train); {FAR_FROM_BURSTS}",
        rule=Rule(
            {
                f"at some width with fewer than {SAMPLES} parameters most static runs fail and most dynamical runs "
                f"reach "
                f"{TRAINED:.0%} of the training samples": any(s < half < d for s, d in counts.values()),
                "at some such width the dynamical runs have the higher training accuracy (95%)": any(
                    difference.is_above_zero for difference in better
                ),
            }
        ),
    )


def _limited_runs_that_train(limits: xr.Dataset, width: int) -> str:
    runs = limits.sel(width=width, regime="static", limit=SIX)
    return (
        f"with the step limited in six sharp directions {int(trained(runs).sum())} of {runs.sizes['seed']} static runs "
        f"of {width} units do"
    )


@claim(
    "C2",
    "An overparameterised network generalises better with the dynamical loss.",
    page=LEARNING,
    experiments=("held-out", "tuned-controls", "step-limits"),
    deviation=OWN_SETTINGS,
)
def generalises(data: xr.Dataset, controls: xr.Dataset, limits: xr.Dataset) -> Finding:
    """The widest network."""
    width = int(data.width.max())
    gain = paired_gain(*_pairs(data, width))
    return Finding(
        effect=f"H = {width}: validation accuracy {numbers.gain(gain.overall)} over all pairs; "
        f"{numbers.gain(gain.where_both_train)} where both runs train ({gain.trained.static} static and "
        f"{gain.trained.dynamical} dynamical runs do)",
        regime=_chosen_settings(data),
        seeds=numbers.pairs_per_width(data),
        control=f"{_other_disturbances(controls, width)}; {_limited_gain(limits, width)}",
        caveat=f"most of the gain is that more runs train; {FAR_FROM_BURSTS}",
        rule=Rule(
            {
                "the gain over all pairs is above zero (95%)": gain.overall.is_above_zero,
                "the gain where both runs train is above zero (95%)": gain.where_both_train.is_above_zero,
            }
        ),
    )


def _other_disturbances(controls: xr.Dataset, width: int) -> str:
    """What the best other control gains at the same compute, beside the oscillation."""
    score = controls.validation_accuracy.sel(width=width)
    gains = {
        name: interval(score.sel(control=name) - score.sel(control="static"), "seed") for name in score.control.values
    }
    best = max(gains.keys() - {"static", "oscillation"}, key=lambda name: gains[name].mean)
    return (
        f"of {len(gains) - 2} other ways to disturb or tune static descent, at H = {width}, equal compute and each at "
        f"its own best setting, {best} gains most, {numbers.gain(gains[best])}; the oscillation gains "
        f"{numbers.gain(gains['oscillation'])} ({controls.sizes['seed']} seeds on which nothing was chosen)"
    )


def _limited_gain(limits: xr.Dataset, width: int) -> str:
    """What a limited step gains under the static loss, without any disturbance."""
    score = limits.validation_accuracy.sel(width=width, regime="static")
    limited = interval(score.sel(limit=SIX) - score.sel(limit="as it comes"), "seed")
    return (
        f"static descent with the step limited in six sharp directions gains {numbers.gain(limited)} "
        f"({score.sizes['seed']} pairs, spirals of their own)"
    )


@claim(
    "C3",
    "Instabilities develop as bifurcation cascades, seen in the loss, the Hessian and the NTK.",
    page=BURSTS,
    experiments=("many-seeds",),
    deviation=MANY_SEEDS,
)
def cascades(data: xr.Dataset) -> Finding:
    """Turns three and four."""
    dynamical = _dynamical(data)
    turns = dynamical.sel(cycle=[2, 3])
    ordered = (turns.first_2 < turns.first_4) & (turns.first_4 < turns.first_chaos)
    doubled, share = float(turns.first_2.notnull().mean()), float(ordered.mean())
    dip = 1 - dynamical.ntk_least / dynamical.ntk_before
    return Finding(
        effect=f"turns 3 and 4: period 2 in {doubled:.0%} of {ordered.size} handovers, period 2, then 4, then chaos in "
        f"{share:.0%}; in a burst the largest eigenvalue of the kernel falls by {numbers.percent(dip)}",
        regime=_burst_settings(data),
        seeds=_two_orders(data),
        control="two orders of summation: the last burst comes at another step, the events of a turn do not change",
        caveat="the squared errors bounce at the same threshold without a cascade (C11)",
        rule=Rule(
            {
                "period 2 is seen in most handovers": doubled > 0.5,
                "period 2, then 4, then chaos follow in this order in most handovers": share > 0.5,
            }
        ),
    )


def _dynamical(data: xr.Dataset) -> xr.Dataset:
    """The runs of "many-seeds" under the dynamical loss."""
    return data.sel(run=["given", "permuted"])


def _two_orders(data: xr.Dataset) -> str:
    return f"{data.sizes['seed']} seeds, two orders of summation"


@claim(
    "C4",
    "Within a cycle valleys widen and deepen, then narrow and rise.",
    page="tilting/landscape",
    experiments=("many-seeds",),
    deviation=MANY_SEEDS,
)
def breathes(data: xr.Dataset) -> Finding:
    """Turns two to eight."""
    turns = _dynamical(data).sel(cycle=slice(1, 7))
    deeper = (turns.loss_middle < turns.loss_start) & (turns.loss_middle < turns.loss_end)
    wider = (turns.sharpness_middle < turns.sharpness_start) & (turns.sharpness_middle < turns.sharpness_end)
    static = data.sel(run="static", cycle=slice(1, 7))
    return Finding(
        effect=f"turns 2 to 8: in mid-turn the loss is {format_mean(turns.loss_middle / turns.loss_end)} and the "
        f"sharpness "
        f"{format_mean(turns.sharpness_middle / turns.sharpness_end)} of what they are at the end of the turn",
        regime=_burst_settings(data),
        seeds=_two_orders(data),
        control="the static loss at the same steps: loss "
        f"{format_mean(static.loss_middle / static.loss_end)} and sharpness "
        f"{format_mean(static.sharpness_middle / static.sharpness_end)} of those at the end of the turn",
        caveat="loss and sharpness are read along the run, so the weights move as well as the landscape",
        rule=Rule(
            {
                f"the loss is lower than at both handovers in nine of ten turns ({float(deeper.mean()):.0%})": bool(
                    deeper.mean() > 0.9
                ),
                f"the sharpness is lower than at both handovers in nine of ten turns ({float(wider.mean()):.0%})": bool(
                    wider.mean() > 0.9
                ),
            }
        ),
    )


@claim(
    "C5",
    "As the valley narrows the learning rate becomes too large, and the network bounces.",
    page=BURSTS,
    experiments=("many-seeds", "swinging-rates"),
    deviation=MANY_SEEDS,
)
def bounces(data: xr.Dataset, swings: xr.Dataset) -> Finding:
    """All bursts of all cycles."""
    dynamical = _dynamical(data)
    bursts, crossed = dynamical.burst_start.notnull(), dynamical.crossing.notnull()
    share = float((bursts & crossed).sum() / bursts.sum())
    near = float((np.abs(dynamical.burst_start - dynamical.crossing) <= 50).sum() / bursts.sum())
    before = dynamical.sharpness_before
    crossed_without = int((crossed & ~bursts).sum())
    return Finding(
        effect=f"{share:.0%} of {int(bursts.sum())} bursts come in a cycle in which the sharpness crosses 2/η = 2, and "
        f"{near:.0%} begin within 50 updates of the crossing; when last measured before a burst the sharpness has "
        f"median "
        f"{float(before.median()):.2f} (quartiles {numbers.quartiles(before)})",
        regime=_burst_settings(data),
        seeds=_two_orders(data),
        control=f"crossings without a burst: {crossed_without} of {int(crossed.sum())}; {_bounces_of_a_rate(swings)}",
        caveat="the sharpness is measured on the orbit, whose points alternate between the walls of the valley; at the "
        "floor of the valley it is lower (B1)",
        rule=Rule(
            {
                "nine of ten bursts come in a cycle whose sharpness crosses 2/η": share > 0.9,
                "most bursts begin within 50 updates of the crossing": near > 0.5,
            }
        ),
    )


def _bounces_of_a_rate(swings: xr.Dataset) -> str:
    """How often η·λ_max is above 2 if the class weights make it swing, and if the learning rate does."""
    above = swings.above_two.sel(width=100, regime="A=70, T=5000").mean("seed")
    shares = (
        f"{float(above.sel(kind=kind)):.0%} {under}"
        for kind, under in (
            ("oscillation", "under the dynamical loss"),
            ("static", "under the static loss"),
            ("swinging rate", "under the static loss at a rate that swings alike"),
        )
    )
    return f"share of the measurements with η·λ_max above 2: {', '.join(shares)} ({swings.sizes['seed']} seeds)"


@claim(
    "C6",
    "Bouncing pushes the system to deeper and wider regions: Hessian eigenvalues decrease.",
    page=BURSTS,
    experiments=("many-seeds", "held-out", "step-limits"),
    deviation=MANY_SEEDS,
)
def widens(data: xr.Dataset, pairs: xr.Dataset, limits: xr.Dataset) -> Finding:
    """From the first turn to the thirteenth; after the rest, against static training; and with the bounce ended."""
    dynamical = _dynamical(data)
    turns = {name: dynamical[f"{name}_middle"] for name in ("sharpness", "loss")}
    over_turns = {name: _ratio(values.isel(cycle=12), values.isel(cycle=0)) for name, values in turns.items()}
    end, static_end = dynamical.isel(cycle=-1), data.sel(run="static").isel(cycle=-1)
    both = trained(end) & trained(static_end)
    against = {
        name: _ratio(end[name].where(both), static_end[name].where(both)) for name in ("static_loss", "sharpness_end")
    }
    width = int(pairs.width.max())
    static, other = _pairs(pairs, width)
    short = trained(static) & trained(other)
    short_turns = {
        name: _ratio(other[name].where(short), static[name], over="data_seed") for name in ("static_loss", "sharpness")
    }
    limited = limits.sel(width=100, regime="A=70, T=5000")
    bouncing, ended = (limited.sel(limit=limit) for limit in ("as it comes", "all sharp directions"))
    caused = {name: _ratio(bouncing[name], ended[name]) for name in ("static_loss", "sharpness")}
    first, by_turn = turns["sharpness"].isel(cycle=0), turns["sharpness"].mean(["run", "seed"]).values[:13]
    return Finding(
        effect=f"in mid-turn, turn 13 over turn 1: sharpness {_show(over_turns['sharpness'])}, loss "
        f"{_show(over_turns['loss'])}; after the rest, dynamical over static training where both train: sharpness "
        f"{_show(against['sharpness_end'])}, static loss {_show(against['static_loss'])}",
        regime=_burst_settings(data),
        seeds=f"{_two_orders(data)}; both runs train in {int(both.sum())} of {both.size} pairs",
        control=f"turns without bursts (T = 50, H = {width}, {int(short.sum())} pairs where both train): sharpness "
        f"{_show(short_turns['sharpness'])}, static loss {_show(short_turns['static_loss'])} of those after static "
        f"training; the bounce as it comes over the bounce ended by limiting the step in all sharp directions "
        f"({limited.sizes['seed']} seeds, {numbers.arguments(limits)['steps']:,} updates): sharpness "
        f"{_show(caused['sharpness'])}, static loss {_show(caused['static_loss'])}",
        caveat=f"the sharpness in mid-turn first rises, from {format_mean(first)} in turn 1 to {by_turn.max():.2f} in "
        f"turn {by_turn.argmax() + 1}; to end the bounce the step is shortened where it is sharp, which alone lets the "
        f"network go where it is sharper",
        rule=Rule(
            {
                "the sharpness in mid-turn falls from turn 1 to turn 13 (95%)": over_turns["sharpness"].high < 1,
                "so does the loss (95%)": over_turns["loss"].high < 1,
                "the run ends wider than the static run (95%)": against["sharpness_end"].high < 1,
                "the run ends deeper than the static run (95%)": against["static_loss"].high < 1,
                "the run ends wider than with the bounce ended (95%)": caused["sharpness"].high < 1,
                "the run ends deeper than with the bounce ended (95%)": caused["static_loss"].high < 1,
            }
        ),
    )


def _ratio(values: xr.DataArray, reference: xr.DataArray, over: str = "seed") -> Interval:
    """The geometric mean of a ratio, with its interval."""
    logarithm: xr.DataArray = xr.apply_ufunc(np.log, values / reference)
    return interval(logarithm, over).map(np.exp)


def _show(ratio: Interval) -> str:
    return format_interval(ratio, ".2f", label="95%: ")


@claim(
    "C7",
    "The result is a better regularised model that generalises better.",
    page=LEARNING,
    experiments=("held-out", "tuned-controls", "step-limits"),
    deviation=OWN_SETTINGS,
)
def regularises(data: xr.Dataset, controls: xr.Dataset, limits: xr.Dataset) -> Finding:
    """Gains over all widths; the gap between training and validation accuracy where both runs train."""
    gains = {int(width): paired_gain(*_pairs(data, width)) for width in data.width.values}
    gaps = {width: _gap_change(*_pairs(data, width)) for width in gains}
    return Finding(
        effect="validation accuracy, " + "; ".join(_gain_at(width, gain) for width, gain in gains.items()),
        regime=_chosen_settings(data),
        seeds=numbers.pairs_per_width(data),
        control=f"{_other_disturbances(controls, 30)}; {_limited_gain(limits, 30)}",
        caveat=f"the baseline is weak: full-batch descent at η = 1, of which few runs train; {FAR_FROM_BURSTS}",
        rule=Rule(
            {
                "the gain over all pairs is above zero at every width (95%)": all(
                    gain.overall.is_above_zero for gain in gains.values()
                ),
                "the gain where both runs train is above zero at some width (95%)": any(
                    gain.where_both_train.is_above_zero for gain in gains.values()
                ),
                "where both runs train, the gap between training and validation accuracy shrinks at some width "
                "(95%)": any(gap.is_below_zero for gap in gaps.values()),
            }
        ),
    )


def _gap_change(static: xr.Dataset, dynamical: xr.Dataset) -> Interval:
    gap = [part.accuracy - part.validation_accuracy for part in (static, dynamical)]
    return interval((gap[1] - gap[0]).where(trained(static) & trained(dynamical)), "data_seed")


def _gain_at(width: int, gain: PairedGain) -> str:
    where_both_train = (
        "" if gain.where_both_train.is_nan else f", where both train {numbers.gain(gain.where_both_train)}"
    )
    return f"H = {width}: {numbers.gain(gain.overall)}{where_both_train}"


CLAIMS: tuple[Claim, ...] = (trains, generalises, cascades, breathes, bounces, widens, regularises)
