"""The NTK of torch models: against minidyn's, against explicit Jacobians, and under a memory bound."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
networks = pytest.importorskip("tests.torch.networks")
nn = torch.nn


def explicit(net, inputs):
    """J Jᵀ with one backward pass an output."""
    outputs = net(inputs).flatten(1)
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(output, list(net.parameters()), retain_graph=True)])
        for output in outputs.flatten()
    ]
    jacobian = torch.stack(rows)
    return (jacobian @ jacobian.T).reshape(*outputs.shape, *outputs.shape)


def test_agrees_with_minidyn_on_the_spirals():
    net, params, task, twin, (x, _) = networks.spiral_problem()
    wanted = md.ntk(net, params, task.x)
    kernel = mt.empirical_ntk(twin, x)
    assert kernel.dtype == torch.float64
    np.testing.assert_allclose(kernel, wanted, rtol=1e-12, atol=1e-12 * wanted.max())


def test_agrees_with_minidyn_between_two_sets_of_inputs():
    net, params, task, twin, (x, _) = networks.spiral_problem()
    wanted = md.ntk(net, params, task.x[:5], task.x[3:])
    kernel = mt.empirical_ntk(twin, x[:5], x[3:])
    np.testing.assert_allclose(kernel, wanted, rtol=1e-12, atol=1e-12 * wanted.max())


@pytest.mark.parametrize("rows", [10, 36, 500])
def test_the_memory_bound_changes_the_blocks_and_not_the_kernel(rows):
    net, (x, _) = networks.convolutional()
    before, row = networks.snapshot(net), 8 * sum(p.numel() for p in net.parameters())
    kernel = mt.empirical_ntk(net, x, memory=rows * row)
    networks.assert_untouched(net, before)
    torch.testing.assert_close(kernel, explicit(net, x).detach(), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(kernel, kernel.permute(2, 3, 0, 1), rtol=1e-14, atol=1e-14)


class Biggest(torch.utils._python_dispatch.TorchDispatchMode):
    """Remembers the most numbers that any operation put into one tensor."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(outputs):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return outputs


def test_the_memory_bound_holds():
    """No tensor on the way exceeds one of the two blocks (the layer is wide, the kernel and activations are small)."""
    net, x = nn.Linear(500, 3), torch.randn(20, 500)
    row = sum(p.numel() for p in net.parameters())
    for rows in (4, 10, 30):
        with Biggest() as biggest:
            mt.empirical_ntk(net, x, memory=2 * rows * row * 4)
        assert row < biggest.numbers <= max(rows * row, x.numel())


@pytest.mark.parametrize("rows", [10, 500])
def test_the_kernel_between_two_sets_of_inputs_is_a_block_of_the_whole(rows):
    net, (x, _) = networks.convolutional()
    memory = rows * 8 * sum(p.numel() for p in net.parameters())
    kernel = mt.empirical_ntk(net, x[:8], x[5:], memory=memory)
    assert kernel.shape == (8, 3, 7, 3)
    torch.testing.assert_close(kernel, explicit(net, x).detach()[:8, :, 5:], rtol=1e-11, atol=1e-12)
    same = mt.empirical_ntk(net, x, x, memory=memory)
    torch.testing.assert_close(same, mt.empirical_ntk(net, x), rtol=1e-12, atol=1e-12)


class LooksAtValues(nn.Module):
    """As Hugging Face's models look at their masks: such a model cannot be computed for many rows at once."""

    def __init__(self):
        super().__init__()
        self.calls, self.net = 0, nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))

    def forward(self, x):
        self.calls += 1
        return self.net(x) if bool((x < 100).all()) else self.net(-x)


def test_a_model_that_looks_at_values_is_computed_row_by_row():
    net, x = LooksAtValues().double(), torch.randn(5, 4).double()
    x[0] += 200
    torch.testing.assert_close(mt.empirical_ntk(net, x[:1]), explicit(net, x[:1]).detach())
    torch.testing.assert_close(mt.empirical_ntk(net, x[1:]), explicit(net, x[1:]).detach())
    before = net.calls
    mt.empirical_ntk(net, x)
    assert net.calls - before > 15  # rows
    row = 8 * sum(p.numel() for p in net.parameters())
    torch.testing.assert_close(mt.empirical_ntk(net, x[1:], memory=4 * row), explicit(net, x[1:]).detach())


def test_an_error_of_the_model_is_not_taken_for_one_of_computing_many_rows_at_once():
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        mt.empirical_ntk(nn.Linear(2, 3), torch.ones(4, 5))


@pytest.mark.parametrize("name", ["logits", "out"])
def test_logits_by_name_are_the_outputs(name):
    net, x = Named(name), torch.randn(5, 4)
    torch.testing.assert_close(mt.empirical_ntk(net, x), mt.empirical_ntk(net.inside, x))
    by_name = mt.empirical_ntk(net, {"x": x}, {"x": x[:2]})
    torch.testing.assert_close(by_name, mt.empirical_ntk(net.inside, x, x[:2]))


def test_float64_when_asked_and_outputs_of_any_shape():
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Unflatten(1, (2, 2)))
    x = torch.randn(5, 2)
    single, double = mt.empirical_ntk(net, x), mt.empirical_ntk(net, x, dtype=torch.float64)
    assert single.shape == double.shape == (5, 4, 5, 4)
    torch.testing.assert_close(double, explicit(net.double(), x.double()).detach())
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)


def test_bad_arguments_are_named():
    net = nn.Linear(2, 3)
    with pytest.raises(ValueError, match="memory must hold two rows of the Jacobian, 72 bytes, got 71"):
        mt.empirical_ntk(net, torch.ones(4, 2), memory=71)
    with pytest.raises(TypeError, match="memory"):
        mt.empirical_ntk(net, torch.ones(4, 2), memory=1e9)
    with pytest.raises(TypeError, match="inputs"):
        mt.empirical_ntk(net, np.ones((4, 2)))
    with pytest.raises(ValueError, match="inputs"):
        mt.empirical_ntk(net, torch.ones(0, 2))
    with pytest.raises(ValueError, match="inputs must hold no NaN, got 1"):
        mt.empirical_ntk(net, torch.tensor([[1.0, torch.nan]]))
    with pytest.raises(TypeError, match="other_inputs must be a tensor"):
        mt.empirical_ntk(net, torch.ones(4, 2), [1, 2])
    with pytest.raises(ValueError, match="other_inputs must give as many outputs as inputs, 20 per sample, got 30"):
        mt.empirical_ntk(nn.Conv1d(1, 10, 1), torch.ones(4, 1, 2), torch.ones(4, 1, 3))
    with pytest.raises(TypeError, match="model"):
        mt.empirical_ntk(torch.ones(3), torch.ones(4, 2))


class Named(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.name, self.inside = name, nn.Linear(4, 3)

    def forward(self, x):
        return {self.name: self.inside(x)}


def of_layers(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), *layers, nn.Linear(6, 3))


def diverged():
    net = nn.Linear(4, 3)
    net.bias.data[1] = torch.inf
    return net


MIXED = {
    "batch statistics": of_layers(nn.BatchNorm1d(6, track_running_stats=False)),
    "batch and running statistics": of_layers(nn.BatchNorm1d(6)),
    "statistics over places": nn.Sequential(nn.Unflatten(1, (2, 2)), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(4, 3)),
}


@pytest.mark.parametrize("name", MIXED)
def test_a_model_that_mixes_samples_has_no_kernel(name):
    net, x = MIXED[name].train(), torch.randn(5, 4)
    with pytest.raises(ValueError, match="model must not mix samples"):
        mt.empirical_ntk(net, x)
    if name != "batch statistics":
        before = networks.snapshot(net.eval())
        torch.testing.assert_close(mt.empirical_ntk(net, x), explicit(net, x).detach())
        networks.assert_untouched(net, before)


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        (
            Named("values"),
            TypeError,
            "model must return a tensor, .* 'logits' or 'out', got dict of 'values'",
        ),
        (
            nn.LSTM(4, 3, batch_first=True),
            TypeError,
            "model must return a tensor, .* got tuple: let a module",
        ),
        (nn.Linear(4, 3).requires_grad_(False), ValueError, "a parameter that requires a gradient"),
        (diverged(), ValueError, "model must have finite parameters, got inf in 'bias'"),
        (of_layers(nn.Dropout()), ValueError, "model must not be random, got .* dropout"),
        (nn.Sequential(nn.Linear(4, 3), nn.Flatten(0)), ValueError, r"a row of outputs per sample, got \(15,\) for 5"),
        (of_layers(nn.Threshold(0, torch.inf)), ValueError, "model must give finite outputs"),
    ],
)
def test_models_without_a_kernel_are_named(model, kind, says):
    with pytest.raises(kind, match=says):
        mt.empirical_ntk(model.train(), torch.randn(5, 4))


def test_it_works_where_gradients_are_switched_off():
    net, x = of_layers(nn.Tanh()), torch.randn(5, 4)
    outside = mt.empirical_ntk(net, x)
    with torch.inference_mode():
        inside = mt.empirical_ntk(net, x + 0)
    torch.testing.assert_close(inside, outside)
