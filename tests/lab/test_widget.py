"""The Python side of the lab: its state is checked, and its history is named as the library's."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
import pytest

import minidyn as md

pytest.importorskip("anywidget")
from minidyn.lab import Lab, state
from tests.lab.conftest import receive


def test_state_starts_at_the_defaults():
    assert Lab().state == state.DEFAULTS
    assert Lab().query == ""


def test_partial_state_keeps_the_rest():
    lab = Lab(amplitude=20, period=500)
    lab.state = {"width": 25}
    assert lab.state == {**state.DEFAULTS, "amplitude": 20, "period": 500, "width": 25}
    assert lab.query == "A=20&T=500&H=25"


def test_each_setting_is_an_attribute():
    lab = Lab(amplitude=20)
    lab.amplitude = 5
    assert lab.amplitude == lab.state["amplitude"] == 5
    assert {name: getattr(lab, name) for name in state.TABLE} == lab.state
    with pytest.raises(ValueError, match="amplitude must be a finite number >= 1"):
        lab.amplitude = 0
    with pytest.raises(AttributeError, match=r"a setting of the lab must be one of amplitude, .* got 'amplitud'"):
        lab.amplitud = 5


@pytest.mark.parametrize(
    "change", [lambda s: s.update(width=5), lambda s: s.__setitem__("width", 5), lambda s: s.clear()]
)
def test_the_state_cannot_be_changed_without_the_lab(change):
    lab = Lab()
    with pytest.raises(TypeError, match=r"changed by lab.amplitude = 5 or lab.state = "):
        change(lab.state)
    assert lab.state == state.DEFAULTS


def test_the_repr_is_one_line_of_what_differs():
    assert repr(Lab()) == "Lab()"
    assert repr(Lab(amplitude=20, hide="map")) == "Lab(amplitude=20.0, hide='map')"


def test_python_sends_the_page_what_it_has_changed_and_no_more():
    lab, sent = Lab(), []
    lab.send = sent.append
    lab.set_state({"state": {**lab.state, "step": 500}})
    assert sent == []
    lab.width = 25
    assert sent == [{"set": {"width": 25}}]


def test_what_waits_for_a_step_is_told_once_it_is_measured():
    lab = Lab(amplitude=7, period=40)
    arrival = lab.reached(30)
    receive(lab)
    receive(lab, rows(0, 20))
    assert not arrival.done()
    receive(lab, rows(20, 50))
    assert arrival.result(0).sizes["step"] == 50

    async def wait():
        return await lab.reached(40)

    assert asyncio.run(wait()).sizes["step"] == 50
    with pytest.raises(ValueError, match="step must be an integer >= 0 and <= 70000, got 70001"):
        lab.reached(70001)


def test_a_message_without_rows_changes_nothing():
    lab = Lab()
    arrival = lab.reached(30)
    receive(lab)
    receive(lab, rows(0, 0))
    receive(lab, rows(0, 50))
    receive(lab, rows(50, 50))
    assert arrival.result(0).sizes["step"] == lab.reached(40).result(0).sizes["step"] == 50


def test_query_and_parse_are_inverse():
    lab = Lab(amplitude=2.5, learning_rate=0.1, loss="mse_output", playing=False, against="A:1,H:10", hide="A,T")
    assert lab.query == "A=2.5&eta=0.1&loss=mse_output&against=A:1,H:10&play=0&hide=A,T"
    assert state.DEFAULTS | state.parse(lab.query) == lab.state


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"width": 3}, ValueError, "width must be an integer >= 4 and <= 128, got 3"),
        ({"width": 10.5}, TypeError, "width must be an integer, got 10.5"),
        ({"period": 1}, ValueError, "period must be an integer >= 2 and <= 1000000, got 1"),
        ({"amplitude": 0.5}, ValueError, "amplitude must be a finite number >= 1"),
        ({"loss": "hinge"}, ValueError, "loss must be one of 'cross_entropy', 'mse_sample', 'mse_output'"),
        ({"playing": 1}, TypeError, "playing must be True or False, got 1"),
        ({"hide": ["A"]}, TypeError, "hide must be a string"),
        ({"hide": "A,charts"}, ValueError, "hide: a part of the lab must be one of 'map', .* got 'charts'"),
        ({"only": "map loss accuracies"}, ValueError, "only: a part of the lab must be one of .* got 'accuracies'"),
        ({"against": "A=1"}, ValueError, "against must have the form 'A:1,H:10', got 'A=1'"),
        ({"against": "A:1,speed:10"}, ValueError, "against: a key of the lab's settings must be .* got 'speed'"),
        ({"against": "H:2"}, ValueError, "width must be an integer >= 4 and <= 128, got 2"),
        ({"against": "H:wide"}, ValueError, "width must be an integer, got 'wide'"),
        ({"weights": "figure4", "width": 25}, ValueError, "weights must be 'seed' for width 25, got 'figure4'"),
        ({"weights": "figure4", "against": "H:10"}, ValueError, "weights must be 'seed' for width 10, got 'figure4'"),
        ({"clock": "atomic"}, ValueError, "clock must be one of 'paper', 'notebook', got 'atomic'"),
        ({"momentum": 0.9}, ValueError, "a setting of the lab must be one of 'amplitude', .* got 'momentum'"),
    ],
)
def test_bad_state_is_named(bad, error, message):
    with pytest.raises(error, match=message):
        Lab(**bad)
    lab = Lab()
    with pytest.raises(error, match=message):
        lab.state = bad
    assert lab.state == state.DEFAULTS


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("B=1", "a key of the lab's settings must be one of 'A', .*got 'B'"),
        ("A=x", "amplitude must be a real number, got 'x'"),
        ("T=1.5", "period must be an integer, got '1.5'"),
        ("A=0", "amplitude must be a finite number >= 1 and <= 1000, got 0"),
        ("A", "bad query field: 'A'"),
        ("H=500", "width must be an integer >= 4 and <= 128, got 500"),
    ],
)
def test_bad_query_is_named(query, message):
    with pytest.raises(ValueError, match=message):
        state.parse(query)


def rows(start, stop):
    """Rows as the page sends them; λ only every 51 steps."""
    step = np.arange(start, stop)
    sharpness = np.where(step % 51 == 0, 1.0, np.nan)
    columns = [step, 2 * step, 150 + 0 * step, 75 + 0 * step, sharpness, step, 2 * step, 3 * step]
    return memoryview(np.column_stack(columns).astype(float).tobytes())


def test_the_history_is_named_as_the_librarys():
    lab = Lab(amplitude=7, period=40, rest_from=0)
    receive(lab)
    assert lab.history.sizes["step"] == 0
    receive(lab, rows(0, 60))
    receive(lab, rows(0, 5), view="other", opening=0)
    receive(lab, rows(60, 120))
    history, library = lab.history, library_history(steps=119)
    assert structure(history) == structure(library)
    np.testing.assert_array_equal(history.weights, library.weights)
    np.testing.assert_array_equal(history.hessian_max_step, library.hessian_max_step)
    np.testing.assert_array_equal(history.step, library.step)
    np.testing.assert_array_equal(history.static_loss, 6 * np.arange(120))
    assert (history.accuracy == 0.5).all()
    assert (history.validation_accuracy == 0.25).all()


def library_history(steps):
    """The history of `md.train` with what the lab measures too."""
    net, task, loss = md.MLP(2, 4, 3), md.spiral(), md.CrossEntropy(md.Oscillation(7, 40))
    options = {"learning_rate": 1.0, "validation": task, "measure": {"hessian_max": 51}, "progress": False}
    return md.train(net, net.init(0), task, loss, steps=steps, **options).history


def structure(history):
    """Names, dimensions and types of all variables."""
    return {name: (values.dims, values.dtype) for name, values in history.variables.items()}


def test_the_history_has_the_weights_of_the_notebooks_clock():
    lab = Lab(amplitude=7, period=40, rest_from=0, clock="notebook")
    receive(lab)
    receive(lab, rows(0, 120))
    np.testing.assert_array_equal(lab.history.weights, md.Oscillation(7, 40, dwell=41).weights(np.arange(120)))


def test_the_history_is_empty_before_the_first_step():
    history = Lab(amplitude=7, period=40).history
    assert structure(history) == structure(library_history(steps=1))
    assert history.sizes == {"step": 0, "class": 3, "hessian_max_step": 0}


def test_the_history_of_two_runs_is_empty_before_the_first_step():
    lab = Lab()
    lab.state = {"against": "A:1"}
    assert lab.history.loss.dims == ("run", "step")
    assert lab.history.loss.shape == (2, 0)


def test_starting_over_clears_the_history():
    lab = Lab()
    for opening in (1, 2):
        receive(lab, rows(0, 9), rows(0, 9), opening=opening)
    assert dict(lab.history.sizes)["step"] == 9
    assert lab.history.loss.dims == ("run", "step")


def test_a_message_that_comes_late_or_twice_changes_nothing():
    """As if the first ones had waited behind a cell, and a later one had not."""
    lab, sent = Lab(), []
    lab.send = sent.append
    arrival = lab.reached(30)
    receive(lab, rows(20, 40))  # what it lacks before these is sent again with them
    assert lab.history.sizes["step"] == 0
    receive(lab, rows(0, 40))
    assert arrival.result(0).sizes["step"] == 40
    receive(lab)
    receive(lab, rows(0, 20))
    receive(lab, rows(10, 60))
    np.testing.assert_array_equal(lab.history.step, range(60))
    receive(lab, rows(0, 5), opening=2)
    receive(lab, rows(60, 80), opening=1)
    np.testing.assert_array_equal(lab.history.step, range(5))
    heard = [(message["heard"]["opening"], *message["heard"]["counts"]) for message in sent]
    assert heard == [(1, 0), (1, 40), (1, 40), (1, 40), (1, 60), (2, 5), (1, 80)]


def test_the_view_that_started_over_last_has_the_history():
    lab = Lab()
    receive(lab, rows(0, 20), view="a", opening=3)
    receive(lab, rows(0, 5), view="b")
    receive(lab, rows(20, 40), view="a", opening=3)
    assert lab.history.sizes["step"] == 5
    receive(lab, rows(0, 7), view="a", opening=4)
    assert lab.history.sizes["step"] == 7


MAILBOX = """
import { Mailbox } from "./mailbox.js";
import { WIDTH } from "./rows.js";
let now;
const sent = [];
const mailbox = new Mailbox(({ opening, runs, starts }, buffers) =>
  sent.push([now, opening, runs, starts, buffers.map(({ byteLength }) => byteLength / 8 / WIDTH)]));
const rows = (count) => new Float64Array(count * WIDTH);
const hear = (...counts) => mailbox.heard({ view: mailbox.view, opening: mailbox.opening, counts }, now);
function wait(until) {
  while (now < until) mailbox.post((now += 100));
}
function open(...settings) {
  mailbox.open(settings, (now = 0));
}
"""


def test_what_python_lacks_is_sent_again_after_ever_longer_pauses(node):
    said = node(
        MAILBOX
        + """
open("settings");
mailbox.add(0, rows(3));
wait(400);
mailbox.add(0, rows(2));
wait(8000);
hear(3);
wait(9500);
hear(5);
mailbox.add(0, rows(1));
wait(9600);
say(sent);
"""
    )
    assert said[0] == [0, 1, [], [], []]
    assert said[1:3] == [[100, 1, [0], [0], [3]], [500, 1, [0], [3], [2]]]  # what is new goes at once
    assert said[3:6] == [[time, 1, [0, 0], [0, 3], [3, 2]] for time in (1000, 3000, 7000)]
    assert said[6:] == [[9000, 1, [0], [3], [2]], [9600, 1, [0], [5], [1]]]


def test_a_page_whose_opening_is_not_confirmed_says_it_again(node):
    assert node(MAILBOX + "open('settings'); wait(3500); say(sent)") == [
        [time, 1, [], [], []] for time in (0, 1000, 3000)
    ]


def test_starting_over_drops_what_was_under_way(node):
    said = node(
        MAILBOX + "open('a'); mailbox.add(0, rows(3)); wait(100); open('a', 'b'); hear(0, 0); wait(9000); say(sent)"
    )
    assert said == [[0, 1, [], [], []], [100, 1, [0], [0], [3]], [0, 2, [], [], []]]


def test_a_message_stays_small_enough_for_the_server(node):
    said = node(
        MAILBOX
        + """
open("a", "b");
hear(0, 0);
for (let k = 0; k < 5; k++) mailbox.add(k % 2, rows(8000));
wait(500);
hear(24000, 16000);
wait(9000);
say(sent.slice(1).map(([, , ...what]) => what));
"""
    )
    assert said == [[[0, 1], [0, 0], [8000] * 2], [[0, 1], [8000] * 2, [8000] * 2], [[0], [16000], [8000]]]


def test_on_a_page_of_the_book_the_lab_is_an_element(monkeypatch):
    monkeypatch.setenv("MINIDYN_BOOK", "1")
    bundle = Lab(amplitude=20, hide="A")._repr_mimebundle_()
    assert bundle == {"text/html": '<div data-lab="A=20&amp;hide=A"></div>'}


def test_import_minidyn_is_free_of_anywidget():
    code = "import sys, minidyn; sys.exit('anywidget' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
