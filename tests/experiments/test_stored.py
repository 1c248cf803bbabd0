"""The results that the book shows: each belongs to an experiment, and a part of it, rerun, lands where it lay."""

import pytest

from minidyn.experiments import all_experiments, cli, load, results

EXPERIMENTS = {experiment.name: experiment for experiment in all_experiments()}
STORED = [name for name in EXPERIMENTS if results.is_stored(name)]


def test_every_stored_result_is_an_experiment_at_full_size():
    stored = {path.stem for path in results.book_data().glob("*.nc")}
    assert set(STORED) == stored
    assert all(experiment.waits_for for name, experiment in EXPERIMENTS.items() if name not in stored)
    for name in stored:
        assert load(name).attrs["size"] == "full"


def test_the_results_are_small_and_hold_no_code():
    files = [path for path in results.book_data().iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 12e6
    assert {path.suffix for path in files if path.name != "gpu.json"} <= {".nc", ".npz"}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_quick_size_runs_and_sums_up(name, monkeypatch):
    experiment = EXPERIMENTS[name]
    if "numba" in experiment.needs:
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # each process would compile the loops again
    assert experiment.summary(experiment.run("quick", progress=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", STORED)
def test_a_sample_lands_within_the_stored_spread(name):
    experiment = EXPERIMENTS[name]
    fresh = experiment.run("full", progress=False, **experiment.sample)
    errors = results.reproduction_error(load(name), fresh)
    assert not {variable: error for variable, error in errors.items() if error > cli.TOLERANCE}
