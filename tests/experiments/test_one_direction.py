"""One direction against the run: windows hold what they say; maps and predictions agree with brute force."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn.experiments import find
from minidyn.experiments.tilting import one_direction, windows
from minidyn.experiments.tilting.windows import FrozenClock, Setting, Window, bouncing_steps

SETTING = Setting(width=100, amplitude=20, period=500)
SMALL = Setting(width=6, amplitude=20, period=500)


@pytest.fixture(scope="module")
def bouncing():
    """A window of 32 updates in the burst of turn 2."""
    run = SETTING.record(0, 800, 1100)
    return Window(run, bouncing_steps(run, 32, 3)[1], 32)


@pytest.fixture(scope="module")
def small():
    return Window(SMALL.record(0, 300, 400), 350, 32)


def test_a_window_is_the_runs_own_around_its_step(bouncing):
    params = bouncing.run.history.params
    inside = params.sel(params_step=slice(bouncing.step - 16, bouncing.step + 15)).values
    np.testing.assert_allclose(windows.flat(bouncing.floor), inside.mean(axis=0), rtol=1e-12)
    path = (inside - inside.mean(axis=0)) @ bouncing.cut.direction
    np.testing.assert_allclose(bouncing.path(bouncing.cut), path, atol=1e-13)
    swing = bouncing.swing()
    assert swing["run"] == pytest.approx(path.std())
    assert swing["share"] == pytest.approx(path.var() / inside.var(axis=0).sum())
    assert bouncing.bounces()
    assert swing["edge"] == pytest.approx(md.hessian_eigenvalues(*bouncing.problem).values[0])


def test_the_steeper_wall_of_a_slice_is_at_negative_x(bouncing):
    assert -bouncing.cut.force(-0.3) > bouncing.cut.force(0.3) > 0


def test_the_run_of_a_cycle_is_the_run_of_a_turn():
    (_, run), (_, later) = SMALL.cycles(3, (1, 3))
    whole = SMALL.record(3, 0, 2000).history.params
    for part, first in ((run, 250), (later, 1250)):
        assert part.history.params_step.values[[0, -1]].tolist() == [first, first + 500]
        np.testing.assert_allclose(part.history.params, whole.sel(params_step=part.history.params_step), rtol=1e-6)


def test_descent_confined_to_the_sharpest_direction_is_the_map(bouncing):
    confined = one_direction._confined(bouncing, bouncing.cut.direction[:, None])
    np.testing.assert_allclose(confined, bouncing.map_orbit(bouncing.cut), atol=1e-6)


def test_descent_confined_to_all_directions_is_descent(small):
    size = small.cut.direction.size
    basis = np.linalg.qr(np.column_stack([small.cut.direction, np.eye(size)[:, 1:]]))[0]
    basis[:, 0] = small.cut.direction
    np.testing.assert_allclose(one_direction._confined(small, basis), one_direction._unconfined(small), rtol=1e-6)


def test_a_frozen_clock_keeps_the_weights_of_its_step():
    gamma = md.Oscillation(20, 100)
    clock = FrozenClock(md.CrossEntropy(gamma), 30)
    np.testing.assert_array_equal(clock.weights(77), gamma.weights(30))


def test_the_drift_balances_the_sharpness_by_brute_force(small):
    """α, β and the clock's part from second differences of F at moved weights and moved clocks."""
    net, floor, task, loss, step = small.problem
    vector, unit, d = windows.flat(floor), small.cut.direction, windows.DISTANCE

    def sharpness(away, now=step, distance=d):
        places = (net.unflatten(vector + away + x * unit) for x in (-distance, 0.0, distance))
        low, middle, high = (loss.value(net.logits(place, task.x), task.labels, now) for place in places)
        return (low - 2 * middle + high) / distance**2

    h = 1e-6
    slope = np.array([(sharpness(h * e) - sharpness(-h * e)) / (2 * h) for e in np.eye(len(vector))])
    across = slope - (slope @ unit) * unit
    clock = (sharpness(0, step + 50, 1e-4) - sharpness(0, step - 50, 1e-4)) / 100
    downhill = -windows.flat(md.gradient(net, floor, task, loss, step))
    balance = 2 * (downhill @ across + clock / SMALL.learning_rate) / (across @ across)
    assert balance > 0
    assert small.drift() == pytest.approx(np.sqrt(balance), rel=1e-3)


def test_bouncing_steps_are_in_the_middle_of_windows_that_reverse():
    steps = np.arange(1000, 1200)
    loss = xr.DataArray(np.where((steps >= 1050) & (steps < 1150), steps % 2, 0.0), {"step": steps}, ["step"])
    run = type("Run", (), {"history": xr.Dataset({"loss": loss})})()
    chosen = bouncing_steps(run, 32, 1000)
    assert 1050 + 16 - 32 * 0.25 - 2 <= chosen[0] <= 1050 + 16
    assert 1150 - 16 <= chosen[-1] <= 1150 - 16 + 32 * 0.25 + 2
    assert bouncing_steps(run, 32, 3) == [chosen[0], chosen[(len(chosen) - 1) // 2], chosen[-1]]
    flat = type("Run", (), {"history": xr.Dataset({"loss": 0 * loss})})()
    assert bouncing_steps(flat, 32, 3) == []


def test_a_map_that_left_counts_as_infinite_and_a_window_that_is_none_does_not_count():
    data = xr.Dataset({"run": ("window", [1.0, 2.0, np.nan]), "map": ("window", [1.5, np.nan, np.nan])})
    np.testing.assert_array_equal(one_direction.ratios(data), [1.5, np.inf, np.nan])


def test_the_median_has_an_interval_over_seeds():
    values = xr.DataArray(np.random.RandomState(0).randn(40, 5) + np.arange(40)[:, None] % 2, dims=["seed", "window"])
    middle, low, high = one_direction.median(values)
    assert middle == np.median(values)
    assert low < middle < high
    assert 0.1 < high - low < 1.5
    assert one_direction.median(values * np.nan).is_nan


def test_medians_of_rows_are_those_of_numpy():
    rows = np.random.RandomState(0).randn(200, 7)
    rows[np.random.RandomState(1).rand(200, 7) < 0.4] = np.nan
    rows[:3] = np.inf
    rows[3] = np.nan
    np.testing.assert_array_equal(one_direction._medians(rows), np.nanmedian(np.delete(rows, 3, axis=0), axis=1))


@pytest.mark.parametrize(
    ("values", "step"), [([1.0, 1.5, 2.5], 15.0), ([2.5, 3.0], 0), ([1.0, 1.5], np.nan), ([2.0, 2.5, 1.0], 0.0)]
)
def test_a_crossing_is_interpolated(values, step):
    assert one_direction._crossing([0, 10, 20], values) == pytest.approx(step, nan_ok=True)


def flips(coefficient, beyond):
    dims = ("loss", "width", "seed", "turn", "phase")
    shape = (2, 1, 3, 1, 2)
    return xr.Dataset(
        {
            "flip_coefficient": (dims, np.broadcast_to(np.reshape(coefficient, (2, 1, 3, 1, 1)), shape)),
            "beyond": (dims, np.broadcast_to(np.reshape(beyond, (2, 1, 3, 1, 1)), shape)),
        },
        {"loss": ["cross_entropy", "mse_sample"], "width": [30], "seed": [1, 2, 3], "turn": [2], "phase": [0.1, 0.2]},
    )


def test_hits_and_misses_are_counted_by_loss():
    data = flips([[20, 30, 0.1], [0.1, 40, np.nan]], [[0.5, 0.01, 0.0], [0.0, 1.0, np.nan]])
    table = one_direction.hit_table(data)
    assert table.loc[("DCE", 30)].tolist() == [1, 1, 1, 0]
    assert table.loc[("DMSE1", 30)].tolist() == [1, 0, 1, 0]
    assert one_direction.hit_rate(data).mean == pytest.approx(4 / 5)
    wrong = flips([[20, 30, 0.1], [0.1, 40, np.nan]], [[0.0, 0.0, 1.0], [1.0, 0.0, np.nan]])
    assert one_direction.hit_rate(wrong).mean == 0


def test_cells_are_at_their_labels():
    data = find("one-direction-settings").run("quick", progress=False, seeds=(101, 100), windows=7)
    setting = Setting(amplitude=20, period=500)
    (_, run), *_ = setting.cycles(100, range(2, 3))
    alone = Window(run, bouncing_steps(run, 32, 1)[0], 32).swing()
    cell = data.sel(seed=100, setting=0)
    assert float(cell.step[0]) == alone["step"]
    assert float(cell.run[0]) == pytest.approx(alone["run"], rel=1e-5)
    assert float(cell["map"][0]) == pytest.approx(alone["map"], rel=1e-3)
    assert (float(cell.amplitude), float(cell.period), float(cell.width)) == (20, 500, 100)
