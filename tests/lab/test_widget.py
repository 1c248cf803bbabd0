"""The lab's Python side: its state is checked, its history is named as the library's."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import minidyn as md

pytest.importorskip("anywidget")
from minidyn.lab import Lab, state

COLUMNS = ["step", "F", "correct", "validationCorrect", "sharpness", "loss0", "loss1", "loss2"]


def test_state_starts_at_the_published_run():
    assert Lab().state == state.DEFAULTS
    assert Lab().query == ""


def test_partial_state_keeps_the_rest():
    lab = Lab(amplitude=20, period=500)
    lab.state = {"width": 25}
    assert lab.state == {**state.DEFAULTS, "amplitude": 20, "period": 500, "width": 25}
    assert lab.query == "A=20&T=500&H=25"


def test_query_and_parse_are_inverse():
    lab = Lab(amplitude=2.5, learning_rate=0.1, loss="mse_output", playing=False, against="A:1,H:10", hide="A,T")
    assert lab.query == "A=2.5&eta=0.1&loss=mse_output&against=A:1,H:10&play=0&hide=A,T"
    assert state.DEFAULTS | state.parse(lab.query) == lab.state


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"width": 3}, ValueError, "width must be an integer >= 4 and <= 128, got 3"),
        ({"width": 10.5}, TypeError, "width must be an integer, got 10.5"),
        ({"amplitude": 0.5}, ValueError, "amplitude must be a finite number >= 1"),
        ({"loss": "hinge"}, ValueError, "loss must be one of 'cross_entropy', 'mse_sample', 'mse_output'"),
        ({"playing": 1}, TypeError, "playing must be True or False, got 1"),
        ({"hide": ["A"]}, TypeError, "hide must be a string"),
        ({"momentum": 0.9}, ValueError, "a setting of the lab must be one of 'amplitude', .* got 'momentum'"),
    ],
)
def test_bad_state_is_refused(bad, error, message):
    with pytest.raises(error, match=message):
        Lab(**bad)
    lab = Lab()
    with pytest.raises(error, match=message):
        lab.state = bad
    assert lab.state == state.DEFAULTS


@pytest.mark.parametrize("query", ["B=1", "A=x", "A=0", "A", "H=500"])
def test_bad_query_is_refused(query):
    with pytest.raises(ValueError, match=r"."):
        state.parse(query)


def rows(start, stop):
    """Rows as the page sends them; λ only every 51 steps."""
    step = np.arange(start, stop)
    sharpness = np.where(step % 51 == 0, 1.0, np.nan)
    columns = [step, 2 * step, 150 + 0 * step, 75 + 0 * step, sharpness, step, 2 * step, 3 * step]
    return memoryview(np.column_stack(columns).astype(float).tobytes())


def test_history_is_named_as_the_librarys():
    lab = Lab(amplitude=7, period=40, rest_from=0)
    with pytest.raises(RuntimeError, match="no history yet"):
        _ = lab.history
    lab._receive(None, {"view": "a", "opened": [lab.state], "columns": COLUMNS}, [])
    assert lab.history.sizes["step"] == 0
    lab._receive(None, {"view": "a", "runs": [0]}, [rows(0, 60)])
    lab._receive(None, {"view": "other", "runs": [0]}, [rows(0, 5)])
    lab._receive(None, {"view": "a", "runs": [0]}, [rows(60, 120)])
    found = lab.history
    task = md.spiral()
    net = md.MLP(2, 4, 3)
    run = md.train(
        net, net.init(0), task, md.CrossEntropy(md.Oscillation(7, 40)), learning_rate=1.0, steps=119,
        validation=task, measure={"hessian_max": 51}, progress=False,
    )  # fmt: skip
    assert set(found.variables) == set(run.history.variables)
    assert {name: found[name].dims for name in found} == {name: run.history[name].dims for name in found}
    np.testing.assert_array_equal(found.weights, run.history.weights)
    np.testing.assert_array_equal(found.hessian_max_step, run.history.hessian_max_step)
    np.testing.assert_array_equal(found.step, run.history.step)
    np.testing.assert_array_equal(found.static_loss, 6 * np.arange(120))
    assert (found.accuracy == 0.5).all()
    assert (found.validation_accuracy == 0.25).all()


def test_starting_over_clears_the_history():
    lab = Lab()
    for _ in range(2):
        lab._receive(None, {"view": "a", "opened": [lab.state, lab.state], "columns": COLUMNS}, [])
        lab._receive(None, {"view": "a", "runs": [0, 1]}, [rows(0, 9), rows(0, 9)])
    assert dict(lab.history.sizes)["step"] == 9
    assert lab.history.loss.dims == ("run", "step")


def test_on_a_page_of_the_book_the_lab_is_an_element(monkeypatch):
    monkeypatch.setenv("MINIDYN_BOOK", "1")
    bundle = Lab(amplitude=20, hide="A")._repr_mimebundle_()
    assert bundle == {"text/html": '<div data-lab="A=20&amp;hide=A"></div>'}


def test_import_minidyn_is_free_of_anywidget():
    code = "import sys, minidyn; sys.exit('anywidget' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
