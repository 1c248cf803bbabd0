"""The same sweep on a cluster: a real one of two workers, of which one is killed on the way."""

from __future__ import annotations

import os
import signal
import threading
import time

import joblib
import pytest
import xarray as xr

import minidyn as md
from tests.sweeps.stored import stored_runs

distributed = pytest.importorskip("distributed")

GRID = {"amplitude": [1, 5], "period": [10], "seed": range(40)}
SETTINGS = {"steps": 1500, "progress": False}


@pytest.fixture
def client(tmp_path):
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(local_directory=str(tmp_path), **settings) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        yield client


def kill_a_worker_after(chunks, store, client, killed):
    """Kill one of the workers as soon as so many chunks are in the store."""
    pid = next(iter(client.run(os.getpid).values()))
    while len(list(store.glob("chunk-*.nc"))) < chunks:
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    killed.append(len(list(store.glob("chunk-*.nc"))))


@pytest.mark.slow
def test_a_worker_killed_on_the_way_changes_nothing(client, tmp_path):
    here = md.sweep(GRID, workers=1, **SETTINGS)
    store, killed = tmp_path / "store", []
    killer = threading.Thread(target=kill_a_worker_after, args=(2, store, client, killed), daemon=True)
    killer.start()
    with joblib.parallel_config(backend="dask", wait_for_workers_timeout=60):
        there = md.sweep(GRID, store=store, **SETTINGS)
    killer.join(timeout=60)
    assert killed
    assert 2 <= killed[0] < 10  # mid-sweep: there are at least 10 chunks
    xr.testing.assert_equal(there, here)
    assert stored_runs(store) == list(range(80))  # each run once
