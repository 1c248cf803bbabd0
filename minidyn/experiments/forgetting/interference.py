"""McCloskey and Cohen's network: ones, then twos, with and without rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import xarray as xr

from minidyn.experiments.forgetting.tables import FRESH_SEEDS, side_by_side
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import format_mean
from minidyn.forgetting import interference

CONDITIONS: dict[str, Callable[..., xr.Dataset]] = {
    "sequential": interference.experiment,
    "rehearsal 1/4": partial(interference.experiment, rehearsal=0.25),
    "rehearsal 1/2": partial(interference.experiment, rehearsal=0.5),
    "rehearsal all": partial(interference.experiment, rehearsal=1.0),
    "interleaved": partial(interference.experiment, order="interleaved"),
}


def _summarise(data: xr.Dataset) -> str:
    percent = 100 * data.ones.sel(passes=2)
    return "\n".join(
        f"{name}: best match on the ones {format_mean(percent.sel(condition=name), '.1f')}% after two passes"
        for name in data.condition.values
    )


@experiment(
    "interference",
    shows="McCloskey and Cohen's network: ones, then twos, with and without rehearsal",
    claims=("C12",),
    quick={"seeds": range(4), "passes": 2},
    sample={"seeds": FRESH_SEEDS[:40]},
    summary=_summarise,
)
def interference_many(*, seeds: Sequence[int] = FRESH_SEEDS, passes: int = 20) -> xr.Dataset:
    """Scores, fractions of 1, over (condition, seed, passes, criterion) for the 15 ones facts and the 17 twos facts.

    `error` is of the ones; `first_passes` and `learned` tell of the training on the ones before.
    """

    def scores(condition: Callable[..., xr.Dataset]) -> xr.Dataset:
        data = condition(seeds, epochs=passes)
        best_match = data.score.sel(criterion="best match", drop=True)
        return xr.Dataset(
            {
                "ones": best_match.sel(set="ones", drop=True),
                "twos": best_match.sel(set="twos", drop=True),
                "criteria": data.score.sel(set="ones", drop=True),
                "error": data.error.sel(set="ones", drop=True),
                "first_passes": data.first_passes,
                "learned": data.learned.astype(np.int8),
            }
        )

    return side_by_side("condition", CONDITIONS, scores, "interference")
