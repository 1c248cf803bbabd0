"""The tests of the core draw the same examples every time, and run on one BLAS thread, as `train` does."""

from __future__ import annotations

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

settings.register_profile("core", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("core")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    with threadpool_limits(1, "blas"):
        yield
