"""Saved runs: exact, whole or not there at all, and never silently damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn import storage
from tests.core.problems import Sines, Smooth
from tests.training.runs import LOSS, NET, OWN, SETUPS, TASK, assert_same, interrupt_at, train

# what is the reader's own has to be given again
AGAIN = {
    "own measures": {"measure": {name: function for name, (_, function) in OWN.items()}},
    "own model": {"net": SETUPS["own model"]["net"], "measure": {name: f for name, (_, f) in OWN.items()}},
    "own waveform": {"loss": SETUPS["own waveform"]["loss"]},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.nc"


@pytest.fixture
def saved(path):
    train(measure={"hessian_max": 5}).save(path)
    return path


@pytest.mark.parametrize("name", SETUPS)
def test_a_loaded_run_is_the_run_and_goes_on_exactly(name, path):
    setup, again = SETUPS[name], AGAIN.get(name, {})
    run = train(**setup, steps=20)
    run.save(path)
    loaded = md.load_run(path, **again)
    assert_same(loaded, run)
    assert repr(loaded).split(" ", 1)[1] == repr(run).split(" ", 1)[1]
    assert_same(loaded.resume(20, progress=False), train(**setup))


@pytest.mark.parametrize(
    "loss",
    [
        md.CrossEntropy(),
        md.CrossEntropy(md.Oscillation(1.1, 7, dwell=9, rest_from=30)),
        md.SquaredError(md.Oscillation(3, 10)),
        md.SquaredError(md.Oscillation(3, 10), "output"),
        md.SquaredError(weighting="output"),
    ],
    ids=repr,
)
def test_losses_come_back(loss, path):
    train(loss=loss, steps=2).save(path)
    assert repr(md.load_run(path).settings.loss) == repr(loss)


@pytest.mark.parametrize("status", ["finished", "diverged", "interrupted"])
@pytest.mark.filterwarnings("ignore:diverged", "ignore:interrupted")
def test_the_way_a_run_ended_comes_back(status, path):
    options = {
        "diverged": {"loss": md.SquaredError(), "learning_rate": 1e6},
        "interrupted": {"measure": interrupt_at(9)},
    }
    run = train(**options.get(status, {}))
    run.save(path)
    assert md.load_run(path).status == run.status == status


def test_the_history_opens_with_xarray_alone(saved):
    with xr.open_dataset(saved) as history:
        xr.testing.assert_identical(history.load(), train(measure={"hessian_max": 5}).history)


def test_a_measure_that_turns_from_integers_to_fractions_keeps_them(path):
    measure = {"mine": (1, lambda net, params, task, loss, step: step if step < 10 else step + 0.5)}
    train(measure=measure, steps=5).save(path)
    run = md.load_run(path, measure={"mine": measure["mine"][1]}).resume(10, progress=False)
    run.save(path)
    assert md.load_run(path).history.mine[-1] == 15.5
    assert_same(md.load_run(path), run)
    run.history.to_netcdf(path.with_name("history.nc"))
    with xr.open_dataset(path.with_name("history.nc")) as history:
        assert history.mine[-1] == 15.5


def test_the_file_holds_no_code(saved):
    content = saved.read_bytes()
    assert content.startswith(b"\x89HDF")
    assert b"pickle" not in content
    assert b"lambda" not in content


class TestWhatIsYourOwn:
    def test_net(self, path):
        train(net=Smooth(2, 6, 3)).save(path)
        with pytest.raises(ValueError, match="net must be given"):
            md.load_run(path)
        with pytest.raises(ValueError, match=r"params in '.*run.nc' must have shape \(42,\), got \(36,\)"):
            md.load_run(path, net=Smooth(2, 7, 3))

    def test_loss(self, path):
        train(loss=md.CrossEntropy(Sines(9, 3))).save(path)
        with pytest.raises(ValueError, match="loss must be given"):
            md.load_run(path)

    def test_measure(self, path):
        run = train(measure=OWN)
        run.save(path)
        loaded = md.load_run(path)  # the record can be read without it
        assert_same(loaded, run)
        with pytest.raises(ValueError, match="measure 'flag' is your own"):
            loaded.resume(3)


class TestDamage:
    def test_a_truncated_file(self, saved):
        content = saved.read_bytes()
        for length in np.random.RandomState(0).randint(len(content), size=40):
            saved.write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"run\.nc.*damaged"):
                md.load_run(saved)

    def test_a_wrong_byte(self, saved):
        content = saved.read_bytes()
        for position in np.random.RandomState(0).randint(len(content), size=100):
            damaged = bytearray(content)
            damaged[position] ^= 0x10
            saved.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"run\.nc.*damaged"):
                md.load_run(saved)

    def test_another_file(self, path):
        path.write_text("step,loss\n0,1.1\n")
        with pytest.raises(ValueError, match="not a whole file written by minidyn"):
            md.load_run(path)
        storage.write(path, xr.Dataset(), {}, {"kind": "something else"})
        with pytest.raises(ValueError, match="not a saved run"):
            md.load_run(path)

    def test_no_file(self, path):
        with pytest.raises(FileNotFoundError, match=r"run\.nc' does not exist"):
            md.load_run(path)
        with pytest.raises(FileNotFoundError, match="folder that does not exist"):
            train(steps=1).save(path / "deeper" / "run.nc")


class TestAtomicSave:
    @pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
    @pytest.mark.parametrize(
        ("owner", "name", "call"),
        [(xr.Dataset, "dump_to_store", 1), (xr.Dataset, "dump_to_store", 2), (Path, "write_bytes", 1)],
    )
    def test_a_failing_write_leaves_the_old_file(self, saved, monkeypatch, failure, owner, name, call):
        before, write, calls = saved.read_bytes(), getattr(owner, name), []

        def fail(self, target, **options):
            calls.append(target)
            if len(calls) == call:
                if owner is Path:
                    write(self, target[:1000])
                raise failure
            return write(self, target, **options)

        monkeypatch.setattr(owner, name, fail)
        with pytest.raises(type(failure)):
            train(steps=3).save(saved)
        assert len(calls) == call
        assert saved.read_bytes() == before
        assert list(saved.parent.iterdir()) == [saved]

    def test_a_file_is_replaced(self, saved):
        train(steps=3).save(saved)
        assert md.load_run(saved).history.sizes["step"] == 4
        assert list(saved.parent.iterdir()) == [saved]


def test_a_path_may_be_a_string(path):
    md.train(NET, NET.init(0), TASK, LOSS, learning_rate=0.1, steps=1).save(str(path))
    assert md.load_run(str(path)).status == "finished"
