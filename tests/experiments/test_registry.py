"""The registry, the files of results and the command line, on a small experiment made up here."""

import numpy as np
import pytest
import xarray as xr

from minidyn.experiments import cli, registry, results


def flips(*, seeds, bias, progress):
    """The mean of ten coin flips, a seed."""
    means = [(np.random.RandomState(seed).rand(10) < bias).mean() for seed in seeds]
    return xr.Dataset({"heads": ("seed", means)}, {"seed": list(seeds)})


@pytest.fixture
def coin(monkeypatch):
    """One registered experiment, and no other."""
    monkeypatch.setattr(registry, "PARTS", ())
    monkeypatch.setattr(registry, "_REGISTERED", {})
    registry.experiment(
        "coin-flips",
        shows="how often heads come up",
        claims=("C0",),
        quick={"seeds": range(3), "bias": 0.5},
        full={"seeds": range(20), "bias": 0.5},
        sample={"seeds": range(4)},
        summary=lambda data: f"heads {float(data.heads.mean()):.2f}",
    )(flips)
    return registry.find("coin-flips")


def test_a_run_is_kept_with_its_provenance_and_shown_again(coin, tmp_path, capsys):
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


def test_list_names_part_claims_and_line(coin, capsys):
    assert cli.main(["list"]) == 0
    assert "coin-flips" in (said := capsys.readouterr().out)
    assert "[C0]" in said


def test_a_wrong_name_suggests_the_nearest(coin, capsys):
    assert cli.main(["run", "coin-flip"]) == 2
    assert "did you mean 'coin-flips'?" in capsys.readouterr().err


def test_a_missing_result_names_the_command(coin, tmp_path):
    with pytest.raises(FileNotFoundError, match="minidyn run coin-flips --full"):
        results.load("coin-flips", tmp_path)


def test_an_interrupt_keeps_what_was_finished(coin, tmp_path, monkeypatch, capsys):
    cli.main(["run", "coin-flips", "--folder", str(tmp_path)])

    def interrupted(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(registry.Experiment, "run", interrupted)
    assert cli.main(["run", "coin-flips", "--folder", str(tmp_path)]) == 130
    assert results.load("coin-flips", tmp_path).sizes["seed"] == 3


def test_a_rerun_says_what_moved(coin, tmp_path, capsys):
    cli.main(["run", "coin-flips", "--full", "--folder", str(tmp_path)])
    for whole in ([], ["--full"]):
        assert cli.main(["rerun", "all", *whole, "--folder", str(tmp_path)]) == 0
        assert "heads 0\nnothing moved" in capsys.readouterr().out
    stored = results.load("coin-flips", tmp_path)
    results.save(stored + 1, "coin-flips", tmp_path)
    assert cli.main(["rerun", "coin-flips", "--folder", str(tmp_path)]) == 1
    assert "moved by more than 3: coin-flips: heads" in capsys.readouterr().out


def test_moved_is_zero_for_the_same_and_large_for_another_bias(coin):
    stored = coin.run("full")
    assert results.moved(stored, coin.run("full", seeds=range(4)))["heads"] == 0
    assert results.moved(stored, coin.run("full", bias=0.99))["heads"] > 2
    assert results.moved(stored, stored.rename(heads="tails")) == {"heads": np.inf, "tails": np.inf}
    assert results.moved(stored, coin.run("full", seeds=range(30, 33)))["heads"] == np.inf


def test_sizes_are_two(coin):
    with pytest.raises(ValueError, match="size must be 'quick' or 'full', got 'huge'"):
        coin.run("huge")
