"""C8 to C11: Dynamical loss functions shape landscape topography."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from minidyn.experiments.claims import numbers
from minidyn.experiments.claims.claim import Claim, Finding, Rule
from minidyn.experiments.claims.claim import claim as declare
from minidyn.experiments.statistics import format_mean
from minidyn.experiments.tilting.learning import validation_gain
from minidyn.experiments.topography.dynamical_losses import AT_ZERO
from minidyn.experiments.topography.losses import NAMES

claim = partial(declare, paper="P3")

READING = "The paper's formulas for the squared errors could not be read; DMSE1 and DMSE2 are this book's reading."


@claim(
    "C8",
    "The oscillations change the landscape globally, but not its global minima.",
    page="topography/dynamical-losses",
    experiments=("global-minima",),
    deviation=READING,
)
def keeps_minima(data: xr.Dataset) -> Finding:
    """Weights at which the static squared error vanishes."""
    steepest = float(data.gradient.max())
    sharper = data.sharpness.max("phase") / data.static_sharpness
    at_zero = data.final_loss.isel(relative_step=-1) < AT_ZERO
    returned = [f"{NAMES[str(loss)]} {int(at_zero.sel(loss=loss).sum())}" for loss in data.loss.values]
    arguments = numbers.arguments(data)
    return Finding(
        effect=f"at the zero-loss weights (static squared error {float(data.static_loss.max()):.0e} at most) the "
        f"gradient "
        f"is {steepest:.0e} at most for any Γ; the greatest sharpness of a cycle is {format_mean(sharper)} times the "
        "static one",
        regime=f"squared errors, H = {arguments['width']}, T = {arguments['period']:,}",
        seeds=f"{data.sizes['seed']}",
        control=f"runs that start there, at {float(data.relative_step[-1]) / 2:.0%} of the rate that static descent "
        f"bears: "
        f"turns throw them out; after a rest this many of {data.sizes['seed']} are back at zero: {', '.join(returned)}",
        caveat="with cross-entropy on separable data there is no finite minimum to keep; where zero loss is out of "
        "reach "
        "the minima do move",
        rule=Rule(
            {
                "the gradient of F at the zero-loss weights is below 1e-9 for every Γ of a cycle": steepest < 1e-9,
                "the turns raise the sharpness there by more than 5% for every seed": float(sharper.min()) > 1.05,
            }
        ),
    )


@claim(
    "C9",
    "Network size and learning rate set the depth and the sharpness of the minima that are explored.",
    page="topography/size-and-learning-rate",
    experiments=("size-and-rate",),
    deviation="Sizes, rates and the number of updates are this book's; the paper averages 20 simulations, as here.",
)
def size_and_rate(data: xr.Dataset) -> Finding:
    """The mean over the last thirty measurements of each run."""
    end = data.isel(step=slice(-30, None)).mean("step")
    rows = [
        f"H = {width}, η = {rate:g}: loss {format_mean(end.static_loss.sel(width=width, learning_rate=rate))}, "
        f"sharpness "
        f"{format_mean(end.sharpness.sel(width=width, learning_rate=rate))}"
        for width in data.width.values
        for rate in data.learning_rate.values
    ]
    sharpness = end.sharpness * data.learning_rate
    return Finding(
        effect="; ".join(rows),
        regime=f"cross-entropy, static, {numbers.arguments(data)['steps']:,} updates",
        seeds=f"{data.sizes['seed']}",
        control=f"sharpness times η is {format_mean(sharpness)} over all sizes and rates: the rate sets the sharpness "
        "through the threshold 2/η",
        caveat="these runs are not at minima: they bounce at the edge of stability",
        rule=Rule(
            {
                "the final loss falls with the width at each rate, by two standard errors": all(
                    _falls(end.static_loss, "width", "learning_rate")
                ),
                "the final sharpness falls with the rate at each width, by two standard errors": all(
                    _falls(end.sharpness, "learning_rate", "width")
                ),
            }
        ),
    )


def _falls(values: xr.DataArray, along: str, other: str) -> list[bool]:
    """Whether the mean over the seeds falls between neighbours along a dimension, by two standard errors."""
    mean, error = values.mean("seed"), values.std("seed", ddof=1) / values.sizes["seed"] ** 0.5
    step = mean.diff(along)
    apart = 2 * np.sqrt(error**2 + error.shift({along: 1}) ** 2).isel({along: slice(1, None)})
    return (step < -apart).transpose(along, other).values.ravel().tolist()


@claim(
    "C10",
    "Several dynamical losses significantly improve validation accuracy, over sizes, most for small networks.",
    page="tilting/learning",
    experiments=("held-out-losses",),
    deviation=f"{READING} A and T were chosen per loss and width on other seeds.",
)
def improves(data: xr.Dataset) -> Finding:
    """Gains per loss and width."""
    widths = [int(width) for width in data.width.values]
    gains = {
        str(loss): [validation_gain(data.sel(loss=loss, width=w)).overall for w in widths] for loss in data.loss.values
    }
    half = len(widths) // 2
    losses_that_gain = sum(sum(gain.is_above_zero for gain in row) >= len(widths) / 2 for row in gains.values())
    narrow_gain_more = [
        np.mean([gain.mean for gain in row[:half]]) > np.mean([gain.mean for gain in row[-half:]])
        for row in gains.values()
    ]
    rows = (
        f"{NAMES[loss]} gains at {sum(gain.is_above_zero for gain in row)} of {len(widths)} widths, most at H = "
        f"{widths[int(np.argmax([gain.mean for gain in row]))]}: "
        f"{numbers.gain(row[int(np.argmax([gain.mean for gain in row]))])}"
        for loss, row in gains.items()
    )
    narrowest = ", ".join(f"{NAMES[loss]} {100 * row[0].mean:+.1f}%" for loss, row in gains.items())
    arguments = numbers.arguments(data)
    return Finding(
        effect="; ".join(rows),
        regime=f"η = 1, {arguments['steps']:,} updates, the last {arguments['rest']:,} at Γ = 1, A and T chosen per "
        f"width",
        seeds=f"{data.sizes['data_seed'] * data.sizes['seed']} pairs per loss and width",
        control="each dynamical loss against its own static loss, from the same weights and samples",
        caveat=f"the smallest networks do not gain (H = {widths[0]}: {narrowest}); where both runs train the gain "
        f"is about "
        "a percent",
        rule=Rule(
            {
                "two losses or more gain at half of the widths or more (95%)": losses_that_gain >= 2,
                "for each loss the narrower half of the networks gains more than the wider half": all(narrow_gain_more),
            }
        ),
    )


@claim(
    "C11",
    "As the landscape evolves there are instabilities, which may be linked to 'edge-of-instability' minimisation.",
    page="topography/edge-of-instability",
    experiments=("edge",),
    deviation=READING,
)
def edges(data: xr.Dataset) -> Finding:
    """Windows of 125 updates, from the second turn on."""
    settled = data.isel(step=data.step >= data.attrs["period"])
    rows: list[str] = []
    conditions: dict[str, bool] = {}
    for loss in settled.loss.values:
        windows = settled.sel(loss=loss)
        bounces, sharpness = windows.bounces > 0.05, windows.edge_most
        above, below = (float(bounces.where(part).mean()) for part in (sharpness > 2, sharpness < 1.5))
        low = "no window below 1.5" if np.isnan(below) else f"{below:.0%} of those below 1.5"
        rows.append(
            f"{NAMES[str(loss)]}: {above:.0%} of the windows above 2, {low}, greatest {float(sharpness.max()):.1f}"
        )
        share = "the same" if conditions else "nine of ten windows above 2 bounce, and at most one of fifty below 1.5,"
        conditions[f"{share} under {NAMES[str(loss)]}"] = above > 0.9 and not below > 0.02
    arguments = numbers.arguments(data)
    return Finding(
        effect=f"windows of 125 updates bounce where η·λ_max is above 2, and not where it is low ({'; '.join(rows)})",
        regime=f"A = {arguments['amplitude']}, T = {arguments['period']:,}, H = {arguments['width']}, one rate per "
        f"loss",
        seeds=f"{data.sizes['seed']}",
        control="windows below 1.5, which do not bounce",
        caveat="this says where bouncing begins, not that it is the cause of what is learned; a cascade follows under "
        "cross-entropy only, the squared errors stay near 2 without one",
        rule=Rule(conditions),
    )


CLAIMS: tuple[Claim, ...] = (keeps_minima, size_and_rate, improves, edges)
