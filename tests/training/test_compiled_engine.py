"""The compiled engine does what the NumPy engine does: to rounding before chaos, and in distribution after."""

from __future__ import annotations

import numpy as np
import pytest
from autograd.misc import flatten

import minidyn as md
from minidyn.training import engines

compiled = pytest.importorskip("minidyn.training.compiled_engine")


class Ramp:
    """A waveform of a reader's own, which switches a class off for a while."""

    classes = 3

    def weights(self, step):
        return np.array([0.0, 1.0, 2.0]) if step % 20 < 10 else np.array([1.5, 1.5, 0.0])


BOTH = ("compiled", "numpy")
GAMMAS = {"static": None, "oscillation": md.Oscillation(20, 14, dwell=15, rest_from=60), "own": Ramp()}
LOSSES = {
    "cross_entropy": md.CrossEntropy,
    "mse_sample": md.SquaredError,
    "mse_output": lambda gamma: md.SquaredError(gamma, weighting="output"),
}
TASK, NET = md.spiral(31), md.MLP(2, 8, 3)  # 93 samples: not a whole number of lines
LOSS = md.CrossEntropy(GAMMAS["oscillation"])


def train(engine="compiled", net=NET, task=TASK, loss=LOSS, **options):
    options = {"learning_rate": 0.1, "steps": 70, "progress": False, **options}
    return md.train(net, net.init(3), task, loss, engine=engine, **options)


def vector(run):
    return flatten(run.params)[0]


def assert_close(run, other, tolerance=1e-12):
    assert run.status == other.status
    assert set(run.history) == set(other.history)
    for name in run.history:
        np.testing.assert_allclose(run.history[name], other.history[name], rtol=tolerance, atol=1e-300, err_msg=name)
    assert np.abs(vector(run) - vector(other)).max() < tolerance * np.abs(vector(other)).max()


def assert_same_bits(run, other):
    assert vector(run).tobytes() == vector(other).tobytes()
    for name in run.history.variables:
        assert run.history[name].values.tobytes() == other.history[name].values.tobytes(), name


class TestAgreesWithNumPy:
    @pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
    @pytest.mark.parametrize("gamma", GAMMAS.values(), ids=GAMMAS)
    def test_for_every_loss_and_waveform(self, loss, gamma):
        both = [train(name, loss=loss(gamma), start=5, validation=md.spiral(11, seed=4)) for name in BOTH]
        assert_close(*both)

    @pytest.mark.parametrize("hidden", [(), (1,), (7,), (100,), (5, 9), (9, 1, 4), (6, 6, 6, 6)], ids=repr)
    @pytest.mark.parametrize(("inputs", "classes"), [(1, 2), (2, 3), (5, 4), (6, 10)])
    def test_for_every_shape(self, hidden, inputs, classes):
        random = np.random.RandomState(len(hidden))
        task = md.Task(random.randn(50, inputs), random.randint(0, classes, 50), classes)
        loss = md.CrossEntropy(md.Oscillation(5, 16, classes))
        net = md.MLP(inputs, *hidden, classes)
        assert_close(*(train(name, net=net, task=task, loss=loss) for name in BOTH), 1e-10)

    @pytest.mark.parametrize("samples", [1, 7, 8, 9, 31])
    def test_for_any_number_of_samples(self, samples):
        task = md.spiral(samples)
        assert_close(*(train(name, task=task, validation=md.spiral(3)) for name in BOTH))

    def test_when_samples_come_in_several_blocks(self, monkeypatch):
        monkeypatch.setattr(compiled, "CACHED", 0)
        assert compiled._block_width(NET.widths, 300) == 64
        assert_close(*(train(name, task=md.spiral(), validation=md.spiral(50, seed=1)) for name in BOTH))

    def test_in_what_it_measures(self):
        measure = {"hessian_max": 7, "ntk_max": 13, "params": 5, "mine": (9, lambda net, params, *rest: params[0][0])}
        assert_close(*(train(name, measure=measure) for name in BOTH), 1e-9)

    def test_where_a_unit_is_exactly_at_its_threshold(self):
        net = md.MLP(2, 4, 3)
        params = [(np.zeros((2, 4)), np.zeros(4)), (np.ones((4, 3)), np.zeros(3))]  # every z is 0: relu'(0) = 0
        runs = [md.train(net, params, TASK, LOSS, learning_rate=0.1, steps=3, engine=name) for name in BOTH]
        assert (runs[0].params[0][0] == 0).all()
        assert_close(*runs)

    def test_for_logits_of_ten_thousand(self):
        net = md.MLP(2, 3)
        params = [(np.array([[1e4, -1e4, 0], [0, 1e4, -1e4]]), np.zeros(3))]
        runs = [md.train(net, params, TASK, LOSS, learning_rate=0.1, steps=5, engine=name) for name in BOTH]
        assert_close(*runs)

    def test_through_the_first_period_of_the_published_run(self):
        net, loss = md.MLP(2, 100, 3), md.CrossEntropy(md.Oscillation(70, 5000, dwell=5001))
        options = {"net": net, "task": md.spiral(), "loss": loss, "learning_rate": 1.0, "steps": 4100}
        both = [train(name, **options).history.loss for name in BOTH]
        np.testing.assert_allclose(*both, rtol=1e-8)

    @pytest.mark.slow
    def test_in_chaos_by_statistics(self):
        net = md.MLP(2, 100, 3)
        loss = md.CrossEntropy(md.Oscillation(70, 5000, dwell=5001, rest_from=65013))
        options = {"net": net, "task": md.spiral(), "loss": loss, "learning_rate": 1.0, "steps": 70_000}
        runs = [train(name, **options).history for name in BOTH]
        first, second = (run.loss.values for run in runs)
        assert np.abs(first[:5000] / second[:5000] - 1).max() < 1e-6
        assert np.abs(first[10_000:40_000] - second[10_000:40_000]).max() > 0.1
        for run in runs:
            assert run.accuracy[-1] > 0.97
        calm = np.array([[np.median(run.loss[a : a + 5001]) for a in range(0, 65_013, 5001)] for run in runs])
        np.testing.assert_allclose(*np.log(calm), atol=0.7)


class TestOneLoop:
    def test_the_size_of_the_chunks_makes_no_difference(self, monkeypatch):
        whole = train(measure={"params": 1})
        assert_same_bits(train(), train(measure={}, steps=40).resume(30, progress=False))
        np.testing.assert_array_equal(whole.history.loss, train().history.loss)
        monkeypatch.setattr(compiled, "WORK", 0)
        assert_same_bits(train(), train(measure={}))
        assert vector(train()).tobytes() == vector(whole).tobytes()

    @pytest.mark.parametrize("measure", [{}, {"params": 1}, {"params": 7}])
    def test_it_diverges_where_numpy_does(self, measure):
        options = {"loss": md.SquaredError(md.Oscillation(5, 10)), "learning_rate": 50.0, "steps": 5000}
        runs = []
        for name in BOTH:
            with pytest.warns(RuntimeWarning, match="diverged"):
                runs.append(train(name, measure=measure, **options))
        assert runs[0].status == "diverged"
        assert 10 < runs[0].history.sizes["step"] == runs[1].history.sizes["step"] < 5000
        for run in runs:
            assert np.isfinite(vector(run)).all()
            assert np.isfinite(run.history.loss).all()

    def test_parameters_given_are_left_alone(self):
        params = NET.init(3)
        md.train(NET, params, TASK, LOSS, learning_rate=0.1, steps=5, engine="compiled")
        assert flatten(params)[0].tobytes() == flatten(NET.init(3))[0].tobytes()

    def test_runs_do_not_share_their_workspace(self):
        first = train()
        history, params = first.history.copy(deep=True), vector(first)
        train(learning_rate=0.3)
        assert history.identical(first.history)
        assert (vector(first) == params).all()


class TestChoice:
    class Own(md.MLP):
        pass

    @pytest.mark.parametrize(
        ("net", "loss", "batch_size", "engine"),
        [
            (NET, LOSS, None, "compiled"),
            (md.MLP(2, 3), md.SquaredError(), None, "compiled"),
            (NET, LOSS, 93, "numpy"),
            (Own(2, 8, 3), LOSS, None, "numpy"),
            (NET, type("Mine", (md.CrossEntropy,), {})(), None, "numpy"),
        ],
    )
    def test_auto_compiles_what_it_can(self, net, loss, batch_size, engine):
        assert train("auto", net=net, loss=loss, batch_size=batch_size, steps=1).settings.engine == engine
        assert train("numpy", net=net, loss=loss, batch_size=batch_size, steps=1).settings.engine == "numpy"
        if engine == "numpy":
            with pytest.raises(ValueError, match="engine 'compiled' takes an MLP"):
                train("compiled", net=net, loss=loss, batch_size=batch_size, steps=1)

    def test_without_numba_numpy_serves(self, monkeypatch):
        monkeypatch.setattr(engines, "has_numba", lambda: False)
        assert train("auto", steps=1).settings.engine == "numpy"
        with pytest.raises(ImportError, match=r"needs numba: pip install 'minidyn\[fast\]'"):
            train("compiled")

    def test_a_saved_run_goes_on_with_its_engine(self, tmp_path, monkeypatch):
        for name in BOTH:
            train(name, steps=30).save(tmp_path / "run.nc")
            again = md.load_run(tmp_path / "run.nc")
            assert again.settings.engine == name
            assert_same_bits(again.resume(40, progress=False), train(name))
        train(steps=30).save(tmp_path / "run.nc")
        monkeypatch.setattr(engines, "has_numba", lambda: False)
        again = md.load_run(tmp_path / "run.nc")  # the record can be read all the same
        with pytest.raises(ImportError, match="needs numba"):
            again.resume(1)


class TestCompilation:
    def test_there_is_one_machine_code_for_all_problems(self):
        train()
        train(net=md.MLP(2, 3, 3), loss=md.SquaredError(), validation=md.spiral(3), learning_rate=1)
        assert len(compiled._update.signatures) == 1

    def test_where_nothing_can_be_written_it_compiles_for_the_session(self, monkeypatch):
        import numba.core.caching

        monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
        assert compiled._cached(lambda x: x + 1)(2) == 3

    def test_the_exponential(self):
        x = np.concatenate([-np.logspace(-20, np.log10(699), 20_000), [0.0]])
        np.testing.assert_allclose([compiled._exp(value) for value in x], np.exp(x), rtol=1e-15)
        assert compiled._exp(-701.0) == compiled._exp(-1e300) == compiled._exp(-np.inf) == 0
        assert np.isnan(compiled._exp(np.nan))
