"""A store answers only for exactly what it was made with, survives its writers, and says what is wrong with it."""

from __future__ import annotations

import json
import shutil
from importlib import metadata

import numpy as np
import pytest

import minidyn as md
from minidyn import storage, sweeps
from minidyn.ensembles import sequential
from minidyn.sweeps import store as stores
from minidyn.sweeps import table

GRID = {"amplitude": [1, 5], "period": [10], "seed": range(6)}
ONE = {"seed": [0]}


def small(grid=ONE, **settings):
    defaults = {"steps": 5, "task": md.spiral(5), "workers": 1, "engine": "numpy", "progress": False}
    return md.sweep(grid, **{**defaults, **settings})


@pytest.fixture
def nothing_runs(monkeypatch):
    """Fail if anything is trained."""
    return lambda: monkeypatch.setattr(sequential, "train", None)


# It answers for nothing else


def test_the_number_of_classes_belongs_to_the_data(tmp_path):
    x, labels = np.random.RandomState(0).randn(20, 2), [0, 1] * 10
    small(task=md.Task(x, labels, 2), store=tmp_path)
    with pytest.raises(ValueError, match="holds a sweep with other settings: data: "):
        small(task=md.Task(x, labels, 10), store=tmp_path)


def test_the_shape_of_the_samples_belongs_to_the_data(tmp_path):
    labels = [0, 1, 0, 1]
    small(task=md.Task(np.zeros((4, 2)), labels, 2), store=tmp_path)
    with pytest.raises(ValueError, match="other settings: data: "):
        small(task=md.Task(np.zeros((4, 3)), labels, 2), store=tmp_path)


def test_noises_that_print_alike_are_told_apart(tmp_path):
    grid = {"noise": [0.1234567, 0.1234568]}
    small(grid, task=md.spiral, store=tmp_path)
    assert len(json.loads((tmp_path / "settings.json").read_text())["data"]) == 2


def first(net, params, task, loss, step):
    return 1.0


def second(net, params, task, loss, step):
    return 2.0


def test_an_own_measure_that_has_changed_is_refused(tmp_path, nothing_runs):
    small(measure={"mine": (5, first)}, store=tmp_path)
    with pytest.raises(ValueError, match="other settings: measure: "):
        small(measure={"mine": (5, second)}, store=tmp_path)
    nothing_runs()
    assert small(measure={"mine": (5, first)}, store=tmp_path).mine_history.values.tolist() == [[1.0, 1.0]]


def test_an_own_measure_that_cannot_be_told_from_another_is_refused_before_any_run(tmp_path, nothing_runs):
    source = iter([1.0, 2.0])

    def of_something(net, params, task, loss, step):
        return 1.0 if source else 2.0

    small(measure={"mine": (5, of_something)})  # without a store nothing needs to be told apart
    nothing_runs()
    with pytest.raises(TypeError, match=r"measure\['mine'\] cannot be kept in a store.*list_iterator"):
        small(measure={"mine": (5, of_something)}, store=tmp_path)


def test_another_engine_is_refused_unless_it_is_accepted(tmp_path, nothing_runs):
    pytest.importorskip("numba")
    made = small(store=tmp_path)
    with pytest.raises(ValueError, match="engine: 'numpy' there, 'compiled' now"):
        small(engine="compiled", store=tmp_path)
    nothing_runs()
    with pytest.warns(UserWarning, match="accepted although it differs: engine: 'numpy' there, 'compiled' now"):
        accepted = small(engine="compiled", store=sweeps.Store(tmp_path, accept={"engine"}))
    assert accepted.equals(made)


def test_only_what_is_named_is_accepted(tmp_path):
    small(store=tmp_path)
    with pytest.raises(ValueError, match="steps: 5 there, 6 now"):
        small(steps=6, store=sweeps.Store(tmp_path, accept={"engine", "data", "measure"}))
    with pytest.raises(ValueError, match=r"accept may hold 'format', .*got 'steps'"):
        sweeps.Store(tmp_path, accept={"steps"})
    with pytest.raises(ValueError, match="got 'steps'"):
        sweeps.Store(tmp_path, accept="steps")


def test_numbers_of_another_version_are_refused_but_not_a_release(tmp_path, monkeypatch, nothing_runs):
    made = small(store=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(stores, "NUMERICS", stores.NUMERICS + 1)
        with pytest.raises(ValueError, match="numerics: 1 there, 2 now"):
            small(store=tmp_path)
    monkeypatch.setattr(table, "__version__", "0.9.9")
    nothing_runs()
    assert small(store=tmp_path).equals(made)


# Each file answers for its own runs


def test_the_file_of_another_chunk_does_not_answer_for_this_one(tmp_path):
    whole = small(GRID, store=tmp_path)
    here, there = sorted(tmp_path.glob("chunk-*.nc"))
    shutil.copy(there, here)
    assert small(GRID, store=tmp_path).equals(whole)


def test_the_file_of_another_store_does_not_answer_for_this_one(tmp_path):
    small(GRID, store=tmp_path / "a", learning_rate=0.5)
    whole = small(GRID, store=tmp_path / "b")
    for path in (tmp_path / "a").glob("chunk-*.nc"):
        shutil.copy(path, tmp_path / "b" / path.name)
    assert small(GRID, store=tmp_path / "b").equals(whole)


def test_a_file_of_something_else_is_passed_over(tmp_path):
    whole = small(store=tmp_path)
    net = md.MLP(2, 3, 3)
    run = md.train(net, net.init(0), md.spiral(5), md.CrossEntropy(), learning_rate=1, steps=3, progress=False)
    run.save(tmp_path / "chunk-00000-00000.nc")
    (tmp_path / "chunk-notes.nc").write_text("mine")
    assert small(store=tmp_path).equals(whole)


# Stores of version 0.1


def as_0_1(folder, plan_settings):
    """Turn a store into what version 0.1 would have left: a chunk is known by its number, the data by its content."""
    for n, path in enumerate(sorted(folder.glob("chunk-*.nc"))):
        runs, state, _ = storage.read(path)
        path.unlink()
        storage.write(folder / f"chunk-{n:05d}.nc", runs, state, {"chunk": n})
    settings = {name: value for name, value in plan_settings.items() if name not in ("format", "numerics")}
    digest = sweeps.datasets.digest_0_1(md.spiral(5))
    settings["data"] = dict.fromkeys(settings["data"], digest)
    settings["measure"] = {"mine": 5}
    (folder / "settings.json").write_text(json.dumps(settings))


def test_a_store_of_version_0_1_says_what_it_lacks_and_can_be_accepted(tmp_path, nothing_runs):
    settings = {"grid": GRID, "measure": {"mine": (5, first)}}
    made = small(**settings, store=tmp_path)
    as_0_1(tmp_path, json.loads((tmp_path / "settings.json").read_text()))
    with pytest.raises(ValueError, match=r"made by version 0\.1, which did not write down the number of classes"):
        small(**settings, store=tmp_path)
    nothing_runs()
    with pytest.warns(UserWarning, match=r"accepted although it differs: it is of version 0\.1"):
        assert small(**settings, store=sweeps.Store(tmp_path, accept={"format"})).equals(made)


def test_an_accepted_store_of_version_0_1_still_answers_only_for_the_settings_that_it_has(tmp_path):
    settings = {"grid": GRID, "measure": {"mine": (5, first)}}
    small(**settings, store=tmp_path)
    as_0_1(tmp_path, json.loads((tmp_path / "settings.json").read_text()))
    with pytest.raises(ValueError, match="other settings: data: "):
        small(**settings, task=md.spiral(5, seed=1), store=sweeps.Store(tmp_path, accept={"format"}))


# Writers and damage


def test_what_a_killed_writer_leaves_does_not_spoil_a_new_store(tmp_path):
    (tmp_path / ".settings.json.abc123.part").write_text("{")
    assert small(store=tmp_path).equals(small())


@pytest.mark.parametrize("other", [{}, {"steps": 6}])
def test_the_second_of_two_processes_that_open_a_new_store_reads_what_the_first_wrote(tmp_path, monkeypatch, other):
    """The first comes in between the second's look and its writing."""
    write = stores._write_if_missing

    def write_late(path, text):
        monkeypatch.setattr(stores, "_write_if_missing", write)
        small(store=tmp_path, **other)
        write(path, text)

    monkeypatch.setattr(stores, "_write_if_missing", write_late)
    if other:
        with pytest.raises(ValueError, match="steps: 6 there, 5 now"):
            small(store=tmp_path)
    else:
        assert small(store=tmp_path).equals(small())
    assert not list(tmp_path.glob(".*.part"))


def test_a_folder_that_becomes_a_store_while_it_is_looked_at_is_one(tmp_path, monkeypatch):
    exists, looks = stores.Path.exists, []

    def exists_late(path, **options):
        if path.name == "settings.json" and not looks:
            looks.append(path)
            small(store=tmp_path)
            return False
        return exists(path, **options)

    monkeypatch.setattr(stores.Path, "exists", exists_late)
    assert small(store=tmp_path).equals(small())


@pytest.mark.parametrize("content", ["{", "", "[1]", "\udcff"])
def test_damaged_settings_are_named_with_their_path(tmp_path, content):
    small(store=tmp_path)
    (tmp_path / "settings.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"settings\.json' is damaged"):
        small(store=tmp_path)


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "store").write_text("mine")
    with pytest.raises(ValueError, match=r"store '.*store' must be a folder, and is a file"):
        small(store=tmp_path / "store")


def test_the_version_is_known_without_an_installed_package(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: 1 / 0)
    assert small().attrs["minidyn"] == md.__version__
