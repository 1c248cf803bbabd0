"""Slices of torch models: against minidyn's own, against finite differences, and what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import minidyn as md

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
networks = pytest.importorskip("tests.torch.networks")
nn = torch.nn

X = np.linspace(-0.6, 0.5, 6)
LOSSES = {
    "cross_entropy": (md.CrossEntropy, {}, mt.DynamicalCrossEntropyLoss),
    "mse_sample": (md.SquaredError, {"weighting": "sample"}, mt.DynamicalMSELoss),
    "mse_output": (md.SquaredError, {"weighting": "output"}, mt.DynamicalMSELoss),
}


def as_torch_flattens(net, vector):
    """A flat direction of an `MLP` in the order of its torch twin, whose weights are (outputs, inputs)."""
    return np.concatenate([part.T.ravel() for layer in net.unflatten(vector) for part in layer])


@pytest.mark.parametrize("kind", LOSSES)
def test_agrees_with_the_slice_of_the_same_small_network(kind):
    net, params, task, twin, data = networks.spiral_problem()
    make, options, make_twin = LOSSES[kind]
    step = 20
    own = md.valley_slice(net, params, task, make(md.Oscillation(30, 50), **options), step, learning_rate=0.7)
    loss = make_twin(30, 50, 3, start=step, **options)
    direction = as_torch_flattens(net, own.direction)
    cut = mt.valley_slice(twin, data, loss, learning_rate=0.7, direction=direction)
    for name in ("value", "force", "curvature_at"):
        np.testing.assert_allclose(getattr(cut, name)(X), getattr(own, name)(X), rtol=1e-9, atol=1e-12)
    assert cut.flip_coefficient == pytest.approx(own.flip_coefficient, rel=1e-6)
    np.testing.assert_allclose(cut.orbit(5), own.orbit(5), rtol=1e-9)
    leading = mt.valley_slice(twin, data, loss, learning_rate=0.7).direction
    assert abs(leading @ direction) == pytest.approx(1, abs=1e-6)


def smooth_problem():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3)).double()
    net[0].bias.requires_grad_(False)
    return net, (torch.randn(10, 1, 6).double(), torch.randint(3, (10,)))


def test_force_and_curvature_are_the_slopes_of_what_stands_above_them():
    net, data = smooth_problem()
    cut = mt.valley_slice(net, data, nn.CrossEntropyLoss(), learning_rate=1.0)
    assert cut.direction.shape == (sum(p.numel() for p in net.parameters() if p.requires_grad),)
    h = 1e-5
    np.testing.assert_allclose((cut.value(X + h) - cut.value(X - h)) / (2 * h), cut.force(X), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose((cut.force(X + h) - cut.force(X - h)) / (2 * h), cut.curvature_at(X), rtol=1e-6)
    assert cut.curvature == pytest.approx(mt.top_eigenvalues(net, data, nn.CrossEntropyLoss()).values[0])


def test_batches_add_up_to_the_whole_and_the_model_is_left_alone():
    net, data = smooth_problem()
    before = copy.deepcopy(net.state_dict())
    whole = mt.valley_slice(net, data, nn.CrossEntropyLoss(), learning_rate=1.0)
    halves = [(data[0][:3], data[1][:3]), (data[0][3:], data[1][3:])]
    cut = mt.valley_slice(net, iter(halves), nn.CrossEntropyLoss(), learning_rate=1.0, direction=whole.direction)
    np.testing.assert_allclose(cut.force(X), whole.force(X), rtol=1e-10, atol=1e-14)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_the_slice_keeps_the_parameters_that_the_model_had():
    net, data = smooth_problem()
    cut = mt.valley_slice(net, data, nn.CrossEntropyLoss(), learning_rate=1.0)
    before = cut.value(0.2)
    with torch.no_grad():
        net[3].weight.add_(1.0)
    assert cut.value(0.2) == before


def test_a_loss_that_is_linear_along_the_line_has_force_and_no_curvature():
    net = nn.Linear(2, 1, bias=False).double()
    data = torch.ones(4, 2).double(), torch.zeros(4)
    cut = mt.valley_slice(net, data, lambda f, y: f.mean(), learning_rate=1.0, direction=[1.0, 0.0])
    assert cut.force([-1.0, 2.0]) == pytest.approx([1, 1])
    assert cut.curvature == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -1}, "learning_rate must be a finite number > 0"),
        ({"direction": np.ones(3)}, "direction must have shape"),
        ({"direction": np.zeros(48)}, "direction must have a length above 0"),
        ({"radius": 0.0}, "radius must be a finite number > 0"),
        ({"model": None}, "model must be a torch.nn.Module"),
        ({"data": 3}, "data must be"),
        ({"loss": "mse"}, "loss must be callable"),
        ({"loss": nn.CrossEntropyLoss(reduction="none"), "direction": np.ones(48)}, "loss must return a scalar"),
        ({"dtype": torch.float16}, "dtype must be"),
    ],
)
def test_what_cannot_be_sliced_is_refused(options, message):
    net, data = smooth_problem()
    arguments = {"model": net, "data": data, "loss": nn.CrossEntropyLoss(), "learning_rate": 1.0}
    with pytest.raises((TypeError, ValueError), match=message):
        mt.valley_slice(**{**arguments, **options})


def test_dropout_in_training_mode_is_refused():
    net, data = smooth_problem()
    random = nn.Sequential(net, nn.Dropout(0.5))
    with pytest.raises(ValueError, match="loss must not be random"):
        mt.valley_slice(random, data, nn.CrossEntropyLoss(), learning_rate=1.0, direction=np.ones(48))
