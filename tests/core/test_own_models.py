"""Models of a reader's own: only what they must have is asked of them, and nothing else is taken at its word."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import autograd.numpy as anp
import numpy as np
import pytest

import minidyn as md
from minidyn import derivatives
from minidyn.losses import accuracy
from minidyn.parameters import Structure
from tests.core.problems import Smooth, flat

TASK, LOSS = md.spiral(8), md.CrossEntropy(md.Oscillation(5, 10))


class TanhMLP(md.MLP):
    """An MLP in all but its outputs."""

    def logits(self, params, x):
        (w, b), (v, c) = params
        return anp.dot(anp.tanh(anp.dot(x, w) + b), v) + c


def tanh_by_assignment():
    net = md.MLP(2, 5, 3)
    net.logits = TanhMLP(2, 5, 3).logits
    return net


class OtherDerivatives(md.MLP):
    """An MLP that says something else of its derivatives than its outputs do."""

    def vjp(self, params, x):
        logits, pullback = super().vjp(params, x)
        return logits, lambda cotangent: 0 * pullback(cotangent)


class Tanh:
    """The outputs of TanhMLP, and nothing but what a model must have."""

    def __init__(self, net):
        self.init, self.logits = net.init, net.logits


CHANGED = {"subclass": TanhMLP(2, 5, 3), "instance": tanh_by_assignment(), "derivatives": OtherDerivatives(2, 5, 3)}


@pytest.mark.parametrize("net", CHANGED.values(), ids=CHANGED)
class TestAnMLPWithOutputsOfItsOwn:
    def test_has_the_derivatives_of_its_outputs(self, net):
        plain, params = Tanh(net), net.init(1)
        problem = params, TASK, LOSS, 3
        assert flat(md.gradient(net, *problem)).tobytes() == flat(md.gradient(plain, *problem)).tobytes()
        assert (md.hessian(net, *problem) == md.hessian(plain, *problem)).all()
        u = np.random.RandomState(0).randn(net.size)
        assert (md.hessian_product(net, *problem)(u) == md.hessian_product(plain, *problem)(u)).all()
        assert (md.ntk(net, params, TASK.x) == md.ntk(plain, params, TASK.x)).all()
        assert md.ntk_eigenvalues(net, params, TASK.x).values == md.ntk_eigenvalues(plain, params, TASK.x).values

    def test_is_trained_and_recorded_by_its_outputs(self, net):
        options = {"learning_rate": 0.3, "steps": 20, "measure": {"hessian_max": 5}, "progress": False}
        run, plain = (md.train(n, net.init(1), TASK, LOSS, **options) for n in (net, Tanh(net)))
        assert run.settings.engine == "numpy"
        assert run.history.assign_attrs(plain.history.attrs).identical(plain.history)
        assert float(run.history.loss[0]) == pytest.approx(
            LOSS.value(net.logits(net.init(1), TASK.x), TASK.labels), rel=1e-14
        )

    def test_is_not_compiled(self, net):
        with pytest.raises(ValueError, match="engine 'compiled' takes an MLP"):
            md.train(net, net.init(1), TASK, LOSS, learning_rate=0.3, steps=1, engine="compiled")

    def test_is_not_saved_as_a_plain_mlp(self, net, tmp_path):
        run = md.train(net, net.init(1), TASK, LOSS, learning_rate=0.3, steps=5, progress=False)
        run.save(tmp_path / "run.nc")
        with pytest.raises(ValueError, match="net must be given"):
            md.load_run(tmp_path / "run.nc")
        again = md.load_run(tmp_path / "run.nc", net=net).resume(5, progress=False)
        whole = md.train(net, net.init(1), TASK, LOSS, learning_rate=0.3, steps=10, progress=False)
        assert again.history.identical(whole.history)


def test_an_mlp_that_only_starts_elsewhere_keeps_its_closed_forms():
    class Wide(md.MLP):
        def init(self, seed=0):
            return [(3 * w, b) for w, b in super().init(seed)]

    net = Wide(2, 5, 3)
    assert isinstance(derivatives.of(net), derivatives.ClosedForms)
    assert isinstance(derivatives.of(TanhMLP(2, 5, 3)), derivatives.Autograd)
    plain = md.gradient(md.MLP(2, 5, 3), net.init(1), TASK, LOSS)
    assert flat(md.gradient(net, net.init(1), TASK, LOSS)).tobytes() == flat(plain).tobytes()


class Misleading(Smooth):
    """A model with methods and attributes that an MLP has too, and that mean something else."""

    widths = size = structure = "wide"

    def __init__(self):
        super().__init__(2, 4, 3)

    def check_params(self):
        raise AssertionError("not asked for")

    unflatten = vjp = jvp = jacobian = ntk = hessian = hessian_product = check_params


def test_other_names_of_a_model_are_not_taken_at_their_word(tmp_path):
    net, plain = Misleading(), Smooth(2, 4, 3)
    params, options = net.init(0), {"learning_rate": 0.3, "steps": 6, "progress": False}
    measure = {"hessian_max": 3, "hessian_spectrum": 3, "ntk_max": 3}
    run, other = (md.train(n, params, TASK, LOSS, measure=measure, **options) for n in (net, plain))
    assert run.history.assign_attrs(other.history.attrs).identical(other.history)  # but for the name of the net
    assert (md.hessian(net, params, TASK, LOSS) == md.hessian(plain, params, TASK, LOSS)).all()
    assert (md.ntk(net, params, TASK.x) == md.ntk(plain, params, TASK.x)).all()
    run.save(tmp_path / "run.nc")
    assert md.load_run(tmp_path / "run.nc", net=net).history.identical(run.history)


Layer = namedtuple("Layer", ["W", "b"])


class Nested:
    """A linear model with parameters in whatever container it is given."""

    def __init__(self, params):
        self.params = params

    def init(self, seed):
        return self.params

    def logits(self, params, x):
        weight, bias = (params["W"], params["b"]) if isinstance(params, dict) else params
        return anp.dot(x, weight) + bias


WEIGHT, BIAS = np.array([[1, -2, 0], [3, 0, 1]]), np.array([0.5, 0, -0.5])
CONTAINERS = {
    "dict": {"W": WEIGHT, "b": BIAS},
    "dict in another order": {"b": BIAS, "W": WEIGHT},
    "ordered dict": OrderedDict(b=BIAS, W=WEIGHT),
    "named tuple": Layer(WEIGHT, BIAS),
    "tuple": (WEIGHT, BIAS),
    "integers": [WEIGHT, BIAS.astype(int)],
}


@pytest.mark.parametrize("params", CONTAINERS.values(), ids=CONTAINERS)
def test_parameters_may_be_nested_in_any_list_tuple_or_dict(params):
    net = Nested(params)
    run = md.train(net, params, TASK, LOSS, learning_rate=0.1, steps=5, progress=False)
    assert type(run.params) is type(params)
    assert list(run.params) == list(params) if isinstance(params, dict) else len(run.params) == 2
    slope = md.gradient(net, params, TASK, LOSS)
    step = md.train(net, params, TASK, LOSS, learning_rate=0.1, steps=1, progress=False).params
    for key in params if isinstance(params, dict) else range(2):
        np.testing.assert_allclose(step[key], params[key] - 0.1 * slope[key], rtol=1e-14)
    assert md.hessian(net, params, TASK, LOSS).shape == (9, 9)


def test_a_structure_takes_parameters_to_a_vector_and_back():
    params = {"b": [np.arange(3.0), (2.5, np.ones((2, 2)))], "a": np.array([[7]])}
    structure = Structure(params)
    vector = structure.flatten(params)
    assert vector.tolist() == [7, 0, 1, 2, 2.5, 1, 1, 1, 1]
    assert structure.size == 9
    again = structure.unflatten(vector)
    assert list(again) == ["b", "a"]
    assert again["b"][1][0] == 2.5
    assert np.shares_memory(again["a"], vector)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"W": WEIGHT.T, "b": BIAS}, ValueError, r"^params\['W'\] must have shape \(2, 3\), got \(3, 2\)"),
        ({"W": WEIGHT}, ValueError, r"^params must have the entries \['W', 'b'\], got {'W'"),
        ([WEIGHT, BIAS], ValueError, r"^params must have the entries \['W', 'b'\], got \[array"),
        ({"W": WEIGHT, "b": [1, [2, 3]]}, TypeError, r"^params\['b'\] must be nested lists, tuples and dicts"),
        ({"W": WEIGHT, "b": None}, TypeError, r"^params\['b'\] must be nested .*got None"),
        ({"W": WEIGHT, 3: BIAS}, TypeError, r"^params must have keys that can be sorted, got \['W', 3\]"),
    ],
)
def test_parameters_of_another_structure_are_named(params, error, message):
    with pytest.raises(error, match=message):
        Structure(CONTAINERS["dict"]).flatten(params)


def test_parameters_of_other_shapes_are_refused_though_they_are_as_many():
    class AnyShape(Nested):
        def logits(self, params, x):
            return 0 * x[:, :1] + anp.ravel(params["W"])[:3]

    with pytest.raises(ValueError, match=r"params\['W'\] must have shape \(2, 3\), got \(3, 2\)"):
        md.train(AnyShape({"W": WEIGHT}), {"W": WEIGHT.T}, TASK, LOSS, learning_rate=0.1, steps=1)


def test_a_model_of_your_own_diverges_as_an_mlp_does():
    net = Nested(CONTAINERS["named tuple"])
    with pytest.warns(RuntimeWarning, match="diverged"):
        run = md.train(net, net.params, TASK, md.SquaredError(), learning_rate=1e6, steps=500, progress=False)
    assert run.status == "diverged"
    assert np.isfinite(run.history.loss).all()


def test_accuracy_is_the_fraction_of_largest_outputs_that_are_right():
    logits = np.array([[0.1, 0.3, 0.2], [2.0, 2.0, 1.0], [0.0, 1.0, 5.0]])
    assert accuracy(logits, np.array([1, 0, 0])) == 2 / 3  # of equal outputs the first counts
    assert accuracy(logits, np.array([1, 1, 2])) == 2 / 3
