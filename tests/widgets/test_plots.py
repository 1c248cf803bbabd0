"""Pictures: what they draw, and that bad input is named before anything is drawn."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn import optimizers, plots

NET, SPIRAL = md.MLP(2, 5, 3), md.spiral(10)
PARAMS = NET.init(0)
CLASSES = 3
RECORD = xr.Dataset(
    {
        "weights": (("step", "class"), np.ones((9, CLASSES))),
        "loss": ("step", np.arange(9.0)),
        "accuracy": ("step", np.ones(9)),
        "hessian_max": ("hessian_max_step", [1.0, 3.0]),
    },
    {"step": np.arange(9), "hessian_max_step": [0, 5]},
)


def table(*dims, value=1.0):
    sizes = [2, 3, 4][: len(dims)]
    return xr.DataArray(np.full(sizes, value), {d: np.arange(n) for d, n in zip(dims, sizes, strict=True)}, dims)


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    plt.close("all")
    yield
    plt.close("all")


def test_a_record_has_a_panel_per_name_and_the_stability_line():
    figure = plots.history(RECORD, ["loss", "change", "hessian_max"], learning_rate=0.5)
    loss, change, sharpness = figure.axes
    assert loss.lines[0].get_ydata().tolist() == RECORD.loss.values.tolist()
    assert change.lines[0].get_ydata().tolist() == [1.0] * 8
    assert sharpness.lines[1].get_ydata() == [4, 4]


def train(**options):
    measure = {"hessian_max": 2}
    return md.train(NET, PARAMS, SPIRAL, md.CrossEntropy(), steps=8, measure=measure, progress=False, **options)


def thresholds(ax):
    """The values of the lines in the colour of what is unstable, and their labels."""
    lines = [line for line in ax.lines if line.get_color() == plots.UNSTABLE]
    return [(np.asarray(line.get_ydata()).tolist(), line.get_label()) for line in lines]


DRAWN = {
    "history": lambda *record: plots.history(record[0], ["hessian_max"], **rate(*record)).axes[0],
    "panel": lambda *record: plots.panel(record[0], "hessian_max", plt.figure().add_subplot(), **rate(*record)),
    "figure four": lambda *record: plots.figure_four(*record, zoom=(2, 6)).axes[8],
    "the zoom of figure four": lambda *record: plots.figure_four(*record, zoom=(2, 6)).axes[9],
}


def rate(*record):
    return {"learning_rate": record[1]} if len(record) == 2 else {}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
class TestTheThresholdOfARun:
    def test_of_plain_descent_is_two_over_the_rate(self, draw):
        run = train(learning_rate=0.25)
        assert thresholds(draw(run)) == [([8, 8], r"$2/\eta$")]
        assert thresholds(draw(run.history, 0.25)) == [([8, 8], r"$2/\eta$")]
        assert thresholds(draw(run.history)) == []

    def test_of_momentum_is_larger(self, draw):
        run = train(learning_rate=0.25, optimizer=optimizers.Momentum(0.5))
        assert thresholds(draw(run)) == [([12, 12], r"$2(1+\beta)/\eta$")]

    def test_of_adam_does_not_exist(self, draw):
        assert thresholds(draw(train(learning_rate=0.25, optimizer=optimizers.Adam()))) == []

    def test_follows_a_schedule(self, draw):
        def schedule(step):
            return 0.0 if step == 5 else 2 / (10 + step)

        [(values, label)] = thresholds(draw(train(learning_rate=schedule, start=1)))
        expected = [np.nan if step == 5 else 10.0 + step for step in range(1, 10)]
        np.testing.assert_allclose(values, expected if len(values) > 5 else expected[1:6], rtol=1e-15)
        assert label == r"$2/\eta$"

    def test_of_a_rate_that_goes_to_zero_leaves_the_sharpness_in_sight(self, draw):
        ax = draw(train(learning_rate=lambda step: 1.0 if step < 5 else 1e-4))
        assert 2 < ax.get_ylim()[1] < 4

    def test_is_not_given_twice(self, draw):
        with pytest.raises(ValueError, match=r"learning_rate must be left out for a Run.* got 0.5"):
            draw(train(learning_rate=0.25), 0.5)


def test_legends_have_the_names_of_the_classes():
    names = ["dog", "cat", "a $ b $"]
    task = md.Task(SPIRAL.x, SPIRAL.labels, names)
    run = md.train(NET, PARAMS, task, md.CrossEntropy(), learning_rate=0.1, steps=2, progress=False)
    drawn = [
        plots.samples(task, plt.figure().add_subplot()),
        plots.decision_regions(NET, PARAMS, task, plt.figure().add_subplot(), resolution=5),
        plots.panel(run, "weights", plt.figure().add_subplot()),
    ]
    for ax in drawn:
        ax.figure.canvas.draw()
        labels = [text.get_text() for text in ax.legend().get_texts()]
        assert [label.removeprefix(r"$\Gamma$ of ") for label in labels] == ["dog", "cat", r"a \$ b \$"]
    ax = plots.samples(SPIRAL, plt.figure().add_subplot())
    assert [text.get_text() for text in ax.legend().get_texts()] == ["class 0", "class 1", "class 2"]


def test_a_run_is_drawn_as_its_history_is():
    run = train(learning_rate=0.25)
    for figure in (plots.history, lambda record: plots.figure_four(record, zoom=(2, 6))):
        of_run, of_history = ([ax.lines[0].get_ydata() for ax in figure(a).axes] for a in (run, run.history))
        assert len(of_run) == len(of_history) >= 3
        for ours, theirs in zip(of_run, of_history, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("optimizer", "unstable"), [(optimizers.Momentum(0.5), [7.0]), (optimizers.Adam(), None)])
def test_a_spectrum_marks_what_an_optimizer_cannot_hold(optimizer, unstable):
    ax = plots.spectrum([7.0, 5.0, 1.0], 0.5, optimizer=optimizer)
    marked = [line.get_ydata().tolist() for line in ax.lines if line.get_marker() == "o"]
    assert marked == ([] if unstable is None else [unstable])
    assert [values for values, label in thresholds(ax) if "eta" in label] == ([] if unstable is None else [[6, 6]])


def test_the_zoom_of_figure_four_shows_its_steps():
    figure = plots.figure_four(RECORD, 1.0, zoom=(2, 6))
    left, right = figure.axes[2], figure.axes[3]  # the row of the loss
    assert left.lines[0].get_xdata().tolist() == list(range(9))
    assert right.lines[0].get_xdata().tolist() == [2, 3, 4, 5, 6]


def test_the_style_of_a_figure_ends_with_it():
    with plt.rc_context():
        plt.rcParams["font.size"] = 7
        plots.history(RECORD)
        assert plt.rcParams["font.size"] == 7


def test_a_picture_does_not_undo_what_its_backend_sets():
    """The first figure of a notebook starts the backend, which turns the interactive mode on."""
    draw = plots._panel
    with plt.rc_context(), pytest.MonkeyPatch.context() as patch:
        plt.ioff()
        patch.setattr(plots, "_panel", lambda *args, **options: (plt.ion(), draw(*args, **options)))
        plots.history(RECORD)
        assert plt.isinteractive()
        plt.ioff()
        plots.figure_four(RECORD, 1.0, zoom=(2, 6))
        assert plt.isinteractive()


def test_numbers_that_are_not_finite_do_not_spoil_the_colours():
    data = table("amplitude", "period")
    data[0, 0], data[0, 1], data[1, 1] = np.nan, np.inf, 2.0
    assert plots.heat(data, center=1.5).images[0].get_clim() == (1.0, 2.0)
    plt.close("all")
    assert plots.phase_diagram(data, static=1.5).images[0].get_clim() == (1.0, 2.0)


def test_a_flat_landscape_is_drawn():
    ax = plots.valley(table("first", "second"))
    assert ax.get_xlabel() == "along the second direction"


def test_the_settings_of_a_table_may_be_words():
    ax = plots.heat(table("loss", "period").assign_coords(loss=["DCE", "DMSE1"]))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["DCE", "DMSE1"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plots.history([1, 2]), TypeError, r"record must be the history of a run.*got \[1, 2\]"),
        (lambda: plots.history(RECORD, "loss"), TypeError, "names must be a sequence .*got 'loss'"),
        (lambda: plots.history(RECORD, []), TypeError, "names must be .* at least one"),
        (lambda: plots.history(RECORD, ["los"]), ValueError, "name must be one of .*'loss'.* got 'los'"),
        (lambda: plots.history(RECORD[["weights"]], ["change"]), ValueError, "name must be one of 'weights', got"),
        (lambda: plots.panel(RECORD, "ntk_max"), ValueError, "name must be one of .* got 'ntk_max'"),
        (lambda: plots.figure_four(RECORD, 1.0, zoom=(6, 2)), ValueError, r"zoom\[1\] must be .* >= 7, got 2"),
        (lambda: plots.figure_four(RECORD, 1.0, zoom=(20, 30)), ValueError, "zoom must lie in the steps 0 to 8"),
        (lambda: plots.figure_four(RECORD, 1.0, zoom=5), ValueError, "zoom must be the first and the last step, got 5"),
        (lambda: plots.figure_four(xr.Dataset(), 1.0, zoom=(1, 2)), TypeError, "record must be the history"),
        (lambda: plots.stability_line(plt.gca(), 0), ValueError, "learning_rate.*> 0, got 0"),
        (lambda: plots.history(RECORD, learning_rate=0), ValueError, "learning_rate.*> 0, got 0"),
        (lambda: plots.figure_four(RECORD, -1, zoom=(2, 6)), ValueError, "learning_rate.*> 0, got -1"),
        (lambda: plots.spectrum([1.0], learning_rate=-1), ValueError, "learning_rate.*> 0, got -1"),
        (lambda: plots.spectrum([1.0, np.nan]), ValueError, "values must be finite"),
        (lambda: plots.spectrum([]), ValueError, "values must have at least one number"),
        (lambda: plots.spectrum(np.eye(2)), ValueError, r"values must have shape \(any,\), got \(2, 2\)"),
        (lambda: plots.valley(table("amplitude")), TypeError, "landscape must be a DataArray over 'first'"),
        (lambda: plots.valley(table("first", value=np.nan)), ValueError, "landscape must be finite"),
        (lambda: plots.cloud([1, 2], [1, 2, 3]), ValueError, "x, y must have the same number of entries, got 2, 3"),
        (lambda: plots.cloud([1], [1], unstable=[True, False]), ValueError, "x, y, unstable must have .*got 1, 1, 2"),
        (lambda: plots.bands(table("seed", "step", "run"), "step"), TypeError, "data must be .*'step' and 'seed', got"),
        (lambda: plots.bands(np.eye(2), "step"), TypeError, "data must be a DataArray over 'step' and 'seed'"),
        (lambda: plots.heat(table("period")), TypeError, "data must be a DataArray over two settings"),
        (lambda: plots.heat(table("a", "b"), center=np.nan), ValueError, "center.*finite.*nan"),
        (lambda: plots.heat(table("a", "b", value=np.nan), center=0), ValueError, "data must have at least one finite"),
        (
            lambda: plots.phase_diagram(table("amplitude", "width"), 0.5),
            TypeError,
            "data must be .*'amplitude' and 'pe",
        ),
        (lambda: plots.phase_diagram(table("amplitude", "period"), np.nan), ValueError, "static.*finite.*nan"),
        (lambda: plots.class_weights(md.Oscillation(5, 10), []), ValueError, "steps must have at least one number"),
        (lambda: plots.class_color(-1), ValueError, "index.*>= 0, got -1"),
        (
            lambda: plots.samples(md.Task(np.zeros((2, 1)), [0, 1], 2)),
            ValueError,
            "task must have at least 2 inputs",
        ),
        (lambda: plots.samples(md.spiral), TypeError, "task must be a Task, got <function spiral"),
        (
            lambda: plots.decision_regions(NET, PARAMS, md.Task(np.zeros((2, 3)), [0, 1], 2)),
            ValueError,
            "task must have 2 inputs to be drawn, got 3",
        ),
        (
            lambda: plots.decision_regions(NET, [(np.nan * w, b) for w, b in PARAMS], SPIRAL),
            ValueError,
            "params must give finite outputs",
        ),
        (lambda: plots.decision_regions(NET, PARAMS, SPIRAL, resolution=1), ValueError, "resolution.*>= 2, got 1"),
    ],
)
def test_bad_input_is_named_before_anything_is_drawn(call, error, message):
    with pytest.raises(error, match=message):
        call()
    axes = [ax for number in plt.get_fignums() for ax in plt.figure(number).axes]
    assert not any(ax.lines or ax.images or ax.collections for ax in axes)
