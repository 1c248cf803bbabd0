"""A run kept in a store as it goes: what a killed process loses, and what a store answers for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import minidyn as md
from minidyn import storage
from tests.core.problems import Sines, Smooth
from tests.training.runs import EVERY, LOSS, NET, SETUPS, TASK, assert_same, interrupt_at, train


@pytest.fixture
def store(tmp_path):
    return tmp_path / "run.nc"


class TestGoesOn:
    @pytest.mark.parametrize("name", SETUPS)
    def test_exactly_where_it_stopped(self, name, store):
        setup = SETUPS[name]
        train(**setup, steps=23, store=store, checkpoint_every=10)
        assert_same(train(**setup, store=store, checkpoint_every=10), train(**setup))
        assert_same(train(**setup, store=store), train(**setup))

    @pytest.mark.parametrize("every", [1, 7, 40, 1000, None])
    def test_through_checkpoints_that_make_no_difference(self, every, store):
        options = {} if every is None else {"checkpoint_every": every}
        run = train(measure=EVERY, store=store, **options)
        assert_same(run, train(measure=EVERY))
        assert_same(md.load_run(store), run)

    def test_not_at_all_if_it_is_done(self, store, monkeypatch):
        run = train(store=store)
        before = store.stat().st_mtime_ns
        monkeypatch.setattr(md.training.run, "descend", None)
        assert_same(train(store=store), run)
        assert store.stat().st_mtime_ns == before

    def test_as_a_loaded_run_and_back(self, store):
        train(steps=10, store=store)
        md.load_run(store).resume(10, progress=False).save(store)
        assert_same(train(store=store), train())

    def test_to_fewer_steps_never(self, store):
        train(steps=20, store=store)
        with pytest.raises(ValueError, match=r"store '.*run\.nc' holds 20 updates, more than steps=10"):
            train(steps=10, store=store)


class TestKeeps:
    def test_a_run_that_is_interrupted(self, store):
        with pytest.warns(UserWarning, match="interrupted after 17"):
            run = train(measure=interrupt_at(17), store=store)
        loaded = md.load_run(store)
        assert loaded.status == "interrupted"
        assert_same(loaded, run)

    def test_a_run_that_is_interrupted_as_it_is_written(self, store, monkeypatch):
        write, calls = storage.write, []

        def interrupted(*args):
            calls.append(args)
            if len(calls) == 2:
                raise KeyboardInterrupt
            write(*args)

        monkeypatch.setattr(storage, "write", interrupted)
        with pytest.warns(UserWarning, match="interrupted after 20"):
            run = train(store=store, checkpoint_every=10)
        assert_same(md.load_run(store), run)
        assert_same(train(store=store), train())

    def test_a_run_that_fails_and_goes_on_when_it_no_longer_does(self, store, tmp_path):
        needed = str(tmp_path / "needed.txt")

        def measure(net, params, task, loss, step):
            return step if step < 13 else float(Path(needed).read_text())

        options = {"measure": {"mine": (1, measure)}, "store": store, "checkpoint_every": 5}
        with pytest.raises(FileNotFoundError) as caught:
            train(**options)
        loaded = md.load_run(store)
        assert loaded.status == "failed"
        assert_same(loaded, caught.value.run)
        Path(needed).write_text("7")
        assert_same(train(**options), train(measure={"mine": (1, measure)}))

    def test_a_run_that_diverges(self, store):
        options = {"loss": md.SquaredError(), "learning_rate": 1e6, "store": store}
        for _ in range(2):  # as it happens, and as the store has it
            with pytest.warns(RuntimeWarning, match="diverged"):
                run = train(**options)
            assert run.status == md.load_run(store).status == "diverged"

    def test_a_run_whose_store_cannot_be_written_any_more(self, store, monkeypatch):
        write, calls = storage.write, []

        def full(*args):
            calls.append(args)
            if len(calls) == 3:
                raise OSError(28, "No space left on device", str(store))
            write(*args)

        monkeypatch.setattr(storage, "write", full)
        with pytest.raises(OSError, match="No space left") as caught:
            train(store=store, checkpoint_every=10)
        assert caught.value.run.history.step[-1] == 30
        assert md.load_run(store).history.step[-1] == 20


DIFFERENT = {
    "learning_rate": ({"learning_rate": 0.25}, "learning_rate: 0.5 there, 0.25 now"),
    "start": ({"start": 3}, "start: 0 there, 3 now"),
    "batch_size": ({"batch_size": 7}, "batch_size: None there, 7 now"),
    "seed": ({"seed": 1}, "seed: 0 there, 1 now"),
    "params": ({"params": NET.init(2)}, "params: "),
    "task": ({"task": md.spiral(20, seed=1)}, "task: "),
    "classes": ({"task": md.Task(TASK.x, TASK.labels, 4), "net": md.MLP(2, 8, 4), "loss": md.CrossEntropy()}, "task: "),
    "net": ({"net": md.MLP(2, 9, 3), "params": md.MLP(2, 9, 3).init(1)}, r"net: MLP\(2, 8, 3\) there, MLP\(2, 9, 3\)"),
    "loss": ({"loss": md.CrossEntropy(md.Oscillation(10, 41))}, "loss: .*period=40.* there, .*period=41"),
    "weighting": ({"loss": md.SquaredError(LOSS.gamma)}, "loss: .* there, SquaredError"),
    "validation": ({"validation": md.spiral(5)}, r"validation: None there, Task\(15 samples"),
    "measure": ({"measure": {"params": 2}}, r"measure\['params'\]: none there, every 2 steps now"),
    "engine": ({"engine": "compiled"}, "engine: numpy there, compiled now"),
}


def power(exponent):
    return lambda net, params, *rest: (params[0][0] ** exponent).sum()


class TestAnswersOnlyForItsRun:
    @pytest.mark.parametrize("name", DIFFERENT)
    def test_another_is_refused_by_name(self, name, store):
        changes, message = DIFFERENT[name]
        if changes.get("engine") == "compiled":
            pytest.importorskip("numba")
        train(store=store, steps=5)
        before = store.read_bytes()
        with pytest.raises(ValueError, match=rf"store '.*run\.nc' holds another run: .*{message}"):
            train(store=store, **changes)
        assert store.read_bytes() == before

    def test_a_measure_of_your_own_by_its_code_and_what_it_refers_to(self, store):
        train(steps=5, store=store, measure={"mine": (2, power(2))})
        train(steps=6, store=store, measure={"mine": (2, power(2))})
        with pytest.raises(ValueError, match=r"another run: measure\['mine'\]: every 2 steps there"):
            train(store=store, measure={"mine": (2, power(3))})

    @pytest.mark.parametrize(
        ("name", "same", "other"),
        [
            ("net", {"net": Smooth(2, 4, 3)}, {"net": type("Twin", (Smooth,), {"extra": 1})(2, 4, 3)}),
            ("loss", {"loss": md.CrossEntropy(Sines(30, 3))}, {"loss": md.CrossEntropy(Sines(31, 3))}),
        ],
    )
    def test_a_model_or_a_waveform_of_your_own_by_its_code_and_attributes(self, name, same, other, store):
        train(**same, steps=5, store=store)
        assert_same(train(**same, store=store), train(**same))
        with pytest.raises(ValueError, match=f"another run: {name}: "):
            train(**other, store=store)

    def test_what_cannot_be_known_again_is_refused_at_the_start(self, store):
        stream = iter([1.0] * 100)
        with pytest.raises(ValueError, match=r"cannot tell this from another: measure\['mine'\]"):
            train(store=store, measure={"mine": (2, lambda *args: next(stream))})
        assert not store.exists()

    def test_a_run_of_an_older_version_is_not_taken_for_this_one(self, store):
        run = train(steps=5)
        run.settings.__dict__["initial"] = None
        run.save(store)
        with pytest.raises(ValueError, match="another run: params: "):
            train(store=store)

    def test_another_file_is_not_overwritten(self, store):
        store.write_text("my diary\n")
        with pytest.raises(ValueError, match=r"path '.*run\.nc' is not a whole file written by minidyn, or it is dam"):
            train(store=store)
        assert store.read_text() == "my diary\n"


class TestIsCheckedAtTheStart:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"store": 3}, TypeError, "store must be a path, got 3"),
            ({"checkpoint_every": 5}, ValueError, "checkpoint_every needs a store .*checkpoint_every=5"),
            ({"store": "x.nc", "checkpoint_every": 0}, ValueError, "checkpoint_every must be an integer >= 1, got 0"),
            ({"store": "x.nc", "checkpoint_every": 2.5}, TypeError, "checkpoint_every must be an integer, got 2.5"),
            ({"store": "."}, IsADirectoryError, r"store must be a file, and '.*' is a folder"),
            ({"store": "x" * 300}, OSError, r"store must be in a folder .*File name too long"),
            ({"store": "/proc/x.nc"}, OSError, r"store must be in a folder that can be written to, got '/proc/x\.nc'"),
        ],
    )
    def test_before_any_update(self, options, error, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(md.training.run, "descend", None)
        with pytest.raises(error, match=message):
            train(**options)
        assert list(tmp_path.iterdir()) == []

    def test_errors_of_a_write_name_the_file_and_not_a_hidden_one(self, tmp_path):
        with pytest.raises(OSError, match="File name too long") as caught:
            train(steps=1).save(tmp_path / ("x" * 300))
        assert Path(caught.value.filename).name == "x" * 300


KILLED = """
import sys, minidyn as md
sys.path.insert(0, {root!r})
from tests.training.runs import train
train(steps=10**7, store={store!r}, checkpoint_every=100, engine="auto")
"""
ROOT = Path(__file__).parents[2]


def start(store):
    script = KILLED.format(root=str(ROOT), store=str(store))
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_process_loses_at_most_an_interval_and_leaves_nothing_behind(store):
    process = start(store)
    wait_for(store.exists)
    time.sleep(0.3)
    process.kill()
    process.wait()
    done = md.load_run(store).history.sizes["step"] - 1
    assert done >= 100
    assert done % 100 == 0
    run = train(steps=done + 50, store=store, engine="auto")
    assert_same(run, train(steps=done + 50, engine="auto"))
    assert list(store.parent.iterdir()) == [store]


WRITER = """
import sys, time, minidyn as md
from minidyn import storage
def write(part):
    part.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(600)
storage.atomically(sys.argv[1], write)
"""


class TestTemporaryFiles:
    @pytest.fixture
    def writer(self, store):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(store)], stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout.readline() == b"writing\n"
        yield process
        process.kill()
        process.wait()
        process.stdout.close()

    def test_of_a_living_writer_stay(self, writer, store):
        train(steps=1).save(store)
        assert len(list(store.parent.iterdir())) == 2

    @pytest.mark.skipif(os.name == "nt", reason="there are no locks on Windows")
    def test_of_a_killed_writer_go_with_the_next_write(self, writer, store):
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        (part,) = store.parent.iterdir()
        assert part.name.startswith(".run.nc.")
        (store.parent / ".other.nc.123.part").write_text("not this file's")
        train(steps=1).save(store)
        assert sorted(path.name for path in store.parent.iterdir()) == [".other.nc.123.part", "run.nc"]
        storage.remove_orphans(store.parent, "*")
        assert list(store.parent.iterdir()) == [store]


QUOTA = """
import resource, sys, minidyn as md
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from tests.training.runs import train
run = train(steps=2000)
try:
    run.save(sys.argv[1])
except OSError as error:
    print(error)
small = train(steps=3)
small.save(sys.argv[2])
print(md.load_run(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no limits of file sizes on Windows")
def test_a_full_disk_is_an_error_and_no_crash_at_the_next_use_of_hdf5(store):
    small = store.with_name("small.nc")
    command = [sys.executable, "-c", QUOTA, str(store), str(small)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    first, second = process.stdout.splitlines()
    assert "File too large" in first
    assert str(store) in first
    assert second.startswith("Run(MLP(2, 8, 3), 3 updates, finished")
    assert list(store.parent.iterdir()) == [small]


class TestLoadedRuns:
    @pytest.fixture
    def saved(self, store):
        train(measure={"mine": (3, lambda *args: args[-1])}).save(store)
        return store

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            (
                {"net": md.MLP(2, 9, 3)},
                ValueError,
                r"net must be that of the run in .*MLP\(2, 8, 3\).*got MLP\(2, 9, 3\)",
            ),
            ({"net": Smooth(2, 8, 3)}, ValueError, r"net must be that of the run in .*got Smooth"),
            ({"loss": md.CrossEntropy()}, ValueError, r"loss must be that of the run in .*got CrossEntropy\(\)"),
            ({"measure": {"mne": len}}, ValueError, r"measure may name those of the saved run, mine, got 'mne'"),
            ({"measure": {"mine": 3}}, TypeError, r"measure\['mine'\] must be a function, got 3"),
        ],
    )
    def test_refuse_what_they_were_not_made_with(self, saved, options, error, message):
        with pytest.raises(error, match=message):
            md.load_run(saved, **options)

    def test_take_what_they_were_made_with(self, saved):
        run = md.load_run(saved, net=md.MLP(2, 8, 3), loss=LOSS, measure={"mine": lambda *args: args[-1]})
        assert run.resume(1, progress=False).history.sizes["step"] == 42

    @pytest.mark.parametrize("value", [None, 3, b"run.nc", ["run.nc"]])
    def test_are_found_by_a_path(self, value):
        with pytest.raises(TypeError, match="path must be a path, got"):
            md.load_run(value)

    def test_name_the_path_of_a_whole_file_that_is_something_else(self, store):
        store.write_bytes(b"not netCDF, but with a seal")
        storage.seal(store)
        with pytest.raises(ValueError, match=r"path '.*run\.nc' was not written by `storage\.write`"):
            md.load_run(store)
