"""The state of a descent, and what an engine knows of it: what engines take and return."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NO_MOMENTS = np.empty((0, 0))


class State(NamedTuple):
    """The weights that a descent has reached."""

    vector: NDArray  # the weights, flat
    done: int  # updates
    previous: NDArray  # the weights before the last update
    moments: NDArray = NO_MOMENTS  # (number, p): what the optimiser remembers
    previous_moments: NDArray = NO_MOMENTS  # before the last update


class Evaluation(NamedTuple):
    """What an engine knows at a state whose entry is in the record: from here `advance` goes on."""

    state: State
    is_finite: bool  # is F?
    gradient: NDArray  # of the update to come
