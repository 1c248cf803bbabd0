"""Losses of a reader's own: what is overridden must agree with what is not, or the class is refused."""

from __future__ import annotations

import autograd
import numpy as np
import pytest

import minidyn as md
from tests.core.problems import flat

NET, TASK, GAMMA = md.MLP(2, 5, 3), md.spiral(8), md.Oscillation(5, 10)


class Quartic(md.SquaredError):
    """The fourth power of the residuals."""

    def terms_and_gradient(self, logits, labels):
        residual = logits - np.eye(logits.shape[1])[labels]
        return residual**4, 4 * residual**3

    def output_hessian(self, logits, labels):
        residual = logits - np.eye(logits.shape[1])[labels]
        return 12 * residual[:, :, None] ** 2 * np.eye(logits.shape[1])


class Both(md.SquaredError):
    """Weighs samples and outputs, so that it is not linear in the class weights."""

    def expand(self, weights, labels):
        return weights[labels][:, None] * weights[None, :]


class Doubled(md.SquaredError):
    """Expands the class weights in its own way, and sums accordingly."""

    def expand(self, weights, labels):
        return 2 * super().expand(weights, labels)

    def sum_per_class(self, terms, labels, classes):
        return 2 * super().sum_per_class(terms, labels, classes)


def options(**more):
    return {"learning_rate": 0.1, "steps": 12, "progress": False, **more}


@pytest.mark.parametrize("loss", [Quartic(GAMMA), Doubled(GAMMA)], ids=["terms", "weights"])
def test_a_loss_of_your_own_is_trained_recorded_and_measured(loss):
    params = NET.init(1)
    run = md.train(NET, params, TASK, loss, **options(measure={"params": 1}))
    for k in (0, 5, 12):
        logits = NET.logits(NET.unflatten(run.history.params.values[k]), TASK.x)
        assert run.history.loss.values[k] == pytest.approx(loss.value(logits, TASK.labels, k), rel=1e-13)
    value = lambda v: loss.value(NET.logits(NET.unflatten(v), TASK.x), TASK.labels, 5)  # noqa: E731
    np.testing.assert_allclose(flat(md.gradient(NET, params, TASK, loss, 5)), autograd.grad(value)(flat(params)))
    exact = autograd.hessian(value)(flat(params))
    np.testing.assert_allclose(md.hessian(NET, params, TASK, loss, 5), exact, atol=1e-12 * np.abs(exact).max())


def test_a_loss_that_is_not_a_sum_over_class_weights_is_measured_but_not_trained():
    """At step 0 the two agree, since Γ = 1: it is the later entries of the record that would be wrong."""
    loss, params = Both(GAMMA), NET.init(1)
    value = lambda v: loss.value(NET.logits(NET.unflatten(v), TASK.x), TASK.labels, 5)  # noqa: E731
    np.testing.assert_allclose(flat(md.gradient(NET, params, TASK, loss, 5)), autograd.grad(value)(flat(params)))
    with pytest.raises(ValueError, match=r"loss must be the sum of Γ_c times its sum_per_class"):
        md.train(NET, params, TASK, loss, **options())


@pytest.mark.parametrize("name", ["value", "gradient", "curvature", "class_weights"])
def test_what_is_computed_from_the_terms_cannot_be_overridden(name):
    with pytest.raises(TypeError, match=f"Penalised must not override {name}, which is computed"):
        type("Penalised", (md.CrossEntropy,), {name: lambda self, *args: 0.0})


@pytest.mark.parametrize("name", ["terms_and_gradient", "output_hessian"])
def test_terms_and_their_second_derivatives_are_overridden_together(name):
    with pytest.raises(TypeError, match="Half must override both of terms_and_gradient and output_hessian"):
        type("Half", (md.CrossEntropy,), {name: getattr(Quartic, name)})


def test_methods_are_overridden_under_their_former_names():
    members = {
        "parts": Quartic.terms_and_gradient,
        "bends": Quartic.output_hessian,
        "spread": Doubled.expand,
        "gather": Doubled.sum_per_class,
    }
    with pytest.warns(DeprecationWarning, match=r"^Loss\.(parts|bends|spread|gather) is now Loss\.") as warnings:
        former = type("Former", (md.SquaredError,), members)
    assert len(warnings) == 4
    assert former.expand is Doubled.expand
    assert former.output_hessian is Quartic.output_hessian


def test_methods_answer_to_their_former_names():
    loss, logits, labels = md.SquaredError(), np.eye(3), np.arange(3)
    for old, new in (("parts", "terms_and_gradient"), ("bends", "output_hessian")):
        with pytest.warns(DeprecationWarning, match=rf"^SquaredError\.{old} is now SquaredError\.{new}; the old name"):
            method = getattr(loss, old)
        np.testing.assert_array_equal(method(logits, labels), getattr(loss, new)(logits, labels))


class Late(md.Oscillation):
    """An oscillation that begins after a while; it takes one step at a time."""

    def weights(self, step):
        return super().weights(max(0, step - 4))


def test_an_oscillation_of_your_own_is_asked_step_by_step_and_not_saved_as_an_oscillation(tmp_path):
    loss = md.CrossEntropy(Late(5, 10))
    run = md.train(NET, NET.init(1), TASK, loss, **options())
    np.testing.assert_array_equal(run.history.weights, [loss.gamma.weights(step) for step in range(13)])
    run.save(tmp_path / "run.nc")
    with pytest.raises(ValueError, match="loss must be given"):
        md.load_run(tmp_path / "run.nc")
    assert md.load_run(tmp_path / "run.nc", loss=loss).history.identical(run.history)
