"""Descent with a limited step: against a plain loop over dense Hessians, update by update, and what the limits do."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md
from minidyn.training.capped import StepLimit, train_capped

pytest.importorskip("numba")

TASK = md.spiral(20)
OSCILLATING = md.Oscillation(20, 30)


def plain_descent(net, params, loss, limit, *, learning_rate, steps):
    """The weights and the leading eigenvalue at each update, from dense Hessians and gradients by the library."""
    vector, trajectory, sharpness = net.structure.flatten(params), [], []
    for step in range(steps):
        params = net.unflatten(vector)
        if step % limit.every == 0:
            values, vectors = np.linalg.eigh(md.hessian(net, params, TASK, loss, step))
            sharpness.append(values[-1])
        rate = learning_rate
        if limit.kind == "all":
            rate = min(rate, limit.bound / values[-1])
        update = rate * net.structure.flatten(md.gradient(net, params, TASK, loss, step))
        if limit.kind == "leading":
            for k in range(1, limit.directions + 1):
                longest = limit.bound / values[-k] if values[-k] > 0 else np.inf
                component = vectors[:, -k] @ update
                update += (min(1, longest / learning_rate) - 1) * component * vectors[:, -k]
        vector = vector - update
        trajectory.append(vector)
    return np.array(trajectory), np.array(sharpness)


LIMITS = [
    StepLimit(kind="none", tolerance=1e-12),
    StepLimit(kind="leading", directions=3, bound=0.8, every=7, tolerance=1e-12),
    StepLimit(kind="leading", directions=40, bound=0.5, every=5, tolerance=1e-12),
    StepLimit(kind="all", bound=0.7, every=5, tolerance=1e-12),
]


@pytest.mark.parametrize("limit", LIMITS, ids=repr)
@pytest.mark.parametrize(
    ("widths", "loss"),
    [
        ((2, 8, 3), md.CrossEntropy(OSCILLATING)),
        ((2, 6, 5, 3), md.CrossEntropy(OSCILLATING)),
        ((2, 8, 3), md.SquaredError(OSCILLATING, "output")),
        ((2, 8, 3), md.SquaredError(OSCILLATING, "sample")),
    ],
    ids=str,
)
def test_every_update_is_that_of_a_plain_loop(limit, widths, loss):
    net, steps = md.MLP(*widths), 40
    params = net.init(2)
    trajectory, sharpness = plain_descent(net, params, loss, limit, learning_rate=1.0, steps=steps)
    run = train_capped(net, params, TASK, loss, limit, learning_rate=1.0, steps=steps)
    np.testing.assert_allclose(run.history.hessian_max[: len(sharpness)], sharpness, rtol=1e-8)
    np.testing.assert_allclose(net.structure.flatten(run.params), trajectory[-1], atol=1e-9)
    losses = [loss.value(net.logits(net.unflatten(v), TASK.x), TASK.labels, t + 1) for t, v in enumerate(trajectory)]
    np.testing.assert_allclose(run.history.loss[1:], losses, rtol=1e-9)
    before = [net.structure.flatten(params), *trajectory[:-1]]
    raised = [
        loss.value(net.logits(net.unflatten(new), TASK.x), TASK.labels, t)
        > loss.value(net.logits(net.unflatten(old), TASK.x), TASK.labels, t)
        for t, (old, new) in enumerate(zip(before, trajectory, strict=True))
    ]
    np.testing.assert_array_equal(run.history.raised, raised)


def test_the_limits_that_are_compared_do_limit():
    net, loss = md.MLP(2, 8, 3), md.CrossEntropy(OSCILLATING)
    ends = [
        net.structure.flatten(train_capped(net, net.init(2), TASK, loss, limit, learning_rate=1.0, steps=40).params)
        for limit in LIMITS
    ]
    for k, end in enumerate(ends):
        assert all(abs(end - other).max() > 1e-3 for other in ends[:k])


def test_without_a_limit_the_run_is_that_of_train():
    net, loss = md.MLP(2, 30, 3), md.CrossEntropy(md.Oscillation(20, 50))
    run = md.train(net, net.init(1), md.spiral(), loss, learning_rate=1.0, steps=300, start=17, progress=False)
    limit = StepLimit(kind="none")
    capped = train_capped(net, net.init(1), md.spiral(), loss, limit, learning_rate=1.0, steps=300, start=17)
    np.testing.assert_allclose(capped.history.loss, run.history.loss, rtol=1e-9)
    np.testing.assert_array_equal(capped.history.accuracy, run.history.accuracy)
    np.testing.assert_array_equal(capped.history.step, run.history.step)


def test_the_bounce_ends_where_no_step_overshoots():
    """Plain descent at this rate alternates across the valley; with steps of at most 1/λ it does not."""
    net, task, steps = md.MLP(2, 10, 3), md.spiral(30), 400
    plain, capped = (
        train_capped(net, net.init(0), task, md.CrossEntropy(), limit, learning_rate=3.0, steps=steps).history
        for limit in (StepLimit(kind="none"), StepLimit(directions=40, bound=1.0))
    )
    swing = [float(abs(np.diff(history.along[100:])).mean()) for history in (plain, capped)]
    assert swing[1] < swing[0] / 10


@pytest.mark.parametrize("kind", ["none", "leading", "all"])
def test_a_descending_run_never_raises_the_loss_that_it_descends(kind):
    net, task, loss = md.MLP(2, 10, 3), md.spiral(30), md.CrossEntropy(md.Oscillation(20, 50))
    limits = [StepLimit(kind=kind, descends=descends) for descends in (False, True)]
    raised = [
        train_capped(net, net.init(0), task, loss, limit, learning_rate=5.0, steps=200).history.raised.sum()
        for limit in limits
    ]
    assert raised[0] > 0
    assert raised[1] == 0


def test_a_run_that_diverges_stops():
    net, task = md.MLP(2, 8, 3), md.spiral(20)
    run = train_capped(net, net.init(0), task, md.SquaredError(), StepLimit(kind="none"), learning_rate=1e3, steps=500)
    assert run.diverged
    assert run.history.sizes["step"] == run.history.sizes["update"] + 1 < 501
    assert np.isfinite(run.history.loss).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "some"}, ValueError, "kind must be one of 'none', 'leading', 'all', got 'some'"),
        ({"directions": 0}, ValueError, "directions must be .*>= 1"),
        ({"bound": 0.0}, ValueError, "bound must be"),
        ({"every": 0}, ValueError, "every must be"),
        ({"tolerance": -1.0}, ValueError, "tolerance must be"),
        ({"descends": 1}, TypeError, "descends must be True or False, got 1"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        StepLimit(**options)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"limit": 1.7}, TypeError, "limit must be a StepLimit, got 1.7"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be"),
        ({"steps": 0}, ValueError, "steps must be"),
        ({"start": -1}, ValueError, "start must be"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused_before_any_update(changes, error, message):
    net = md.MLP(2, 8, 3)
    arguments = {"limit": StepLimit(), "learning_rate": 1.0, "steps": 10, **changes}
    with pytest.raises(error, match=message):
        train_capped(net, net.init(0), TASK, md.CrossEntropy(), arguments.pop("limit"), **arguments)


def test_a_smooth_activation_is_refused():
    net = md.MLP(2, 8, 3, activation="tanh")
    with pytest.raises(ValueError, match="a capped step takes an MLP of activation 'relu', got"):
        train_capped(net, net.init(0), TASK, md.CrossEntropy(), StepLimit(), learning_rate=1.0, steps=10)


def test_a_net_of_the_readers_own_is_refused():
    class Own(md.MLP):
        def logits(self, params, x):
            return 2 * super().logits(params, x)

    net = Own(2, 8, 3)
    with pytest.raises(ValueError, match="engine 'compiled' takes an MLP"):
        train_capped(net, net.init(0), TASK, md.CrossEntropy(), StepLimit(), learning_rate=1.0, steps=10)
