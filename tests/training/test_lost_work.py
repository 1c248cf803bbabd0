"""Nothing is lost: what can fail at the end is checked at the start, and any error carries the run so far."""

from __future__ import annotations

import signal
import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest

import minidyn as md
from minidyn import _checks as check
from minidyn import _progress
from tests.core.problems import Smooth, flat
from tests.training.runs import ENGINES, EVERY, LOSS, NET, TASK, assert_same, train

constant = (1, lambda *args: 1.0)


class TestNamesOfMeasures:
    @pytest.mark.parametrize("name", ["rank", "parameter", "state", "step", "class", "weights", "class_loss"])
    def test_of_axes_and_series_are_refused_at_the_start(self, name):
        with pytest.raises(ValueError, match=f"measure names must be identifiers other than .*got '{name}'") as caught:
            train(measure={name: constant, "hessian_spectrum": 2, "params": 2})
        assert not hasattr(caught.value, "run")

    @pytest.mark.parametrize("name", ["other_step", "other_axis0", "hessian_max_step", "params_step"])
    def test_of_the_axes_of_another_measure_are_refused_at_the_start(self, name):
        measure = {name: constant, "other": (2, lambda *args: np.ones(3)), "hessian_max": 3, "params": 3}
        with pytest.raises(ValueError, match=f"must not have the name '{name}': it is that of an axis of the measure"):
            train(measure=measure)

    def test_that_only_look_alike_are_kept_and_saved(self, tmp_path):
        measure = {"my_step": constant, "ranks": constant, "x": constant, "vector": constant, "Γ": constant}
        run = train(measure=measure)
        run.save(tmp_path / "run.nc")
        assert_same(md.load_run(tmp_path / "run.nc"), run)

    @pytest.mark.parametrize("kind", [bool, np.int8, np.uint64, np.float16, np.float32, np.longdouble])
    @pytest.mark.parametrize("shape", [(), (2,), (0,)])
    def test_values_of_every_kind_can_be_saved(self, kind, shape, tmp_path):
        run = train(measure={"mine": (7, lambda *args: np.ones(shape, kind))})
        run.save(tmp_path / "run.nc")
        assert_same(md.load_run(tmp_path / "run.nc"), run)


class TestWarningsAsErrors:
    def test_carry_the_run_that_diverged(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(RuntimeWarning, match="diverged") as caught:
                train(loss=md.SquaredError(), learning_rate=1e6)
        run = caught.value.run
        assert run.status == "diverged"
        assert np.isfinite(run.history.loss).all()
        assert run.history.sizes["step"] > 1

    def test_carry_the_run_that_was_interrupted(self):
        def stop(net, params, task, loss, step):
            if step == 9:
                raise KeyboardInterrupt

            return step

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning, match="interrupted after 9 updates") as caught:
                train(measure={"stop": (1, stop)})
        assert caught.value.run.history.step[-1] == 9

    def test_point_at_the_call(self):
        with pytest.warns(RuntimeWarning, match="diverged") as caught:
            md.train(NET, NET.init(1), TASK, md.SquaredError(), learning_rate=1e6, steps=40, progress=False)
        assert caught[0].filename == __file__


class Failing(Smooth):
    """A model that fails after a number of evaluations."""

    def __init__(self, after):
        super().__init__(2, 4, 3)
        self.left = after

    def logits(self, params, x):
        self.left -= 1
        if self.left < 0:
            raise ArithmeticError("no outputs")
        return super().logits(params, x)


class TestErrors:
    @pytest.mark.parametrize("done", [0, 1, 7])
    def test_inside_the_model_carry_the_run(self, done):
        """The check of the problem and of the first loss take two evaluations."""
        with pytest.raises(ArithmeticError, match="no outputs") as caught:
            train(Failing(2 + done))
        run = caught.value.run
        assert run.status == "failed"
        assert run.history.sizes["step"] == done  # each entry takes an evaluation, and the last update had none
        whole = train(Smooth(2, 4, 3))
        np.testing.assert_array_equal(run.history.loss, whole.history.loss[:done])
        assert f"update {max(done - 1, 0)} is kept" in caught.value.__notes__[0]
        assert repr(run)
        assert_same(replaced_net(run, Smooth(2, 4, 3)).resume(40 - max(done - 1, 0), progress=False), whole)

    @pytest.mark.parametrize("error", [SystemExit, MemoryError, GeneratorExit])
    def test_of_every_kind_carry_the_run(self, error):
        def fail(net, params, task, loss, step):
            if step == 5:
                raise error
            return step

        with pytest.raises(error) as caught:
            train(measure={"fail": (1, fail)})
        assert caught.value.run.history.step[-1] == 5

    def test_of_the_progress_bar_carry_the_run(self, monkeypatch):
        class Bar:
            def __enter__(self):
                return self

            def __exit__(self, *args):
                pass

            def update(self, steps):
                raise OSError("the terminal is gone")

        monkeypatch.setattr(_progress, "bar", lambda *args, **options: Bar())
        with pytest.raises(OSError, match="the terminal is gone") as caught:
            train()
        assert caught.value.run.history.sizes["step"] == 1


def replaced_net(run, net):
    return md.Run(replace(run.settings, net=net), run._outcome)


@pytest.fixture
def strict_floating_point():
    with np.errstate(all="raise"):
        yield


@pytest.mark.parametrize("engine", ENGINES)
def test_underflow_is_no_error_of_the_users(engine, strict_floating_point):
    """Outputs a thousand apart: exp underflows in every loss, gradient and Hessian."""
    params = [(500 * w, b) for w, b in NET.init(1)]
    logits = NET.logits(params, TASK.x)
    assert np.ptp(logits) > 800
    for call in (LOSS.value, LOSS.gradient, LOSS.curvature):
        call(logits, TASK.labels, 20)
    problem = NET, params, TASK, LOSS
    md.gradient(*problem)
    md.hessian(*problem)
    md.hessian_product(*problem)(np.full(NET.size, 1e-200))
    top = md.hessian_eigenvalues(*problem)
    md.landscape(*problem, top.vectors.T, [0.0, 1e-3])
    md.ntk(NET, params, TASK.x)
    md.ntk_eigenvalues(NET, params, TASK.x)
    run = train(params=params, learning_rate=1e-6, steps=5, engine=engine, measure={"hessian_max": 2, "ntk_max": 2})
    assert run.status == "finished"


def test_a_record_beyond_memory_is_refused_at_the_start(monkeypatch):
    with pytest.raises(MemoryError, match=r"record of steps=1,000,000,000,000 needs about [\d,.]+ GiB .* are left"):
        train(steps=10**12)
    monkeypatch.setattr(check, "available_memory", lambda: 1e6)
    train(steps=40)
    for measure in ({"params": 1}, {"hessian_spectrum": 1}):
        with pytest.raises(MemoryError, match=r"the record of steps=1,000 needs"):
            train(steps=1000, measure=measure)


@pytest.fixture
def heard():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("moment", range(5))
def test_an_interrupt_at_any_moment_keeps_a_run_that_can_be_resumed(moment, heard):
    """By the signal itself, which comes at whatever line is executed then."""
    timer = threading.Timer(0.05 + 0.031 * moment, signal.raise_signal, [signal.SIGINT])

    def begin(*args):
        if not timer.is_alive() and timer.ident is None:
            timer.start()
        return 0.0

    measure = {"begin": (10**6, begin), "hessian_max": 7}
    with pytest.warns(UserWarning, match="interrupted"):
        run = train(steps=500_000, measure=measure, task=md.spiral(5), params=flat_start())
    done = run.history.sizes["step"] - 1
    resumed = run.resume(20, progress=False)
    assert_same(resumed, train(steps=done + 20, measure=measure, task=md.spiral(5), params=flat_start()))


def flat_start():
    return NET.unflatten(flat(NET.init(1)))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_goes_on_after_an_error_as_if_nothing_had_happened(engine):
    broken = {"yes": True}

    def fail(net, params, task, loss, step):
        if step == 12 and broken["yes"]:
            raise ZeroDivisionError
        return step

    measure = {**EVERY, "fail": (4, fail)}
    with pytest.raises(ZeroDivisionError) as caught:
        train(measure=measure, engine=engine)
    broken["yes"] = False
    assert_same(caught.value.run.resume(28, progress=False), train(measure=measure, engine=engine))
