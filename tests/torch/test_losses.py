"""The dynamical criteria against torch's own losses, against minidyn's, and in the loops people write."""

from __future__ import annotations

import copy
import io
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings

import minidyn as md

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
nn, F = torch.nn, torch.nn.functional
examples = settings(deadline=None, max_examples=80, derandomize=True, database=None)


@st.composite
def problems(draw):
    """Logits, a target of either kind, and options that `nn.CrossEntropyLoss` accepts for them."""
    classes = draw(st.integers(2, 5))
    leading = draw(st.sampled_from([(), (1,), (7,)]))
    trailing = draw(st.sampled_from([(), (2,), (2, 3)])) if leading else ()
    random = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    shape = (*leading, classes, *trailing)
    logits = 3 * torch.randn(shape, generator=random, dtype=torch.float64)
    options = {
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
        "weight": None,
    }
    if draw(st.booleans()):
        options["weight"] = torch.rand(classes, generator=random, dtype=torch.float64)
    if draw(st.booleans()):
        axis = 1 if leading else 0
        return logits, torch.randn(shape, generator=random, dtype=torch.float64).softmax(axis), options
    target = torch.randint(classes, (*leading, *trailing), generator=random)
    if draw(st.booleans()):
        options["ignore_index"] = draw(st.sampled_from([-100, 0, 1, 250]))
        target = torch.where(torch.rand(target.shape, generator=random) < 0.3, options["ignore_index"], target)
    return logits, target, options


def value_and_gradient(criterion, logits, target):
    logits = logits.clone().requires_grad_()
    value = criterion(logits, target)
    pull = torch.linspace(1, 2, value.numel(), dtype=value.dtype).reshape(value.shape)
    return value.detach(), torch.autograd.grad(value, logits, pull)[0]


def assert_equal(value, wanted):
    for a, b in zip(value, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13, equal_nan=True)


def classes_of(logits):
    return logits.shape[1 if logits.ndim > 1 else 0]


@examples
@given(problems(), st.sampled_from(["static", "weights"]), st.integers(0, 40))
def test_amplitude_one_is_cross_entropy(problem, normalize, start):
    logits, target, options = problem
    ours = mt.DynamicalCrossEntropyLoss(1, 6, classes_of(logits), start=start, normalize=normalize, **options)
    wanted = value_and_gradient(nn.CrossEntropyLoss(**options), logits, target)
    assert_equal(value_and_gradient(ours, logits, target), wanted)


@examples
@given(problems(), st.integers(0, 40))
def test_evaluation_is_static_for_any_amplitude(problem, start):
    logits, target, options = problem
    ours = mt.DynamicalCrossEntropyLoss(50, 6, classes_of(logits), start=start, **options).eval()
    wanted = value_and_gradient(nn.CrossEntropyLoss(**options), logits, target)
    assert_equal(value_and_gradient(ours, logits, target), wanted)


@examples
@given(problems(), st.integers(0, 40), st.sampled_from([1, 20]))
def test_gamma_is_a_class_weight(problem, start, amplitude):
    """Γ stands where torch's `weight` stands, and outside the denominator."""
    logits, target, options = problem
    classes = classes_of(logits)
    gamma = torch.from_numpy(md.Oscillation(amplitude, 6, classes).weights(start))
    weight = options.pop("weight")
    ours = mt.DynamicalCrossEntropyLoss(amplitude, 6, classes, start=start, weight=weight, **options)
    heavier = gamma if weight is None else weight * gamma
    wanted = value_and_gradient(nn.CrossEntropyLoss(weight=heavier, **options), logits, target)
    if options["reduction"] == "mean":
        normalised = mt.DynamicalCrossEntropyLoss(
            amplitude, 6, classes, start=start, weight=weight, normalize="weights", **options
        )
        if target.shape != logits.shape:  # with class indices torch divides by the sum of the class weights
            assert_equal(value_and_gradient(normalised, logits, target), wanted)
        options["reduction"] = "sum"
        total = value_and_gradient(nn.CrossEntropyLoss(weight=heavier, **options), logits, target)
        counted = denominator(target, logits, weight, options.get("ignore_index", -100))
        assume(counted > 0)
        wanted = tuple(part / counted for part in total)
    assert_equal(value_and_gradient(ours, logits, target), wanted)


def denominator(target, logits, weight, ignore_index):
    """Torch's, from its documentation."""
    if target.shape == logits.shape:
        return target.numel() / classes_of(logits)
    counted = target[target != ignore_index]
    return len(counted) if weight is None else weight[counted].sum()


@examples
@given(
    st.integers(0, 10**6), st.integers(0, 60), st.sampled_from([1, 3, 70]), st.sampled_from(["ce", "sample", "output"])
)
def test_agrees_with_minidyn(seed, step, amplitude, kind):
    """The same F and ∂F/∂f as minidyn's own losses, with the waveform's options, in a batch of any classes."""
    random = np.random.RandomState(seed)
    logits, labels = 5 * random.randn(9, 4), random.randint(4, size=9)
    clock = {"dwell": 8, "rest_from": 50}
    gamma = md.Oscillation(amplitude, 7, 4, **clock)
    if kind == "ce":
        ours = mt.DynamicalCrossEntropyLoss(amplitude, 7, 4, start=step, **clock)
        theirs = md.CrossEntropy(gamma)
    else:
        ours = mt.DynamicalMSELoss(amplitude, 7, 4, start=step, weighting=kind, **clock)
        theirs = md.SquaredError(gamma, kind)
    value, gradient = value_and_gradient(ours, torch.from_numpy(logits), torch.from_numpy(labels))
    assert float(value) == pytest.approx(theirs.value(logits, labels, step), rel=1e-12)
    np.testing.assert_allclose(gradient, theirs.gradient(logits, labels, step), rtol=1e-12, atol=1e-14)


@examples
@given(problems(), st.sampled_from(["sample", "output"]), st.sampled_from(["static", "weights"]))
def test_amplitude_one_is_mean_squared_error(problem, weighting, normalize):
    """Against `nn.MSELoss` on the targets that cross-entropy would smooth; ignored samples taken out."""
    logits, target, options = problem
    classes, axis = classes_of(logits), 1 if logits.ndim > 1 else 0
    del options["weight"]
    ours = mt.DynamicalMSELoss(1, 6, classes, weighting=weighting, normalize=normalize, **options)
    smoothing, ignore_index = options["label_smoothing"], options.get("ignore_index", -100)
    if target.shape == logits.shape:
        truth, counts = target, torch.ones_like(target.sum(axis))
    else:
        counts = target != ignore_index
        truth = F.one_hot(torch.where(counts, target, 0), classes).double().movedim(-1, axis)
    truth = (1 - smoothing) * truth + smoothing / classes
    assume(counts.any())
    counts = counts.unsqueeze(axis).expand(logits.shape)

    def wanted(logits, target):
        if options["reduction"] == "none":
            return nn.MSELoss(reduction="none")(logits, truth) * counts
        return nn.MSELoss(reduction=options["reduction"])(logits[counts > 0], truth[counts > 0])

    assert_equal(value_and_gradient(ours, logits, target), value_and_gradient(wanted, logits, target))


@pytest.mark.parametrize("weighting", ["sample", "output"])
def test_class_weights_of_the_squared_error(weighting):
    """`weight` multiplies Γ, and the mean divides by what it sums to."""
    weight = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    logits, labels = torch.zeros(4, 3, dtype=torch.float64), torch.tensor([0, 1, 1, 2])
    ours = mt.DynamicalMSELoss(4, 8, 3, weighting=weighting, weight=weight, start=4, reduction="none")
    gamma = weight * torch.tensor([2.0, 0.5, 0.5], dtype=torch.float64)
    squared = F.one_hot(labels, 3).double()
    wanted = squared * (gamma[labels][:, None] if weighting == "sample" else gamma)
    torch.testing.assert_close(ours(logits, labels), wanted)
    mean = mt.DynamicalMSELoss(4, 8, 3, weighting=weighting, weight=weight, start=4)
    static = (weight[labels].sum() * 3) if weighting == "sample" else weight.sum() * 4
    torch.testing.assert_close(mean(logits, labels), wanted.sum() / static)
    soft = mt.DynamicalMSELoss(4, 8, 3, weighting=weighting, weight=weight, start=4, reduction="none")
    torch.testing.assert_close(soft(logits, squared), wanted)


def test_normalize_by_weights_cancels_in_a_batch_of_one_class():
    logits, labels = torch.randn(5, 3, dtype=torch.float64), torch.full((5,), 2)
    static = nn.CrossEntropyLoss()(logits, labels)
    options = {"amplitude": 40, "period": 10, "num_classes": 3, "start": 5}
    torch.testing.assert_close(mt.DynamicalCrossEntropyLoss(normalize="weights", **options)(logits, labels), static)
    torch.testing.assert_close(mt.DynamicalCrossEntropyLoss(**options)(logits, labels), static * 3 / 42)


def test_the_normalisations_agree_on_a_balanced_batch_only():
    options = {"amplitude": 40, "period": 10, "num_classes": 3, "start": 5}
    static = mt.DynamicalCrossEntropyLoss(**options)
    weights = mt.DynamicalCrossEntropyLoss(normalize="weights", **options)
    logits = torch.randn(6, 3, dtype=torch.float64)
    balanced, not_balanced = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([0, 0, 0, 0, 1, 2])
    torch.testing.assert_close(static(logits, balanced), weights(logits, balanced))
    assert not torch.isclose(static(logits, not_balanced), weights(logits, not_balanced))


# The clock


def criterion(**options):
    return mt.DynamicalCrossEntropyLoss(10, 8, 3, **options)


def test_only_step_moves_the_clock():
    loss, logits, labels = criterion(), torch.randn(4, 3, requires_grad=True), torch.tensor([0, 1, 2, 2])
    for _ in range(3):
        loss(logits, labels).backward()
        loss.eval()(logits, labels)
        loss.train()
    assert int(loss.clock) == 0
    loss.step()
    assert int(loss.clock) == 1


def test_the_weights_in_force_follow_the_oscillation():
    loss, gamma = criterion(dwell=9, rest_from=60, start=3), md.Oscillation(10, 8, 3, dwell=9, rest_from=60)
    for step in range(3, 80):
        np.testing.assert_array_equal(loss.get_last_weights(), gamma.weights(step))
        loss.step()
    loss.eval()
    np.testing.assert_array_equal(loss.get_last_weights(), gamma.weights(80))


def test_a_state_resumes_the_clock():
    loss = criterion(weight=torch.tensor([1.0, 2.0, 3.0]))
    for _ in range(5):
        loss.step()
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    resumed = criterion(weight=torch.ones(3))
    resumed.load_state_dict(torch.load(file, weights_only=True))
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 2])
    for _ in range(20):
        assert int(resumed.clock) == int(loss.clock)
        assert torch.equal(resumed(logits, labels), loss(logits, labels))
        resumed.step()
        loss.step()


def test_a_state_inside_a_bigger_module_and_a_deep_copy():
    both = nn.ModuleDict({"net": nn.Linear(2, 3), "loss": criterion(start=4)})
    other = nn.ModuleDict({"net": nn.Linear(2, 3), "loss": criterion()})
    other.load_state_dict(both.state_dict(), assign=True)
    copied = copy.deepcopy(other["loss"])
    copied.step()
    assert [int(loss.clock) for loss in (both["loss"], other["loss"], copied)] == [4, 4, 5]
    np.testing.assert_array_equal(other["loss"].get_last_weights(), md.Oscillation(10, 8, 3).weights(4))


def test_casting_the_module_keeps_the_digits_of_the_weights():
    loss = criterion(start=3).half().double()
    logits, labels = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 2])
    assert torch.equal(loss(logits, labels), criterion(start=3)(logits, labels))
    assert loss.clock.dtype == torch.int64


def test_a_step_between_forward_and_backward_does_not_reach_the_gradient():
    loss, labels = criterion(start=3), torch.tensor([0, 1, 2, 2])
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    early = value_and_gradient(loss, logits.detach(), labels)[1]
    value = loss(logits, labels)
    loss.step()
    value.backward()
    assert torch.equal(logits.grad, early) or torch.allclose(logits.grad, early, rtol=1e-14)


# The loops that people write


def small_problem(seed=0):
    random = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=random, dtype=torch.float64))
    return net, torch.randn(12, 2, generator=random, dtype=torch.float64), torch.arange(12) % 3


def test_two_lines_in_a_loop_train_as_minidyn_does():
    """Full-batch descent through torch follows md.train, update by update."""
    task, start = md.spiral(20), md.MLP(2, 10, 3).init(0)
    run = md.train(
        md.MLP(2, 10, 3),
        start,
        task,
        md.CrossEntropy(md.Oscillation(20, 30)),
        learning_rate=0.5,
        steps=100,
        progress=False,
    )
    net = nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 3)).double()
    with torch.no_grad():
        for layer, (weight, bias) in zip((net[0], net[2]), start, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T))
            layer.bias.copy_(torch.from_numpy(bias))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    loss = mt.DynamicalCrossEntropyLoss(amplitude=20, period=30, num_classes=3)
    x, y, series = torch.tensor(task.x), torch.tensor(task.labels), []
    for _ in range(100):
        optimizer.zero_grad()
        value = loss(net(x), y)
        value.backward()
        optimizer.step()
        loss.step()
        series.append(float(value.detach()))
    np.testing.assert_allclose(series, run.history.loss[:-1], rtol=1e-9)


def test_accumulation_over_equal_parts_is_the_whole_batch():
    net, x, y = small_problem()
    loss = criterion(start=3)
    loss(net(x), y).backward()
    whole = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    for part in range(4):
        (loss(net(x[3 * part : 3 * part + 3]), y[3 * part : 3 * part + 3]) / 4).backward()
    loss.step()
    for p, wanted in zip(net.parameters(), whole, strict=True):
        torch.testing.assert_close(p.grad, wanted, rtol=1e-12, atol=1e-14)
    assert int(loss.clock) == 4


def test_closures_do_not_move_the_clock():
    net, x, y = small_problem()
    loss, calls = criterion(), []
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=5)

    def closure():
        optimizer.zero_grad()
        value = loss(net(x), y)
        value.backward()
        calls.append(int(loss.clock))
        return value

    optimizer.step(closure)
    loss.step()
    assert len(calls) > 2
    assert set(calls) == {0}
    assert int(loss.clock) == 1


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["CrossEntropy", "MSE"])
def test_autocast_computes_the_loss_in_float32(half, kind):
    net, x, y = small_problem()
    net, x = net.float(), x.float()
    loss = getattr(mt, f"Dynamical{kind}Loss")(10, 8, 3, start=3)
    torch_own = nn.CrossEntropyLoss() if kind == "CrossEntropy" else nn.MSELoss()
    with torch.autocast("cpu", half):
        logits = net(x)
        value = loss(logits, y)
        assert logits.dtype == half
        assert value.dtype == torch_own(logits, y if kind == "CrossEntropy" else logits).dtype == torch.float32
        assert torch.equal(value, loss(logits.float(), y))
    value.backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_without_autocast_keeps_its_dtype(half):
    logits, labels = torch.randn(4, 3).to(half), torch.tensor([0, 1, 2, 2])
    value = criterion(start=3)(logits, labels)
    assert value.dtype == half
    assert torch.equal(value, criterion(start=3)(logits.float(), labels).to(half))


@pytest.mark.parametrize(
    "backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)], ids=["graph", "compiled"]
)
@pytest.mark.parametrize("kind", ["CrossEntropy", "MSE"])
def test_compile(backend, kind):
    """One graph for all steps: no break at the clock, no recompilation as it moves."""
    if backend == "inductor":
        import shutil

        if not (shutil.which("g++") or shutil.which("clang++")):
            pytest.skip("torch.compile needs a C++ compiler")
    torch.compiler.reset()
    loss = getattr(mt, f"Dynamical{kind}Loss")(10, 8, 3)
    compiled = torch.compile(loss, backend=backend, fullgraph=True)
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 2])
    first = value_and_gradient(compiled, logits, labels)
    torch.testing.assert_close(first, value_and_gradient(loss, logits, labels))
    with torch.compiler.set_stance("fail_on_recompile"):
        for _ in range(12):
            loss.step()
            value, wanted = (value_and_gradient(f, logits, labels) for f in (compiled, loss))
            torch.testing.assert_close(value, wanted)
    assert not torch.equal(first[0], value[0])


def counted_graphs(steps):
    """Graphs that the compiler has made after each update of a whole step: forward, backward, optimizer and clock."""
    torch.compiler.reset()
    net, x, y = small_problem()
    loss, graphs = criterion(), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    def update(x, y):
        optimizer.zero_grad()
        value = loss(net(x), y)
        value.backward()
        optimizer.step()
        loss.step()
        return value.detach()

    compiled, counts, values = torch.compile(update, backend=backend), [], []
    for _ in range(steps):
        values.append(float(compiled(x, y)))
        counts.append(len(graphs))
    return loss, counts, values


def test_a_compiled_update_with_its_step_is_not_compiled_again():
    """The compiler guards whole numbers of a module: the clock made a new graph at each step, up to its limit."""
    loss, counts, values = counted_graphs(30)
    assert counts[0] >= 1
    assert counts[1:] == counts[:1] * 29
    assert int(loss.clock) == 30
    net, x, y = small_problem()
    eager, optimizer = criterion(), torch.optim.SGD(net.parameters(), lr=0.1)
    for value in values:
        optimizer.zero_grad()
        wanted = eager(net(x), y)
        wanted.backward()
        optimizer.step()
        eager.step()
        assert value == pytest.approx(wanted.item(), rel=1e-9)


def test_the_import_of_the_package_does_not_bring_the_compiler():
    script = "import sys, minidyn.torch; print('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split() == ["False"]


# Errors


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    [
        ({"amplitude": 0.5}, ValueError, "amplitude"),
        ({"period": 0}, ValueError, "period"),
        ({"num_classes": 1}, ValueError, "num_classes"),
        ({"num_classes": 3.0}, TypeError, "num_classes"),
        ({"dwell": 7}, ValueError, "dwell"),
        ({"start": -1}, ValueError, "start"),
        ({"reduction": "average"}, ValueError, "reduction"),
        ({"normalize": True}, ValueError, "normalize"),
        ({"label_smoothing": 1.5}, ValueError, "label_smoothing"),
        ({"ignore_index": None}, TypeError, "ignore_index"),
        ({"weight": [1.0, 1.0, 1.0]}, TypeError, "weight"),
        ({"weight": torch.ones(4)}, ValueError, "weight"),
        ({"weight": torch.ones(3, dtype=torch.int64)}, TypeError, "weight"),
        (
            {"weight": torch.tensor([1.0, -1.0, 2.0])},
            ValueError,
            r"weight must be finite and at least 0, got \[1.0, -1",
        ),
        ({"weight": torch.tensor([1.0, torch.nan, 2.0])}, ValueError, "weight must be finite"),
    ],
)
def test_bad_arguments_are_named(changed, kind, says):
    with pytest.raises(kind, match=says):
        mt.DynamicalCrossEntropyLoss(**{"amplitude": 10, "period": 8, "num_classes": 3, **changed})


def test_another_bad_input_is_named():
    with pytest.raises(ValueError, match="weighting"):
        mt.DynamicalMSELoss(10, 8, 3, weighting="class")
    with pytest.raises(ValueError, match=r"num_classes=3 classes, got shape \(4, 5\)"):
        criterion()(torch.randn(4, 5), torch.tensor([0, 1, 2, 2]))
    with pytest.raises(TypeError, match="floating point"):
        criterion()(torch.ones(4, 3, dtype=torch.int64), torch.tensor([0, 1, 2, 2]))
    with pytest.raises(TypeError, match=r"input must be a tensor of logits, got array"):
        criterion()(np.zeros((4, 3)), torch.tensor([0, 1, 2, 2]))


INDICES = torch.tensor([0, 1, 2, 0])
WRONG_TARGETS = {
    "a column": (INDICES[:, None], ValueError, r"class indices of shape \(4,\), or probabilities of shape \(4, 3\)"),
    "one for all": (INDICES[:1], ValueError, r"got shape \(1,\)"),
    "another number of classes": (torch.rand(4, 5), ValueError, r"got shape \(4, 5\)"),
    "fractions": (INDICES + 0.9, TypeError, "class indices, which are integers, got torch.float32"),
    "truth values": (INDICES == 0, TypeError, "which are integers, got torch.bool"),
    "whole one-hot numbers": (F.one_hot(INDICES, 3), TypeError, "probabilities in floating point"),
    "an array": (INDICES.numpy(), TypeError, "target must be a tensor, got array"),
}


@pytest.mark.parametrize("loss", [mt.DynamicalCrossEntropyLoss, mt.DynamicalMSELoss], ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("target", WRONG_TARGETS)
def test_targets_that_no_cross_entropy_takes_are_refused(loss, target):
    value, kind, says = WRONG_TARGETS[target]
    with pytest.raises(kind, match=says):
        loss(5, 20, 3)(torch.randn(4, 3), value)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_class_indices_of_any_integer_type_are_the_same(dtype):
    for loss in (mt.DynamicalCrossEntropyLoss(5, 20, 3, start=7), mt.DynamicalMSELoss(5, 20, 3, start=7)):
        logits = torch.randn(4, 3)
        assert torch.equal(loss(logits, INDICES.to(dtype)), loss(logits, INDICES))


OTHERS = [{"amplitude": 50}, {"period": 400}, {"dwell": 21}, {"rest_from": 0}]


@pytest.mark.parametrize("changed", OTHERS, ids=lambda changed: next(iter(changed)))
def test_a_state_of_another_oscillation_is_loaded_with_a_warning(changed):
    settings = {"amplitude": 10, "period": 20, "num_classes": 3}
    state = mt.DynamicalCrossEntropyLoss(**settings, start=7).state_dict()
    loss = mt.DynamicalCrossEntropyLoss(**{**settings, **changed})
    with pytest.warns(
        UserWarning, match=r"state of a loss with amplitude=10, period=20, num_classes=3, dwell=20"
    ) as told:
        loss.load_state_dict(state)
    assert told[0].filename == __file__
    assert int(loss.clock) == 7


@pytest.mark.filterwarnings("error")
def test_a_state_of_the_same_oscillation_or_of_version_0_1_is_loaded_without():
    loss = mt.DynamicalCrossEntropyLoss(10, 20, 3, start=7)
    state = loss.state_dict()
    again = mt.DynamicalCrossEntropyLoss(10, 20, 3)
    again.load_state_dict(torch.load(io.BytesIO(saved(state)), weights_only=True))
    del state["_extra_state"]
    again = nn.ModuleDict({"loss": mt.DynamicalCrossEntropyLoss(10, 20, 3)})
    again.load_state_dict({f"loss.{name}": value for name, value in state.items()})
    assert int(again["loss"].clock) == 7


def saved(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()
