"""A run of the lab as a file: a Dataset named as the library's, and back, to the bit."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import xarray as xr

import minidyn as md

pytest.importorskip("anywidget")
from minidyn.lab import read_run, runfile, state, write_run

STEPS = 120
CHANGED = {"amplitude": 7.0, "period": 40, "width": 4, "rest_from": 0, "seed": 3}


@pytest.fixture
def content():
    """What the lab writes: the numbers of the library's run, sharpness every 51st step, no changes at step 0."""
    net, task, loss = md.MLP(2, 4, 3), md.spiral(), md.CrossEntropy(md.Oscillation(7, 40))
    options = {"learning_rate": 1.0, "validation": md.spiral(seed=1), "measure": {"hessian_max": 51}}
    history = md.train(net, net.init(3), task, loss, steps=STEPS, progress=False, **options).history
    sharpness = history.hessian_max.rename(hessian_max_step="step").reindex(step=history.step).values
    change = np.diff(history.loss.values, prepend=np.nan)
    columns = {
        "step": history.step.values, "F": history.loss.values, "change": change, "frozenChange": change / 3,
        "correct": np.rint(300 * history.accuracy.values), "sharpness": sharpness,
        "validationCorrect": np.rint(300 * history.validation_accuracy.values), "unstable": history.step.values > 60,
        **{f"loss{c}": history.class_loss.values[:, c] for c in range(3)},
    }  # fmt: skip
    numbers = {name: np.where(np.isnan(values), None, values) for name, values in columns.items()}
    record = {
        name: [None if v is None else int(v) if name == "step" else float(v) for v in values]
        for name, values in numbers.items()
    }
    settings = {name: (state.DEFAULTS | CHANGED)[name] for name in state.RUN_KEYS.values()}
    return {"format": "minidyn lab run", "version": 1, "settings": settings, "record": record}, history


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_a_run_is_named_as_the_librarys_history(content, tmp_path):
    content, history = content
    run = read_run(write(tmp_path / "run.json", content))
    extra = ["total_change", "descent_change", "unstable"]
    xr.testing.assert_equal(run.drop_vars(extra).drop_vars("static_loss"), history.drop_vars("static_loss"))
    np.testing.assert_allclose(run.static_loss, history.static_loss, rtol=1e-15)
    assert run.attrs == content["settings"]
    assert np.isnan(run.total_change[0])
    np.testing.assert_array_equal(run.total_change[1:], np.diff(run.loss))
    assert run.unstable.dtype == bool


def test_the_round_trip_is_exact(content, tmp_path):
    content, _ = content
    content["record"]["F"][-1] = "Infinity"  # of a run that diverges
    content["record"]["change"][-1] = "-Infinity"
    run = read_run(write(tmp_path / "run.json", content))
    assert np.isposinf(run.loss[-1])
    write_run(run, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == content
    xr.testing.assert_identical(read_run(tmp_path / "again.json"), run)
    run.to_netcdf(tmp_path / "run.nc")


def test_a_part_of_a_run_can_be_written(content, tmp_path):
    content, _ = content
    run = read_run(write(tmp_path / "run.json", content))
    write_run(run.isel(step=slice(60, None, 3)), tmp_path / "part.json")
    part = read_run(tmp_path / "part.json")
    assert part.step.values.tolist() == list(range(60, STEPS + 1, 3))
    assert part.hessian_max_step.values.tolist() == [102]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c.update(format="other"), "format must be 'minidyn lab run', got 'other'"),
        (lambda c: c.update(version=2), "version must be 1, got 2"),
        (lambda c: c.update(settings=[]), "settings must be an object, got []"),
        (lambda c: c["settings"].pop("seed"), "settings lacks seed"),
        (lambda c: c["settings"].update(width=3), "width must be an integer >= 4 and <= 128, got 3"),
        (lambda c: c["settings"].update(weights="figure4"), "weights must be 'seed' for width 4, got 'figure4'"),
        (lambda c: c["settings"].update(loss="hinge"), "loss must be one of 'cross_entropy', "),
        (lambda c: c["record"].pop("F"), "record.F must be a list of 121 numbers, got None"),
        (lambda c: c["record"]["F"].pop(), "record.F must be a list of 121 numbers, got ["),
        (lambda c: c["record"]["F"].__setitem__(4, "x"), "record.F[4] must be a number or null, got 'x'"),
        (lambda c: c["record"]["step"].__setitem__(4, 3), "record.step[4] must be greater than 3, the step before"),
        (lambda c: c["record"]["step"].__setitem__(4, 4.5), "record.step[4] must be an integer, got 4.5"),
        (lambda c: c["record"].update(step=[]), "record.step must be a list of at least one step, got []"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_with_its_field(content, tmp_path, damage, message):
    content, _ = content
    damage(content)
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        read_run(write(tmp_path / "run.json", content))
    assert "run.json' is not a run of the lab: " in str(raised.value)


def test_what_is_not_json_is_named(tmp_path):
    (tmp_path / "run.json").write_text('{"format": ')
    with pytest.raises(ValueError, match=r"run\.json' is not JSON"):
        read_run(tmp_path / "run.json")
    with pytest.raises(FileNotFoundError):
        read_run(tmp_path / "other.json")


def test_what_is_not_a_run_is_not_written(content, tmp_path):
    content, history = content
    run = read_run(write(tmp_path / "run.json", content))
    target = tmp_path / "new.json"
    with pytest.raises(TypeError, match="dataset must be an xarray"):
        write_run({}, target)
    with pytest.raises(ValueError, match="lacks total_change, descent_change, unstable"):
        write_run(history, target)
    with pytest.raises(ValueError, match="settings lacks amplitude"):
        write_run(run.drop_attrs() if hasattr(run, "drop_attrs") else run.assign_attrs(amplitude=None), target)
    assert not target.exists()


def test_the_columns_are_those_of_the_page(node):
    assert node('import { COLUMNS } from "./rows.js"; say(COLUMNS);') == list(runfile.COLUMNS)
