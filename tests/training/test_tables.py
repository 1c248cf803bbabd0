"""A run's history as a table: the same numbers as in the history, in pandas and in a file that others read."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

import minidyn as md
from tests.training.runs import train

MEASURE = {
    "hessian_max": 5,
    "hessian_spectrum": 20,
    "flag": (8, lambda net, params, task, loss, step: step > 7),
    "square": (10, lambda net, params, task, loss, step: np.full((2, 2), step)),
}


@pytest.fixture(scope="module")
def run():
    return train(start=3, validation=md.spiral(5, seed=9), measure=MEASURE, learning_rate=lambda step: 1 / (1 + step))


def test_a_table_has_a_row_per_step_and_the_numbers_of_the_history(run):
    table, history = run.to_pandas(), run.history
    assert table.step.tolist() == list(range(3, 44))
    for name in ("loss", "static_loss", "accuracy", "validation_accuracy", "learning_rate"):
        assert table[name].to_numpy().tobytes() == history[name].values.tobytes()
    for c in range(3):
        np.testing.assert_array_equal(table[f"weights_{c}"], history.weights[:, c])
        np.testing.assert_array_equal(table[f"class_loss_{c}"], history.class_loss[:, c])
    np.testing.assert_allclose(sum(table[f"weights_{c}"] * table[f"class_loss_{c}"] for c in range(3)), table.loss)


def test_measures_of_one_number_stand_at_their_steps(run):
    table = run.to_pandas().set_index("step")
    measured = table.hessian_max.dropna()
    assert measured.index.tolist() == [3 + 5 * k for k in range(9)]
    np.testing.assert_array_equal(measured, run.history.hessian_max)
    assert table.flag.dropna().tolist() == run.history.flag.values.astype(float).tolist()


def test_measures_of_more_numbers_are_tables_of_their_own(run):
    assert not any(name.startswith(("hessian_spectrum", "square")) for name in run.to_pandas().columns)
    long = run.to_pandas("hessian_spectrum")
    assert long.columns.tolist() == ["step", "rank", "hessian_spectrum"]
    wide = long.pivot(index="step", columns="rank", values="hessian_spectrum")
    np.testing.assert_array_equal(wide, run.history.hessian_spectrum)
    assert wide.index.tolist() == [3, 23, 43]
    square = run.to_pandas("square")
    assert square.columns.tolist() == ["step", "square_axis0", "square_axis1", "square"]
    assert len(square) == run.history.square.size


def test_class_weights_in_long_form_have_a_row_per_class(run):
    long = run.to_pandas("weights")
    assert long.columns.tolist() == ["step", "class", "weights"]
    row = long[(long.step == 20) & (long["class"] == 1)]
    assert row.weights.item() == float(run.history.weights.sel({"step": 20, "class": 1}))


def test_a_table_says_where_it_comes_from(run):
    assert run.to_pandas().attrs == run.to_pandas("loss").attrs == run.history.attrs


@pytest.mark.filterwarnings("ignore:.*float_precision")  # which pandas 3 no longer needs
@pytest.mark.parametrize("name", [None, "hessian_spectrum", "weights"])
def test_a_file_gives_back_every_bit(run, name, tmp_path):
    run.to_csv(tmp_path / "run.csv", name)
    again = pd.read_csv(tmp_path / "run.csv", float_precision="round_trip")
    pd.testing.assert_frame_equal(again, run.to_pandas(name), check_exact=True, check_dtype=False)


def test_a_file_opens_without_pandas(run, tmp_path):
    run.to_csv(tmp_path / "run.csv")
    with open(tmp_path / "run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == run.history.loss.values.tolist()
    assert (rows[0]["hessian_max"], rows[1]["hessian_max"]) == (repr(float(run.history.hessian_max[0])), "")


def test_a_file_is_written_whole_or_not_at_all(run, tmp_path, monkeypatch):
    (tmp_path / "run.csv").write_text("mine")
    with pytest.raises(ValueError, match=r"name must be one of 'loss'.* got 'los'"):
        run.to_csv(tmp_path / "run.csv", "los")
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=r"No space left.*run\.csv"):
        run.to_csv(tmp_path / "run.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["run.csv"]
    assert (tmp_path / "run.csv").read_text() == "mine"
    with pytest.raises(FileNotFoundError, match="folder that does not exist"):
        run.to_csv(tmp_path / "none" / "run.csv")
    with pytest.raises(TypeError, match="path must be a path, got 3"):
        run.to_csv(3)


def test_a_name_that_is_not_in_the_history_is_refused(run):
    with pytest.raises(ValueError, match=r"name must be one of 'loss'.* got 'los'"):
        run.to_pandas("los")


def test_a_measure_named_like_a_column_is_refused():
    run = train(steps=2, measure={"weights_1": (1, lambda *arguments: 0.0)})
    with pytest.raises(ValueError, match="'weights_1' must not be named like another column"):
        run.to_pandas()
    assert run.to_pandas("weights_1").weights_1.tolist() == [0.0] * 3


def test_a_loaded_and_resumed_run_has_the_table_of_the_whole(tmp_path):
    run = train(measure={"hessian_max": 5}, steps=20)
    run.save(tmp_path / "run.nc")
    longer = md.load_run(tmp_path / "run.nc").resume(20, progress=False)
    pd.testing.assert_frame_equal(longer.to_pandas(), train(measure={"hessian_max": 5}).to_pandas(), check_exact=True)
