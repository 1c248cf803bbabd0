"""Small tensors run fastest, and the same each time, on one thread."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch = pytest.importorskip("torch", "2.6")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
