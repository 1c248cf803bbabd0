"""The learners: gradients, parameter counts, codes, and the independence of the networks of a batch."""

import autograd.numpy as anp
import numpy as np
import pytest

from minidyn.forgetting import facts, protocol
from minidyn.forgetting.learners import Adder, Perceptron, PlainCell, Recurrent, State, comparison

NETWORKS = [
    Perceptron(7),
    Perceptron(7, code="binary", bits=4),
    Recurrent(3),
    Recurrent(3, gated=True),
    PlainCell(),
]
LEARNERS = [*NETWORKS, Adder()]
PAIRS = facts.ones()[[3, 5, 8]]


def named(learner):
    return learner.name


@pytest.mark.parametrize("wrong", [0.0, 1e-3])
@pytest.mark.parametrize("network", NETWORKS, ids=named)
def test_an_update_goes_down_the_slope(network, wrong):
    """The first velocity is -rate times the gradient; compare it with central differences of the loss."""
    state = network.init(range(3))
    x, y = network.inputs(PAIRS[:, None]), network.targets(PAIRS[:, None])

    def loss(weights):
        return anp.sum(network.losses(network.outputs(weights, x), y))

    velocities = network.update(state, PAIRS, np.full(3, True)).velocities
    slopes = [(1 + wrong) * v / -network.learning_rate for v in velocities]
    random, h = np.random.RandomState(0), 1e-5
    directions = [random.randn(*w.shape) for w in state.weights]
    ahead, behind = (loss([w + s * h * d for w, d in zip(state.weights, directions, strict=True)]) for s in (1, -1))
    along = sum((s * d).sum() for s, d in zip(slopes, directions, strict=True))
    size = np.sqrt(sum((s**2).sum() for s in slopes))
    assert (abs((ahead - behind) / (2 * h) - along) / size < 1e-6) == (wrong == 0.0)


@pytest.mark.parametrize("learner", comparison().values(), ids=named)
def test_parameters_are_counted(learner):
    state = learner.init([0])
    arrays = [state.values] if isinstance(learner, Adder) else state.weights
    assert sum(array.size for array in arrays) == learner.parameters


@pytest.mark.parametrize("learner", LEARNERS, ids=named)
def test_networks_that_wait_stay_as_they_are(learner):
    state = learner.update(learner.init(range(3)), PAIRS, np.full(3, True))
    later = learner.update(state, PAIRS, np.array([True, False, True]))
    for before, after in zip(flat(state), flat(later), strict=True):
        assert np.array_equal(before[1], after[1])
    assert any(not np.array_equal(before[0], after[0]) for before, after in zip(flat(state), flat(later), strict=True))


@pytest.mark.parametrize("learner", LEARNERS, ids=named)
def test_a_seed_does_not_depend_on_the_others(learner):
    alone = learner.update(learner.init([1]), PAIRS[[1]], np.full(1, True))
    together = learner.update(learner.init([0, 1, 2]), PAIRS, np.full(3, True))
    for single, batch in zip(flat(alone), flat(together), strict=True):
        np.testing.assert_allclose(single[0], batch[1], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("network", NETWORKS, ids=named)
def test_the_targets_are_read_as_the_sums(network):
    pairs = facts.all_pairs(3)
    target = network.targets(pairs)
    if isinstance(network, Recurrent):
        target = 2 * target - 1  # logits of the right sign
    assert network.read(target).tolist() == pairs.sum(1).tolist()


def test_the_plain_cell_can_add():
    """Its first unit is the step of the carry, its second a line: two weights of one size, found by hand."""
    step, line = 20.0, 0.1
    by_bits = np.array([[[step, line], [step, line]]])
    by_carry = np.array([[[step, line]]])
    bias = np.array([[[-1.25 * step, -0.75 * line]]])
    out = np.array([[[-1.0, 0.5], [1 / line, 0.0]]])  # digit = line - step; carry = step / 2, from -1/2 to 1/2
    state, pairs = State([by_bits, by_carry, bias, out], []), facts.random_pairs(500, 16)
    assert facts.full_carry(pairs).any()
    for numbers in (facts.all_pairs(4), pairs):
        assert PlainCell().answers(state, numbers).tolist() == [numbers.sum(1).tolist()]


def test_the_plain_cell_learns_all_but_the_full_carry():
    """The stored result has 50 seeds: see the experiment one-by-one-controls."""
    data = protocol.one_by_one(PlainCell(digits=4), range(4), examples=3000)
    pairs = facts.all_pairs(3)
    full = facts.full_carry(pairs)
    assert float(data.accuracy.isel(examples=-1).sel(set="shown").mean()) > 0.75
    assert float(data.accuracy.isel(examples=-1).sel(set="shown").max()) < 1 - full.mean() / 2


def test_the_gradients_of_the_plain_cell_are_clipped():
    cell = PlainCell()
    state = cell.init(range(3))._replace(weights=[3 * w for w in cell.init(range(3)).weights])
    norms = np.sqrt(sum((g**2).sum((1, 2)) for g in cell.gradients(state, PAIRS)))
    assert norms.max() == pytest.approx(1)


def test_the_adder_starts_from_ranges_of_its_own():
    assert not (Adder().init(range(20)).p < 0).any()
    assert (Adder(ranges={"p": (-1, 1)}).init(range(20)).p < 0).any()


def test_initial_weights_are_the_seeds_own_stream():
    w1, b1, w2, b2 = Perceptron().init([3]).weights
    stream = np.random.RandomState(3)
    for array, shape in ((w1, (28, 50)), (b1, (1, 50)), (w2, (50, 24)), (b2, (1, 24))):
        assert np.array_equal(array[0], stream.uniform(-0.3, 0.3, shape))


def test_a_recurrent_network_reads_numbers_longer_than_in_training():
    network = Recurrent(3, digits=4)
    state, pairs = network.init(range(2)), np.array([[1, 2], [40000, 9]])
    answers = network.answers(state, pairs)
    assert answers.shape == (2, 2)
    assert answers.max() < 2**17


@pytest.mark.parametrize("network", NETWORKS, ids=named)
def test_updates_bring_the_loss_down(network):
    state = network.init(range(3))
    pairs = PAIRS[[0, 0, 0]]
    x, y = network.inputs(pairs[:, None]), network.targets(pairs[:, None])

    def loss(state):
        return network.losses(network.outputs(state.weights, x), y)

    before = loss(state)
    for _ in range(200):
        state = network.update(state, pairs, np.full(3, True))
    assert loss(state).mean() < 0.5 * before.mean()


@pytest.mark.parametrize("network", NETWORKS, ids=named)
def test_a_network_whose_weights_are_not_finite_has_no_answer(network):
    """Not even 0 to 0 + 0, which is what a comparison with NaN would be read as."""
    state = network.init(range(2))
    for w in state.weights:
        w[1] = np.nan
    answers = network.answers(state, np.array([[0, 0], [1, 2]]))
    assert answers[1].tolist() == [-1, -1]
    assert (answers[0] >= 0).all()


def test_sums_beyond_int64_are_read_exactly():
    numbers = [2**70 + 5, 2**62 - 1]
    logits = 2.0 * facts.binary(numbers, 71).T[:, None, :, None] - 1
    assert Recurrent(3).read(logits).tolist() == [numbers]


def flat(state):
    """The arrays of a learner's state."""
    return [state.values] if hasattr(state, "values") else [*state.weights, *state.velocities]
