"""Bad input: each error names the argument, the value and what is allowed."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md
from minidyn.eigenvalues import lanczos
from tests.core.problems import Sines, Smooth

NET, TASK, LOSS = md.MLP(2, 4, 3), md.spiral(4), md.CrossEntropy(md.Oscillation(5, 10))
PARAMS, FLAT = NET.init(0), np.ones(NET.size)
OWN = Smooth(2, 2, 3)
LOGITS, LABELS = np.zeros((2, 3)), [0, 1]
RUN = md.train(NET, PARAMS, TASK, LOSS, learning_rate=0.1, steps=2)


def train(net=NET, params=PARAMS, task=TASK, loss=LOSS, **options):
    return md.train(net, params, task, loss, **{"learning_rate": 0.1, "steps": 2, "progress": False, **options})


class Wave:
    """A waveform that returns whatever it is given."""

    classes = 3

    def __init__(self, weights):
        self.weights = lambda step: weights


class Complex(md.MLP):
    """A model whose outputs are complex."""

    def logits(self, params, x):
        return super().logits(params, x) + 1j


def weighted(weights):
    return md.CrossEntropy(Wave(weights)).value(LOGITS, LABELS, 7)


NAMES = {**globals(), "Sines": Sines, "Smooth": Smooth, "lanczos": lanczos}

# call; error; what the message must hold: the argument, the value, what is allowed
TABLE = [
    ("md.spiral(0)", ValueError, "points_per_class", "got 0", ">= 1"),
    ("md.spiral(2.5)", TypeError, "points_per_class", "got 2.5", "integer"),
    ("md.spiral(10, 1)", ValueError, "classes", "got 1", ">= 2"),
    ("md.spiral(noise=-0.1)", ValueError, "noise", "got -0.1", ">= 0"),
    ("md.spiral(noise=float('nan'))", ValueError, "noise", "got nan", "finite"),
    ("md.spiral(revolutions='four')", TypeError, "revolutions", "'four'", "real number"),
    ("md.spiral(seed=-1)", ValueError, "seed", "got -1", ">= 0"),
    ("md.spiral(seed=2**32)", ValueError, "seed", "got 4294967296", "<= 4294967295"),
    ("md.spiral(seed=None)", TypeError, "seed", "got None", "integer"),
    ("md.Task([1.0, 2.0], [0, 1], 2)", ValueError, "x must have shape (any, any)", "got (2,)"),
    ("md.Task([[1.0], [2.0, 3.0]], [0, 1], 2)", TypeError, "x", "[[1.0], [2.0, 3.0]]", "array of real numbers"),
    ("md.Task([['1'], ['2']], [0, 1], 2)", TypeError, "x", "[['1'], ['2']]", "real numbers"),
    ("md.Task([[1j]], [0], 2)", TypeError, "x", "1j", "real numbers"),
    ("md.Task([[np.inf], [0.0]], [0, 1], 2)", ValueError, "x must be finite", "1 entries"),
    ("md.Task([[1.0]], [0.0], 2)", TypeError, "labels", "integers", "float64", "[0.0]"),
    ("md.Task([[1.0]], [0, 1], 2)", ValueError, "labels must have shape (1,)", "got (2,)"),
    ("md.Task([[1.0]], [2], 2)", ValueError, "labels", "0..1", "2..2"),
    ("md.Task([[1.0]], [-1], 2)", ValueError, "labels", "0..1", "-1..-1"),
    ("md.Task([[1.0]], [0], 1)", ValueError, "classes", "got 1", ">= 2"),
    ("md.Task([[1.0]], [0], True)", TypeError, "classes", "got True", "integer"),
    ("md.Task(np.empty((0, 2)), np.empty(0, int), 2)", ValueError, "x", "at least one sample", "got none"),
    ("md.Oscillation(0.5, 10)", ValueError, "amplitude", "got 0.5", ">= 1"),
    ("md.Oscillation(float('inf'), 10)", ValueError, "amplitude", "got inf", "finite"),
    ("md.Oscillation(10**400, 10)", ValueError, "amplitude", "got 1000", "finite"),
    ("md.Oscillation('70', 10)", TypeError, "amplitude", "got '70'", "real number"),
    ("md.Oscillation(70, 0)", ValueError, "period", "got 0", ">= 1"),
    ("md.Oscillation(5, 1)", ValueError, "period", "got 1", ">= 2", "amplitude exceeds 1"),
    ("md.Oscillation(1e308, 10)", ValueError, "amplitude", "got 1e+308", "<= 1e+300"),
    ("md.Oscillation(70, 10.0)", TypeError, "period", "got 10.0", "integer"),
    ("md.Oscillation(70, 10**30)", ValueError, "period", f"got {10**30}", f"<= {2**53}"),
    ("md.Oscillation(70, 10, 1)", ValueError, "classes", "got 1", ">= 2"),
    ("md.Oscillation(70, 10, dwell=9)", ValueError, "dwell", "got 9", ">= 10"),
    ("md.Oscillation(70, 10, rest_from=-5)", ValueError, "rest_from", "got -5", ">= 0"),
    ("md.Oscillation(70, 10).weights(-1)", ValueError, "step", "got -1", ">= 0"),
    ("md.Oscillation(70, 10).weights(0.5)", TypeError, "step", "got 0.5", "integer"),
    ("md.Oscillation(70, 10).weights([[1]])", TypeError, "step", "got [[1]]", "one-dimensional"),
    ("md.Oscillation(70, 10).weights(np.uint64(2**63))", ValueError, "step", f"got {2**63}", f"<= {2**53}"),
    ("md.CrossEntropy(md.Oscillation)", TypeError, "gamma", "class 'minidyn.oscillation.Oscillation'", ".classes"),
    ("md.CrossEntropy(Sines(10, 3.0))", TypeError, "gamma.classes", "got 3.0", "integer"),
    ("md.CrossEntropy(70)", TypeError, "gamma", "got 70", ".weights(step)"),
    ("md.SquaredError(weighting='class')", ValueError, "weighting", "got 'class'", "'sample', 'output'"),
    ("md.SquaredError(weighting=1)", ValueError, "weighting", "got 1", "'sample', 'output'"),
    ("LOSS.value(1j * LOGITS, LABELS)", TypeError, "logits", "complex128", "real numbers"),
    ("LOSS.gradient([['1', '2', '3']], [0])", TypeError, "logits", "<U1", "real numbers"),
    ("LOSS.value(LOGITS, [0, 1, 2])", ValueError, "logits", "labels", "(2, 3) and (3,)"),
    ("LOSS.value(LOGITS, [0, 3])", ValueError, "labels", "0..2", "0..3"),
    ("LOSS.value(LOGITS, [0.0, 1.0])", TypeError, "labels", "float64", "integers"),
    ("LOSS.value(np.empty((0, 3)), np.empty(0, int))", ValueError, "logits", "(0, 3)", "P >= 1"),
    ("LOSS.value(np.zeros((2, 4)), LABELS)", ValueError, "gamma weighs 3 classes", "4"),
    ("LOSS.gradient(LOGITS, LABELS, -3)", ValueError, "step", "got -3", ">= 0"),
    ("LOSS.curvature(LOGITS, LABELS, 1.5)", TypeError, "step", "got 1.5", "integer"),
    ("md.CrossEntropy().value(LOGITS, LABELS, 'now')", TypeError, "step", "got 'now'", "integer"),
    ("weighted([1.0, 2.0])", ValueError, "gamma.weights(7) must have shape (3,)", "got (2,)"),
    ("weighted(np.ones((3, 1)))", ValueError, "gamma.weights(7) must have shape (3,)", "got (3, 1)"),
    ("weighted([1, 1, np.nan])", ValueError, "gamma.weights(7) must be finite", "1 entries"),
    ("weighted([2.0, 2.0, -1.0])", ValueError, "gamma.weights(7) must be >= 0", "-1."),
    ("train(loss=md.CrossEntropy(Wave([2.0, 2.0, -1.0])))", ValueError, "gamma.weights(0) must be >= 0", "-1."),
    ("weighted('high')", TypeError, "gamma.weights(7)", "got 'high'", "real numbers"),
    ("md.MLP(2)", ValueError, "widths", "got (2,)", "at least inputs and outputs"),
    ("md.MLP(2, 0, 3)", ValueError, "widths", "got 0", ">= 1"),
    ("md.MLP(2, 1.5, 3)", TypeError, "widths", "got 1.5", "integer"),
    ("NET.init(-1)", ValueError, "seed", "got -1", ">= 0"),
    ("NET.init('0')", TypeError, "seed", "got '0'", "integer"),
    ("md.gradient(md.MLP, PARAMS, TASK, LOSS)", TypeError, "net", "class 'minidyn.mlp.MLP'", "init(seed)"),
    ("md.gradient(None, PARAMS, TASK, LOSS)", TypeError, "net", "got None", "logits(params, x)"),
    ("md.gradient(NET, None, TASK, LOSS)", TypeError, "params", "got None", "[(W, b), ...]"),
    ("md.gradient(NET, PARAMS[:1], TASK, LOSS)", ValueError, "params", "got [((2, 4), (4,))]", "(4, 3)"),
    ("md.gradient(NET, [(w * np.nan, b) for w, b in PARAMS], TASK, LOSS)", ValueError, "params must be finite", "20"),
    ("md.gradient(NET, [(w * 1j, b) for w, b in PARAMS], TASK, LOSS)", TypeError, "params", "real numbers", "j"),
    ("md.gradient(Smooth(2, 4, 3), 'abc', TASK, LOSS)", TypeError, "params", "got 'abc'", "arrays"),
    ("md.gradient(NET, PARAMS, TASK.x, LOSS)", TypeError, "task must be a Task", "array("),
    ("md.gradient(NET, PARAMS, TASK, 'mse')", TypeError, "loss", "got 'mse'", "CrossEntropy or SquaredError"),
    ("md.gradient(NET, PARAMS, TASK, md.CrossEntropy)", TypeError, "loss", "losses.CrossEntropy", "CrossEntropy or"),
    ("md.gradient(NET, PARAMS, md.spiral(4, 4), LOSS)", ValueError, "net must give logits of shape (P, 4)", "(1, 3)"),
    ("md.gradient(NET, PARAMS, TASK, md.CrossEntropy(md.Oscillation(2, 5, 4)))", ValueError, "gamma weighs 4", "3"),
    ("md.gradient(NET, PARAMS, md.Task([[1.0]], [0], 3), LOSS)", ValueError, "x has 1 dimensions", "2 inputs"),
    (
        "md.gradient(Complex(2, 4, 3), PARAMS, TASK, LOSS)",
        TypeError,
        "net must give logits that are real",
        "j",
    ),
    ("md.hessian_product(NET, PARAMS, TASK, LOSS)(np.ones(32))", ValueError, "v must have shape (27,)", "got (32,)"),
    ("md.hessian_product(NET, PARAMS, TASK, LOSS)(FLAT * 1j)", TypeError, "v must be an array of real numbers", "j"),
    (
        "md.hessian_product(Smooth(2, 2, 3), Smooth(2, 2, 3).init(0), TASK, LOSS)(FLAT)",
        ValueError,
        "v",
        "(12,)",
        "(27,)",
    ),
    ("NET.unflatten(np.ones(32))", ValueError, "vector must have shape (27,)", "got (32,)"),
    ("NET.jvp(PARAMS, TASK.x, np.ones(32))", ValueError, "vector must have shape (27,)", "got (32,)"),
    ("md.hessian(NET, PARAMS, TASK, LOSS, -1)", ValueError, "step", "got -1", ">= 0"),
    ("md.hessian(NET, PARAMS, TASK, LOSS, [0, 1])", TypeError, "step", "got [0, 1]", "integer"),
    ("md.hessian_eigenvalues(NET, PARAMS, TASK, LOSS, k=0)", ValueError, "k must", "got 0", ">= 1"),
    ("md.hessian_eigenvalues(NET, PARAMS, TASK, LOSS, k=28)", ValueError, "k=28 exceeds the 27"),
    (
        "md.hessian_eigenvalues(NET, PARAMS, TASK, LOSS, which='top')",
        ValueError,
        "which",
        "'top'",
        "'largest', 'smallest'",
    ),
    ("md.hessian_eigenvalues(NET, PARAMS, TASK, LOSS, tolerance=0)", ValueError, "tolerance", "got 0", "> 0"),
    ("md.hessian_eigenvalues(NET, PARAMS, TASK, LOSS, start=[1.0])", ValueError, "start must have shape (27,)", "(1,)"),
    ("lanczos(lambda v: v, 5, max_basis=0)", ValueError, "max_basis", "got 0", ">= 1"),
    ("lanczos(lambda v: np.nan * v, 5)", ValueError, "product(v) must be finite", "5 entries"),
    ("lanczos(lambda v: v[:2], 5)", ValueError, "product(v) must have shape (5,)", "got (2,)"),
    ("md.ntk(NET, PARAMS, [[1.0, 2.0, 3.0]])", ValueError, "x has 3 dimensions", "2 inputs"),
    ("md.ntk(NET, PARAMS, np.ones((0, 2)))", ValueError, "x must hold at least one sample", "got none"),
    ("md.ntk(NET, PARAMS, TASK.x, np.ones((0, 2)))", ValueError, "other_x must hold at least one sample", "got none"),
    ("md.ntk(NET, PARAMS, TASK.x, np.ones((4, 3)))", ValueError, "other_x must have shape (any, 2)", "got (4, 3)"),
    ("md.ntk(NET, PARAMS, TASK.x, [[1.0, np.nan]])", ValueError, "other_x must be finite", "1 entries"),
    ("md.ntk(NET, PARAMS, TASK.x, 'x')", TypeError, "other_x must be an array of real numbers", "'x'"),
    ("md.ntk_eigenvalues(NET, PARAMS, np.ones((0, 2)))", ValueError, "x must hold at least one sample", "got none"),
    ("md.ntk(NET, PARAMS, [1.0, 2.0])", ValueError, "x must have shape (any, any)", "got (2,)"),
    ("md.ntk_eigenvalues(NET, PARAMS, TASK.x, k=37)", ValueError, "k=37 exceeds the 36"),
    ("md.landscape(NET, PARAMS, TASK, LOSS, FLAT[:5], [0.0])", ValueError, "directions", "(1, 27)", "got (1, 5)"),
    ("md.landscape(NET, PARAMS, TASK, LOSS, 'north', [0.0])", TypeError, "directions", "got 'north'", "real numbers"),
    (
        "md.landscape(NET, PARAMS, TASK, LOSS, FLAT, [0.0], [1.0])",
        ValueError,
        "offsets",
        "one array per direction",
        "got 2 for 1",
    ),
    ("md.landscape(NET, PARAMS, TASK, LOSS, FLAT, 0.5)", ValueError, "offsets must have shape (any,)", "got ()"),
    ("md.landscape(NET, PARAMS, TASK, LOSS, PARAMS, [0.0])", TypeError, "directions", "array of real numbers"),
    ("md.landscape(NET, PARAMS, TASK, LOSS, FLAT, [0.0], step=[[1]])", TypeError, "step", "[[1]]", "one-dimensional"),
    ("md.landscape(NET, PARAMS, TASK, LOSS, FLAT, [0.0], step=2.5)", TypeError, "step", "2.5", "integer"),
    ("train(learning_rate=0)", ValueError, "learning_rate", "got 0", "> 0"),
    ("train(learning_rate=-1.0)", ValueError, "learning_rate", "got -1.0", "> 0"),
    ("train(learning_rate=float('nan'))", ValueError, "learning_rate", "got nan", "finite"),
    ("train(learning_rate='1')", TypeError, "learning_rate", "got '1'", "real number"),
    ("train(steps=0)", ValueError, "steps", "got 0", ">= 1"),
    ("train(steps=10.0)", TypeError, "steps", "got 10.0", "integer"),
    ("train(start=-1)", ValueError, "start", "got -1", ">= 0"),
    ("train(start=2**63)", ValueError, "start", f"got {2**63}", f"<= {2**53}"),
    ("train(batch_size=0)", ValueError, "batch_size", "got 0", ">= 1"),
    ("train(batch_size=13)", ValueError, "batch_size", "got 13", "<= 12"),
    ("train(seed=-1)", ValueError, "seed", "got -1", ">= 0"),
    ("train(params=[(w * 1e200, b) for w, b in PARAMS], loss=md.SquaredError())", ValueError, "params", "finite loss"),
    ("train(net=Smooth(2, 4, 3), params=Smooth(2, 5, 3).init(0))", ValueError, "params['in']", "(2, 4)", "got (2, 5)"),
    ("train(validation=TASK.x)", TypeError, "validation must be a Task", "array("),
    ("train(validation=md.spiral(4, 2))", ValueError, "validation", "2 classes", "3 classes"),
    ("train(measure=['hessian_max'])", TypeError, "measure", "['hessian_max']", "map names to cadences"),
    ("train(measure={'hessian_max': 0})", ValueError, "measure['hessian_max']", "got 0", ">= 1"),
    ("train(measure={'hessian_max': 2.5})", TypeError, "measure['hessian_max']", "got 2.5", "integer"),
    ("train(measure={'hessian_mx': 5})", ValueError, "measure['hessian_mx']", "got 5", "hessian_max, hessian_min"),
    ("train(measure={'mine': (0, len)})", ValueError, "measure['mine']", "got 0", ">= 1"),
    ("train(measure={'mine': (5, 'f')})", ValueError, "measure['mine']", "(5, 'f')", "(cadence, f("),
    ("train(measure={'loss': (5, len)})", ValueError, "measure names", "got 'loss'", "other than loss"),
    ("train(measure={'a b': (5, len)})", ValueError, "measure names", "got 'a b'", "identifiers"),
    ("train(measure={3: (5, len)})", ValueError, "measure names", "got 3", "identifiers"),
    ("train(engine='fast')", ValueError, "engine", "got 'fast'", "'auto', 'numpy', 'compiled'"),
    ("train(engine='compiled', batch_size=4)", ValueError, "engine 'compiled'", "batch_size=4", "full batches"),
    ("md.sweep({'period': [9, 1], 'amplitude': [5.0]}, steps=2)", ValueError, "period", "got 1", ">= 2"),
    ("RUN.resume(0)", ValueError, "steps", "got 0", ">= 1"),
    ("RUN.resume(1.0)", TypeError, "steps", "got 1.0", "integer"),
]


def test_the_table_is_as_long_as_it_should_be():
    assert len({call for call, *_ in TABLE}) == len(TABLE) >= 40


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("call", "error", "parts"), [(call, error, parts) for call, error, *parts in TABLE])
def test_the_error_says_what_is_wrong(call, error, parts):
    with pytest.raises(error) as caught:
        eval(call, NAMES)
    assert [part for part in parts if part not in str(caught.value)] == [], str(caught.value)


@pytest.mark.parametrize("number", [3, np.int64(3), np.uint8(3)])
def test_integers_of_numpy_are_integers(number):
    task = md.spiral(number, number)
    gamma = md.Oscillation(np.float32(2), number, number, dwell=number, rest_from=number)
    assert gamma == md.Oscillation(2.0, 3, 3, dwell=3, rest_from=3)
    run = train(
        net=md.MLP(2, number, number), params=md.MLP(2, 3, 3).init(number), task=task, steps=number, start=number
    )
    assert run.history.sizes["step"] == 4
