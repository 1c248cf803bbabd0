"""Lanczos against full diagonalisation, and slices of the landscape."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import minidyn as md
from minidyn.eigenvalues import lanczos
from tests.core.problems import LOSSES, Smooth, random_problem


def symmetric(size, seed):
    a = np.random.RandomState(seed).randn(size, size)
    return a + a.T


@given(
    size=st.integers(1, 60), seed=st.integers(0, 10**6), which=st.sampled_from(["largest", "smallest"]), data=st.data()
)
def test_lanczos_finds_either_end(size, seed, which, data):
    matrix, k = symmetric(size, seed), data.draw(st.integers(1, size))
    values = np.linalg.eigvalsh(matrix)[::-1]
    spectrum = lanczos(matrix.dot, size, k=k, which=which)
    scale = np.abs(values).max()
    assert spectrum.converged
    np.testing.assert_allclose(spectrum.values, values[:k] if which == "largest" else values[-k:], atol=1e-8 * scale)
    np.testing.assert_allclose(spectrum.vectors.T @ spectrum.vectors, np.eye(k), atol=1e-8)
    away = np.linalg.norm(matrix @ spectrum.vectors - spectrum.vectors * spectrum.values, axis=0)
    np.testing.assert_allclose(spectrum.residuals, away, atol=1e-13 * scale)
    for value, residual in zip(spectrum.values, spectrum.residuals, strict=True):
        assert np.abs(values - value).min() <= residual + 1e-13 * scale


def test_no_ghost_copies():
    values = np.concatenate([[100.0, 99.0], np.linspace(-1, 1, 198)])
    spectrum = lanczos(lambda v: values * v, 200, k=3, tolerance=1e-12)
    np.testing.assert_allclose(spectrum.values, [100, 99, 1], atol=1e-9)


@pytest.mark.parametrize("matrix", [np.zeros((20, 20)), np.eye(20), np.outer(np.arange(20), np.arange(20))])
def test_lanczos_goes_on_in_an_invariant_subspace(matrix):
    spectrum = lanczos(matrix.dot, 20, k=20)
    np.testing.assert_allclose(spectrum.values, np.linalg.eigvalsh(matrix)[::-1], atol=1e-10)


def test_a_warm_start_saves_products_and_cannot_hide_an_eigenvector():
    values = np.concatenate([[2.0], np.linspace(0, 1, 299)])
    cold = lanczos(lambda v: values * v, 300)
    warm = lanczos(lambda v: values * v, 300, start=cold.vectors[:, 0])
    assert warm.products < cold.products
    blind = np.where(np.arange(300) < 150, 0.0, 1.0)  # has nothing of the top eigenvector
    assert lanczos(lambda v: values * v, 300, start=blind).values[0] == pytest.approx(2)


def test_eigenvalues_are_ordered_algebraically():
    values = np.array([-9.0, 1, 2, 3])
    assert lanczos(lambda v: values * v, 4).values == pytest.approx([3])
    assert lanczos(lambda v: values * v, 4, which="smallest", k=2).values == pytest.approx([1, -9])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [0, 1, 3])
@pytest.mark.parametrize("which", ["largest", "smallest"])
def test_hessian_eigenvalues(hidden, loss, which):
    net, params, task, loss, step = random_problem(hidden, loss)
    exact = np.linalg.eigvalsh(md.hessian(net, params, task, loss, step))[::-1]
    spectrum = md.hessian_eigenvalues(net, params, task, loss, step, k=2, which=which)
    wanted = exact[:2] if which == "largest" else exact[-2:]
    np.testing.assert_allclose(spectrum.values, wanted, atol=1e-8 * np.abs(exact).max())
    assert "converged" in repr(spectrum)


def test_the_published_network_at_the_start():
    """Here the leading eigenvalues lie close (power iteration stalls), and many are negative."""
    net, task, loss = md.MLP(2, 100, 3), md.spiral(), md.CrossEntropy()
    params = net.init(0)
    exact = np.linalg.eigvalsh(md.hessian(net, params, task, loss))[::-1]
    top = md.hessian_eigenvalues(net, params, task, loss, k=5)
    bottom = md.hessian_eigenvalues(net, params, task, loss, which="smallest")
    np.testing.assert_allclose(top.values, exact[:5], atol=1e-12 * exact[0])
    np.testing.assert_allclose(bottom.values, exact[-1:], atol=1e-12 * exact[0])
    assert top.converged
    assert top.products < 100
    assert (exact < -1e-12).sum() > 100


def test_too_small_a_basis_is_reported():
    matrix = symmetric(200, 0)
    spectrum = lanczos(matrix.dot, 200, max_basis=10)
    assert not spectrum.converged
    assert "NOT converged" in repr(spectrum)
    assert np.abs(np.linalg.eigvalsh(matrix) - spectrum.values[0]).min() <= spectrum.residuals[0]


def test_a_loose_tolerance_is_reported_as_it_is():
    spectrum = lanczos(symmetric(200, 0).dot, 200, tolerance=0.05)
    tight = lanczos(symmetric(200, 0).dot, 200)
    assert spectrum.products < tight.products
    assert tight.residuals[0] < spectrum.residuals[0] <= 0.1 * tight.values[0]


def test_own_models_have_curvature_too():
    net, task, loss = Smooth(2, 4, 3), md.spiral(10), md.CrossEntropy(md.Oscillation(5, 10))
    exact = np.linalg.eigvalsh(md.hessian(net, net.init(0), task, loss, 5))
    assert md.hessian_eigenvalues(net, net.init(0), task, loss, 5).values == pytest.approx(exact[-1:])


def test_a_slice_of_the_landscape_is_the_loss_along_it():
    net, params, task, loss, _ = random_problem(2)
    vector, _ = md.model.flatten(net, params, task.x)
    directions = np.random.RandomState(0).randn(2, net.size)
    first, second, steps = np.linspace(-1, 1, 4), np.array([0.0, 0.5]), np.array([0, 3, 50])
    plane = md.landscape(net, params, task, loss, directions, first, second, step=steps)
    assert plane.dims == ("step", "first", "second")
    assert plane.shape == (3, 4, 2)
    moved = net.unflatten(vector + first[3] * directions[0] + second[1] * directions[1])
    wanted = loss.value(net.logits(moved, task.x), task.labels, 50)
    assert float(plane.sel(step=50, first=1, second=0.5)) == pytest.approx(wanted, rel=1e-14)
    line = md.landscape(net, params, task, loss, directions[0], first, step=3)
    np.testing.assert_array_equal(line, plane.sel(step=3, second=0))


def test_the_slice_along_the_top_eigenvector_bends_by_the_sharpness():
    net, params, task, loss, step = random_problem(1, "mse_sample")
    top = md.hessian_eigenvalues(net, params, task, loss, step)
    h = 1e-4
    below, here, above = md.landscape(net, params, task, loss, top.vectors.T, [-h, 0, h], step=step).values
    assert (above - 2 * here + below) / h**2 == pytest.approx(top.values[0], rel=1e-4)
