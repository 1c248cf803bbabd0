"""Bad input is refused with the argument's name, the value and what is allowed."""

import numpy as np
import pytest

from minidyn.forgetting import adder, facts, interference, learners, protocol

NAMES = {
    "np": np,
    "adder": adder,
    "facts": facts,
    "interference": interference,
    "learners": learners,
    "protocol": protocol,
    "CELL": adder.init(0),
    "TWO": adder.init(range(2)),
    "P": learners.Perceptron(),
}

CALLS = [
    ("facts.binary(-1)", ValueError, "numbers", ">= 0", "-1"),
    ("facts.binary(1.5)", TypeError, "numbers", "integer", "1.5"),
    ("facts.binary([1, '2'])", TypeError, "numbers", "integer", "'2'"),
    ("facts.binary(True)", TypeError, "numbers", "integer", "True"),
    ("facts.binary(np.array([2.0]))", TypeError, "numbers", "integer", "2.0"),
    ("facts.binary(8, 3)", ValueError, "numbers", "digits=3", "at most 7", "got 8"),
    ("facts.binary(8, 0)", ValueError, "digits", ">= 1", "0"),
    ("facts.coarse(10)", ValueError, "digit", "between 0 and 9", "10"),
    ("facts.coarse_inputs([(1, 2, 3)])", ValueError, "pairs", "(..., 2)", "(1, 3)"),
    ("facts.coarse_inputs([(1, -2)])", ValueError, "pairs", ">= 0", "-2"),
    ("facts.coarse_targets(100)", ValueError, "sums", "between 0 and 99", "100"),
    ("facts.full_carry([])", ValueError, "pairs", "(n, 2)", "(0,)"),
    ("facts.without(facts.ones(), 3)", ValueError, "others", "(n, 2)", "()"),
    ("facts.all_pairs(9)", ValueError, "bits", "<= 8", "9"),
    ("facts.split(3, held_out=1.0)", ValueError, "held_out", "< 1", "1.0"),
    ("facts.split(3, seed=-1)", ValueError, "seed", ">= 0", "-1"),
    ("facts.random_pairs(0, 3)", ValueError, "n must", ">= 1", "0"),
    ("adder.init([])", ValueError, "seeds", "at least one", "[]"),
    ("adder.init([1, 1])", ValueError, "seeds", "different", "[1, 1]"),
    ("adder.init('ab')", TypeError, "seeds", "integers", "'ab'"),
    ("adder.init(1.0)", TypeError, "seeds", "integer", "1.0"),
    ("adder.init(0, clause='fuzzy')", ValueError, "clause", "'soft', 'hard'", "'fuzzy'"),
    ("adder.init(0, ranges={'v': (0, 1)})", ValueError, "ranges", "'theta'", "'v'"),
    ("adder.init(0, ranges={'w': (1, 0)})", ValueError, "ranges['w']", ">= 1", "0"),
    ("adder.init(0, ranges={'w': 1})", ValueError, "ranges['w']", "two numbers", "1"),
    ("adder.train(0, steps=-1)", ValueError, "steps", ">= 0", "-1"),
    ("adder.train(0, steps=1e3)", TypeError, "steps", "integer", "1000.0"),
    ("adder.train(0, bits=0)", ValueError, "bits", ">= 1", "0"),
    ("adder.train(0, bits=61)", ValueError, "bits", "<= 60", "61"),
    ("adder.train(0, learning_rate=0)", ValueError, "learning_rate", "> 0", "0"),
    ("adder.train(0, learning_rate=float('nan'))", ValueError, "learning_rate", "finite", "nan"),
    ("adder.trajectory(0, 100)", ValueError, "at must", "at least one", "100"),
    ("adder.trajectory(0, [])", ValueError, "at must", "at least one", "[]"),
    ("adder.update(TWO, [1, 2, 3], [1, 2, 3], digits=3)", ValueError, "a must", "(2,)", "(3,)"),
    ("adder.update(TWO, [1, 2], [1, 7], digits=3)", ValueError, "digits=3", "at most 7", "9"),
    ("adder.add(CELL, -1, 2)", ValueError, "a must", ">= 0", "-1"),
    ("adder.add(CELL, 1, 2.5)", TypeError, "b must", "integer", "2.5"),
    ("adder.add(CELL, [1, 2], [1, 2, 3])", ValueError, "a and b", "one length", "(2,) and (3,)"),
    ("adder.add(CELL, 1, 2, clause='maybe')", ValueError, "clause", "'soft', 'hard'", "'maybe'"),
    ("adder.add(3, 1, 2)", TypeError, "params", "Params", "3"),
    ("adder.accuracy(CELL, [1, 2])", ValueError, "pairs", "(n, 2)", "(2,)"),
    ("adder.trace(CELL, [1, 2], 3)", TypeError, "a and b", "integers", "[1, 2]"),
    ("adder.trace(CELL, 1, -3)", ValueError, "b must", ">= 0", "-3"),
    ("adder.algorithm('cell')", TypeError, "params", "Params", "'cell'"),
    ("adder.Params(np.zeros(11))", ValueError, "values", "12", "(11,)"),
    ("adder.Params(np.zeros(12), 'firm')", ValueError, "clause", "'soft', 'hard'", "'firm'"),
    ("CELL[0]", TypeError, "one cell", "indexed"),
    ("learners.Perceptron(0)", ValueError, "hidden", ">= 1", "0"),
    ("learners.Perceptron(code='octal')", ValueError, "code", "'coarse', 'binary'", "'octal'"),
    ("learners.Perceptron(momentum=1.5)", ValueError, "momentum", "<= 1", "1.5"),
    ("learners.Recurrent(2.0)", TypeError, "hidden", "integer", "2.0"),
    ("learners.Adder(clause='x')", ValueError, "clause", "'soft'", "'x'"),
    ("interference.experiment(range(2), order='random')", ValueError, "order", "'sequential'", "'random'"),
    ("interference.experiment(range(2), rehearsal=2)", ValueError, "rehearsal", "<= 1", "2"),
    ("interference.experiment([0], order='interleaved', rehearsal=0.5)", ValueError, "rehearsal", "interleaved", "0.5"),
    ("interference.experiment(5)", TypeError, "seeds", "range(100)", "5"),
    ("interference.experiment([0], network=learners.Recurrent())", TypeError, "network", "Perceptron"),
    ("interference.scores(np.zeros((3, 24)), facts.ones())", ValueError, "outputs", "(..., 17, 24)", "(3, 24)"),
    ("protocol.sequential(P, [0], {'ones': facts.ones()})", TypeError, "tasks", "at least two"),
    ("protocol.sequential(P, [0], tests=[(1, 2)])", TypeError, "tests", "mapping", "[(1, 2)]"),
    ("protocol.sequential(P, [0], tests={'x': [(1.5, 2)]})", TypeError, "tests['x']", "integer", "1.5"),
    ("protocol.sequential(P, [0], until=0)", ValueError, "until", "> 0", "0"),
    ("protocol.sequential(P, [0], passes=-1)", ValueError, "passes", ">= 0", "-1"),
    ("protocol.one_by_one(P, [0], held_out=0)", ValueError, "held_out", "unseen", "0"),
    ("protocol.one_by_one(P, [0], bits=5)", ValueError, "pairs", "between 0 and 9"),
    ("protocol.fit(P, [0], facts.ones(), until=1.5)", ValueError, "until", "<= 1", "1.5"),
    ("protocol.backward_transfer(np.eye(2))", TypeError, "R must", "'after'", "array"),
    ("protocol.wilson_interval(3, 2)", ValueError, "successes", "<= 2", "3"),
    ("protocol.wilson_interval(1, 2, level=1)", ValueError, "level", "< 1", "1"),
]


@pytest.mark.parametrize(("call", "error", "words"), [(call, error, words) for call, error, *words in CALLS])
def test_refused(call, error, words):
    with pytest.raises(error) as caught:
        eval(call, NAMES)
    for word in words:
        assert word in str(caught.value), str(caught.value)
