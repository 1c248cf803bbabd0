"""What a test asks of an answer, and what it says when the answer is not right.

A check draws examples, calls the answer on each, and compares. It knows the right answer, and a table of usual
misunderstandings with the answer that each would give. A wrong answer is looked up there: the message names what was
probably misunderstood. The right answers come from the library, which is tested elsewhere against independent code.

Public tests call a check with its own data, hidden tests with `seeds.hidden_seed()`. While grading, drawing and
comparing stay in the grader's process; only the call of the answer goes to the student's.
"""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidyn import _renamed
from minidyn.coursework import transfer
from minidyn.coursework.seeds import personal_seed

DRAWS = 3  # examples that a check draws, beside one for each of its cases
PUBLIC = 0  # the seed of the examples that everybody may see
SINGLE_PRECISION = 3e-4  # tolerance for an answer that was computed in float32

Draw = Callable[[np.random.RandomState], tuple[Any, ...]]


class Failed(AssertionError):
    """Raised by a check if the answer is not right.

    The text says what was probably misunderstood. A notebook shows that and, if the data are public, one example on
    which the answer is wrong; no traceback.
    """

    def __init__(self, message: str, example: Sequence[str] = ()):
        super().__init__(message)
        self.example = tuple(example)

    def _render_traceback_(self) -> list[str]:
        return [f"Not yet. {self}", *self.example]


@dataclass(frozen=True)
class _Example:
    """One call of an answer: what it was given, what it must return, and what it returned or why it did not."""

    case: str
    arguments: tuple[Any, ...]
    expected: Any
    answer: Any = None
    error: Failed | None = None


@dataclass(frozen=True)
class Check:
    """A check of a function that a student wrote.

    Parameters
    ----------
    name : str
        Name of the function.
    right : callable
        Gives the right answer: an array, a string, or a tuple of these.
    draw : callable
        From a numpy.random.RandomState to a tuple of ordinary arguments.
    wrong : mapping of str to callable
        What was probably misunderstood, and the function that this gives. The draws and the cases together must tell
        all of them apart.
    hint : str
        What is said if the answer is wrong in a way that `wrong` does not list.
    tolerance : float
        Largest error, relative to the largest entry of the right answer.
    cases : mapping of str to callable
        Special arguments that the task names, such as boundaries: what they are, and how to draw them. Every check
        meets each of them once.

    Examples
    --------
    >>> check = Check(
    ...     "mean", np.mean, lambda random: (random.randn(5),), {"You took the sum.": np.sum}, "Add, then divide."
    ... )
    >>> check(lambda x: sum(x) / len(x))
    mean: right on 3 examples
    >>> check(sum)
    Traceback (most recent call last):
    minidyn.coursework.checks.Failed: `mean`: You took the sum.
    """

    name: str
    right: Callable[..., Any]
    draw: Draw
    wrong: Mapping[str, Callable[..., Any]]
    hint: str
    tolerance: float = 3e-5
    cases: Mapping[str, Draw] = field(default_factory=dict)

    def __call__(self, function: Any, *, seed: int = PUBLIC) -> None:
        """Raise `Failed` unless the function is right on every example drawn from the seed."""
        if not callable(function):
            raise Failed(f"`{self.name}` must be a function, and is {_named(function)}.")
        examples = [self._tried(function, case, arguments) for case, arguments in self.examples(seed)]
        failing = next((example for example in examples if not self._passes(example)), None)
        if failing is not None:
            raise failing.error or Failed(
                f"`{self.name}`: {self._diagnosis(examples[:DRAWS], failing)}",
                self._shown(failing) if seed == PUBLIC else (),
            )
        print(f"{self.name}: right on {len(examples)} examples")

    def examples(self, seed: int = PUBLIC) -> list[tuple[str, tuple[Any, ...]]]:
        """All arguments that the seed gives, each with the name of its case ("" for an ordinary draw)."""
        random = np.random.RandomState(seed)
        draws = [("", self.draw)] * DRAWS + list(self.cases.items())
        return [(case, draw(random)) for case, draw in draws]

    def _tried(self, function: Callable[..., Any], case: str, arguments: tuple[Any, ...]) -> _Example:
        expected = _quietly(self.right, arguments)
        try:
            return _Example(case, arguments, expected, transfer.plain(_quietly(function, arguments)))
        except NotImplementedError:
            error = Failed(f"`{self.name}` is not written yet.")
        except Exception as cause:
            given = ", ".join(_named(argument) for argument in arguments) + (f" ({case})" if case else "")
            error = Failed(f"`{self.name}` stopped with {type(cause).__name__}: {cause}. It was given {given}.")
        return _Example(case, arguments, expected, error=error)

    def _passes(self, example: _Example) -> bool:
        return example.error is None and self._same(example, example.expected)

    def _diagnosis(self, ordinary: Sequence[_Example], failing: _Example) -> str:
        if failing.answer is None:
            return "it returns nothing. Does it end in a `return`?"
        for message, function in self.wrong.items():
            if all(self._explains(function, example) for example in (failing, *ordinary)):
                return message
        return f"{self._difference(failing)}{f' ({failing.case})' if failing.case else ''}. {self.hint}"

    def _explains(self, function: Callable[..., Any], example: _Example) -> bool:
        """Whether a misunderstanding gives the student's answer."""
        try:
            return example.error is not None or self._same(example, _quietly(function, example.arguments))
        except Exception:  # it need not make sense in every case
            return False

    def _difference(self, example: _Example) -> str:
        several = isinstance(example.expected, tuple)
        expected, answer = _arrays(example.expected, several), _arrays(example.answer, several)
        if len(answer) != len(expected):
            return f"it must return {_counted(len(expected))}, and returns {_counted(len(answer))}"
        for got, wanted in zip(answer, expected, strict=True):
            if got.dtype.kind == "c":
                return "the numbers must be real, and are complex"
            if got.dtype.kind not in "biufU" or (got.dtype.kind == "U") != (wanted.dtype.kind == "U"):
                return f"it must return {_named(wanted)}, and returns {_named(example.answer)}"
            if got.shape != wanted.shape:
                return f"the shape must be {wanted.shape}, and is {got.shape}"
            if got.dtype.kind == "f" and not np.isfinite(got).all() and np.isfinite(wanted).all():
                return "the answer holds nan or infinity where the true one is finite"
        return "the answer is not right"

    def _shown(self, example: _Example) -> list[str]:
        given = ", ".join(_short(argument) for argument in example.arguments)
        return [
            f"For example{f' ({example.case})' if example.case else ''}: {self.name}({given})",
            f"must return {_short(example.expected)}",
            f"and returns {_short(example.answer)}",
        ]

    def _same(self, example: _Example, value: Any) -> bool:
        """Whether the answer to an example is this value."""
        several = isinstance(example.expected, tuple)
        got, wanted = _arrays(example.answer, several), _arrays(value, several)
        return len(got) == len(wanted) and all(_close(*pair, self.tolerance) for pair in zip(got, wanted, strict=True))


@dataclass(frozen=True)
class ValueCheck:
    """A check of something that a student read off a picture: a number, within a tolerance, or a letter.

    Parameters
    ----------
    name : str
        Name of the variable.
    right : callable
        From a student's seed to the right answer.
    wrong : callable
        From a student's seed to a mapping: what was probably misread, and the answer that this gives.
    hint : str
        What is said if the answer is wrong in a way that `wrong` does not list.
    tolerance : float
        Largest error of a number, relative to the right one.

    Examples
    --------
    >>> check = ValueCheck("peak", lambda seed: 100, lambda seed: {"That is the trough.": 50}, "Look again.", 0.1)
    >>> check(95)
    peak: right
    >>> check(50)
    Traceback (most recent call last):
    minidyn.coursework.checks.Failed: `peak`: That is the trough.
    """

    name: str
    right: Callable[[int], Any]
    wrong: Callable[[int], Mapping[str, Any]]
    hint: str
    tolerance: float = 0.05

    def __call__(self, answer: Any, *, student: str | int = "") -> None:
        """Raise `Failed` unless the answer is right for the student's own picture."""
        seed = personal_seed(student)
        if answer is None or answer is Ellipsis:
            raise Failed(f"`{self.name}` has no answer yet.")
        if not self._matches(answer, self.right(seed)):
            explanations = [message for message, value in self.wrong(seed).items() if self._matches(answer, value)]
            raise Failed(f"`{self.name}`: {(explanations or [self.hint])[0]}")
        print(f"{self.name}: right")

    def _matches(self, answer: Any, value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(answer, str) and answer.strip().upper() == value
        try:
            number = float(answer)
        except (TypeError, ValueError, OverflowError):
            return False
        return bool(abs(number - value) <= self.tolerance * abs(value))


def _quietly(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """The answer to a copy of the arguments, without what it prints and warns."""
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        return function(*copy.deepcopy(arguments))


def _arrays(value: Any, several: bool) -> list[np.ndarray]:
    """The arrays of an answer: one, or if `several` those in a tuple, a list or an array."""
    several = several and (isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim > 0))
    return [_array(item) for item in (value if several else [value])]


def _array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (ValueError, TypeError):  # rows of different lengths
        return np.asarray(None)


def _close(answer: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    if answer.shape != expected.shape:
        return False
    if "U" in (answer.dtype.kind, expected.dtype.kind):
        return bool(np.array_equal(answer, expected))
    if answer.dtype.kind not in "biuf":
        return False
    if expected.dtype.kind in "biu":
        return bool(np.array_equal(answer, expected))
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0) if expected.size else 1.0
    if _is_single(answer):
        tolerance = max(tolerance, SINGLE_PRECISION)
    return bool(np.allclose(answer, expected, rtol=0, atol=tolerance * (scale or 1.0), equal_nan=True))


def _is_single(answer: np.ndarray) -> bool:
    """Whether every number is one of float32's, as those are that PyTorch computes by default."""
    with np.errstate(over="ignore"):
        return answer.dtype.kind == "f" and np.array_equal(answer, answer.astype(np.float32), equal_nan=True)


def _named(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, transfer.Opaque):
        return value.description
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" if value.ndim else f"a {value.dtype.name}"
    if callable(value):
        return "a function"
    return f"{value!r:.40}"


def _short(value: Any) -> str:
    """A value as it is written, on one line and cut short."""
    if callable(value):
        return f"<{type(value).__name__}>" if type(value).__name__ in transfer.ALL else "<function>"
    if isinstance(value, transfer.Opaque):
        return f"<{value.description}>"
    if isinstance(value, tuple | list):
        return f"({', '.join(_short(item) for item in value[:8])}{', ...' if len(value) > 8 else ''})"
    if isinstance(value, float | np.floating):
        return f"{value:.5g}"
    if isinstance(value, np.ndarray) and value.ndim:
        text = np.array2string(value, precision=4, threshold=12, edgeitems=2, separator=", ", suppress_small=True)
        return f"{' '.join(text.split()):.200} of shape {value.shape}"
    return f"{value!r:.80}"


def _counted(number: int) -> str:
    return f"{number} result" if number == 1 else f"{number} results"


_renamed.names(__name__, Reading="minidyn.coursework.checks.ValueCheck")
