"""Figures of the built pages get a palette: smaller, and the same to the eye."""

from __future__ import annotations

import matplotlib.figure
import numpy as np
import pytest
from figures import lighten
from PIL import Image


@pytest.fixture
def draw(tmp_path):
    def draw(**options):
        figure = matplotlib.figure.Figure()
        figure.subplots().scatter(*np.random.RandomState(0).randn(2, 300), c=np.arange(300))
        figure.savefig(tmp_path / "figure.png", **options)
        return tmp_path / "figure.png"

    return draw


def test_an_opaque_figure_is_less_than_half_as_large_and_looks_the_same(draw):
    path = draw()
    size, pixels = path.stat().st_size, np.asarray(Image.open(path).convert("RGB"), float)
    lighten(path)
    assert path.stat().st_size < size / 2
    assert abs(np.asarray(Image.open(path).convert("RGB"), float) - pixels).mean() < 1
    lightened = path.read_bytes()
    lighten(path)
    assert path.read_bytes() == lightened


def test_a_translucent_figure_stays_as_it_is(draw):
    path = draw(transparent=True)
    before = path.read_bytes()
    lighten(path)
    assert path.read_bytes() == before
