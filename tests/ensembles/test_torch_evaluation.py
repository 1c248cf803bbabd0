"""Where runs end, for many networks at once: what NumPy computes run by run."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md
from minidyn.ensembles import Member, RunResult, evaluation

torch_evaluation = pytest.importorskip("minidyn.ensembles.torch_evaluation", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")

LOSSES = [md.CrossEntropy(md.Oscillation(5, 10)), md.SquaredError(), md.SquaredError(weighting="output")]
TASK, VALIDATION = md.spiral(10), md.spiral(7, seed=1)


def member(loss, net, seed=0, task=TASK, validation=None):
    params = net.init(seed)
    return Member(net=net, params=params, task=task, loss=loss, learning_rate=1.0, validation=validation)


def at(member, scale=1.0, diverged=False):
    params = [(scale * weight, scale * bias) for weight, bias in member.params]
    return RunResult(params=params, updates=3, diverged=diverged, histories={})


def assert_agree(members, results):
    values = torch_evaluation.final_values(members, results, "cpu")
    for m, result, ours in zip(members, results, values, strict=True):
        reference = evaluation.final_values(m, result)
        for name in ("static_loss", "accuracy", "validation_accuracy"):
            expected = getattr(reference, name)
            assert getattr(ours, name) == (expected if expected is None else pytest.approx(expected, rel=1e-12)), name
        assert ours.sharpness == pytest.approx(reference.sharpness, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_all_values_agree_with_numpy(loss):
    members = [member(loss, md.MLP(2, 15, 3), seed, validation=VALIDATION) for seed in range(5)]
    assert_agree(members, [at(m, 1 + n) for n, m in enumerate(members)])


def test_members_of_every_shape_keep_their_order():
    random = np.random.RandomState(0)
    other = md.Task(random.randn(9, 4), random.randint(0, 5, 9), 5)
    members = [
        member(LOSSES[0], md.MLP(2, 6, 3)),
        member(LOSSES[1], md.MLP(4, 3, 5), task=other),
        member(LOSSES[0], md.MLP(2, 6, 3), 1),
        member(LOSSES[2], md.MLP(4, 40, 5), task=other),
    ]
    assert_agree(members, [at(m) for m in members])


def test_the_sharpness_is_that_of_hessian_eigenvalues_after_training():
    net, loss = md.MLP(2, 30, 3), md.CrossEntropy()
    members, results = [], []
    for seed in range(3):
        members.append(member(loss, net, seed))
        run = md.train(net, net.init(seed), TASK, loss, learning_rate=0.5, steps=200, progress=False)
        results.append(RunResult(params=run.params, updates=200, diverged=False, histories={}))
    values = torch_evaluation.final_values(members, results, "cpu")
    for result, ours in zip(results, values, strict=True):
        assert ours.sharpness == pytest.approx(
            md.hessian_eigenvalues(net, result.params, TASK, loss).values[0], rel=1e-9
        )


def test_a_run_that_diverged_has_no_sharpness_and_leaves_the_others_theirs():
    members = [member(LOSSES[1], md.MLP(2, 5, 3), seed) for seed in range(3)]
    assert_agree(members, [at(members[0]), at(members[1], 1e150, diverged=True), at(members[2])])


def test_dead_networks_have_the_curvature_of_their_output_biases():
    """All hidden units are off: the Hessian has rank 2, and Lanczos' iteration goes on in its complement."""
    net = md.MLP(2, 12, 3)
    m = member(LOSSES[0], net)
    (weight, bias), last = m.params
    result = RunResult(params=[(0 * weight, bias * 0 - 1), last], updates=0, diverged=False, histories={})
    assert_agree([m, m], [result, at(m)])


def product_of(matrices):
    return lambda vectors: (matrices @ vectors[:, :, None])[:, :, 0]


@pytest.mark.parametrize("gap", [0.5, 1e-2, 1e-3])
def test_eigenvalues_and_residuals_of_matrices_with_a_narrow_gap(gap):
    random, size = np.random.RandomState(1), 120
    values = np.linspace(-1, 1 - gap, size - 1)
    matrices = []
    for _ in range(3):
        basis = np.linalg.qr(random.randn(size, size))[0]
        matrices.append(basis @ np.diag([1.0, *values]) @ basis.T)
    sharpness = torch_evaluation.largest_eigenvalues(
        product_of(torch.tensor(np.array(matrices))), 3, size, torch.empty(0, dtype=torch.float64)
    )
    np.testing.assert_allclose(sharpness.values, 1.0, atol=2e-8)
    assert (sharpness.residuals <= 1e-8).all()


def test_repeated_and_negative_eigenvalues():
    matrices = torch.stack([torch.eye(7) * 3, -torch.eye(7), torch.diag(torch.tensor([2.0, 2, 0, 0, 0, 0, -5]))])
    sharpness = torch_evaluation.largest_eigenvalues(product_of(matrices.double()), 3, 7, matrices.double())
    np.testing.assert_allclose(sharpness.values, [3, -1, 2], rtol=1e-12)


def test_a_sharpness_that_has_not_converged_is_said(monkeypatch):
    monkeypatch.setattr(torch_evaluation, "RESTARTS", 1)
    monkeypatch.setattr(torch_evaluation, "BASIS", 3)
    m = member(LOSSES[0], md.MLP(2, 30, 3))
    with pytest.warns(RuntimeWarning, match="the sharpness of 1 runs is known to .* only"):
        torch_evaluation.final_values([m], [at(m)], "cpu")


def test_networks_are_evaluated_as_memory_allows(monkeypatch):
    m = member(LOSSES[0], md.MLP(2, 20, 3))
    whole = torch_evaluation._together(m, "cpu")
    monkeypatch.setitem(torch_evaluation.MEMORY, "cpu", torch_evaluation.MEMORY["cpu"] // 4)
    assert whole // 5 <= torch_evaluation._together(m, "cpu") <= whole // 4
    monkeypatch.setitem(torch_evaluation.MEMORY, "cpu", 1)
    assert_agree([m, m], [at(m), at(m, 2.0)])
