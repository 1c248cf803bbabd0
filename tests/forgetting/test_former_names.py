"""Names before 0.2: they work as before, with a DeprecationWarning that says the name of today."""

import numpy as np
import pytest

from minidyn.forgetting import facts, interference, learners, protocol

SMALL = {"a": [[1, 1], [1, 2]], "b": [[2, 2], [2, 1]]}
PERCEPTRON = learners.Perceptron(4)

CALLS = [  # the call before 0.2, the call of today, and both names in the warning
    (
        lambda: facts.split(3, held_out=0.5),
        lambda: facts.split(3, validation_fraction=0.5),
        "split(held_out=...) is now split(validation_fraction=...)",
    ),
    (lambda: facts.unseen(), facts.validation, "facts.unseen is now minidyn.forgetting.facts.validation"),
    (
        lambda: learners.Perceptron(4, spread=0.5).init([0]).weights,
        lambda: learners.Perceptron(4, weight_range=0.5).init([0]).weights,
        "Perceptron(spread=...) is now Perceptron(weight_range=...)",
    ),
    (
        lambda: learners.Recurrent(4, spread=0.5).init([0]).weights,
        lambda: learners.Recurrent(4, weight_range=0.5).init([0]).weights,
        "Recurrent(spread=...) is now Recurrent(weight_range=...)",
    ),
    (
        lambda: protocol.sequential(PERCEPTRON, [0, 1], SMALL, tests={}, passes=3, most=2, until=0.5),
        lambda: protocol.sequential(PERCEPTRON, [0, 1], SMALL, tests={}, epochs=3, max_epochs=2, target_accuracy=0.5),
        "sequential(passes=...) is now sequential(epochs=...)",
    ),
    (
        lambda: protocol.one_by_one(PERCEPTRON, [0], examples=9, held_out=0.5, deal=3),
        lambda: protocol.one_by_one(PERCEPTRON, [0], examples=9, validation_fraction=0.5, split_seed=3),
        "one_by_one(deal=...) is now one_by_one(split_seed=...)",
    ),
    (
        lambda: protocol.fit(PERCEPTRON, [0], SMALL["a"], until=0.5, most=4),
        lambda: protocol.fit(PERCEPTRON, [0], SMALL["a"], target_accuracy=0.5, max_epochs=4),
        "fit(until=...) is now fit(target_accuracy=...)",
    ),
    (
        lambda: interference.experiment([0], passes=1, most=3),
        lambda: interference.experiment([0], epochs=1, max_epochs=3),
        "experiment(most=...) is now experiment(max_epochs=...)",
    ),
    (
        lambda: epoch(old=facts.twos(), rehearsal=0.5),
        lambda: epoch(rehearsal=protocol.Rehearsal(pairs=facts.twos(), fraction=0.5)),
        "present(old=..., rehearsal=...) is now present(rehearsal=Rehearsal(pairs=..., fraction=...))",
    ),
    (
        lambda: epoch(old=facts.twos()[:0], rehearsal=0.5),
        lambda: epoch(),
        "present(old=..., rehearsal=...) is now",
    ),
]


def epoch(**options):
    return protocol.present(PERCEPTRON, PERCEPTRON.init([0]), protocol.streams_of([0]), facts.ones(), **options).weights


@pytest.mark.parametrize(("former", "present", "message"), CALLS, ids=[message for *_, message in CALLS])
def test_a_former_name_gives_the_same_result_and_says_the_new_name(former, present, message):
    with pytest.warns(DeprecationWarning, match="; the old name goes in 0.3") as warnings:
        before = former()
    assert any(message in str(warning.message) for warning in warnings)
    now = present()
    if hasattr(now, "identical"):
        assert before.identical(now)
    else:
        assert all(np.array_equal(a, b) for a, b in zip(before, now, strict=True))
