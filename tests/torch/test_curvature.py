"""Sharpness of torch models: against minidyn's exact Hessian, torch's and, where it is installed, curvlinops."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import minidyn as md
from minidyn.eigenvalues import lanczos

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
networks = pytest.importorskip("tests.torch.networks")
nn = torch.nn

LOSSES = {
    "cross_entropy": (md.CrossEntropy, {}, mt.DynamicalCrossEntropyLoss),
    "mse_sample": (md.SquaredError, {"weighting": "sample"}, mt.DynamicalMSELoss),
    "mse_output": (md.SquaredError, {"weighting": "output"}, mt.DynamicalMSELoss),
}


def exact_spectrum(net, data, loss):
    """All eigenvalues, descending, from the Hessian formed row by row."""
    params = {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}
    shapes, sizes = [p.shape for p in params.values()], [p.numel() for p in params.values()]

    def value(vector):
        pieces = [v.view(shape) for v, shape in zip(vector.split(sizes), shapes, strict=True)]
        return loss(torch.func.functional_call(net, dict(zip(params, pieces, strict=True)), (data[0],)), data[1])

    vector = torch.cat([p.flatten() for p in params.values()])
    return torch.linalg.eigvalsh(torch.autograd.functional.hessian(value, vector)).numpy()[::-1]


@pytest.mark.parametrize("which", ["largest", "smallest"])
@pytest.mark.parametrize("kind", LOSSES)
def test_agrees_with_the_exact_hessian_on_the_spirals(kind, which):
    net, params, task, twin, data = networks.spiral_problem()
    make, options, make_twin = LOSSES[kind]
    step = 20
    exact = md.hessian(net, params, task, make(md.Oscillation(30, 50), **options), step)
    values = np.linalg.eigvalsh(exact)[::-1]
    found = mt.top_eigenvalues(twin, data, make_twin(30, 50, 3, start=step, **options), k=3, which=which)
    assert found.converged
    np.testing.assert_allclose(found.values, values[:3] if which == "largest" else values[-3:], rtol=1e-6)


def test_evaluation_mode_measures_the_static_loss():
    net, params, task, twin, data = networks.spiral_problem()
    static = md.hessian_eigenvalues(net, params, task, md.CrossEntropy()).values
    loss = mt.DynamicalCrossEntropyLoss(30, 50, 3, start=20).eval()
    np.testing.assert_allclose(mt.top_eigenvalues(twin, data, loss).values, static, rtol=1e-6)


@pytest.mark.parametrize("which", ["largest", "smallest"])
def test_agrees_on_a_convolutional_network(which):
    net, data = networks.convolutional()
    before, loss = networks.snapshot(net), nn.CrossEntropyLoss()
    exact = exact_spectrum(net, data, loss)
    found = mt.top_eigenvalues(net, data, loss, k=4, which=which)
    np.testing.assert_allclose(found.values, exact[:4] if which == "largest" else exact[-4:], atol=1e-8 * exact[0])
    networks.assert_untouched(net, before)


def test_agrees_with_curvlinops():
    """Installed by hand, since as a requirement it brings a second build of torch:
    pip install --no-deps curvlinops-for-pytorch backpack-for-pytorch einconv einops linear_operator opt_einsum unfoldNd
    """
    curvlinops = pytest.importorskip("curvlinops", reason="curvlinops is not installed")
    sparse = pytest.importorskip("scipy.sparse.linalg")
    net, (x, y) = networks.convolutional()
    loss = nn.CrossEntropyLoss()
    operator = curvlinops.HessianLinearOperator(net, loss, list(net.parameters()), [(x[:7], y[:7]), (x[7:], y[7:])])
    wanted = np.sort(sparse.eigsh(operator.to_scipy(), k=3, which="LA", return_eigenvectors=False))[::-1]
    found = mt.top_eigenvalues(net, [(x[:7], y[:7]), (x[7:], y[7:])], loss, k=3)
    np.testing.assert_allclose(found.values, wanted, rtol=1e-6)


def test_batches_add_up_to_the_whole():
    net, (x, y) = networks.convolutional()
    whole = mt.top_eigenvalues(net, (x, y), nn.CrossEntropyLoss(), k=2)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=5, shuffle=True)
    parts = mt.top_eigenvalues(net, loader, nn.CrossEntropyLoss(), k=2)
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-10)


def test_float64_when_asked_of_a_float32_model():
    net, (x, y) = networks.convolutional()
    exact = exact_spectrum(net, (x, y), nn.CrossEntropyLoss())
    net, x, weight = net.float(), x.float(), torch.tensor([1.0, 2.0, 3.0])
    single = mt.top_eigenvalues(net, (x, y), nn.CrossEntropyLoss(), k=2)
    double = mt.top_eigenvalues(net, (x, y), nn.CrossEntropyLoss(), k=2, dtype=torch.float64)
    assert single.converged
    assert double.converged
    np.testing.assert_allclose(single.values, exact[:2], rtol=1e-4)
    np.testing.assert_allclose(double.values, exact[:2], rtol=1e-6)  # the weights were rounded to float32
    assert double.residuals.max() < 1e-7 < single.residuals.max()
    assert mt.top_eigenvalues(net, (x, y), nn.CrossEntropyLoss(weight), dtype=torch.float64).converged
    assert next(net.parameters()).dtype == weight.dtype == torch.float32


def test_training_mode_leaves_the_running_statistics():
    net, data = networks.convolutional()
    net.train()
    before = networks.snapshot(net)
    assert mt.top_eigenvalues(net, data, nn.CrossEntropyLoss()).converged
    networks.assert_untouched(net, before, training=True)


def test_frozen_and_tied_parameters():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.out = nn.Linear(3, 3, bias=False), nn.Linear(3, 3)
            self.out.weight = self.down.weight

        def forward(self, x):
            return self.out(torch.tanh(self.down(x)))

    torch.manual_seed(0)
    net, data = Tied().double(), (torch.randn(8, 3).double(), torch.arange(8) % 3)
    net.out.bias.requires_grad_(False)
    exact = exact_spectrum(net, data, nn.CrossEntropyLoss())
    found = mt.top_eigenvalues(net, data, nn.CrossEntropyLoss(), k=9)
    assert found.vectors.shape == (9, 9)
    np.testing.assert_allclose(found.values, exact, atol=1e-10)


def test_no_graph_outlives_its_product():
    """With the garbage collector off, the outputs of each product die before the next one."""
    net, data = networks.convolutional()
    outputs, alive = [], []

    def loss(logits, labels):
        alive.append(sum(ref() is not None for ref in outputs))
        outputs.append(weakref.ref(logits))
        return nn.functional.cross_entropy(logits, labels)

    gc.disable()
    try:
        found = mt.top_eigenvalues(net, data, loss, k=3)
    finally:
        gc.enable()
    assert len(alive) == found.products + 2  # the loss is evaluated twice before
    assert max(alive) <= 1


def test_a_warm_start_saves_products():
    *_, twin, data = networks.spiral_problem()
    cold = mt.top_eigenvalues(twin, data, nn.CrossEntropyLoss())
    warm = mt.top_eigenvalues(twin, data, nn.CrossEntropyLoss(), start=torch.from_numpy(cold.vectors[:, 0]))
    assert warm.products < cold.products
    np.testing.assert_allclose(warm.values, cold.values, rtol=1e-10)


def test_a_bound_on_the_basis_is_kept_and_told():
    values = np.linspace(0, 1, 400)
    found = lanczos(lambda v: values * v, 400, k=2, max_basis=10)
    assert found.products == 12
    assert not found.converged
    assert lanczos(lambda v: values * v, 400, k=2, max_basis=400).converged
    with pytest.raises(ValueError, match="max_basis"):
        lanczos(lambda v: values * v, 400, k=2, max_basis=1)
    *_, twin, data = networks.spiral_problem()
    assert not mt.top_eigenvalues(twin, data, nn.CrossEntropyLoss(), most=4).converged


def test_a_loss_without_curvature():
    net = nn.Linear(2, 3, bias=False).double()
    data = torch.randn(5, 2).double(), torch.zeros(5)
    assert mt.top_eigenvalues(net, data, lambda logits, _: logits.mean()).values == pytest.approx([0])


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    [
        ({"model": lambda x: x}, TypeError, "model"),
        ({"model": nn.Flatten()}, ValueError, "requires a gradient"),
        ({"model": nn.Sequential(nn.Linear(2, 3), nn.Dropout())}, ValueError, "dropout"),
        ({"data": nn.CrossEntropyLoss()}, TypeError, "data"),
        ({"data": torch.ones(4, 2)}, TypeError, "data"),
        ({"data": [torch.ones(4, 2)]}, TypeError, "data"),
        ({"data": []}, ValueError, "data"),
        ({"data": (torch.ones(4, 2), torch.zeros(3, dtype=torch.int64))}, ValueError, "inputs and targets"),
        ({"loss": 3}, TypeError, "loss"),
        ({"loss": nn.CrossEntropyLoss(reduction="none")}, ValueError, "scalar"),
        ({"k": 10}, ValueError, "k=10 exceeds"),
        ({"which": "sharpest"}, ValueError, "which"),
        ({"dtype": torch.float16}, ValueError, "dtype"),
        ({"tolerance": 0}, ValueError, "tolerance"),
        ({"start": np.ones(3)}, ValueError, "start"),
    ],
)
def test_bad_arguments_are_named(changed, kind, says):
    torch.manual_seed(0)
    data = torch.randn(40, 2), torch.arange(40) % 3
    arguments = {"model": nn.Linear(2, 3), "data": data, "loss": nn.CrossEntropyLoss(), **changed}
    with pytest.raises(kind, match=says):
        mt.top_eigenvalues(**arguments)
