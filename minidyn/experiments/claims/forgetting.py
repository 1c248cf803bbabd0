"""C12 to C15: Model architecture can transform catastrophic forgetting into positive transfer."""

from __future__ import annotations

from functools import partial

import xarray as xr

from minidyn.experiments.claims import numbers
from minidyn.experiments.claims.claim import Claim, Finding, Rule
from minidyn.experiments.claims.claim import claim as declare

claim = partial(declare, paper="P2")

OWN_CELL = "The paper's cell could not be read; the cell, and that it works digit by digit, are this book's reading."
CLAUSELESS = ("plain cell", "GRU")  # networks that go digit by digit and have no clause
FULL_CARRY = "neither set of sums holds the full carry (two ones and a carry), and it is not learned from them"


@claim(
    "C12",
    "McCloskey and Cohen's network, trained on one group of additions and then on another, loses the first.",
    page="forgetting/interference",
    experiments=("interference",),
    deviation="Many seeds where the original averages two runs; the error after one pass is below theirs.",
)
def interferes(data: xr.Dataset) -> Finding:
    """Accuracy on the first group, by best match, before and during the second."""
    ones = data.ones.sel(condition="sequential")
    before, after_one, after_two = (ones.sel(passes=number) for number in (0, 1, 2))
    together = data.ones.sel(condition=[c for c in data.condition.values if c != "sequential"]).isel(passes=-1)
    best = together.mean("seed")
    return Finding(
        effect=f"ones right: {numbers.percent(before)} before the twos, {numbers.percent(after_one)} after one pass, "
        f"{numbers.percent(after_two)} after two",
        regime="28-50-24 logistic units, rate 0.25, momentum 0.9, an update after each sum",
        seeds=f"{data.sizes['seed']}",
        control=f"other ways to train, after the last pass: {_each(100 * best, '.0f', '%')}",
        caveat="how much is lost depends on the details: with one update per pass, not one per sum, it does not "
        "come out",
        rule=Rule(
            {
                "accuracy on the ones falls over two passes of the twos": float(after_two.mean())
                < float(before.mean()),
                "it falls below one half": float(after_two.mean()) < 0.5,
            }
        ),
    )


def _each(values: xr.DataArray, spec: str, unit: str = "") -> str:
    dimension = str(values.dims[0])
    return ", ".join(f"{v[dimension].item()} {float(v):{spec}}{unit}" for v in values)


@claim(
    "C13",
    "A network with conditional clauses recovers the correct algorithm for adding binary numbers by back-propagation.",
    page="forgetting/conditional-network",
    experiments=("adder", "adder-ablation", "adder-initialisation", "one-by-one-controls"),
    deviation=OWN_CELL,
)
def recovers(data: xr.Dataset, ablation: xr.Dataset, ranges: xr.Dataset, controls: xr.Dataset) -> Finding:
    """Cells that add every test pair of 16-bit numbers, with the clause as trained and hardened."""
    last = data.accuracy.isel(steps=-1)
    perfect = {str(clause): float((last.sel(clause=clause) == 1).mean()) for clause in data.clause.values}
    by_range = 100 * (ranges.soft == 1).mean("seed")
    clauseless = 100 * (controls.accuracy.sel(learner=list(CLAUSELESS), set="16 bits") == 1).mean("seed")
    return Finding(
        effect="cells that add every test pair: "
        + ", ".join(f"{share:.1%} with the clause {clause}" for clause, share in perfect.items()),
        regime="one random pair of 3-bit numbers per update, rate 0.1, gradient clipped at 1, "
        f"{int(data.steps[-1]):,} updates",
        seeds=f"{data.sizes['seed']}",
        control=f"other cells that add every test pair: {_each(100 * (ablation.soft == 1).mean('seed'), '.0f', '%')}; "
        f"without a clause: {_each(clauseless, '.0f', '%')}",
        caveat=f"it depends on the initial ranges: from {float(by_range.min()):.0f}% to {float(by_range.max()):.0f}% "
        f"of the cells add over {ranges.sizes['ranges']} choices",
        rule=Rule(
            {
                f"nine of ten cells add every test pair with the clause {clause}": perfect[clause] > 0.9
                for clause in ("soft", "hardened")
            }
        ),
    )


@claim(
    "C14",
    "In sequence, and on random additions one by one, it does not forget, and gets better on pairs not seen.",
    page="forgetting/transfer",
    experiments=("sequential", "one-by-one", "transfer-controls"),
    deviation=OWN_CELL,
)
def transfers(sequential: xr.Dataset, stream: xr.Dataset, controls: xr.Dataset) -> Finding:
    """The cells that learned the ones, over the twos; and a stream of random sums."""
    cells = sequential.sel(learner="adder")
    cells = cells.where(cells.learned.astype(bool), drop=True)
    change, gain = _over_twos(cells, "ones"), _over_twos(cells, "unseen")
    end = stream.accuracy.sel(learner="adder", set="unseen").isel(examples=-1)
    keeps = -float(change.mean()) < max(0.01, 2 * numbers.standard_error(change))
    return Finding(
        effect=f"of {change.size} cells that learned the ones: accuracy on the ones changes by "
        f"{numbers.percent(change)} "
        f"over the twos, on unseen pairs by {numbers.percent(gain)}; in the stream unseen pairs end at "
        f"{numbers.percent(end)}",
        regime="ones, then twos; or one random sum per update",
        seeds=f"{sequential.sizes['seed']}",
        control=f"change on the ones, other networks: {_each(_others(sequential), '+.0f', '%')}; "
        f"{_each(_clauseless(controls), '+.0f', '%')}",
        caveat=f"on average only: {int((change < -0.2).sum())} of {change.size} cells lose more than 20%; the clause "
        f"is not needed for it, since networks without one that go digit by digit keep as much; {FULL_CARRY}",
        rule=Rule(
            {
                "the mean loss on the ones is below 1% or within two standard errors of zero": keeps,
                "unseen pairs gain, by two standard errors": float(gain.mean()) > 2 * numbers.standard_error(gain),
                "in the stream unseen pairs end above 90%": float(end.mean()) > 0.9,
            }
        ),
    )


def _others(sequential: xr.Dataset) -> xr.DataArray:
    others = sequential.sel(learner=[name for name in sequential.learner.values if name != "adder"])
    return 100 * _over_twos(others, "ones").mean("seed")


def _clauseless(controls: xr.Dataset) -> xr.DataArray:
    networks = controls.sel(learner=list(CLAUSELESS), lesson="full carry left out")
    return 100 * _over_twos(networks, "ones").mean("seed")


def _over_twos(cells: xr.Dataset, pairs: str) -> xr.DataArray:
    """The change in the share of right sums while the twos are learned."""
    return cells.R.sel(set=pairs, after="twos") - cells.R.sel(set=pairs, after="ones")


@claim(
    "C15",
    "This holds when averaging many simulations.",
    page="forgetting/transfer",
    experiments=("sequential", "one-by-one", "adder"),
    deviation=OWN_CELL,
)
def on_average(sequential: xr.Dataset, stream: xr.Dataset, adder: xr.Dataset) -> Finding:
    """All cells, whether or not they learned the ones."""
    cells = sequential.sel(learner="adder")
    change, gain = _over_twos(cells, "ones"), _over_twos(cells, "unseen")
    losers = int((change < -0.2).sum())
    return Finding(
        effect=f"over all seeds accuracy on the ones changes by {numbers.percent(change)}, on unseen pairs by "
        f"{numbers.percent(gain)}",
        regime="as C13 and C14",
        seeds=", ".join(str(data.sizes["seed"]) for data in (sequential, stream, adder)),
        control=f"change on the ones, other networks: {_each(_others(sequential), '+.0f', '%')}",
        caveat=f"a mean hides the few that fail: {losers} of {change.size} cells lose more than 20% of the ones",
        rule=Rule(
            {
                "the mean accuracy on the ones falls by less than 1%": float(change.mean()) > -0.01,
                "that on unseen pairs rises": float(gain.mean()) > 0,
            }
        ),
    )


CLAIMS: tuple[Claim, ...] = (interferes, recovers, transfers, on_average)
