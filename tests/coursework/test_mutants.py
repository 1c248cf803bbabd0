"""Small changes of the masters' answers: the tests see all of them, but for those that change nothing."""

import contextlib
import importlib
import io

import pytest

from minidyn.coursework.checks import Failed
from tests.coursework.harness import ASSIGNMENTS, name_of, source, tasks
from tests.coursework.mutants import mutants

MAXIMA_CANCEL = "softmax is the same whatever is taken off all outputs of a sample; huge ones are asked for in ps1 only"
ANY_STEP = "differences of a cubic are exact for every step"
AT_THE_FLOOR = "the force is 0 at the floor"
EQUIVALENT = {  # (assignment, task, a part of the mutant): why it is no mistake
    ("ps1", "output_slope", "np.exp(logits"): MAXIMA_CANCEL,
    ("ps1", "backward", "np.maximum(0, z)"): "the larger of two numbers does not depend on their order",
    ("ps1", "descend", "return path"): "a list of points is as good as an array",
    ("ps1", "unlearned", "pass"): "the variable is set in the next line",
    ("ps2", "dynamical_loss", "shifted = logits"): MAXIMA_CANCEL,
    ("ps2", "dynamical_slope", "np.exp(logits"): MAXIMA_CANCEL,
    ("ps2", "period", "pass"): "the variable is set in the next line",
    ("ps2", "amplitude", "pass"): "the variable is set in the next line",
    ("ps3", "crossing", "pass"): "the variable is set in the next line",
    ("ps3", "crossing", "values >= 2"): "no measured sharpness is exactly 2",
    **{("ps3", "flip_coefficient", step): ANY_STEP for step in ("h = -0.9", "h = 1.1", "h = 0.2")},
    **{
        ("ps3", "flip_coefficient", f"force(floor + h){middle} + force(floor - h)) / h"): AT_THE_FLOOR
        for middle in (
            " + 2 * force(floor)",
            "",
            *(f" - {k}force(floor)" for k in ("", "0 * ", "1 * ", "3 * ", "4 * ")),
        )
    },
    ("ps4", "jacobian", "np.maximum(0, z)"): "the larger of two numbers does not depend on their order",
    ("ps4", "jacobian", "len(c), -2)"): "NumPy takes every negative length for the one that is left",
    ("ps4", "predicted_change", "'pcqd,pc->qd'"): "a kernel is symmetric",
    ("ps4", "growth", "pass"): "the variable is set in the next line",
    (
        "ps4",
        "growth",
        "values[-1] / values[1]",
    ): "the next point differs by less than the 10% that a reading may be off",
    (
        "ps4",
        "growth",
        "values[-2] / values[0]",
    ): "the next point differs by less than the 10% that a reading may be off",
    ("ps5", "best_match", "mean(axis=2)"): "all patterns have the same number of units",
    ("ps5", "remaining", "pass"): "the variable is set in the next line",
    ("ps5", "add", "carry, total = (0, 0.0)"): "a whole number is right as a float too",
    ("ps5", "add", "max(b.bit_length(), a.bit_length())"): "the larger of two numbers does not depend on their order",
    ("ps5", "add", "b.bit_length()) + 2"): "a step more reads two zeros and no carry, to which every cell here says 0",
}
# Wrong answers that once passed, and others of their kind: the draws missed a case, or nothing asked for an argument.
ONCE_PASSED = [
    ("ps2", "raw_weights", "ramp = 1 - abs(2 * share - 1)", "ramp = 2 - 2 * share"),
    ("ps2", "raw_weights", "ramp = 1 - abs(2 * share - 1)", "ramp = min(1, 2 * share)"),
    ("ps2", "raw_weights", "ramp = 1 - abs(2 * share - 1)",
     "half, within = period // 2, step % period\n    ramp = min(within, period - within) / half"),
    ("ps2", "raw_weights", "turn = step // period % classes", "turn = min(step // period, classes - 1)"),
    ("ps2", "class_weights", "len(raw) * raw / raw.sum()", "len(raw) * raw / (raw.max() + len(raw) - 1)"),
    ("ps1", "backward", "z > 0", "z >= 0"),
    ("ps4", "jacobian", "z > 0", "z >= 0"),
    ("ps1", "cross_entropy", "rest = np.log(np.exp(shifted).sum(axis=1))",
     "e = np.exp(shifted)\n    return -np.log((e.T / e.sum(axis=1)).T[np.arange(len(labels)), labels]).mean()"),
    ("ps1", "descend", "path = [w]", "w = w.copy()\n    path = [w * 1.0]\n    w = w.astype(int)"),
    ("ps3", "hessian_times", "    ahead", "    eps = 1e-4\n    ahead"),
    ("ps3", "hessian_times", "    ahead", "    eps = 0.3\n    ahead"),
    ("ps3", "sharpness", "np.linalg.eigvalsh(hessian)[-1]", "max(0, np.linalg.eigvalsh(hessian)[-1])"),
    ("ps3", "power_iteration", "range(steps)", "range(max(steps, 1))"),
    ("ps3", "fates", "rate * c < 1:", "rate * c <= 1:"),
    ("ps3", "fates", "rate * c < 2:", "rate * c <= 2:"),
    ("ps3", "flip_coefficient", "second = (", "floor = 0\n    second = ("),
    ("ps3", "flip_coefficient", "second = (", "rate = 1\n    second = ("),
    ("ps5", "coarse", "digit : digit + 3", "max(digit, 1) : digit + 3"),
    ("ps5", "best_match", "errors.argmin(axis=1)", "errors.shape[1] - 1 - errors[:, ::-1].argmin(axis=1)"),
    ("ps5", "add", "    carry, total = 0.0, 0", "    return a + b\n    carry, total = 0.0, 0"),
    ("ps5", "add", "digit, carry = cell(a >> k & 1, b >> k & 1, carry)",
     "digit, carry = cell(b >> k & 1, a >> k & 1, carry)"),
    ("ps5", "add", "max(a.bit_length(), b.bit_length())", "a.bit_length()"),
    ("ps5", "add", "max(a.bit_length(), b.bit_length())", "b.bit_length()"),
]  # fmt: skip


def surroundings(assignment):
    """What a notebook's first cell imports, and the student's name."""
    names = {"__name__": assignment, "student": ""}
    exec(next(c.source for c in source(assignment).cells if c.source.startswith("import matplotlib")), names)
    return names


def passes(assignment, task, code, seed, names):
    """Whether an answer passes the hidden test."""
    check = getattr(importlib.import_module(f"minidyn.coursework.{assignment}"), task)
    names = dict(names)
    try:
        exec(code, names)
        with contextlib.redirect_stdout(io.StringIO()):
            check(names[task], seed=seed) if hasattr(check, "draw") else check(names[task])
    except Exception:
        return False
    return True


def survivors(assignment, seed):
    names = surroundings(assignment)
    return {
        (task, mutant)
        for task, code in tasks(assignment).items()
        for mutant in mutants(code)
        if passes(assignment, task, mutant, seed, names)
    }


def excused(assignment, task, mutant):
    return [part for (a, t, part) in EQUIVALENT if (a, t) == (assignment, task) and part in mutant]


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_only_mutants_that_are_no_mistakes_survive(assignment):
    alive = survivors(assignment, seed=5)
    assert [mutant for task, mutant in alive if not excused(assignment, task, mutant)] == []
    used = {(task, part) for task, mutant in alive for part in excused(assignment, task, mutant)}
    assert used == {(task, part) for a, task, part in EQUIVALENT if a == assignment}, "an excuse that nobody needs"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_no_hidden_seed_lets_a_mistake_pass(assignment, seed):
    alive = survivors(assignment, seed)
    assert [mutant for task, mutant in alive if not excused(assignment, task, mutant)] == []


def test_there_are_hundreds_of_mutants_of_every_check():
    counts = {(a, task): len(list(mutants(code))) for a in ASSIGNMENTS for task, code in tasks(a).items()}
    graded = [name_of(c) for a in ASSIGNMENTS for c in source(a).cells if name_of(c).startswith("test-")]
    assert len(counts) == len(graded) >= 31
    assert sum(counts.values()) >= 250
    assert min(counts.values()) >= 2


@pytest.mark.parametrize(("assignment", "task", "old", "new"), ONCE_PASSED)
def test_a_wrong_answer_that_once_passed_fails_on_every_seed(assignment, task, old, new):
    code = tasks(assignment)[task]
    assert old in code
    names = surroundings(assignment)
    wrong = code.replace(old, new, 1)
    assert [seed for seed in range(20) if passes(assignment, task, wrong, seed, names)] == []
    assert passes(assignment, task, code, 1, names)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_case_is_named_and_met(assignment):
    """A check's cases are drawn on every seed, and the failing one is named."""
    module = importlib.import_module(f"minidyn.coursework.{assignment}")
    checks = [getattr(module, task) for task in tasks(assignment) if hasattr(getattr(module, task), "draw")]
    for check in checks:
        assert len(check.cases) >= 2, check.name
        assert [case for case, _ in check.examples(7)][3:] == list(check.cases)
        last = list(check.cases)[-1]
        arguments = dict(check.examples(7))[last]
        with pytest.raises(Failed) as failed:
            check(spoiled(check, arguments), seed=7)
        assert str(failed.value).startswith(f"`{check.name}`")


def spoiled(check, arguments):
    """The right answer, but for one example, where it stops."""

    def answer(*given):
        if repr(given) == repr(arguments):
            raise ArithmeticError("spoiled")
        return check.right(*given)

    return answer
