"""Where a run comes from: said in its record and its file, and kept when it is saved, loaded and resumed."""

from __future__ import annotations

import datetime
import json
import platform
import re
from importlib import metadata

import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn import _provenance, optimizers
from tests.core.problems import Sines
from tests.training.runs import LOSS, NET, TASK, train


@pytest.fixture
def elsewhere(monkeypatch):
    """A call that lets the rest of the test happen with other programs."""
    return lambda version: monkeypatch.setattr(_provenance.platform, "python_version", lambda: version)


def test_a_record_names_its_date_machine_and_programs():
    attributes = train().history.attrs
    assert attributes["date"] == datetime.datetime.now(datetime.UTC).date().isoformat()
    assert attributes["python"] == platform.python_version()
    assert platform.machine() in attributes["device"]
    versions = json.loads(attributes["versions"])
    assert versions["minidyn"] == md.__version__
    assert versions["numpy"] == np.__version__
    assert versions["xarray"] == xr.__version__
    assert versions.get("numba") == next((d.version for d in metadata.distributions() if d.name == "numba"), None)


def test_a_record_names_its_settings():
    options = {"optimizer": optimizers.Momentum(0.5), "batch_size": 7, "measure": {"params": 3}, "start": 4}
    assert json.loads(train(**options).history.attrs["settings"]) == {
        "net": repr(NET),
        "task": repr(TASK),
        "loss": repr(LOSS),
        "learning_rate": 0.5,
        "optimizer": "Momentum(momentum=0.5)",
        "start": 4,
        "batch_size": 7,
        "seed": 0,
        "validation": None,
        "engine": "numpy",
        "measure": {"params": 3},
    }


def test_settings_name_objects_without_their_addresses():
    class Bare:
        init, logits = NET.init, NET.logits

    run = train(Bare(), loss=md.CrossEntropy(Sines(30, 3)), learning_rate=lambda step: 0.1)
    settings = json.loads(run.history.attrs["settings"])
    assert "Bare" in settings["net"]
    assert "Sines" in settings["loss"]
    assert "lambda" in settings["learning_rate"]
    assert not re.search("0x[0-9a-f]+", run.history.attrs["settings"])


def test_the_file_says_where_the_run_comes_from_also_to_other_readers(tmp_path):
    run = train()
    run.save(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as file:
        assert file.attrs == run.history.attrs
    assert md.load_run(tmp_path / "run.nc").history.attrs == run.history.attrs


def test_a_run_that_goes_on_by_the_same_programs_keeps_its_origin(tmp_path):
    run = train()
    run.save(tmp_path / "run.nc")
    again = md.load_run(tmp_path / "run.nc").resume(5, progress=False)
    assert again.history.attrs == run.history.attrs


def test_a_run_that_goes_on_by_other_programs_names_both(tmp_path, elsewhere):
    run = train(start=3)
    run.save(tmp_path / "run.nc")
    elsewhere("3.99.1")
    longer = md.load_run(tmp_path / "run.nc").resume(5, progress=False).resume(5, progress=False)
    elsewhere("3.99.2")
    longest = longer.resume(5, progress=False)
    assert {name: longest.history.attrs[name] for name in run.history.attrs} == run.history.attrs
    entries = json.loads(longest.history.attrs["resumed"])
    assert [(entry["step"], entry["python"]) for entry in entries] == [(43, "3.99.1"), (53, "3.99.2")]
    assert entries[0]["versions"] == run.history.attrs["versions"]
    assert "<th>from step 53</th>" in longest._repr_html_()
    assert longest._repr_html_().count("3.99.2") == 1


def test_a_file_of_an_earlier_version_is_resumed_with_what_is_known(tmp_path):
    run = train()
    run.history.attrs.clear()
    run.save(tmp_path / "run.nc")
    attributes = md.load_run(tmp_path / "run.nc").resume(5, progress=False).history.attrs
    assert set(attributes) == {"resumed"}
    assert json.loads(attributes["resumed"])[0]["step"] == 40


def test_a_notebook_shows_where_a_run_comes_from():
    run = train()
    html = run._repr_html_()
    for name in ("date", "python", "device", "versions"):
        assert f"<th>{name}</th>" in html
    assert f"<td>{platform.python_version()}</td>" in html
    assert f"numpy {np.__version__}" in html


def test_a_damaged_installation_loses_no_record(monkeypatch):
    _provenance._versions.cache_clear()
    monkeypatch.setattr(metadata, "version", lambda name: 1 / 0)
    assert json.loads(train().history.attrs["versions"]) == {"minidyn": md.__version__}
    _provenance._versions.cache_clear()


def test_a_table_of_many_runs_names_its_programs():
    table = md.sweep({"seed": [0]}, steps=2, task=md.spiral(5), workers=1, engine="numpy", progress=False)
    assert table.attrs["python"] == platform.python_version()
    assert json.loads(table.attrs["versions"])["numpy"] == np.__version__
    assert table.attrs["date"]
