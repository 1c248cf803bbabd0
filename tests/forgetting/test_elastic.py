"""Elastic weight consolidation: the information, the force of the springs, and what they keep."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from minidyn.forgetting import facts, protocol
from minidyn.forgetting.elastic import Elastic, fisher
from minidyn.forgetting.learners import Perceptron, State

NETWORK = Perceptron(5)
SEEDS = [0, 1]
EVERYONE = np.full(2, True)


def after_two_tasks(strength=3.0):
    """A state with the springs of two tasks, and the places and information that these springs are made of."""
    elastic = Elastic(NETWORK, strength=strength)
    state, springs = elastic.init(SEEDS), []
    for pairs in (facts.ones()[:3], facts.twos()[:4]):
        for pair in pairs:
            state = elastic.update(state, np.array([pair, pair]), EVERYONE)
        springs.append((state.weights, fisher(NETWORK, state.weights, pairs)))
        state = elastic.consolidate(state, pairs)
    moved = [w + 0.1 * np.random.RandomState(0).randn(*w.shape) for w in state.weights]
    return elastic, state._replace(weights=moved), springs


def penalty(weights, springs, strength):
    """As it is defined, summed over the tasks and the seeds."""
    return sum(
        strength / 2 * anp.sum(information * (w - place) ** 2)
        for places, informations in springs
        for w, place, information in zip(weights, places, informations, strict=True)
    )


@pytest.mark.parametrize("wrong", [0.0, 1e-3])
def test_the_force_is_the_gradient_of_the_penalty(wrong):
    """By autograd and by central differences; a planted error is seen by both."""
    elastic, state, springs = after_two_tasks()
    forces = [(1 + wrong) * force for force in elastic.forces(state)]
    by_autograd = grad(penalty)(state.weights, springs, 3.0)
    agree = all(np.allclose(f, g, rtol=1e-6) for f, g in zip(forces, by_autograd, strict=True))
    random, h = np.random.RandomState(1), 1e-4
    directions = [random.randn(*w.shape) for w in state.weights]
    ahead, behind = (
        penalty([w + sign * h * d for w, d in zip(state.weights, directions, strict=True)], springs, 3.0)
        for sign in (1, -1)
    )
    along = sum((f * d).sum() for f, d in zip(forces, directions, strict=True))
    close = abs((ahead - behind) / (2 * h) - along) < 1e-6 * abs(along)
    assert (agree, close) == ((True, True) if wrong == 0.0 else (False, False))


def test_the_information_is_the_mean_squared_slope_of_the_outputs():
    weights, pairs = NETWORK.init(SEEDS).weights, facts.ones()[:4]
    information, h = fisher(NETWORK, weights, pairs), 1e-5
    for array, place in ((0, (3, 2)), (1, (0, 4)), (2, (1, 7)), (3, (0, 20))):
        outputs = []
        for sign in (1, -1):
            shifted = [w.copy() for w in weights]
            shifted[array][(slice(None), *place)] += sign * h
            outputs.append(NETWORK.outputs(shifted, NETWORK.inputs(pairs)))
        slopes = (outputs[0] - outputs[1]) / (2 * h)
        expected = (slopes**2).sum(-1).mean(-1)
        np.testing.assert_allclose(information[array][(slice(None), *place)], expected, rtol=1e-5, atol=1e-13)


def test_the_information_is_the_curvature_of_the_loss_where_the_answers_are_right():
    """There the second derivative of half the squared error is the squared slope."""
    weights, pairs, h = NETWORK.init([0]).weights, facts.ones()[:1], 1e-4
    x = NETWORK.inputs(pairs)
    right = NETWORK.outputs(weights, x)

    def loss(shift):
        shifted = [*weights[:3], weights[3] + shift]
        return 0.5 * ((NETWORK.outputs(shifted, x) - right) ** 2).sum()

    for unit in (0, 13):
        one = np.zeros((1, 24))
        one[0, unit] = h
        curvature = (loss(one) + loss(-one)) / h**2
        assert curvature == pytest.approx(fisher(NETWORK, weights, pairs)[3][0, 0, unit], rel=1e-5)


def test_without_strength_it_is_the_network():
    plain = protocol.sequential(NETWORK, SEEDS, epochs=3, max_epochs=5)
    elastic = protocol.sequential(Elastic(NETWORK, strength=0), SEEDS, epochs=3, max_epochs=5)
    assert (plain.R == elastic.R).all()


def test_before_the_first_task_is_over_no_spring_pulls():
    elastic = Elastic(NETWORK, strength=1e6)
    state = elastic.init(SEEDS)
    pairs = facts.ones()[:2]
    first = elastic.update(state, pairs, EVERYONE)
    plain = NETWORK.update(State(state.weights, state.velocities), pairs, EVERYONE)
    for a, b in zip(first.weights, plain.weights, strict=True):
        assert np.array_equal(a, b)


def test_networks_that_wait_stay_where_they_are():
    elastic, state, _ = after_two_tasks()
    later = elastic.update(state, facts.ones()[:2], np.array([True, False]))
    for before, after in zip(state.weights, later.weights, strict=True):
        assert np.array_equal(before[1], after[1])
        assert not np.array_equal(before[0], after[0])


def test_springs_keep_the_ones_and_hold_back_the_twos():
    learners = {"free": Perceptron(), "held": Elastic(Perceptron(), strength=300)}
    R = {name: protocol.sequential(learner, range(5), epochs=20).R.mean("seed") for name, learner in learners.items()}
    after = {name: r.sel(after="twos") for name, r in R.items()}
    assert float(after["held"].sel(set="ones")) > 0.7 > 0.3 > float(after["free"].sel(set="ones"))
    assert float(after["held"].sel(set="twos")) < 0.5 < float(after["free"].sel(set="twos"))
