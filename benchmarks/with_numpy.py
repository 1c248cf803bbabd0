"""The rate of this machine: operations per second in a product of two matrices on all cores."""

from __future__ import annotations

import numpy as np

from benchmarks.problem import Way

SIZE = 1500
OPERATIONS = 2 * SIZE**3  # multiplications and additions in one product


def matrix_product() -> Way:
    matrix = np.random.RandomState(0).randn(SIZE, SIZE)
    return Way(lambda repetitions: [matrix @ matrix for _ in range(repetitions)])
