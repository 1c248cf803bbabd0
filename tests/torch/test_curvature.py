"""Sharpness of torch models: against minidyn's exact Hessian, torch's and, where it is installed, curvlinops."""

from __future__ import annotations

import copy
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
    spectrum = mt.top_eigenvalues(twin, data, make_twin(30, 50, 3, start=step, **options), k=3, which=which)
    assert spectrum.converged
    np.testing.assert_allclose(spectrum.values, values[:3] if which == "largest" else values[-3:], rtol=1e-6)


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
    spectrum = mt.top_eigenvalues(net, data, loss, k=4, which=which)
    np.testing.assert_allclose(spectrum.values, exact[:4] if which == "largest" else exact[-4:], atol=1e-8 * exact[0])
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
    spectrum = mt.top_eigenvalues(net, [(x[:7], y[:7]), (x[7:], y[7:])], loss, k=3)
    np.testing.assert_allclose(spectrum.values, wanted, rtol=1e-6)


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
    spectrum = mt.top_eigenvalues(net, data, nn.CrossEntropyLoss(), k=9)
    assert spectrum.vectors.shape == (9, 9)
    np.testing.assert_allclose(spectrum.values, exact, atol=1e-10)


@pytest.mark.parametrize("measure", ["curvature", "kernel", "valley"])
def test_a_module_under_two_names_keeps_its_parameters(measure):
    """Torch's functional_call leaves copies in their place: an optimizer would train what the model no longer has."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 3).double()
    net, data = nn.Sequential(layer, nn.Tanh(), layer), (torch.randn(8, 3).double(), torch.arange(8) % 3)
    weight, bias = layer.weight, layer.bias
    if measure == "curvature":
        exact = exact_spectrum(copy.deepcopy(net), data, nn.CrossEntropyLoss())
        spectrum = mt.top_eigenvalues(net, data, nn.CrossEntropyLoss(), k=12)
        np.testing.assert_allclose(spectrum.values, exact, atol=1e-10)
    elif measure == "kernel":
        mt.empirical_ntk(net, data[0])
    else:
        mt.valley_slice(net, data, nn.CrossEntropyLoss(), learning_rate=0.1).force(0.1)
    assert layer.weight is weight
    assert layer.bias is bias


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
        spectrum = mt.top_eigenvalues(net, data, loss, k=3)
    finally:
        gc.enable()
    assert len(alive) == spectrum.products + 2  # the loss is evaluated twice before
    assert max(alive) <= 1


def test_a_warm_start_saves_products():
    *_, twin, data = networks.spiral_problem()
    cold = mt.top_eigenvalues(twin, data, nn.CrossEntropyLoss())
    warm = mt.top_eigenvalues(twin, data, nn.CrossEntropyLoss(), start=torch.from_numpy(cold.vectors[:, 0]))
    assert warm.products < cold.products
    np.testing.assert_allclose(warm.values, cold.values, rtol=1e-10)


def test_a_bound_on_the_basis_is_kept_and_told():
    values = np.linspace(0, 1, 400)
    spectrum = lanczos(lambda v: values * v, 400, k=2, max_basis=10)
    assert spectrum.products == 12
    assert not spectrum.converged
    assert lanczos(lambda v: values * v, 400, k=2, max_basis=400).converged
    with pytest.raises(ValueError, match="max_basis"):
        lanczos(lambda v: values * v, 400, k=2, max_basis=1)
    *_, twin, data = networks.spiral_problem()
    assert not mt.top_eigenvalues(twin, data, nn.CrossEntropyLoss(), max_basis=4).converged


def test_a_loss_without_curvature():
    net = nn.Linear(2, 3, bias=False).double()
    data = torch.randn(5, 2).double(), torch.zeros(5)
    assert mt.top_eigenvalues(net, data, lambda logits, _: logits.mean()).values == pytest.approx([0])


# What a loss adds through the parameters


def linear_problem():
    torch.manual_seed(0)
    net = nn.Linear(4, 3).double()
    return net, (torch.randn(12, 4).double(), torch.randint(3, (12,)))


def test_a_penalty_that_reads_the_parameters_from_the_model_counts():
    net, data = linear_problem()

    def penalised(outputs, targets):
        return nn.functional.cross_entropy(outputs, targets) + 100 * sum((p**2).sum() for p in net.parameters())

    plain = mt.top_eigenvalues(net, data, nn.CrossEntropyLoss(), k=15)
    np.testing.assert_allclose(mt.top_eigenvalues(net, data, penalised, k=15).values, plain.values + 200, rtol=1e-12)
    halves = [(data[0][:5], data[1][:5]), (data[0][5:], data[1][5:])]
    np.testing.assert_allclose(mt.top_eigenvalues(net, halves, penalised).values, plain.values[:1] + 200, rtol=1e-10)
    assert mt.valley_slice(net, data, penalised, learning_rate=0.001).curvature > 200


def test_a_penalty_in_a_module_with_its_own_anchor_counts():
    """Elastic weight consolidation: the anchor belongs to the loss, the parameters to the model inside it."""

    class Anchored(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net
            self.anchor = nn.ParameterList([p.detach() + 1 for p in net.parameters()])

        def forward(self, outputs, targets):
            pairs = zip(self.net.parameters(), self.anchor, strict=True)
            return nn.functional.cross_entropy(outputs, targets) + 5 * sum(((p - a) ** 2).sum() for p, a in pairs)

    net, data = linear_problem()
    plain = mt.top_eigenvalues(net, data, nn.CrossEntropyLoss()).values
    np.testing.assert_allclose(mt.top_eigenvalues(net, data, Anchored(net)).values, plain + 10, rtol=1e-10)


def test_a_loss_that_holds_parameters_is_refused():
    net, data = linear_problem()
    held = list(net.parameters())
    for measure in (mt.top_eigenvalues, lambda *problem: mt.valley_slice(*problem, learning_rate=0.1)):
        with pytest.raises(ValueError, match="loss holds parameters of the model"):
            measure(net, data, lambda z, y: nn.functional.cross_entropy(z, y) + sum((p**2).sum() for p in held))


# How the data is cut into batches

TARGETS = torch.tensor([0, 1, 2, 2, 1, -100, 0, 2, -100, 1, 1, 0])
CLASS_WEIGHTS = torch.tensor([1.0, 5.0, 0.5]).double()
PROBABILITIES = torch.rand(12, 3, generator=torch.Generator().manual_seed(1)).double().softmax(1)
CUTTABLE = {
    "class weights": (nn.CrossEntropyLoss(CLASS_WEIGHTS), TARGETS),
    "ignored samples": (nn.CrossEntropyLoss(ignore_index=2), TARGETS.clamp(min=0)),
    "a sum": (nn.CrossEntropyLoss(reduction="sum"), TARGETS),
    "class weights and probabilities": (nn.CrossEntropyLoss(CLASS_WEIGHTS), PROBABILITIES),
    "label smoothing": (nn.CrossEntropyLoss(CLASS_WEIGHTS, label_smoothing=0.2), TARGETS),
    "a dynamical loss": (mt.DynamicalCrossEntropyLoss(20, 8, 3, start=3, weight=CLASS_WEIGHTS.float()), TARGETS),
    "normalised class weights": (mt.DynamicalMSELoss(20, 8, 3, start=3, normalize="weights"), TARGETS),
    "a function that takes a sum": (lambda z, y: nn.functional.cross_entropy(z, y, reduction="sum"), TARGETS),
    "a function that takes a mean": (lambda z, y: (z - y).square().mean(), PROBABILITIES),
}


@pytest.mark.parametrize("name", CUTTABLE)
def test_the_result_does_not_depend_on_the_cut(name):
    loss, targets = CUTTABLE[name]
    net, (x, _) = linear_problem()
    whole = mt.top_eigenvalues(net, (x, targets), loss, k=2)
    for cuts in ([1, 5], [5, 6], [2, 3, 9]):
        batches = list(zip(x.tensor_split(cuts), targets.tensor_split(cuts), strict=True))
        np.testing.assert_allclose(mt.top_eigenvalues(net, batches, loss, k=2).values, whole.values, rtol=1e-9)


def test_the_slice_of_a_valley_does_not_depend_on_the_cut_either():
    loss, targets = CUTTABLE["class weights"]
    net, (x, _) = linear_problem()
    direction = np.arange(15.0)
    whole, cut = (
        mt.valley_slice(net, data, loss, learning_rate=0.1, direction=direction)
        for data in ((x, targets), [(x[:4], targets[:4]), (x[4:], targets[4:])])
    )
    np.testing.assert_allclose(cut.force([-0.3, 0.2]), whole.force([-0.3, 0.2]), rtol=1e-9)


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: nn.functional.cross_entropy(z, y, CLASS_WEIGHTS),
        lambda z, y: nn.functional.cross_entropy(z, y),  # which leaves out -100
        lambda z, y: nn.functional.cross_entropy(z, y, reduction="sum") + z.square().mean(),
    ],
    ids=["class weights", "ignored samples", "a sum and a mean"],
)
def test_a_function_that_cannot_be_put_together_is_refused_for_several_batches_only(loss):
    net, (x, _) = linear_problem()
    assert mt.top_eigenvalues(net, (x, TARGETS), loss).converged
    with pytest.raises(ValueError, match="loss must be a mean over the samples of a batch, or a sum"):
        mt.top_eigenvalues(net, [(x[:5], TARGETS[:5]), (x[5:], TARGETS[5:])], loss)


def test_data_of_which_nothing_counts_is_refused():
    net, (x, _) = linear_problem()
    ignored = torch.full((6,), -100)
    with pytest.raises(ValueError, match="data must hold a sample that counts"):
        mt.top_eigenvalues(net, [(x[:6], ignored), (x[6:], ignored)], nn.CrossEntropyLoss())
    counted = mt.top_eigenvalues(net, (x[6:], TARGETS[6:]), nn.CrossEntropyLoss())
    spectrum = mt.top_eigenvalues(net, [(x[:6], ignored), (x[6:], TARGETS[6:])], nn.CrossEntropyLoss())
    np.testing.assert_allclose(spectrum.values, counted.values)


def test_batch_statistics_and_several_batches_are_warned_of():
    net, (x, y) = networks.convolutional()
    net.train()
    with pytest.warns(UserWarning, match="model mixes the samples of a batch") as told:
        mt.top_eigenvalues(net, [(x[:6], y[:6]), (x[6:], y[6:])], nn.CrossEntropyLoss())
    assert told[0].filename == __file__


# Where derivatives are switched off


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 8, dropout=0.0, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.encoder(x).mean(1))


@pytest.mark.parametrize("training", [True, False])
def test_attention_has_a_curvature(training):
    torch.manual_seed(0)
    net, data = Attention().double().train(training), (torch.randn(6, 4, 8).double(), torch.randint(3, (6,)))
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        exact = exact_spectrum(net, data, nn.CrossEntropyLoss())
    spectrum = mt.top_eigenvalues(net, data, nn.CrossEntropyLoss(), k=2)
    np.testing.assert_allclose(spectrum.values, exact[:2], rtol=1e-6)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_switched_off(mode):
    net, data = linear_problem()
    outside = mt.top_eigenvalues(net, data, nn.CrossEntropyLoss())
    with mode():
        inside = mt.top_eigenvalues(net, (data[0] + 0, data[1]), nn.CrossEntropyLoss())
        cut = mt.valley_slice(net, data, nn.CrossEntropyLoss(), learning_rate=0.1)
        assert cut.curvature == pytest.approx(outside.values[0])
        assert not torch.is_grad_enabled()
    np.testing.assert_allclose(inside.values, outside.values, rtol=1e-12)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_compiled_model_is_measured_as_it_was_written(in_place):
    """What the compiler makes has no second derivatives."""
    net, data = networks.convolutional()
    measures = {
        "sharpness": lambda net: mt.top_eigenvalues(net, data, nn.CrossEntropyLoss()).values,
        "kernel": lambda net: mt.empirical_ntk(net, data[0]),
        "valley": lambda net: mt.valley_slice(net, data, nn.CrossEntropyLoss(), learning_rate=0.1).force([0.1]),
    }
    wanted = {name: measure(net) for name, measure in measures.items()}
    compiled = net if in_place else torch.compile(net, backend="aot_eager")
    if in_place:
        net.compile(backend="aot_eager")
    compiled(data[0])
    for name, measure in measures.items():
        np.testing.assert_allclose(measure(compiled), wanted[name], rtol=1e-10)


def test_the_number_of_basis_vectors_answers_to_its_former_name():
    net, data = linear_problem()
    with pytest.warns(DeprecationWarning, match=r"top_eigenvalues\(most=\.\.\.\) is now .*max_basis"):
        mt.top_eigenvalues(net, data, nn.CrossEntropyLoss(), most=5)


def not_finite():
    net = nn.Linear(2, 3)
    net.weight.data.fill_(torch.nan)
    return net


def infinite_outputs():
    return nn.Sequential(nn.Linear(2, 3), nn.Threshold(9, torch.inf))


def nan_in_a_buffer():
    net = nn.BatchNorm1d(2)
    net.running_mean.fill_(torch.nan)
    return net


INDICES = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    [
        ({"model": lambda x: x}, TypeError, "model"),
        ({"model": not_finite()}, ValueError, "model must have finite parameters, got nan in 'weight'"),
        (
            {"model": nn.Sequential(nn.Linear(2, 3), nn.Threshold(9, torch.inf))},
            ValueError,
            "loss must be finite .* nan",
        ),
        ({"model": nn.LazyLinear(3)}, ValueError, "model must know its shapes, and 'weight' is lazy: call the model"),
        (
            {"model": nn.Linear(0, 3, bias=False)},
            ValueError,
            "model must have a number to train, .* empty: weight",
        ),
        ({"model": nan_in_a_buffer()}, ValueError, "model must have buffers without a NaN, got one in 'running_mean'"),
        ({"model": nn.Linear(2, 3).requires_grad_(False)}, ValueError, "a parameter that requires a gradient"),
        ({"data": (torch.full((4, 2), torch.nan), INDICES)}, ValueError, "inputs must hold no NaN, got 8"),
        ({"data": (torch.ones(4, 2), torch.full((4, 3), torch.nan))}, ValueError, "targets must hold no NaN, got 12"),
        ({"data": {"x": torch.ones(4, 2)}}, TypeError, "data by name must hold the tensor 'labels', got 'x'"),
        ({"data": {"labels": INDICES}}, TypeError, "inputs must be a tensor, or a mapping of names to tensors, got {}"),
        ({"data": {"x": [1, 2], "labels": INDICES}}, TypeError, r"x must be a tensor, got \[1, 2\]"),
        (
            {"data": ({"x": torch.ones(4, 2), "mask": torch.ones(3)}, INDICES)},
            ValueError,
            r"as many samples in each tensor, got x \(4, 2\), mask \(3,\)",
        ),
        ({"data": [((torch.ones(4, 2), torch.ones(4)), INDICES)]}, TypeError, "data must hold .inputs, targets."),
        ({"loss": nn.CrossEntropyLoss}, TypeError, "loss must be callable as loss.outputs, targets., got <class"),
        ({"loss": lambda z, y: 0.5}, ValueError, "loss must return a scalar, got 0.5"),
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
