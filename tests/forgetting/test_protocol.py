"""The protocol: its measures on invented numbers, and what it shows about the learners."""

import numpy as np
import pytest
import xarray as xr

from minidyn.forgetting import facts, protocol
from minidyn.forgetting.learners import Adder, Perceptron, comparison


class Table:
    """A learner that remembers what it was shown, or only the last fact."""

    parameters, any_length = 0, True

    def __init__(self, forgets=False):
        self.name, self.forgets = "table", forgets

    def init(self, seeds):
        return [{} for _ in seeds]

    def update(self, state, pairs, active):
        return [
            ({} if self.forgets and on else known) | ({tuple(pair): sum(pair)} if on else {})
            for known, pair, on in zip(state, pairs.tolist(), active, strict=True)
        ]

    def answers(self, state, pairs):
        return np.array([[known.get(tuple(pair), -1) for pair in pairs.tolist()] for known in state])


# accuracies on tasks a, b, c (columns) before training and after each (rows)
R = xr.DataArray(
    [[0.1, 0.2, 0.3], [0.8, 0.3, 0.5], [0.9, 0.7, 0.4], [0.6, 0.9, 1.0]],
    coords={"after": ["start", "a", "b", "c"], "set": ["a", "b", "c"]},
    dims=("after", "set"),
)


def test_the_measures_of_transfer_and_forgetting_are_those_by_hand():
    assert float(protocol.average_accuracy(R)) == pytest.approx((0.6 + 0.9 + 1.0) / 3)
    assert float(protocol.backward_transfer(R)) == pytest.approx(((0.6 - 0.8) + (0.9 - 0.7)) / 2)
    assert float(protocol.forward_transfer(R)) == pytest.approx(((0.3 - 0.2) + (0.4 - 0.3)) / 2)
    assert float(protocol.forgetting_measure(R)) == pytest.approx(((0.9 - 0.6) + (0.7 - 0.9)) / 2)


def test_other_sets_do_not_count_and_seeds_stay():
    more = xr.concat([R, R.isel(set=[0]).assign_coords(set=["unseen"]) * 0], "set")
    many = more.expand_dims(seed=3)
    for measure in (protocol.average_accuracy, protocol.backward_transfer, protocol.forgetting_measure):
        assert measure(many).shape == (3,)
        np.testing.assert_allclose(measure(many), float(measure(R)))


def test_the_wilson_interval_is_the_published_one():
    """Against the table of Newcombe (Statistics in Medicine 17, 857, 1998), method 3."""
    assert protocol.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert protocol.wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)
    assert protocol.wilson_interval(20, 20)[1] == 1


def test_a_table_remembers():
    data = protocol.sequential(Table(), range(2), epochs=3)
    assert (data.R.sel(after="twos", set=["ones", "twos"]) == 1).all()
    assert (protocol.backward_transfer(data.R) >= 0).all()
    assert (data.R.sel(set="unseen") == 0).all()
    assert data.needed.values.tolist() == [[1, 3], [1, 3]]
    assert data.learned.all()


def test_a_table_of_one_fact_forgets():
    tasks = {"a": [[1, 1]], "b": [[1, 2]], "c": [[2, 1]]}
    data = protocol.sequential(Table(forgets=True), [0], tasks, tests={}, epochs=1)
    assert data.R.values[0].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert protocol.backward_transfer(data.R).values == [-1]
    assert protocol.forgetting_measure(data.R).values == [1]


def test_rehearsal_shows_earlier_facts():
    shown = []

    class Spy(Table):
        def update(self, state, pairs, active):
            shown.append(tuple(pairs[0]))
            return super().update(state, pairs, active)

    protocol.sequential(Spy(), [0], epochs=2, rehearsal=0.5)
    ones, twos = (set(map(tuple, pairs)) for pairs in (facts.ones(), facts.twos()))
    assert set(shown[:17]) == ones
    assert len(shown) == 17 + 2 * (17 + 8)
    for epoch in (shown[17:42], shown[42:]):
        assert twos <= set(epoch)
        assert sum(pair in ones for pair in epoch) == 8 + 2


def test_each_network_learns_as_if_it_were_alone():
    many = protocol.sequential(Perceptron(), range(4), epochs=7)
    alone = protocol.sequential(Perceptron(), [2], epochs=7)
    assert (many.R.sel(seed=[2]) == alone.R).all()
    assert (alone.needed == many.needed.sel(seed=[2])).all()
    last = many.where(many.task == "twos", drop=True)
    assert last.passes.values.tolist() == [1, 2, 3, 5, 7]
    assert (many.accuracy.isel(point=0) == many.R.sel(after="start")).all()
    assert (many.accuracy.isel(point=-1) == many.R.sel(after="twos")).all()


def test_the_adder_transfers_and_the_perceptron_forgets():
    """The full experiment, with 200 seeds and every learner, is below."""
    cells = protocol.sequential(Adder(), range(40), max_epochs=100, epochs=50)
    others = protocol.sequential(Perceptron(), range(40), epochs=50)
    assert float(protocol.backward_transfer(cells.R).mean()) > -0.05
    assert float(protocol.forward_transfer(cells.R).mean()) > 0.6
    gain = (cells.R.sel(after="twos") - cells.R.sel(after="ones")).mean("seed")
    assert float(gain.sel(set="unseen")) > 0
    assert float(others.R.sel(after="ones", set="ones").mean()) > 0.9
    assert float(others.R.sel(after="twos", set="ones").mean()) < 0.2
    assert float(protocol.forgetting_measure(others.R).mean()) > 0.7


def test_neither_ones_nor_twos_teach_the_full_carry():
    cells = protocol.sequential(Adder(), range(40), max_epochs=100, epochs=50)
    final = cells.R.sel(after="twos").mean("seed")
    assert float(final.sel(set="without full carry")) > 0.85
    assert float(final.sel(set="with full carry")) < 0.1


@pytest.mark.slow
def test_forgetting_and_transfer_over_two_hundred_seeds():
    R = {
        name: protocol.sequential(comparison()[name], range(200)).R
        for name in ("adder", "perceptron", "smallest perceptron", "binary perceptron", "recurrent", "GRU")
    }
    change = {name: protocol.backward_transfer(r) for name, r in R.items()}
    mean = {name: float(c.mean()) for name, c in change.items()}
    half = 1.96 * float(change["adder"].std(ddof=1)) / 200**0.5
    assert mean["adder"] + half > 0  # on average the ones do not fall, though about 5% of the cells do
    unseen = (R["adder"].sel(after="twos", set="unseen") - R["adder"].sel(after="ones", set="unseen")).values
    assert unseen.mean() - 1.96 * unseen.std(ddof=1) / 200**0.5 > 0
    floor = float(R["perceptron"].sel(after="ones", set="twos").mean())  # knowing the other set only
    for name in ("perceptron", "smallest perceptron"):
        assert abs(float(R[name].sel(after="twos", set="ones").mean()) - floor) < 0.05
    assert mean["binary perceptron"] < -0.6
    assert -0.25 < mean["recurrent"] < -0.08  # working digit by digit helps, but this one forgets some
    assert mean["GRU"] > -0.03


def test_a_table_learns_what_it_sees_and_nothing_else():
    data = protocol.one_by_one(Table(), range(3), examples=500)
    shown = data.accuracy.sel(set="shown")
    assert (shown.diff("examples") >= 0).all()
    assert (shown.isel(examples=-1) > 0.95).all()
    assert (data.accuracy.sel(set=["unseen", "16 bits"]) == 0).all()
    assert data.examples.values[[0, 1, -1]].tolist() == [0, 1, 500]


def test_the_adder_comes_to_add_pairs_it_never_saw():
    data = protocol.one_by_one(Adder(digits=4), range(40), examples=4000)
    unseen = data.accuracy.sel(set="unseen")
    assert float(unseen.isel(examples=0).mean()) < 0.3
    assert float(unseen.isel(examples=-1).mean()) > 0.93


def test_the_perceptron_does_not_add_pairs_it_never_saw():
    data = protocol.one_by_one(Perceptron(), range(10), examples=2000).accuracy.isel(examples=-1)
    assert float(data.sel(set="shown").mean()) > 0.9
    assert float(data.sel(set="unseen").mean()) < 0.35


@pytest.mark.slow
def test_generalisation_from_single_examples_over_two_hundred_seeds():
    data = protocol.one_by_one(Adder(digits=4), range(200)).accuracy
    final = data.isel(examples=-1)
    assert float(final.sel(set="unseen").mean()) > 0.98
    assert float(final.sel(set="16 bits").mean()) > 0.95
    assert float(final.sel(set="unseen").quantile(0.1)) == 1
    curve = data.sel(set="unseen").mean("seed").values
    assert (np.diff(curve) > -0.02).all()  # it improves as it goes


def test_fit_counts_epochs():
    data = protocol.fit(Table(), range(2), facts.ones(), target_accuracy=1.0)
    assert data.needed.values.tolist() == [1, 1]
    assert not protocol.fit(Perceptron(2), range(2), facts.ones(), max_epochs=5).learned.any()


def test_rising_numbers_end_at_the_last():
    assert protocol.rising(15) == [1, 2, 3, 5, 7, 10, 15]
    assert protocol.rising(0) == []
    assert protocol.rising(1) == [1]
