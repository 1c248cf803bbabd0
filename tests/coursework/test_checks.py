"""What a check says to answers that no table foresees."""

import re
import sys
import warnings

import numpy as np
import pytest

from minidyn.coursework import seeds
from minidyn.coursework.checks import Check, Failed, ValueCheck
from tests.coursework.harness import run, tasks

MEAN = Check("mean", np.mean, lambda random: (random.randn(4),), {"You took the sum.": np.sum}, "Add, then divide.")
BOTH = Check("both", lambda x: (x.min(), x.max()), lambda random: (random.randn(4),), {}, "Least, then greatest.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, "must be a function, and is None"),
        (lambda x: None, "it returns nothing"),
        (lambda x: "five", "it must return a float64"),
        (lambda x: x, r"the shape must be \(\), and is \(4,\)"),
        (lambda x: np.nan, "holds nan or infinity"),
        (lambda x: [[1], [2, 3]], "it must return a float64"),
        (lambda x: x.mean() + 1, "the answer is not right. Add, then divide."),
        (lambda x: x.sum(), "You took the sum."),
        (lambda x: x[10], "stopped with IndexError.*an array of shape"),
        (lambda: 1, "stopped with TypeError"),
    ],
)
def test_every_kind_of_wrong_answer_gets_a_sentence(answer, sentence):
    with pytest.raises(Failed, match=sentence) as failed:
        MEAN(answer)
    assert failed.value._render_traceback_()[0] == f"Not yet. {failed.value}"


def test_a_wrong_answer_is_shown_one_example_of_the_public_data_and_none_of_the_hidden():
    with pytest.raises(Failed) as failed:
        MEAN(np.sum)
    sentence, example, expected, answer = failed.value._render_traceback_()
    assert sentence == "Not yet. `mean`: You took the sum."
    assert re.fullmatch(r"For example: mean\(\[ ?1\.7641, .*\] of shape \(4,\)\)", example)
    assert (expected, answer) == ("must return 1.346", "and returns 5.3838")
    with pytest.raises(Failed) as failed:
        MEAN(np.sum, seed=1)
    assert failed.value._render_traceback_() == [sentence]


def test_several_results_may_come_in_a_tuple_a_list_or_an_array():
    for pack in (tuple, list, np.array):
        BOTH(lambda x, pack=pack: pack([x.min(), x.max()]))
    with pytest.raises(Failed, match=r"it must return 2 results, and returns 1 result\. Least"):
        BOTH(min)


def test_an_answer_may_spoil_its_arguments_warn_and_print(capsys):
    def noisy(x):
        warnings.warn("careful", stacklevel=1)
        print("here")
        print("there", file=sys.stderr)
        mean = x.mean()
        x[:] = np.log(-np.ones(4))
        return mean

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MEAN(noisy)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("mean: right on 3 examples\n", "")


def test_rounding_passes_and_a_small_mistake_does_not():
    MEAN(lambda x: np.float64(np.float32(x.mean())) * (1 + 1e-9))
    with pytest.raises(Failed):
        MEAN(lambda x: x.mean() * (1 + 1e-4))


@pytest.mark.parametrize("answer", [None, ..., "12", [1, 2], float("nan"), 7])
def test_a_reading_of_another_kind_is_not_right(answer):
    check = ValueCheck("peak", lambda seed: 100, lambda seed: {}, "Look again.")
    with pytest.raises(Failed, match=r"no answer yet|Look again"):
        check(answer)


def test_a_reading_is_of_the_students_own_picture():
    check = ValueCheck("own", lambda seed: 1 + seed % 1000, lambda seed: {}, "Look again.", tolerance=0)
    check(1 + seeds.personal_seed("ada") % 1000, student=" Ada ")
    with pytest.raises(Failed):
        check(1 + seeds.personal_seed("ada") % 1000, student="bob")
    assert seeds.personal_seed(12345) == seeds.personal_seed("12345")
    with pytest.raises(TypeError, match="student must be a name or a number"):
        check(1, student=None)


def test_a_false_check_does_not_reach_the_hidden_tests():
    cheat = "class ps1:\n    arm = unlearned = staticmethod(lambda *a, **k: None)\n\narm = None"
    said = run("ps1", {"arm": cheat})
    assert "must be a function" in said["arm"]
    assert [task for task, text in said.items() if text] == ["arm"]


def test_hidden_data_depend_on_secret_assignment_and_student():
    made = [
        seeds.seed_from_secret(secret, assignment, student)
        for secret in ("one", "two")
        for assignment in ("ps1", "ps2")
        for student in ("", "ada", "bob")
    ]
    assert len(set(made)) == len(made)
    assert made == [
        seeds.seed_from_secret(f" {secret}\n", assignment, student)
        for secret in ("one", "two")
        for assignment in ("ps1", "ps2")
        for student in ("", "ada", "bob")
    ]
    with pytest.raises(ValueError, match="secret must not be empty"):
        seeds.seed_from_secret(" ", "ps1")


def test_a_stale_hidden_seed_would_show():
    """Two hidden seeds draw different data: an answer that knows one fails on the other."""
    known = f"""
import numpy
from minidyn.coursework import ps1
table = {{}}
for seed in (0, 12345):
    for _, args in ps1.output_slope.examples(seed):
        table[args[0].tobytes()] = ps1.output_slope.right(*args)
{tasks("ps1")["output_slope"].splitlines()[0]}
    return table[logits.tobytes()]
"""
    assert run("ps1", {"output_slope": known}, seed=12345)["output_slope"] is None
    assert "KeyError" in run("ps1", {"output_slope": known}, seed=54321)["output_slope"]
