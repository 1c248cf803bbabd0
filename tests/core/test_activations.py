"""Networks of other units than ReLUs: closed forms against PyTorch's definitions, autograd and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md
from minidyn import derivatives, ensembles, orbits
from minidyn._fingerprint import fingerprint
from minidyn.ensembles import sequential
from minidyn.ensembles.interface import Member
from minidyn.ensembles.members import check_activations
from tests.core.finite_differences import check_derivative
from tests.core.problems import flat

SMOOTH = ("tanh", "gelu", "softplus")
WIDTHS = [(2, 3), (2, 5, 3), (3, 4, 6, 3), (2, 4, 5, 3, 2)]


class Plain:
    """The same outputs without closed forms."""

    def __init__(self, net):
        self.init, self.logits = net.init, net.logits


def problem(widths, activation):
    net, random = md.MLP(*widths, activation=activation), np.random.RandomState(1)
    params = [(w + 0.3 * random.randn(*w.shape), b + 0.3 * random.randn(*b.shape)) for w, b in net.init(0)]
    task = md.Task(random.randn(9, widths[0]), random.randint(0, widths[-1], 9), widths[-1])
    return net, params, task, md.CrossEntropy(md.Oscillation(7, 20, widths[-1]))


def assert_close(value, expected):
    assert np.abs(value - expected).max() <= 1e-10 * np.abs(expected).max()


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("widths", WIDTHS, ids=repr)
class TestClosedForms:
    def test_agree_with_autograd(self, widths, activation):
        net, params, task, loss = problem(widths, activation)
        plain = Plain(net)
        hessian = md.hessian(net, params, task, loss, 7)
        assert (hessian == hessian.T).all()
        assert_close(hessian, md.hessian(plain, params, task, loss, 7))
        product = md.hessian_product(net, params, task, loss, 7)
        assert_close(np.stack([product(unit) for unit in np.eye(net.size)]), hessian)
        assert_close(net.jacobian(params, task.x), derivatives.jacobian(plain, params, task.x))
        assert_close(md.ntk(net, params, task.x), md.ntk(plain, params, task.x))

    def test_agree_with_finite_differences(self, widths, activation):
        net, params, task, loss = problem(widths, activation)
        product = md.hessian_product(net, params, task, loss, 7)
        gradient = lambda v: flat(md.gradient(net, net.unflatten(v), task, loss, 7))  # noqa: E731
        check_derivative(gradient, product, flat(params))

    def test_give_the_slices_of_a_valley(self, widths, activation):
        net, params, task, loss = problem(widths, activation)
        cut = md.valley_slice(net, params, task, loss, learning_rate=0.1)
        other = md.valley_slice(Plain(net), params, task, loss, learning_rate=0.1, direction=cut.direction)
        x = np.linspace(-0.3, 0.3, 5)
        for name in ("value", "force", "curvature_at"):
            assert_close(getattr(cut, name)(x), getattr(other, name)(x))


@pytest.mark.parametrize("activation", ["relu", *SMOOTH])
def test_activations_are_those_of_torch(activation):
    torch = pytest.importorskip("torch")
    net, params, task, _ = problem((2, 5, 3), activation)
    (w1, b1), (w2, b2) = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in params]
    hidden = getattr(torch.nn.functional, activation)(torch.tensor(task.x) @ w1 + b1)
    np.testing.assert_allclose(net.logits(params, task.x), (hidden @ w2 + b2).numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("activation", SMOOTH)
def test_a_saved_run_comes_back_with_its_activation(activation, tmp_path):
    net, params, task, loss = problem((2, 5, 3), activation)
    options = {"learning_rate": 0.3, "engine": "numpy", "progress": False}
    md.train(net, params, task, loss, steps=5, **options).save(tmp_path / "run.nc")
    loaded = md.load_run(tmp_path / "run.nc")
    assert loaded.settings.net.activation == activation
    whole = md.train(net, params, task, loss, steps=10, **options)
    assert flat(loaded.resume(5, progress=False).params).tobytes() == flat(whole.params).tobytes()


def test_the_compiled_engine_computes_tanh_and_refuses_others_by_name():
    pytest.importorskip("numba")
    runs = []
    for engine in ("compiled", "numpy"):
        net, params, task, loss = problem((3, 4, 6, 3), "tanh")
        runs.append(md.train(net, params, task, loss, learning_rate=0.3, steps=70, engine=engine, progress=False))
    np.testing.assert_allclose(*(flat(run.params) for run in runs), rtol=1e-10)
    net, params, task, loss = problem((2, 5, 3), "gelu")
    with pytest.raises(ValueError, match="engine 'compiled' takes an MLP of activation 'relu' or 'tanh', got MLP"):
        md.train(net, params, task, loss, learning_rate=0.3, steps=1, engine="compiled")


def test_the_compiled_tanh():
    compiled = pytest.importorskip("minidyn.training.compiled_engine")
    x = np.concatenate([np.logspace(-20, 2.9, 5000), [0.0]])
    for values in (x, -x):
        np.testing.assert_allclose([compiled._tanh(v) for v in values], np.tanh(values), rtol=1e-15)
    assert compiled._tanh(np.inf) == 1
    assert np.isnan(compiled._tanh(np.nan))


def member(activation):
    net, params, task, loss = problem((2, 5, 3), activation)
    return Member(net=net, params=params, task=task, loss=loss, learning_rate=0.3)


def test_engines_of_many_networks_refuse_other_units_by_name():
    compiled, numpy = (sequential.SequentialEngine(name) for name in ("compiled", "numpy"))
    check_activations([member("relu"), member("tanh")], compiled)
    check_activations([member(name) for name in ("relu", *SMOOTH)], numpy)
    with pytest.raises(ValueError, match="engine 'compiled' trains networks of activation 'relu' or 'tanh', got MLP"):
        check_activations([member("relu"), member("gelu")], compiled)


@pytest.mark.parametrize("name", ["torch", "torch32"])
def test_the_torch_engines_refuse_them_before_the_first_update(name, monkeypatch):
    pytest.importorskip("torch")
    engine = ensembles.choose(name, "cpu")
    monkeypatch.setattr("minidyn.ensembles.torch._Batch", None)  # trains
    ensemble = ensembles.Ensemble(members=[member("relu"), member("gelu")], steps=3, measure={})
    with pytest.raises(ValueError, match=f"engine '{name}' trains networks of activation 'relu', got MLP.*gelu"):
        list(engine.train(ensemble))


@pytest.mark.parametrize("activation", SMOOTH)
def test_the_numpy_engine_of_ensembles_trains_them(activation):
    one = member(activation)
    engine = ensembles.choose("numpy")
    ensemble = ensembles.Ensemble(members=[one], steps=9, measure={"hessian_max": 3})
    [result] = engine.train(ensemble)
    run = md.train(one.net, one.params, one.task, one.loss, learning_rate=0.3, steps=9, engine="numpy", progress=False)
    assert flat(result.params).tobytes() == flat(run.params).tobytes()
    [values] = engine.final_values(ensemble, [result])
    top = md.hessian_eigenvalues(one.net, run.params, one.task, md.CrossEntropy()).values[0]
    assert values.sharpness == pytest.approx(top, rel=1e-6)


class TestSweeps:
    """Activations as an axis of a grid."""

    def sweep(self, activations, **options):
        options = {"steps": 9, "task": md.spiral(5), "workers": 1, "learning_rate": 0.3, "progress": False, **options}
        return md.sweep({"activation": activations, "width": [4], "seed": [0, 1]}, **options)

    def test_each_cell_is_the_run_of_its_network(self):
        table = self.sweep(["relu", *SMOOTH])
        assert table.attrs["engine"] == "numpy"
        for activation in table.activation.values:
            net, task, loss = md.MLP(2, 4, 3, activation=activation), md.spiral(5), md.CrossEntropy()
            run = md.train(net, net.init(1), task, loss, learning_rate=0.3, steps=9, engine="numpy", progress=False)
            cell = table.sel(activation=activation, width=4, seed=1)
            assert float(cell.static_loss) == pytest.approx(float(run.history.static_loss[-1]), rel=1e-14)
        assert len(np.unique(table.static_loss)) == 8

    def test_what_the_compiled_engine_computes_is_compiled(self):
        pytest.importorskip("numba")
        compiled, numpy = self.sweep(["relu", "tanh"]), self.sweep(["relu", "tanh"], engine="numpy")
        assert compiled.attrs["engine"] == "compiled"
        np.testing.assert_allclose(compiled.static_loss, numpy.static_loss, rtol=1e-12)

    @pytest.mark.parametrize(
        ("engine", "activation"), [("compiled", "gelu"), ("torch", "tanh"), ("torch32", "softplus")]
    )
    def test_an_engine_refuses_others_before_any_work(self, engine, activation, tmp_path):
        pytest.importorskip("numba" if engine == "compiled" else "torch")
        with pytest.raises(ValueError, match=rf"grid\['activation'\] may be 'relu'.* for engine '{engine}', got"):
            self.sweep(["relu", activation], engine=engine, store=tmp_path / "store")
        assert not (tmp_path / "store").exists()

    def test_another_word_is_refused(self):
        with pytest.raises(ValueError, match=r"activation must be one of 'relu', .*, got 'swish'"):
            self.sweep(["relu", "swish"])

    def test_a_store_goes_on_and_those_without_the_axis_stay_valid(self, tmp_path):
        table = self.sweep(["gelu"], store=tmp_path / "gelu")
        assert self.sweep(["gelu"], store=tmp_path / "gelu").equals(table)
        with pytest.raises(ValueError, match="holds a sweep with other settings: grid"):
            self.sweep(["tanh"], store=tmp_path / "gelu", engine="numpy")
        md.sweep({"seed": [0]}, steps=1, task=md.spiral(5), store=tmp_path / "relu", workers=1, progress=False)
        assert "activation" not in (tmp_path / "relu" / "settings.json").read_text()


@pytest.mark.parametrize("activation", SMOOTH)
class TestOrbits:
    """Exponents and landscapes, by closed forms and without them."""

    def test_tangents_grow_as_by_autograd(self, activation):
        self._compare(activation, orbits.tangent_growth)

    def test_nearby_runs_separate_as_by_autograd(self, activation):
        self._compare(activation, orbits.separation_growth, distance=1e-4)

    def test_a_landscape_is_that_of_the_outputs(self, activation):
        net, params, task, loss = problem((2, 4, 5, 3), activation)
        direction = np.random.RandomState(3).randn(net.size)
        line = md.landscape(net, params, task, loss, direction, [-0.5, 0.0, 0.25], step=7)
        for t, value in zip(line.first.values, line.values, strict=True):
            moved = net.unflatten(flat(params) + t * direction)
            assert value == pytest.approx(loss.value(net.logits(moved, task.x), task.labels, 7), rel=1e-12)

    def _compare(self, activation, growth, **options):
        net, params, task, loss = problem((2, 5, 3), activation)
        options |= {"learning_rate": 0.3, "steps": 20, "progress": False}
        ours, by_autograd = (growth(n, params, task, loss, **options) for n in (net, Plain(net)))
        np.testing.assert_allclose(ours, by_autograd, atol=1e-8)
        assert np.abs(ours).max() > 1e-3


def test_another_activation_is_another_program_and_another_word_is_refused():
    prints = {fingerprint(md.MLP(2, 3, 2, activation=name)) for name in ("relu", *SMOOTH)}
    assert len(prints) == 4
    with pytest.raises(ValueError, match=r"activation must be one of 'relu', .*, got 'swish'"):
        md.MLP(2, 3, 2, activation="swish")
