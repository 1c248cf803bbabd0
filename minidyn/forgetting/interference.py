"""McCloskey and Cohen's experiment: a network that knows the ones facts loses them while it learns the twos.

The network is `learners.Perceptron` with its defaults: 28-50-24 logistic units, coarse code, learning rate 0.25,
momentum 0.9. It is trained on the 17 ones facts, in random order with an update after each, until every output of every
fact is within 0.1 of its target; then on the 17 twos facts. Scores are taken on the 15 ones facts that are not also
twos facts.

Source: McCloskey and Cohen, "Catastrophic interference in connectionist networks: the sequential learning problem"
(Psychology of Learning and Motivation 24, 109-165, 1989). They report, averaged over two runs, a best match of 100% on
the ones facts, then 57% after one pass of twos and 30% after two, and an error that rises from .0015 to .0453 in one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from minidyn import _checks as check
from minidyn.forgetting import facts, protocol
from minidyn.forgetting.learners import Perceptron, State

TOLERANCE = 0.1
ORDERS = ("sequential", "interleaved")
CRITERIA = ("best match", "right side", "within 0.1")


def experiment(
    seeds: Sequence[int],
    *,
    order: str = "sequential",
    passes: int = 10,
    rehearsal: float = 0.0,
    network: Perceptron | None = None,
    most: int = 500,
) -> xr.Dataset:
    """Run the experiment for many seeds at once. 100 seeds take about 3 s.

    Parameters
    ----------
    seeds : sequence of int
        One network each.
    order : {"sequential", "interleaved"}
        "sequential": the ones facts until learned, then `passes` passes over the twos. "interleaved": a control,
        `passes` passes over the ones and the twos together, from the start.
    passes : int
    rehearsal : float
        Old facts mixed into each pass over the twos, as a fraction of 17, in [0, 1]; sequential order only.
    network : Perceptron, optional
        Default: McCloskey and Cohen's.
    most : int
        Most passes over the ones facts.

    Returns
    -------
    xarray.Dataset
        Over "passes" 0..passes. score (seed, passes, set, criterion): fraction right of the 15 "ones" and the 17
        "twos", by the criteria of `scores`; error (seed, passes, set): mean squared error of an output; answer (seed,
        passes, fact): the sum that best matches, for each of the 15 ones facts; first_passes (seed): passes over the
        ones facts (0 if interleaved); learned (seed): whether they were learned.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> data = experiment(range(10), passes=2)
    >>> best = data.score.sel(set="ones", criterion="best match").mean("seed")
    >>> bool(best[0] == 1 and best[2] < 0.6)
    True
    """
    seeds = facts.seeds_of(seeds)
    order = check.choice("order", order, ORDERS)
    passes, most = check.integer("passes", passes, least=0), check.integer("most", most, least=1)
    rehearsal = check.real("rehearsal", rehearsal, least=0, most=1)
    if rehearsal and order == "interleaved":
        raise ValueError(f"rehearsal must be 0 in interleaved order, got {rehearsal!r}")
    network = Perceptron() if network is None else network
    if not isinstance(network, Perceptron) or network.code != "coarse":
        raise TypeError(f"network must be a Perceptron with the coarse code, got {network!r}")

    ones, twos = facts.ones(), facts.twos()
    only_ones = facts.without(ones, twos)
    state, streams = network.init(seeds), protocol.streams_of(seeds)
    count = np.zeros(len(seeds), dtype=int)
    if order == "sequential":
        shown, old = twos, ones
        for _ in range(most):
            active = ~_learned(network, state, ones)
            if not active.any():
                break
            state = protocol.present(network, state, streams, ones, active=active)
            count += active
    else:
        shown, old = np.concatenate([ones, facts.without(twos, ones)]), None
    learned = _learned(network, state, ones)

    rows = []
    for k in range(passes + 1):
        if k:
            state = protocol.present(network, state, streams, shown, old=old, rehearsal=rehearsal)
        right = [scores(network.outputs(state.weights, network.inputs(p)), p) for p in (only_ones, twos)]
        wrong = [_errors(network, state, p).mean(axis=(1, 2)) for p in (only_ones, twos)]
        rows.append((np.stack(right, axis=1), np.stack(wrong, axis=1), network.answers(state, only_ones)))
    score, error, answer = (np.stack(column, axis=1) for column in zip(*rows, strict=True))
    return xr.Dataset(
        {
            "score": (("seed", "passes", "set", "criterion"), score),
            "error": (("seed", "passes", "set"), error),
            "answer": (("seed", "passes", "fact"), answer),
            "first_passes": ("seed", count),
            "learned": ("seed", learned),
        },
        coords={
            "seed": seeds,
            "passes": np.arange(passes + 1),
            "set": ["ones", "twos"],
            "criterion": list(CRITERIA),
            "fact": [f"{a}+{b}" for a, b in only_ones],
            "sum": ("fact", only_ones.sum(1)),
        },
        attrs={"network": network.name, "parameters": network.parameters, "order": order, "rehearsal": rehearsal},
    )


def scores(outputs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Fraction of facts that count as right, by three criteria from lenient to strict.

    "best match": among the patterns of the sums 0 to 18, the nearest in squared error is the right one. "right side":
    every output is on its target's side of 1/2. "within 0.1": every output is within 0.1 of its target. The first is
    the criterion behind the published curve, and the last that of training; the exact wording of the paper's three
    could not be read here, and "right side" is this book's reading.

    Parameters
    ----------
    outputs : ndarray, shape (..., n, 24)
        Of McCloskey and Cohen's output units.
    pairs : array_like of int, shape (n, 2)
        Single digits.

    Returns
    -------
    ndarray, shape (..., 3)

    Examples
    --------
    >>> pairs = facts.ones()
    >>> scores(facts.coarse_targets(pairs.sum(1)), pairs).tolist()
    [1.0, 1.0, 1.0]
    """
    sums = facts.pair_array("pairs", pairs).sum(-1)
    outputs = np.asarray(outputs)
    if outputs.shape[-2:] != (len(sums), 24):
        raise ValueError(f"outputs must have shape (..., {len(sums)}, 24), got {outputs.shape}")
    targets = facts.coarse_targets(sums)
    right = (
        Perceptron().read(outputs) == sums,
        ((outputs > 0.5) == (targets > 0.5)).all(-1),
        (np.abs(outputs - targets) <= TOLERANCE).all(-1),
    )
    return np.stack([one.mean(-1) for one in right], axis=-1)


def _errors(network: Perceptron, state: State, pairs: np.ndarray) -> np.ndarray:
    """Squared errors (seeds, n, 24)."""
    return (network.outputs(state.weights, network.inputs(pairs)) - network.targets(pairs)) ** 2


def _learned(network: Perceptron, state: State, pairs: np.ndarray) -> np.ndarray:
    return np.all(_errors(network, state, pairs) <= TOLERANCE**2, axis=(1, 2))
