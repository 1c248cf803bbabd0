"""The command line, on small experiments made up for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import minidyn as md
from minidyn.experiments import cli, registry, results
from tests.experiments import coin


@pytest.fixture(autouse=True)
def flips(monkeypatch, tmp_path):
    """One registered experiment, and no other; results go to a folder of their own."""
    monkeypatch.chdir(tmp_path)
    return coin.register(monkeypatch)


@pytest.fixture
def must_not_run(monkeypatch):
    """Fail if an experiment starts."""
    forbid_runs(monkeypatch)


def forbid_runs(monkeypatch):
    monkeypatch.setattr(registry.Experiment, "run", lambda *args, **changes: pytest.fail("an experiment was started"))


def test_a_run_is_stored_with_its_provenance_and_shown_again(tmp_path, capsys):
    assert cli.main(["run", "coin-flips", "--full", "--folder", str(tmp_path)]) == 0
    stored = results.load("coin-flips", tmp_path)
    assert stored.sizes["seed"] == 20
    assert stored.attrs["command"] == "minidyn run coin-flips --full"
    assert '"seeds": "0..19"' in stored.attrs["arguments"]
    assert f'"minidyn": "{md.__version__}"' in stored.attrs["versions"]
    assert {"size", "seconds", "date", "device", "versions", "python"} <= set(stored.attrs)
    capsys.readouterr()
    assert cli.main(["show", "coin-flips", "--folder", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"heads {float(stored.heads.mean()):.2f}" in said
    assert "full size" in said


def test_results_go_to_a_folder_of_their_own_without_being_told(tmp_path):
    assert cli.main(["run", "coin-flips"]) == 0
    assert (tmp_path / "minidyn-results" / "coin-flips.nc").exists()
    assert cli.main(["show", "coin-flips"]) == 0


def test_list_names_claims_and_what_is_shown(capsys):
    assert cli.main(["list"]) == 0
    assert "coin-flips" in (said := capsys.readouterr().out)
    assert "how often heads come up [C0]" in said


@pytest.mark.parametrize("command", ["run", "rerun", "show"])
def test_a_wrong_name_suggests_the_nearest(command, must_not_run, capsys):
    assert cli.main([command, "coin-flip"]) == 2
    assert "did you mean 'coin-flips'?" in capsys.readouterr().err


def test_an_unknown_name_among_others_is_named_before_anything_runs(must_not_run, tmp_path, capsys):
    assert cli.main(["run", "coin-flips", "nonsense-without-end"]) == 2
    assert "there is no experiment 'nonsense-without-end'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_named_twice_runs_once(capsys):
    assert cli.main(["run", "coin-flips", "coin-flips"]) == 0
    assert "[1/1] coin-flips" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["taken", "taken/below", "/proc/x", "/dev/null/x"])
def test_a_folder_that_cannot_hold_results_is_named_before_anything_runs(folder, must_not_run, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert cli.main(["run", "coin-flips", "--folder", folder]) == 2
    assert f"folder '{folder}' must be one that can be written to" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named_before_anything_runs(must_not_run, tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert cli.main(["run", "coin-flips", "--folder", "locked"]) == 2
    assert "folder 'locked' must be one that can be written to" in capsys.readouterr().err


def test_a_folder_in_place_of_the_result_is_named_before_anything_runs(must_not_run, tmp_path, capsys):
    (tmp_path / "minidyn-results" / "coin-flips.nc").mkdir(parents=True)
    assert cli.main(["run", "coin-flips"]) == 2
    assert "coin-flips.nc' must be a file or nothing, but it is a folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "rerun"])
def test_a_missing_package_is_named_before_anything_runs(command, must_not_run, capsys):
    coin.register_beside("needy", needs=("nonsense", "numpy"))
    assert cli.main([command, "all"]) == 2
    assert "experiment 'needy' needs nonsense: pip install" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["rerun", "show"])
@pytest.mark.parametrize("content", [None, "not a netCDF file"])
def test_a_result_that_is_missing_or_damaged_is_named_before_anything_runs(
    command, content, must_not_run, tmp_path, capsys
):
    if content is not None:
        (tmp_path / "coin-flips.nc").write_text(content)
    assert cli.main([command, "coin-flips", "--folder", str(tmp_path)]) == 2
    assert "coin-flips" in capsys.readouterr().err


def test_all_results_of_a_rerun_are_read_before_the_first_runs(tmp_path, monkeypatch, capsys):
    cli.main(["run", "coin-flips", "--full", "--folder", str(tmp_path)])
    coin.register_beside("other-flips")
    forbid_runs(monkeypatch)
    assert cli.main(["rerun", "coin-flips", "other-flips", "--folder", str(tmp_path)]) == 2
    assert "no result of 'other-flips'" in capsys.readouterr().err


def test_a_rerun_does_not_compare_sizes_that_differ(tmp_path, monkeypatch, capsys):
    cli.main(["run", "coin-flips", "--folder", str(tmp_path)])
    forbid_runs(monkeypatch)
    assert cli.main(["rerun", "coin-flips", "--folder", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "the result of 'coin-flips' was made with the arguments" in said
    assert "make it with `minidyn run coin-flips --full`" in said


def broken(*, seeds=range(20), bias=0.5):
    raise ZeroDivisionError("no coins left")


def test_an_experiment_that_fails_is_named_and_the_others_are_stored(tmp_path, capsys):
    coin.register_beside("broken", broken)
    coin.register_beside("last-flips")
    assert cli.main(["run", "coin-flips", "broken", "last-flips"]) == 1
    assert "minidyn: failed: broken: ZeroDivisionError: no coins left" in capsys.readouterr().err
    assert {path.stem for path in (tmp_path / "minidyn-results").iterdir()} == {"coin-flips", "last-flips"}


def test_a_rerun_goes_on_after_an_experiment_that_fails(tmp_path, capsys):
    coin.register_beside("broken")
    cli.main(["run", "broken", "coin-flips", "--full", "--folder", str(tmp_path)])
    coin.register_beside("broken", broken)
    assert cli.main(["rerun", "broken", "coin-flips", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "minidyn: failed: broken: ZeroDivisionError: no coins left" in said.err
    assert "coin-flips: distance in stored standard deviations: heads 0" in said.out


def test_a_result_whose_summary_fails_is_stored(tmp_path):
    coin.register_beside("unspeakable", summary=lambda data: 1 / 0)
    assert cli.main(["run", "unspeakable"]) == 1
    assert results.load("unspeakable", tmp_path / "minidyn-results").sizes["seed"] == 3


def test_a_result_is_stored_elsewhere_if_its_folder_fails_meanwhile(tmp_path, monkeypatch, capsys):
    def vanishing(*, seeds=range(20), bias=0.5):
        (tmp_path / "results").rmdir()
        (tmp_path / "results").write_text("a file")
        return coin.flip(seeds=seeds, bias=bias)

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    coin.register_beside("vanishing", vanishing)
    assert cli.main(["run", "vanishing", "--folder", "results"]) == 1
    (path,) = (tmp_path / "temporary").rglob("vanishing.nc")
    assert f"it is in {path} instead" in capsys.readouterr().err
    assert results.load("vanishing", path.parent).attrs["experiment"] == "vanishing"


def test_an_interrupt_keeps_what_was_finished(tmp_path, monkeypatch, capsys):
    def interrupted(*, seeds=range(20), bias=0.5):
        raise KeyboardInterrupt

    coin.register_beside("interrupted", interrupted)
    assert cli.main(["run", "all"]) == 130
    assert "interrupted; results finished before are kept" in capsys.readouterr().err
    assert results.load("coin-flips", tmp_path / "minidyn-results").sizes["seed"] == 3


def test_a_rerun_says_what_moved(tmp_path, capsys):
    cli.main(["run", "coin-flips", "--full", "--folder", str(tmp_path)])
    for whole in ([], ["--full"]):
        assert cli.main(["rerun", "all", *whole, "--folder", str(tmp_path)]) == 0
        assert "heads 0\nnothing moved" in capsys.readouterr().out
    stored = results.load("coin-flips", tmp_path)
    for changed in (stored + 1, stored * float("nan")):
        results.save(changed, "coin-flips", tmp_path)
        assert cli.main(["rerun", "coin-flips", "--folder", str(tmp_path)]) == 1
        assert "moved by more than 3: coin-flips: heads" in capsys.readouterr().out


def test_a_terminal_without_greek_letters_shows_the_list():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    listing = subprocess.run([sys.executable, "-m", "minidyn", "list"], env=environment, capture_output=True)
    assert (listing.returncode, listing.stderr) == (0, b"")
    assert b"published-run" in listing.stdout
