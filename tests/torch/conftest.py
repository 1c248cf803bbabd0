"""Small tensors run fastest, and the same each time, on one thread."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch = pytest.importorskip("torch", "2.6", reason="minidyn.torch needs PyTorch 2.6 or later")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
