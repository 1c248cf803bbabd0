"""The papers' claims, C1 to C15, and this book's own, B1 to B4: what was measured here, and whether they hold here.

The wording is short and the book's own; that of C1 to C15 follows the papers' abstracts. A verdict is computed, by
the rule in the docstring of its function: it changes when the stored results do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from minidyn import _renamed
from minidyn.experiments.results import load
from minidyn.experiments.statistics import (
    Interval,
    PairedGain,
    format_interval,
    format_mean,
    interval,
    paired_gain,
    trained,
)
from minidyn.experiments.tilting.one_direction import HELD_OUT, doublings, hit_rate, median, ratios
from minidyn.experiments.topography.dynamical_losses import AT_ZERO
from minidyn.experiments.topography.losses import NAMES
from minidyn.experiments.topography.validation import validation_gain

_renamed.names(__name__, find="minidyn.experiments.claims.find_claim")

HOLDS, IN_PART, NOT = "holds", "holds in part", "does not hold here"


@dataclass(frozen=True)
class Finding:
    """What was measured for a claim: a sentence or two with numbers and spread; how many seeds; the verdict.

    And, where they are not part of these, the settings it was measured at, the control, and the strongest caveat.
    """

    measured: str
    seeds: str
    verdict: str
    regime: str = ""
    control: str = ""
    caveat: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim of a paper ("P1", "P2", "P3") or of this book ("B"), its page, and the experiments that judge it."""

    number: str
    paper: str
    says: str
    page: str
    experiments: tuple[str, ...]
    judge: Callable[..., Finding]

    def finding(self) -> Finding:
        """Measured and judged now, from the stored results."""
        return self.judge(*map(load, self.experiments))


CLAIMS: list[Claim] = []
DETAILS = ("regime", "control", "caveat")


def claim(number: str, paper: str, says: str, *, page: str, experiments: tuple[str, ...]) -> Callable[..., None]:
    """Register the function below as the judge of a claim."""

    def register(judge: Callable[..., Finding]) -> None:
        CLAIMS.append(Claim(number, paper, says, page, experiments, judge))

    return register


def _verdict(holds: bool, in_part: bool) -> str:
    return HOLDS if holds else IN_PART if in_part else NOT


def _percent(values: xr.DataArray) -> str:
    return f"{format_mean(100 * values, '.1f')}%"


def _gain(gain: Interval) -> str:
    return format_interval(gain.map(lambda value: 100 * value), "+.1f", unit="%", label="95%: ")


def _pairs(data: xr.Dataset, width: int) -> tuple[xr.Dataset, xr.Dataset]:
    return data.sel(loss="static", width=width), data.sel(loss="dynamical", width=width)


def _settings(data: xr.Dataset) -> str:
    return f"{data.sizes['data_seed'] * data.sizes['seed']} pairs per width ({data.sizes['data_seed']} samples of data)"


@claim(
    "C1",
    "P1",
    "An underparameterised network that fails with cross-entropy trains with the dynamical loss.",
    page="tilting/learning",
    experiments=("held-out",),
)
def _trains(data: xr.Dataset) -> Finding:
    """Holds: at some width static runs get below 95% of the training samples right, dynamical ones more, on average."""
    rows, rescued, better = [], False, False
    for width in data.width.values:
        static, dynamical = _pairs(data, width)
        if float(static.accuracy.mean()) >= 0.95:
            continue
        rescued |= float(dynamical.accuracy.mean()) >= 0.95
        better |= interval(dynamical.accuracy - static.accuracy, "data_seed").is_above_zero
        rows.append(
            f"H={width}: training accuracy {_percent(static.accuracy)} static, {_percent(dynamical.accuracy)} dynamical"
        )
    return Finding("; ".join(rows), _settings(data), _verdict(rescued, better))


@claim(
    "C2",
    "P1",
    "An overparameterised network generalises better with the dynamical loss.",
    page="tilting/learning",
    experiments=("held-out",),
)
def _generalises(data: xr.Dataset) -> Finding:
    """At the widest network. Holds: where both runs train, the gain is above 0; in part: only where one does not."""
    width = int(data.width.max())
    gain = paired_gain(*_pairs(data, width))
    measured = (
        f"H={width}: validation accuracy {_gain(gain.overall)} over all pairs; {_gain(gain.where_both_train)} where "
        f"both runs train ({gain.trained.static} static and {gain.trained.dynamical} dynamical runs do)"
    )
    verdict = _verdict(gain.where_both_train.is_above_zero, gain.overall.is_above_zero)
    return Finding(measured, _settings(data), verdict)


@claim(
    "C3",
    "P1",
    "Instabilities develop as bifurcation cascades, seen in the loss, the Hessian and the NTK.",
    page="tilting/instabilities",
    experiments=("many-seeds",),
)
def _cascades(data: xr.Dataset) -> Finding:
    """Turns three and four. Holds: period 2, then 4, then chaos in most handovers, and the kernel dips in bursts."""
    dynamical = _dynamical(data)
    turns = dynamical.sel(cycle=[2, 3])
    ordered = (turns.first_2 < turns.first_4) & (turns.first_4 < turns.first_chaos)
    doubled, share = float(turns.first_2.notnull().mean()), float(ordered.mean())
    dip = 1 - dynamical.ntk_least / dynamical.ntk_before
    measured = (
        f"turns 3 and 4: period 2 in {doubled:.0%} of {ordered.size} handovers, period 2, then 4, then chaos in "
        f"{share:.0%}; in a burst the kernel's largest eigenvalue falls by {_percent(dip)}"
    )
    verdict = _verdict(share > 0.5 and float(dip.mean()) > 0, doubled > 0.5)
    return Finding(measured, _two_orders(data), verdict)


def _dynamical(data: xr.Dataset) -> xr.Dataset:
    """The runs of "many-seeds" under the dynamical loss."""
    return data.sel(run=["given", "permuted"])


def _two_orders(data: xr.Dataset) -> str:
    return f"{data.sizes['seed']} seeds, two orders of summation"


@claim(
    "C4",
    "P1",
    "Within a cycle valleys widen and deepen, then narrow and rise.",
    page="tilting/landscape",
    experiments=("many-seeds",),
)
def _breathes(data: xr.Dataset) -> Finding:
    """Turns 2 to 8. Holds: in nine of ten, loss and sharpness are lower in mid-turn than at both handovers."""
    turns = _dynamical(data).sel(cycle=slice(1, 7))
    lower = (turns.loss_middle < turns.loss_start) & (turns.loss_middle < turns.loss_end)
    wider = (turns.sharpness_middle < turns.sharpness_start) & (turns.sharpness_middle < turns.sharpness_end)
    measured = (
        f"turns 2 to 8: in mid-turn the loss is {format_mean(turns.loss_middle / turns.loss_end)} and the sharpness "
        f"{format_mean(turns.sharpness_middle / turns.sharpness_end)} of what they are at its end; lower than at both "
        f"ends in {float(lower.mean()):.0%}, wider in {float(wider.mean()):.0%} of the turns"
    )
    both = float((lower & wider).mean())
    return Finding(measured, _two_orders(data), _verdict(both > 0.9, both > 0.5))


@claim(
    "C5",
    "P1",
    "As the valley narrows the learning rate becomes too large, and the network bounces.",
    page="tilting/instabilities",
    experiments=("many-seeds",),
)
def _bounces(data: xr.Dataset) -> Finding:
    """Holds: nine of ten bursts come in a cycle whose sharpness crosses 2/η, and begin near the crossing."""
    dynamical = _dynamical(data)
    bursts = dynamical.burst_start.notnull()
    crossed = dynamical.crossing.notnull()
    share = float((bursts & crossed).sum() / bursts.sum())
    near = float((np.abs(dynamical.burst_start - dynamical.crossing) <= 50).sum() / bursts.sum())
    measured = (
        f"{share:.0%} of {int(bursts.sum())} bursts come with a crossing of 2/η = 2, {near:.0%} begin within 50 "
        f"updates of it; sharpness when last measured before a burst {format_mean(dynamical.sharpness_before)}"
    )
    return Finding(measured, _two_orders(data), _verdict(share > 0.9 and near > 0.5, share > 0.5))


@claim(
    "C6",
    "P1",
    "Bouncing pushes the system to deeper and wider regions: Hessian eigenvalues decrease.",
    page="tilting/instabilities",
    experiments=("many-seeds", "held-out"),
)
def _widens(data: xr.Dataset, pairs: xr.Dataset) -> Finding:
    """Holds: mid-turn sharpness falls over the turns, and the static loss ends wider than after static training.

    In part: one of the two.
    """
    middle = _dynamical(data).sharpness_middle
    first, last = middle.sel(cycle=3), middle.isel(cycle=12)
    width = int(pairs.width.max())
    static, dynamical = _pairs(pairs, width)
    difference = np.log(dynamical.sharpness) - np.log(static.sharpness)
    change = interval(difference.where(trained(static) & trained(dynamical)), "data_seed")
    ratio = format_interval(change.map(np.exp), ".2f", label="95%: ")
    measured = (
        f"sharpness in mid-turn rises to {format_mean(first)} in turn 4, then falls to {format_mean(last)} in turn 13; "
        f"of the static loss after the rest, H={width}, dynamical over static training where both train: {ratio}"
    )
    falls, wider = float(last.mean()) < float(first.mean()), change.is_below_zero
    return Finding(measured, f"{_two_orders(data)}; {_settings(pairs)}", _verdict(falls and wider, falls or wider))


@claim(
    "C7",
    "P1",
    "The result is a better regularised model that generalises better.",
    page="tilting/learning",
    experiments=("held-out", "controls"),
)
def _regularises(data: xr.Dataset, controls: xr.Dataset) -> Finding:
    """Over all widths. Holds: where both runs train, the gain is above 0; in part: only over all pairs.

    Beside it, without a say in the verdict: what other disturbances of the static loss gain at the same compute.
    """
    gains = {int(width): paired_gain(*_pairs(data, width)) for width in data.width.values}
    everywhere = all(gain.overall.is_above_zero for gain in gains.values())
    somewhere = any(gain.overall.is_above_zero for gain in gains.values())
    where_trained = any(gain.where_both_train.is_above_zero for gain in gains.values())
    score = controls.validation_accuracy.sel(width=30).mean("seed")
    over_static = score - score.sel(control="static")
    others = over_static.drop_sel(control=["static", "oscillation"])
    best, oscillation = others.isel(control=int(np.argmax(others.data))), over_static.sel(control="oscillation")
    measured = (
        f"validation accuracy, {'; '.join(_gain_at(width, gain) for width, gain in gains.items())}. But at H=30 the "
        f"best of {others.size} other disturbances, {best.control.item()}, gains {100 * float(best):+.0f}%, the "
        f"oscillation {100 * float(oscillation):+.0f}%: it is one of several that help"
    )
    seeds = f"{_settings(data)}; controls: {controls.sizes['seed']} seeds"
    return Finding(measured, seeds, _verdict(everywhere and where_trained, somewhere))


def _gain_at(width: int, gain: PairedGain) -> str:
    given = "" if gain.where_both_train.is_nan else f", where both train {_gain(gain.where_both_train)}"
    return f"H={width}: {_gain(gain.overall)}{given}"


@claim(
    "C8",
    "P3",
    "The oscillations change the landscape globally, but not its global minima.",
    page="topography/dynamical-losses",
    experiments=("global-minima",),
)
def _keeps_minima(data: xr.Dataset) -> Finding:
    """Where static squared error vanishes. Holds: no Γ has a gradient there, and each changes the curvature."""
    steepest = float(data.gradient.max())
    sharper = data.sharpness.max("phase") / data.static_sharpness
    at_zero = data.final_loss.isel(relative_step=-1) < AT_ZERO
    back = [f"{NAMES[str(loss)]} {int(at_zero.sel(loss=loss).sum())}" for loss in data.loss.values]
    measured = (
        f"zero-loss weights (static squared error {float(data.static_loss.max()):.0e} at most): the gradient is "
        f"{steepest:.0e} at most for any Γ, and the greatest sharpness of a cycle {format_mean(sharper)} times the "
        f"static one. At {float(data.relative_step[-1]) / 2:.0%} of the rate that static descent bears there, turns "
        f"throw runs out; after a rest so many of the {data.sizes['seed']} are back at zero: {', '.join(back)}"
    )
    keeps, changes = steepest < 1e-9, float(sharper.min()) > 1.05
    return Finding(measured, f"{data.sizes['seed']} seeds", _verdict(keeps and changes, False))


@claim(
    "C9",
    "P3",
    "Network size and learning rate set the depth and the sharpness of the minima that are explored.",
    page="topography/size-and-learning-rate",
    experiments=("size-and-rate",),
)
def _size_and_rate(data: xr.Dataset) -> Finding:
    """Holds: the final loss falls with width, the sharpness with the rate, each at each value of the other.

    By two standard errors. In part: some of these.
    """
    end = data.isel(step=slice(-30, None)).mean("step")
    rows = [
        f"H={width}, η={rate:g}: loss {format_mean(end.static_loss.sel(width=width, learning_rate=rate))}, sharpness "
        f"{format_mean(end.sharpness.sel(width=width, learning_rate=rate))}"
        for width in data.width.values
        for rate in data.learning_rate.values
    ]
    falls = [*_falls(end.static_loss, "width", "learning_rate"), *_falls(end.sharpness, "learning_rate", "width")]
    return Finding("; ".join(rows), f"{data.sizes['seed']} seeds", _verdict(all(falls), any(falls)))


def _falls(values: xr.DataArray, along: str, other: str) -> list[bool]:
    """Whether the mean over the seeds falls between neighbours along a dimension, by two standard errors."""
    mean, error = values.mean("seed"), values.std("seed", ddof=1) / values.sizes["seed"] ** 0.5
    step = mean.diff(along)
    apart = 2 * np.sqrt(error**2 + error.shift({along: 1}) ** 2).isel({along: slice(1, None)})
    return (step < -apart).transpose(along, other).values.ravel().tolist()


@claim(
    "C10",
    "P3",
    "Several dynamical losses significantly improve validation accuracy, over sizes, most for small networks.",
    page="topography/validation",
    experiments=("held-out-losses",),
)
def _improves(data: xr.Dataset) -> Finding:
    """Holds: two losses or more gain at half of the widths or more (95%), and the half of narrower networks gains more.

    In part: a loss gains at some width.
    """
    rows, losses_that_gain, narrow_gain_more = [], 0, []
    for loss in data.loss.values:
        gains = {int(w): validation_gain(data.sel(loss=loss, width=w)).overall for w in data.width.values}
        losses_that_gain += sum(gain.is_above_zero for gain in gains.values()) >= len(gains) / 2
        means, half = [gain.mean for gain in gains.values()], len(gains) // 2
        narrow_gain_more.append(np.mean(means[:half]) > np.mean(means[-half:]))
        rows.append(f"{NAMES[str(loss)]}: {', '.join(f'H={width} {_gain(gain)}' for width, gain in gains.items())}")
    verdict = _verdict(losses_that_gain >= 2 and all(narrow_gain_more), losses_that_gain > 0)
    return Finding("; ".join(rows), f"{data.sizes['data_seed'] * data.sizes['seed']} pairs per point", verdict)


@claim(
    "C11",
    "P3",
    "As the landscape evolves there are instabilities, linked to edge-of-stability minimisation.",
    page="topography/edge-of-instability",
    experiments=("edge",),
)
def _edges(data: xr.Dataset) -> Finding:
    """Windows of 125 updates, from turn 2 on. Holds: for each loss nine of ten bounce above 2, and few below 1.5.

    A window bounces if more than a twentieth of its updates increase the loss they descend; few: one in fifty.
    """
    settled = data.isel(step=data.step >= data.attrs["period"])
    rows, linked = [], []
    for loss in settled.loss.values:
        part = settled.sel(loss=loss)
        bounces, sharpness = part.bounces > 0.05, part.edge_most
        above, below = (float(bounces.where(windows).mean()) for windows in (sharpness > 2, sharpness < 1.5))
        low = "none is below 1.5" if np.isnan(below) else f"{below:.0%} of those below 1.5"
        greatest = f"greatest {float(sharpness.max()):.1f}"
        rows.append(f"{NAMES[str(loss)]}: {above:.0%} of the windows above 2 bounce, {low}; {greatest}")
        linked.append(above > 0.9 and not below > 0.02)
    measured = f"η λ_max against bounces, {'; '.join(rows)}"
    return Finding(measured, f"{data.sizes['seed']} seeds", _verdict(all(linked), any(linked)))


@claim(
    "C12",
    "P2",
    "McCloskey and Cohen's network, trained on one group of additions and then on another, loses the first.",
    page="forgetting/interference",
    experiments=("interference",),
)
def _interferes(data: xr.Dataset) -> Finding:
    """Holds: after two passes of the second group, fewer than half of the first are right."""
    ones = data.ones.sel(condition="sequential")
    after = [ones.sel(passes=number) for number in (0, 1, 2)]
    measured = f"ones right by best match: {', '.join(map(_percent, after))} after 0, 1 and 2 passes of the twos"
    before, last = float(after[0].mean()), float(after[2].mean())
    return Finding(measured, f"{data.sizes['seed']} seeds", _verdict(last < 0.5, last < before))


@claim(
    "C13",
    "P2",
    "A network that adds digit by digit, with conditional clauses, recovers the correct algorithm by back-propagation.",
    page="forgetting/conditional-network",
    experiments=("adder",),
)
def _recovers(data: xr.Dataset) -> Finding:
    """Holds: nine of ten cells add every test pair of 16-bit numbers, with the clause soft and hardened."""
    last = data.accuracy.isel(steps=-1)
    perfect = {str(clause): float((last.sel(clause=clause) == 1).mean()) for clause in data.clause.values}
    measured = "; ".join(f"{clause}: {share:.1%}" for clause, share in perfect.items())
    good = [perfect["soft"] > 0.9, perfect["hardened"] > 0.9]
    measured = f"cells that add every test pair, clause {measured}"
    return Finding(measured, f"{data.sizes['seed']} seeds", _verdict(all(good), any(good)))


@claim(
    "C14",
    "P2",
    "In sequence, and on random additions one by one, it does not forget, and gets better on pairs not seen.",
    page="forgetting/transfer",
    experiments=("sequential", "one-by-one"),
)
def _transfers(sequential: xr.Dataset, stream: xr.Dataset) -> Finding:
    """Holds: among cells that learned the ones, the mean loss of ones is within two standard errors of 0 or under 1%,
    unseen pairs gain, and in the stream unseen pairs end above 90%. In part: one of the three."""
    cells = sequential.sel(learner="adder")
    cells = cells.where(cells.learned.astype(bool), drop=True)
    change, gain = _over_twos(cells, "ones"), _over_twos(cells, "unseen")
    end = stream.accuracy.sel(learner="adder", set="unseen").isel(examples=-1)
    keeps = -float(change.mean()) < max(0.01, 2 * _standard_error(change))
    transfers = float(gain.mean()) > 2 * _standard_error(gain)
    good = [keeps, transfers, float(end.mean()) > 0.9]
    measured = (
        f"of {change.size} cells that learned the ones: ones change by {_percent(change)}, unseen pairs by "
        f"{_percent(gain)}; {int((change < -0.2).sum())} lose more than 20%; in the stream unseen "
        f"pairs end at {_percent(end)}"
    )
    return Finding(measured, f"{sequential.sizes['seed']} seeds", _verdict(all(good), any(good)))


def _standard_error(values: xr.DataArray) -> float:
    return float(values.std(ddof=1)) / values.size**0.5


def _over_twos(cells: xr.Dataset, pairs: str) -> xr.DataArray:
    """By how much the share of right sums changes while the twos are learned."""
    return cells.R.sel(set=pairs, after="twos") - cells.R.sel(set=pairs, after="ones")


@claim(
    "C15",
    "P2",
    "This holds when averaging many simulations.",
    page="forgetting/transfer",
    experiments=("sequential", "one-by-one", "adder"),
)
def _on_average(sequential: xr.Dataset, stream: xr.Dataset, adder: xr.Dataset) -> Finding:
    """Holds: over all seeds, learned or not, the mean on the ones falls by less than 1%; that on unseen pairs rises."""
    cells = sequential.sel(learner="adder")
    change, gain = _over_twos(cells, "ones"), _over_twos(cells, "unseen")
    measured = f"over all seeds: ones change by {_percent(change)}, unseen pairs by {_percent(gain)}"
    good = [float(change.mean()) > -0.01, float(gain.mean()) > 0]
    seeds = ", ".join(str(data.sizes["seed"]) for data in (sequential, stream, adder))
    return Finding(measured, f"{seeds} seeds", _verdict(all(good), any(good)))


NEAR, WITHIN = 0.05, 0.15  # how far from 1 a ratio may be to hold, and to hold in part
ON_TIME = 100  # updates: a fiftieth of a turn


@claim(
    "B1",
    "B",
    "Under cross-entropy a burst swings as far as a map along one direction, the sharpest at the valley's floor.",
    page="tilting/one-direction",
    experiments=("one-direction", "one-direction-settings"),
)
def _one_direction(data: xr.Dataset, settings: xr.Dataset) -> Finding:
    """Held-out seeds. Holds: the 95% interval of the median of map over run lies within 5% of 1, the control's not.

    In part: it lies within 15%.
    """
    unseen = data.sel(seed=data.seed >= HELD_OUT)
    swing, second = median(ratios(unseen)), median(ratios(unseen, "second_map", "second_run"))
    apart = [median(ratios(settings.sel(setting=number))) for number in settings.setting.values]
    outside = [
        f"A={float(row.amplitude):g}, T={int(row.period)}, H={int(row.width)}, η={float(row.learning_rate):g} "
        f"({'no window bounces' if ratio.is_nan else f'{ratio.mean:.2f}'})"
        for number, ratio in enumerate(apart)
        for row in (settings.isel(setting=number),)
        if not abs(ratio.mean - 1) <= NEAR
    ]
    to_handover = unseen.step - 5000 * unseen.turn
    burst = ratios(unseen).where((to_handover >= -1000) & (to_handover < 0))
    return Finding(
        f"swing of the map over swing of the run: median {format_interval(swing, '.3f', label='95%: ')}; quartiles "
        f"{_quartiles(burst)} in the 1,000 steps before the handover, {_quartiles(ratios(unseen))} over all windows",
        f"{unseen.sizes['seed']}, on which nothing was chosen",
        _verdict(_near(swing, NEAR) and not _near(second, NEAR), _near(swing, WITHIN) and not _near(second, WITHIN)),
        regime="A = 70, T = 5000, H = 100, η = 1, bursts of turns 2 and 3",
        control=f"the second eigenvector instead, {second.mean:.2f}; the floor of another window, quartiles "
        f"{_quartiles(ratios(unseen, 'wrong_map', 'run'))}",
        caveat="before the burst and after the handover the run trembles where the map rests; the median leaves 5% at "
        + "; ".join(outside),
    )


@claim(
    "B2",
    "B",
    "The flip coefficient of that slice tells the losses that double their period from those that tremble.",
    page="tilting/one-direction",
    experiments=("flip-coefficients",),
)
def _flips(data: xr.Dataset) -> Finding:
    """Holds: the 95% interval of the hit rate is above 80%; in part: above the share of the more frequent kind."""
    runs, hits = doublings(data), hit_rate(data)
    doubled = float(runs.doubled.mean())
    usual = max(doubled, 1 - doubled)
    medians = (f"{NAMES[str(loss)]} {_quartiles(data.flip_coefficient.sel(loss=loss))}" for loss in data.loss.values)
    return Finding(
        f"right in {format_interval(hits.map(lambda v: 100 * v), '.0f', unit='%', label='95%: ')} of "
        f"{runs.sizes['run']} runs; quartiles of the coefficient: {', '.join(medians)}",
        f"{data.sizes['seed']} per loss and width",
        _verdict(hits.low > 0.8, hits.low > usual),
        regime=f"A = 70, T = 5000, H = {', '.join(map(str, data.width.values))}, one rate per loss, turn 2",
        control=f"the more frequent kind always: {usual:.0%}",
        caveat="the limit was chosen on other seeds, but for the same losses; within one loss the rule says little",
    )


@claim(
    "B3",
    "B",
    "The squared errors' bounce at the edge of stability is as wide as self-stabilisation demands.",
    page="tilting/one-direction",
    experiments=("flip-coefficients",),
)
def _self_stabilised(data: xr.Dataset) -> Finding:
    """Both squared errors. Holds: the median of prediction over run is within 15% of 1, that of map over run not."""
    squared = data.sel(loss=["mse_sample", "mse_output"])
    drift = {
        str(loss): median(squared.drift.sel(loss=loss) / squared.run.sel(loss=loss)) for loss in squared.loss.values
    }
    slices = {str(loss): median(ratios(squared.sel(loss=loss))) for loss in squared.loss.values}
    by_drift = [_near(ratio, WITHIN) for ratio in drift.values()]
    by_slice = [_near(ratio, WITHIN) for ratio in slices.values()]
    rows = (f"{NAMES[loss]} {format_interval(ratio, '.2f', label='95%: ')}" for loss, ratio in drift.items())
    return Finding(
        f"predicted over measured swing, median: {', '.join(rows)}",
        f"{data.sizes['seed']} per loss and width",
        _verdict(all(by_drift) and not any(by_slice), any(by_drift)),
        regime=f"A = 70, T = 5000, H = {', '.join(map(str, data.width.values))}, turn 2",
        control=f"the map along one direction, over the run: {', '.join(f'{r.mean:.2f}' for r in slices.values())}",
        caveat="the prediction is of the balance: it misses where a bounce has just begun or is dying out",
    )


@claim(
    "B4",
    "B",
    "When the second burst begins is known from mid-turn on: the gradient flow passes the flip when the run bounces.",
    page="tilting/one-direction",
    experiments=("onset",),
)
def _onsets(data: xr.Dataset) -> Finding:
    """Holds: the onsets are at most 100 updates apart (median); in part: nearer than with weights held."""
    unseen = data.sel(seed=data.seed >= HELD_OUT)
    off, held = unseen.felt_flow - unseen.onset, unseen.felt.isel(lead=0) - unseen.onset
    distance, with_held = float(np.abs(off).median()), float(np.abs(held).median())
    return Finding(
        f"predicted minus actual onset: {format_mean(off, '.0f')} updates, median distance {distance:.0f}",
        f"{int(off.count())} of {unseen.sizes['seed']}",
        _verdict(distance <= ON_TIME, distance < with_held),
        regime="A = 70, T = 5000, H = 100, η = 1, turn 2, from step 7,500 on",
        control=f"the weights of step 7,500 held, and only the clock moving: median distance {with_held:.0f} updates, "
        f"and no onset in {int(held.isnull().sum())} runs",
        caveat="the flow is itself a run of 25,000 small steps, and knows the task",
    )


def _near(ratio: Interval, distance: float) -> bool:
    return bool(abs(ratio.low - 1) <= distance and abs(ratio.high - 1) <= distance)


def _quartiles(values: xr.DataArray) -> str:
    low, high = values.quantile([0.25, 0.75]).values
    return f"{low:.2f} to {high:.2f}"


def cards(paper: str) -> str:
    """The claims of a paper, or of this book ("B"), each with its finding, as Markdown."""
    return "\n\n".join(_card(claim) for claim in CLAIMS if claim.paper == paper)


def _card(claim: Claim) -> str:
    finding = claim.finding()
    commands = ", ".join(f"`minidyn run {name} --full`" for name in claim.experiments)
    return "\n".join(
        [
            f"**{claim.number}. {claim.says}**",
            "",
            f"- **{finding.verdict.capitalize()}.** {finding.measured[0].upper()}{finding.measured[1:]}.",
            *(f"- {name.capitalize()}: {text}." for name in DETAILS if (text := getattr(finding, name))),
            f"- Seeds: {finding.seeds}. Shown in [](../{claim.page}.md). Again: {commands}.",
            f"- Rule: {' '.join((claim.judge.__doc__ or '').split())}",
        ]
    )


def find_claim(number: str) -> Claim:
    """The claim of a number, such as "C3".

    Raises
    ------
    ValueError
        If there is none.
    """
    for claim in CLAIMS:
        if claim.number == number:
            return claim
    raise ValueError(f"number must be one of {', '.join(claim.number for claim in CLAIMS)}, got {number!r}")
