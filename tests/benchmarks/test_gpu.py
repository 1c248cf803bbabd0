"""The one command for a machine with a GPU, at a size for a processor, and in numba's simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

pytest.importorskip("torch", "2.6")
pytest.importorskip("numba")

ROOT = Path(__file__).parents[2]


def run(*line, simulator=False):
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": str(int(simulator)), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *map(str, line)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_a_record_from_the_simulator_holds_every_engine(tmp_path):
    call = run("--tiny", "--out", tmp_path / "gpu.json", simulator=True)
    assert call.returncode == 0, call.stderr
    record = json.loads((tmp_path / "gpu.json").read_text())
    assert {"device", "date", "versions", "command", "limits", "left_out"} <= set(record)
    engines = ["torch", "torch32", "cuda", "cuda32"]
    for part in ("parity", "network_steps", "sweep"):
        assert [row["engine"] for row in record[part]] == engines, part
    gaps = {row["engine"]: row["difference"] for row in record["parity"]}
    assert gaps["torch"] < 1e-13
    assert gaps["cuda"] < 1e-13
    assert 1e-13 < gaps["cuda32"] < 1e-5
    assert all(row["per_second"] > 0 for row in record["network_steps"])
    assert [row["graph"] for row in record["trainer"]] == [False, False]  # no graph on a processor
    assert all(row["updates_per_second"] > 0 for row in record["trainer"])


def test_what_there_is_no_time_for_and_what_is_missing_is_said(tmp_path):
    call = run("--tiny", "--device", "cpu", "--seconds", "-1", "--out", tmp_path / "gpu.json")
    assert call.returncode == 0, call.stderr
    assert "left out for want of time: limits, parity, network_steps, sweep, trainer" in call.stdout


def test_a_folder_that_is_not_there_is_named_before_anything_starts(tmp_path):
    call = run("--tiny", "--out", tmp_path / "absent" / "gpu.json")
    assert call.returncode == 2
    assert call.stderr.startswith("benchmarks.gpu: path ")
    assert "is in a folder that does not exist" in call.stderr
    call = run("--cifar", tmp_path / "none", "--out", tmp_path / "grid.nc")
    assert call.returncode == 2
    assert "none/train' does not exist" in call.stderr


@pytest.mark.slow
def test_the_grid_goes_on_until_it_is_complete(tmp_path):
    pytest.importorskip("PIL")
    line = ("--tiny", "--cifar", "made", "--out", tmp_path / "grid.nc")
    call = run(*line, "--seconds", "-1")
    assert call.returncode == 1, call.stderr
    assert "12 cells are missing: call it again" in call.stdout
    call = run(*line)
    assert call.returncode == 0, call.stderr
    assert "of the runs train at all" in call.stdout
    data = xr.load_dataset(tmp_path / "grid.nc")
    assert dict(data.sizes) == {"width": 2, "amplitude": 2, "period": 1, "seed": 3}
    assert data.attrs["command"] == "python -m benchmarks.gpu --cifar FOLDER"
