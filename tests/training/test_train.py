"""`train` and its record: what each entry holds, mini-batches, resuming, and the ways a run can end early."""

from __future__ import annotations

import _thread
import hashlib
import os
import signal
import subprocess
import sys
import threading

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.misc import flatten
from threadpoolctl import threadpool_info, threadpool_limits

import minidyn as md
from minidyn import _progress, model
from tests.core.problems import LOSSES, Smooth, flat
from tests.training.runs import ENGINES, EVERY, LOSS, NET, SETUPS, TASK, assert_same, interrupt_at, train


class TestRecord:
    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize(
        ("net", "engine"),
        [(net, engine) for net in (md.MLP(2, 8, 3), md.MLP(2, 5, 4, 3)) for engine in ENGINES]
        + [(Smooth(2, 6, 3), "auto"), (md.MLP(2, 3), "auto")],
        ids=str,
    )
    def test_is_that_of_plain_descent_with_autograd(self, net, engine, loss):
        loss, validation, start = LOSSES[loss](md.Oscillation(10, 40)), md.spiral(9, seed=5), 33
        run = train(net, loss=loss, start=start, validation=validation, learning_rate=0.2, engine=engine)
        static, history = type(loss)(), run.history
        vector, unflatten = flatten(net.init(1))
        for k in range(41):

            def value(v, step=start + k):
                return loss.value(net.logits(unflatten(v), TASK.x), TASK.labels, step)

            logits = net.logits(unflatten(vector), TASK.x)
            assert history.loss[k] == pytest.approx(value(vector), rel=1e-11)
            assert history.static_loss[k] == pytest.approx(static.value(logits, TASK.labels), rel=1e-11)
            assert history.loss[k] == pytest.approx(float((history.weights * history.class_loss)[k].sum()), rel=1e-12)
            assert history.accuracy[k] == (logits.argmax(axis=1) == TASK.labels).mean()
            answers = net.logits(unflatten(vector), validation.x).argmax(axis=1)
            assert history.validation_accuracy[k] == (answers == validation.labels).mean()
            if k < 40:
                vector = vector - 0.2 * autograd.grad(value)(vector)
        np.testing.assert_allclose(flatten(run.params)[0], vector, rtol=1e-9)

    def test_has_the_axes_of_the_contract(self):
        history = train(start=7, measure=EVERY).history
        assert (history.step == np.arange(7, 48)).all()
        assert history.step.dtype == np.int64
        assert history.weights.dims == ("step", "class")
        np.testing.assert_array_equal(history.weights, LOSS.gamma.weights(np.arange(7, 48)))
        for name, cadence in EVERY.items():
            assert (history[f"{name}_step"] == np.arange(7, 48, cadence)).all()
            assert history[name].dims[0] == f"{name}_step"

    def test_a_static_loss_has_weights_of_one(self):
        history = train(loss=md.SquaredError()).history
        assert (history.weights == 1).all()
        np.testing.assert_array_equal(history.loss, history.static_loss)

    def test_measures_are_what_the_functions_of_their_name_return(self):
        history = train(start=3, measure=EVERY).history
        params = {int(row.params_step): NET.unflatten(row.values) for row in history.params}
        assert flat(params[3]).tobytes() == flat(NET.init(1)).tobytes()
        for step in history.hessian_spectrum_step.values:
            exact = np.linalg.eigvalsh(md.hessian(NET, params[step], TASK, LOSS, step))[::-1]
            np.testing.assert_allclose(history.hessian_spectrum.sel(hessian_spectrum_step=step), exact, atol=1e-14)
        for name, end in (("hessian_max", -1), ("hessian_min", 0)):
            for step in history[f"{name}_step"].values:
                exact = np.linalg.eigvalsh(md.hessian(NET, params[step], TASK, LOSS, step))
                assert history[name].sel({f"{name}_step": step}) == pytest.approx(exact[end], abs=1e-9 * exact[-1])
        for step in history.ntk_max_step.values:
            exact = np.linalg.eigvalsh(md.ntk(NET, params[step], TASK.x).reshape(180, 180))[-1]
            assert history.ntk_max.sel(ntk_max_step=step) == pytest.approx(exact, rel=1e-9)

    def test_measures_of_your_own(self):
        def norms(net, params, task, loss, step):
            assert (net, task, loss) == (NET, TASK, LOSS)
            return [step, np.linalg.norm(flat(params))]

        history = train(start=2, measure={"norms": (9, norms), "params": 9}).history
        assert (history.norms_step == [2, 11, 20, 29, 38]).all()
        np.testing.assert_array_equal(history.norms[:, 0], history.norms_step)
        np.testing.assert_allclose(history.norms[:, 1], np.linalg.norm(history.params, axis=1))

    def test_a_measure_cannot_disturb_the_descent(self):
        scratch = np.zeros(2)

        def meddle(net, params, task, loss, step):
            params[0][0][:] = 0
            scratch[:] = step
            return scratch

        run = train(measure={"meddle": (1, meddle)})
        assert (run.history.meddle[:, 0] == run.history.meddle_step).all()
        assert flat(run.params).tobytes() == flat(train().params).tobytes()


class Linear:
    """A model whose parameters are a single array."""

    def init(self, seed):
        return np.random.RandomState(seed).randn(2, 3)

    def logits(self, params, x):
        return anp.dot(x, params)


class TestSameBits:
    def test_of_the_same_seed(self):
        assert_same(train(measure=EVERY, batch_size=7), train(measure=EVERY, batch_size=7))

    @pytest.mark.parametrize("measure", [None, EVERY])
    def test_on_one_blas_thread_or_two(self, measure):
        runs = []
        for threads in (1, 2):
            with threadpool_limits(threads, "blas"):
                runs.append(train(net=md.MLP(2, 100, 3), task=md.spiral(), measure=measure))
        assert_same(*runs)

    def test_because_a_descent_keeps_blas_to_one_thread(self):
        def threads(*args):
            return max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")

        with threadpool_limits(2, "blas"):
            assert (train(steps=2, measure={"threads": (1, threads)}).history.threads == 1).all()
            assert threads() == 2

    def test_in_another_process(self):
        script = (
            "import hashlib, minidyn as md\n"
            "net, loss = md.MLP(2, 50, 3), md.CrossEntropy(md.Oscillation(10, 40))\n"
            "options = {'learning_rate': 1.0, 'steps': 200, 'measure': {'hessian_max': 51}}\n"
            "run = md.train(net, net.init(1), md.spiral(), loss, **options)\n"
            "bits = run.history.loss.values.tobytes() + run.history.hessian_max.values.tobytes()\n"
            "digest = hashlib.sha256(bits + run.params[0][0].tobytes()).hexdigest()\n"
        )
        here = {}
        exec(script, here)
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "7"}
        command = [sys.executable, "-c", script + "print(digest)"]
        there = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert there.stdout.split()[-1] == here["digest"]
        assert len(here["digest"]) == hashlib.sha256().digest_size * 2

    def test_parameters_given_are_left_alone(self):
        params = NET.init(1)
        before = flat(params).tobytes()
        run = train(params=params)
        assert flat(params).tobytes() == before
        run.params[0][0][:] = 0  # neither can a reader change the run by its parameters
        assert (run.params[0][0] != 0).any()

    def test_parameters_may_be_one_array(self):
        net = Linear()
        params = net.init(0)
        run = train(net, params, measure={"params": 1})
        again = params.copy()
        params[:] = 0  # what the run keeps is its own
        assert_same(run, train(net, again, measure={"params": 1}))
        assert not np.shares_memory(params, model.flatten(net, params, TASK.x)[0])
        assert run.params.shape == (2, 3)

    def test_parameters_may_be_nested_lists(self):
        as_lists = [(w.tolist(), b.tolist()) for w, b in NET.init(1)]
        assert_same(train(params=as_lists), train())


class TestMiniBatches:
    def test_an_epoch_visits_every_sample_once(self):
        settings = train(batch_size=7, seed=3).settings  # 60 samples: 8 batches of 7 and one of 4
        epochs = [np.concatenate([settings.batch(9 * epoch + k) for k in range(9)]) for epoch in range(3)]
        for epoch in epochs:
            assert (np.sort(epoch) == np.arange(60)).all()
        assert (epochs[0] != epochs[1]).any()

    def test_an_update_follows_the_gradient_on_its_batch_and_the_record_all_samples(self):
        run = train(batch_size=7, start=5, measure={"params": 1})
        for k in range(40):
            params, batch = NET.unflatten(run.history.params.values[k]), run.settings.batch(k)
            on_batch = md.Task(TASK.x[batch], TASK.labels[batch], 3)
            moved = flat(params) - 0.5 * flat(md.gradient(NET, params, on_batch, LOSS, 5 + k))
            np.testing.assert_allclose(run.history.params[k + 1], moved, rtol=1e-13, atol=1e-15)
            whole = LOSS.value(NET.logits(params, TASK.x), TASK.labels, 5 + k)
            assert run.history.loss[k] == pytest.approx(whole, rel=1e-13)

    def test_the_seed_orders_them(self):
        one, other = (train(batch_size=7, seed=seed) for seed in (0, 1))
        assert (one.history.loss[1:] != other.history.loss[1:]).any()

    def test_one_batch_of_all_samples_is_full_batch(self):
        np.testing.assert_allclose(train(batch_size=60).history.loss, train().history.loss, rtol=1e-12)


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
class TestResume:
    @pytest.mark.parametrize("split", [1, 20, 35])
    def test_goes_on_as_if_the_run_had_not_stopped(self, setup, split):
        assert_same(train(**setup, steps=split).resume(40 - split, progress=False), train(**setup))

    def test_leaves_the_first_run_unchanged(self, setup):
        first, again = train(**setup), train(**setup)
        first.resume(20, progress=False)
        assert_same(first, again)


@pytest.fixture
def heard():
    """A keyboard interrupt is heard, even where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class TestInterrupt:
    def test_in_a_measure_keeps_the_record_so_far(self):
        with pytest.warns(UserWarning, match="interrupted after 17 updates"):
            run = train(measure=interrupt_at(17))
        assert run.status == "interrupted"
        assert run.history.step[-1] == 17
        assert run.history.stop_step[-1] == 16
        assert flat(run.params).tobytes() == flat(train(steps=17).params).tobytes()

    def test_can_be_resumed(self):
        once = {"left": 1}

        def stop(net, params, task, loss, step):
            if step == 15 and once["left"]:
                once["left"] = 0
                raise KeyboardInterrupt
            return step

        measure = {"hessian_max": 5, "stop": (5, stop)}
        with pytest.warns(UserWarning, match="interrupted"):
            stopped = train(measure=measure)
        assert_same(stopped.resume(25, progress=False), train(measure=measure))

    @pytest.mark.parametrize("engine", ENGINES)
    def test_at_any_moment_keeps_a_consistent_record(self, engine, heard):
        def soon(*args):
            threading.Timer(0.1, _thread.interrupt_main).start()
            return 0.0

        with pytest.warns(UserWarning, match="interrupted"):
            run = train(steps=500_000, measure={"soon": (10**6, soon)}, engine=engine)
        done = run.history.sizes["step"] - 1
        assert 0 < done < 500_000
        assert_same(run, train(steps=done, measure={"soon": (10**6, lambda *args: 0.0)}, engine=engine))


class TestDivergence:
    @pytest.mark.parametrize("options", [{}, {"batch_size": 7}, {"measure": EVERY}, {"engine": "auto"}], ids=repr)
    def test_stops_warns_and_keeps_a_finite_record(self, options):
        with pytest.warns(RuntimeWarning, match=r"diverged.*learning rate 1e\+06"):
            run = train(loss=md.SquaredError(md.Oscillation(5, 10)), learning_rate=1e6, steps=5000, **options)
        assert run.status == "diverged"
        assert 1 < run.history.sizes["step"] < 1000
        for name, values in run.history.items():
            assert np.isfinite(values).all(), name
        assert np.isfinite(flatten(run.params)[0]).all()
        logits = run.settings.net.logits(run.params, TASK.x)
        last = run.history.isel(step=-1)
        assert float(last.loss) == pytest.approx(run.settings.loss.value(logits, TASK.labels, int(last.step)))

    def test_is_where_a_run_ends(self):
        with pytest.warns(RuntimeWarning, match="diverged"):
            run = train(loss=md.SquaredError(), learning_rate=1e6)
        with pytest.raises(ValueError, match="diverged run cannot be resumed"):
            run.resume(1)


class TestErrorsInMeasures:
    def test_carry_the_run(self):
        def fail(net, params, task, loss, step):
            return 1 / (step - 12)

        with pytest.raises(ZeroDivisionError) as caught:
            train(measure={"fail": (3, fail), "params": 1})
        run = caught.value.run
        assert run.status == "failed"
        assert run.history.step[-1] == 12
        assert (run.history.fail_step == [0, 3, 6, 9]).all()
        assert flat(run.params).tobytes() == flat(train(steps=12).params).tobytes()
        assert "update 12" in caught.value.__notes__[0]

    def test_after_a_resume_carry_all_of_it(self):
        def fail(net, params, task, loss, step):
            return 1 / (step - 12)

        first = train(measure={"fail": (3, fail)}, steps=8)
        with pytest.raises(ZeroDivisionError) as caught:
            first.resume(20, progress=False)
        assert (caught.value.run.history.step == np.arange(13)).all()

    @pytest.mark.parametrize(
        ("value", "error", "message"),
        [
            (lambda step: np.zeros(step), ValueError, r"measure 'odd' must keep its shape \(0,\), got \(1,\)"),
            (lambda step: None, TypeError, "measure 'odd' must return real numbers, got array.None"),
            (lambda step: "high", TypeError, "measure 'odd' must return real numbers, got array.'high'"),
        ],
    )
    def test_in_what_they_return(self, value, error, message):
        with pytest.raises(error, match=message) as caught:
            train(measure={"odd": (1, lambda *args: value(args[-1]))})
        assert caught.value.run.status == "failed"


def test_the_progress_bar_counts_every_update(monkeypatch):
    class Bar:
        done = 0

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def update(self, steps):
            Bar.done += steps

    monkeypatch.setattr(_progress, "bar", lambda total, *args, shown: Bar())
    train(steps=1201, progress=True, measure={"params": 251})
    assert Bar.done == 1201


def test_the_progress_bar_is_not_drawn_in_the_book(monkeypatch):
    monkeypatch.delenv("MINIDYN_BOOK", raising=False)
    assert not _progress.bar(9, "training", "steps").disable
    assert _progress.bar(9, "training", "steps", shown=False).disable
    monkeypatch.setenv("MINIDYN_BOOK", "1")
    assert _progress.bar(9, "training", "steps").disable


def test_a_run_says_where_it_is():
    assert repr(train()).startswith("Run(MLP(2, 8, 3), 40 updates, finished: loss ")
