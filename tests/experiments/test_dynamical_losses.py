"""Weights at which the squared error vanishes: they stay minima under every oscillation, but not as flat."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md
from minidyn.experiments import find
from minidyn.experiments.topography.dynamical_losses import RELATIVE_STEPS, outer_arms, perturbed


def test_outer_arms_can_be_fitted_but_the_spirals_cannot():
    def repeated(task):
        return len(task) - len(np.unique(task.x, axis=0))

    assert repeated(outer_arms()) == 0
    assert repeated(md.spiral()) == 2


def test_perturbed_weights_are_a_millionth_away():
    net = md.MLP(2, 10, 3)
    before, after = (
        np.concatenate([part.ravel() for layer in params for part in layer])
        for params in (net.init(0), perturbed(net, net.init(0)))
    )
    assert np.linalg.norm(after - before) == pytest.approx(1e-6 * np.linalg.norm(before), rel=1e-6)


def test_zero_loss_weights_have_no_gradient_and_another_curvature_at_every_phase():
    data = find("global-minima").run("quick", progress=False, seeds=(0,), rest=10)
    assert float(data.static_loss.max()) < 1e-20
    assert float(data.gradient.max()) < 1e-10
    assert float((data.sharpness / data.static_sharpness).min()) > 1 - 1e-6
    assert float((data.sharpness.max("phase") / data.static_sharpness).min()) > 1.2
    stays, leaves = (data.highest.sel(relative_step=step) for step in RELATIVE_STEPS)
    assert float(stays.max()) < 1e-9 < 1e-3 < float(leaves.min())
