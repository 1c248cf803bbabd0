"""The command line, on a small experiment made up for it."""

from __future__ import annotations

import pytest

from minidyn.experiments import cli, registry, results
from tests.experiments import coin


@pytest.fixture(autouse=True)
def flips(monkeypatch):
    """One registered experiment, and no other."""
    return coin.register(monkeypatch)


def test_a_run_is_stored_with_its_provenance_and_shown_again(tmp_path, capsys):
    assert cli.main(["run", "coin-flips", "--full", "--folder", str(tmp_path)]) == 0
    stored = results.load("coin-flips", tmp_path)
    assert stored.sizes["seed"] == 20
    assert stored.attrs["command"] == "minidyn run coin-flips --full"
    assert '"seeds": "0..19"' in stored.attrs["arguments"]
    assert {"size", "seconds", "date", "device", "versions", "python"} <= set(stored.attrs)
    capsys.readouterr()
    assert cli.main(["show", "coin-flips", "--folder", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"heads {float(stored.heads.mean()):.2f}" in said
    assert "full size" in said


def test_list_names_claims_and_what_is_shown(capsys):
    assert cli.main(["list"]) == 0
    assert "coin-flips" in (said := capsys.readouterr().out)
    assert "how often heads come up [C0]" in said


def test_a_wrong_name_suggests_the_nearest(capsys):
    assert cli.main(["run", "coin-flip"]) == 2
    assert "did you mean 'coin-flips'?" in capsys.readouterr().err


def test_an_interrupt_keeps_what_was_finished(tmp_path, monkeypatch):
    cli.main(["run", "coin-flips", "--folder", str(tmp_path)])

    def interrupted(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(registry.Experiment, "run", interrupted)
    assert cli.main(["run", "coin-flips", "--folder", str(tmp_path)]) == 130
    assert results.load("coin-flips", tmp_path).sizes["seed"] == 3


def test_a_rerun_says_what_moved(tmp_path, capsys):
    cli.main(["run", "coin-flips", "--full", "--folder", str(tmp_path)])
    for whole in ([], ["--full"]):
        assert cli.main(["rerun", "all", *whole, "--folder", str(tmp_path)]) == 0
        assert "heads 0\nnothing moved" in capsys.readouterr().out
    stored = results.load("coin-flips", tmp_path)
    for change in (stored + 1, stored * float("nan")):
        results.save(change, "coin-flips", tmp_path)
        assert cli.main(["rerun", "coin-flips", "--folder", str(tmp_path)]) == 1
        assert "moved by more than 3: coin-flips: heads" in capsys.readouterr().out
