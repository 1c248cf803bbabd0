"""Momentum, Adam, schedules and callbacks: against PyTorch, exactly resumed, and refused if they are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from autograd.misc import flatten

import minidyn as md
from minidyn.optimizers import Adam, GradientDescent, Momentum
from minidyn.training import EarlyStopping
from tests.training.runs import ENGINES, LOSS, NET, TASK, assert_same, train


def schedule(step):
    return 0.1 / (1 + step / 10)


SETUPS = {
    "momentum": {"optimizer": Momentum(0.8), "learning_rate": 0.1},
    "adam": {"optimizer": Adam(0.8, 0.95), "learning_rate": 0.02},
    "schedule": {"learning_rate": schedule, "start": 3},
    "both": {"optimizer": Momentum(0.8), "learning_rate": schedule},
}


@pytest.mark.parametrize("name", SETUPS)
def test_updates_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    setup = SETUPS[name]
    optimizer, rate = setup.get("optimizer", GradientDescent()), setup["learning_rate"]
    vector = torch.tensor(flatten(NET.init(1))[0], requires_grad=True)
    if isinstance(optimizer, Adam):
        reference = torch.optim.Adam([vector], lr=1.0, betas=(optimizer.beta1, optimizer.beta2), eps=optimizer.epsilon)
    else:
        reference = torch.optim.SGD([vector], lr=1.0, momentum=getattr(optimizer, "momentum", 0.0))
    start = setup.get("start", 0)
    for step in range(start, start + 40):
        params = NET.unflatten(vector.detach().numpy().copy())
        vector.grad = torch.tensor(flatten(md.gradient(NET, params, TASK, LOSS, step))[0])
        reference.param_groups[0]["lr"] = rate(step) if callable(rate) else rate
        reference.step()
    np.testing.assert_allclose(flatten(train(**setup).params)[0], vector.detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SETUPS)
def test_a_run_goes_on_exactly_from_a_file_and_from_a_store(name, engine, tmp_path):
    setup = SETUPS[name] | {"engine": "numpy" if name == "adam" else engine}
    whole = train(**setup)
    train(**setup, steps=17).save(tmp_path / "run.nc")
    again = {"learning_rate": schedule} if callable(setup["learning_rate"]) else {}
    assert_same(md.load_run(tmp_path / "run.nc", **again).resume(23, progress=False), whole)
    train(**setup, steps=17, store=tmp_path / "store.nc", checkpoint_every=5)
    assert_same(train(**setup, store=tmp_path / "store.nc"), whole)
    with pytest.raises(ValueError, match=r"holds another run: .*(optimizer|learning_rate)"):
        train(engine=setup["engine"], start=setup.get("start", 0), store=tmp_path / "store.nc")


@pytest.mark.parametrize("name", ["momentum", "schedule", "both"])
def test_the_compiled_engine_does_the_same_to_rounding(name):
    pytest.importorskip("numba")
    runs = [train(**SETUPS[name], engine=engine) for engine in ("compiled", "numpy")]
    np.testing.assert_allclose(*(flatten(run.params)[0] for run in runs), rtol=1e-10)
    np.testing.assert_allclose(*(run.history.loss for run in runs), rtol=1e-10)


def test_an_interrupt_in_an_update_takes_the_moments_back_too():
    def interrupted(net, params, task, loss, step):
        if step == 9:
            raise KeyboardInterrupt
        return step

    setup = SETUPS["momentum"]
    with pytest.warns(UserWarning, match="interrupted"):
        run = train(**setup, measure={"mine": (1, interrupted)})
    assert np.array_equal(run._outcome.moments, train(**setup, steps=run._outcome.done)._outcome.moments)


def test_a_schedule_is_in_the_history_and_is_needed_again(tmp_path):
    run = train(learning_rate=schedule)
    assert list(run.history.learning_rate.values) == [schedule(step) for step in range(41)]
    run.save(tmp_path / "run.nc")
    with pytest.raises(ValueError, match="learning_rate must be given"):
        md.load_run(tmp_path / "run.nc")


class TestCallbacks:
    @pytest.mark.parametrize("engine", ENGINES)
    def test_true_stops_the_run_and_its_status_says_so(self, engine):
        run = train(engine=engine, callbacks=[(5, lambda run: run.history.step[-1] >= 13 or None)])
        assert (run.status, int(run.history.step[-1])) == ("stopped", 15)
        assert_same(run.resume(25, progress=False), train(engine=engine))

    def test_a_stopped_run_in_a_store_goes_on_if_the_callbacks_let_it(self, tmp_path):
        options = {"store": tmp_path / "run.nc", "callbacks": [(10, lambda run: run.history.sizes["step"] > 20)]}
        for _ in range(2):
            assert train(**options).status == "stopped"
        assert md.load_run(tmp_path / "run.nc").status == "stopped"
        assert_same(train(store=tmp_path / "run.nc"), train())

    def test_early_stopping_waits_for_its_patience(self):
        measure = {"mine": (1, lambda net, params, task, loss, step: min(step, 10))}
        stopping = EarlyStopping(name="mine", patience=6, best="largest")
        run = train(measure=measure, callbacks=[(1, stopping)])
        assert (run.status, int(run.history.step[-1])) == ("stopped", 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adam"}, "optimizer must be a GradientDescent, Momentum or Adam, got 'adam'"),
        ({"learning_rate": lambda step: -1.0}, r"learning_rate\(0\) must be"),
        ({"callbacks": [print]}, r"callbacks\[0\] must be \(cadence, f\(run\)\)"),
        ({"engine": "compiled", "optimizer": Adam()}, "engine 'compiled' takes the optimizer GradientDescent or"),
    ],
)
def test_what_cannot_be_is_refused_before_any_update(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        train(**options)


def test_momentum_must_be_below_one():
    with pytest.raises(ValueError, match="momentum must be a finite number >= 0 and < 1, got 1"):
        Momentum(1.0)


@pytest.mark.parametrize(("momentum", "grows"), [(0.0, 2), (0.5, 3)])
def test_the_threshold_is_where_descent_in_a_quadratic_valley_begins_to_grow(momentum, grows):
    optimizer = Momentum(momentum)
    assert optimizer.threshold(1.0) == grows
    for sharpness, expected in ((0.98 * grows, False), (1.02 * grows, True)):
        w, moments = np.ones(1), np.zeros((1, 1))
        for done in range(2000):
            w, moments = optimizer.step(w, sharpness * w, moments, 1.0, done)
        assert (abs(w[0]) > 1) == expected
