"""Labels as strings and as one-hot rows: they train to the same bits as integers, and keep the names of the classes."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import minidyn as md
from minidyn._fingerprint import fingerprint
from minidyn.sweeps.datasets import digest

NAMES = ("dog", "cat", "bird")
SPIRAL = md.spiral(10)
STRINGS = [NAMES[label] for label in SPIRAL.labels]
ONE_HOT = np.eye(3)[SPIRAL.labels]
NAMED = md.Task(SPIRAL.x, STRINGS, NAMES)
X = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]


def train(task=NAMED, validation=None, **options):
    net, loss = md.MLP(2, 5, 3), md.CrossEntropy(md.Oscillation(5, 4))
    return md.train(net, net.init(0), task, loss, learning_rate=0.3, steps=6, validation=validation, **options)


LABELS = {
    "strings": (STRINGS, NAMES),
    "an array of strings": (np.array(STRINGS), np.array(NAMES)),
    "an array of objects": (np.array(STRINGS, dtype=object), list(NAMES)),
    "a column of a table": (pd.Series(STRINGS), NAMES),
    "a categorical column": (pd.Series(STRINGS, dtype="category"), NAMES),
    "integers of named classes": (SPIRAL.labels, NAMES),
    "one-hot rows of named classes": (ONE_HOT, NAMES),
    "one-hot rows": (ONE_HOT, 3),
    "one-hot rows alone": (ONE_HOT, None),
    "one-hot booleans": (ONE_HOT == 1, None),
    "one-hot integers": (ONE_HOT.astype(np.uint8), 3),
    "one-hot lists": (ONE_HOT.tolist(), 3),
}


@pytest.mark.parametrize(("labels", "classes"), LABELS.values(), ids=LABELS)
def test_other_labels_are_the_same_task(labels, classes):
    task = md.Task(SPIRAL.x, labels, classes)
    assert task.labels.dtype == np.int64
    assert task.labels.tobytes() == SPIRAL.labels.tobytes()
    assert task.classes == 3
    assert task.names == (NAMES if np.ndim(classes) else ())
    xr.testing.assert_equal(
        train(task).history.drop_vars("class"), train(SPIRAL).history.drop_vars("class")
    )  # the same bits


def test_without_an_order_the_order_is_alphabetical():
    for classes in (None, 3):
        task = md.Task(X, ["dog", "bird", "cat"], classes)
        assert (task.names, task.labels.tolist()) == (("bird", "cat", "dog"), [2, 0, 1])


def test_a_named_class_may_have_no_sample():
    task = md.Task(X, ["b", "a", "b"], classes=["a", "b", "c"])
    assert (task.classes, task.names, task.labels.tolist()) == (3, ("a", "b", "c"), [1, 0, 1])


REFUSED = {
    "integers without classes": ([0, 1, 2], None, ValueError, "classes must be given if labels are integers"),
    "an unknown string": (["a", "b", "x"], ["a", "b"], ValueError, "labels must be among .*'a', 'b', got 'x'"),
    "a class too few": (["a", "b", "a"], 3, ValueError, "classes must name .* hold 3; they hold 'a', 'b'"),
    "a single class": (["a", "a", "a"], None, ValueError, "classes must name .* at least two; they hold 'a'"),
    "numbers as strings": (["10", "9", "9"], None, ValueError, "if their names are numbers, got labels '10', '9'"),
    "fractions as strings": (["1.0", "2.0", "1.0"], 2, ValueError, "classes must name the classes in order"),
    "a missing label": (["a", None, "b"], None, TypeError, "labels must be integers, strings or .*object"),
    "bytes": (np.array([b"a", b"b", b"a"]), None, TypeError, r"labels must be integers, strings or .*\|S1"),
    "truth values": ([True, False, True], 2, TypeError, "labels must be integers, strings or .*bool"),
    "strings and numbers": (np.array(["a", 1, "b"], dtype=object), None, TypeError, "labels must be integers, strings"),
    "probabilities": (
        [[1, 0], [0.5, 0.5], [0, 1]],
        2,
        ValueError,
        r"single 1 .* got \[0.5 0.5\] for sample 1",
    ),
    "an empty row": ([[1, 0], [0, 1], [0, 0]], 2, ValueError, r"single 1 in each row, got \[0 0\] for sample 2"),
    "two classes at once": ([[1, 0], [0, 1], [1, 1]], 2, ValueError, r"single 1 in each row, got \[1 1\] for sample 2"),
    "rows with a NaN": ([[1, 0], [np.nan, 1], [1, 0]], 2, ValueError, r"single 1 in each row, got .* for sample 1"),
    "a column too many": (np.eye(3), 2, ValueError, r"one-hot labels must have shape \(3, 2\), got \(3, 3\)"),
    "a row too few": (np.eye(2), 2, ValueError, r"one-hot labels must have shape \(3, 2\), got \(2, 2\)"),
    "a single column": ([[0], [1], [0]], 2, ValueError, r"labels must have shape \(3,\), .* got \(3, 1\)"),
    "rows of strings": ([["a", "b"]] * 3, 2, TypeError, "one-hot labels must be numbers"),
    "rows of different lengths": ([[1, 0], [1], [0, 1]], 2, TypeError, "labels must be integers, strings or one-hot"),
    "names that repeat": ([0, 1, 1], ["a", "a"], ValueError, "classes must be at least two different names"),
    "a single name": ([0, 0, 0], ["a"], ValueError, "classes must be at least two different names"),
    "names that are not strings": ([0, 1, 1], [0, 1], TypeError, r"classes must be an integer, or names .*\[0, 1\]"),
    "a name": ([0, 1, 1], "ab", TypeError, "classes must be an integer, got 'ab'"),
}


@pytest.mark.parametrize(("labels", "classes", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_ambiguous_is_refused_by_name(labels, classes, error, message):
    with pytest.raises(error, match=message):
        md.Task(X, labels, classes)


def test_names_are_shown():
    assert repr(NAMED) == "Task(30 samples in 2 dimensions, 3 classes: dog, cat, bird)"
    many = md.Task(np.eye(8), np.arange(8), [f"class {c}" for c in range(8)])
    assert repr(many).endswith("class 3, class 4, ...)")
    assert "dog 10, cat 10, bird 10" in NAMED._repr_html_()
    assert "dog" in train()._repr_html_()


def test_names_survive_a_copy_in_another_process():
    copy = pickle.loads(pickle.dumps(NAMED))
    assert copy.names == NAMES
    assert copy.labels.tobytes() == NAMED.labels.tobytes()


def test_names_label_the_record_its_table_and_its_file(tmp_path):
    run = train(validation=NAMED)
    np.testing.assert_array_equal(
        run.history.weights.sel({"class": "cat"}), md.Oscillation(5, 4).weights(range(7))[:, 1]
    )
    assert {"weights_dog", "class_loss_bird"} < set(run.to_pandas().columns)
    run.save(tmp_path / "run.nc")
    again = md.load_run(tmp_path / "run.nc")
    assert again.settings.task.names == again.settings.validation.names == NAMES
    xr.testing.assert_identical(again.history, run.history)
    longer = again.resume(4, progress=False).history
    assert longer["class"].values.tolist() == list(NAMES)
    whole = run.resume(4, progress=False).history
    xr.testing.assert_identical(longer, whole)


def test_validation_data_has_the_same_names():
    for other in (SPIRAL, md.Task(SPIRAL.x, STRINGS)):  # in alphabetical order: other classes by number
        with pytest.raises(ValueError, match=r"validation must be like task .*dog, cat, bird.*got Task"):
            train(validation=other)
        with pytest.raises(ValueError, match="validation must be like task"):
            md.sweep({"seed": [0]}, steps=1, task=NAMED, validation=other)


def test_a_store_knows_its_run_by_the_names_too(tmp_path):
    train(store=tmp_path / "run.nc")
    assert train(store=tmp_path / "run.nc").status == "finished"
    with pytest.raises(ValueError, match=r"holds another run: task: .*dog, cat, bird"):
        train(SPIRAL, store=tmp_path / "run.nc")
    assert digest(NAMED) != digest(SPIRAL)
    assert fingerprint(NAMED) != fingerprint(SPIRAL)


def test_stores_of_integer_labels_stay_valid():
    """The digests are those of version 0.1's tasks, which had no names."""
    task = md.Task([[0.0, 1.0], [1.0, 0.5]], [0, 2], 3)
    assert digest(task) == "760d6191afb8db52"
    if sys.version_info[:2] == (3, 11):
        assert fingerprint(task) == "a3d1445564c4489e (Python 3.11)"
        assert fingerprint((task.x, task.labels, task.classes)) == "171cd9298a7c7935 (Python 3.11)"
