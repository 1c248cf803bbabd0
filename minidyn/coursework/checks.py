"""What a test asks of an answer, and what it says when the answer is not right.

A check knows the right answer, and a table of usual misunderstandings with the answer that each would give. A wrong
answer is looked up there: the message names what was probably misunderstood, not the answer. The right answers come
from the library, which is tested elsewhere against independent code.

Public tests call a check with its own data, hidden tests with `seeds.hidden_seed()`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidyn.coursework.seeds import personal_seed

DRAWS = 3  # examples that a check tries


class Failed(AssertionError):
    """A check that failed. Its text says what was probably misunderstood; a notebook shows nothing else of it."""

    def _render_traceback_(self) -> list[str]:
        return [f"Not yet. {self}"]


@dataclass(frozen=True)
class Check:
    """A check of a function that a student wrote.

    Parameters
    ----------
    name : str
        Of the function.
    right : callable
        Gives the right answer: an array, a string, or a tuple of these.
    draw : callable
        From a numpy.random.RandomState to a tuple of arguments. It must tell all the misunderstandings apart.
    wrong : mapping of str to callable
        What was probably misunderstood, and the function that this gives.
    hint : str
        Said where the answer is wrong in a way that `wrong` does not list.
    tolerance : float
        Relative to the largest entry of the right answer.

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
    draw: Callable[[np.random.RandomState], tuple[Any, ...]]
    wrong: Mapping[str, Callable[..., Any]]
    hint: str
    tolerance: float = 1e-6

    def __call__(self, function: Any, *, seed: int = 0) -> None:
        """Raise `Failed` unless the function is right on every example drawn from the seed."""
        if not callable(function):
            raise Failed(f"`{self.name}` must be a function, and is {_named(function)}.")
        random = np.random.RandomState(seed)
        for _ in range(DRAWS):
            arguments = self.draw(random)
            expected = _quietly(self.right, arguments)
            found = self._answer(function, arguments)
            if not self._same(found, expected):
                raise Failed(f"`{self.name}`: {self._diagnosis(found, expected, arguments)}")
        print(f"{self.name}: right on {DRAWS} examples")

    def _answer(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            return _quietly(function, arguments)
        except NotImplementedError:
            raise Failed(f"`{self.name}` is not written yet.") from None
        except Exception as error:
            shapes = ", ".join(_named(argument) for argument in arguments)
            raise Failed(
                f"`{self.name}` stopped with {type(error).__name__}: {error}. It was given {shapes}."
            ) from None

    def _diagnosis(self, found: Any, expected: Any, arguments: tuple[Any, ...]) -> str:
        if found is None:
            return "it returns nothing. Does it end in a `return`?"
        for message, function in self.wrong.items():
            if self._same(found, _quietly(function, arguments)):
                return message
        wanted = _parts(expected, isinstance(expected, tuple))
        got = _parts(found, isinstance(expected, tuple))
        if len(got) != len(wanted):
            return f"it must return {len(wanted)} thing(s), and returns {len(got)}. {self.hint}"
        for part, model in zip(got, wanted, strict=True):
            if part.dtype.kind not in "biufU" or (part.dtype.kind == "U") != (model.dtype.kind == "U"):
                return f"it must return {_named(model)}, and returns {_named(part)}. {self.hint}"
            if part.shape != model.shape:
                return f"the shape must be {model.shape}, and is {part.shape}. {self.hint}"
            if part.dtype.kind == "f" and not np.isfinite(part).all():
                return f"the answer holds nan or infinity where the true one is finite. {self.hint}"
        return f"the answer is not right. {self.hint}"

    def _same(self, found: Any, expected: Any) -> bool:
        got, wanted = (_parts(value, isinstance(expected, tuple)) for value in (found, expected))
        return len(got) == len(wanted) and all(_close(*pair, self.tolerance) for pair in zip(got, wanted, strict=True))


@dataclass(frozen=True)
class Reading:
    """A check of something that a student read off a picture: a number, within a tolerance, or a letter.

    Parameters
    ----------
    name : str
        Of the variable.
    right : callable
        From a student's seed to the right answer.
    wrong : callable
        From a student's seed to a mapping: what was probably misread, and the answer that this gives.
    hint : str
    tolerance : float
        How far off a number may be, relative to the right one.

    Examples
    --------
    >>> check = Reading("peak", lambda seed: 100, lambda seed: {"That is the trough.": 50}, "Look again.", 0.1)
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
    tolerance: float = field(default=0.05)

    def __call__(self, answer: Any, *, student: str | int = "") -> None:
        """Raise `Failed` unless the answer is right for the student's own picture."""
        seed = personal_seed(student)
        if answer is None or answer is Ellipsis:
            raise Failed(f"`{self.name}` has no answer yet.")
        if not self._matches(answer, self.right(seed)):
            said = [message for message, value in self.wrong(seed).items() if self._matches(answer, value)]
            raise Failed(f"`{self.name}`: {(said or [self.hint])[0]}")
        print(f"{self.name}: right")

    def _matches(self, answer: Any, value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(answer, str) and answer.strip().upper() == value
        try:
            number = float(answer)
        except (TypeError, ValueError):
            return False
        return bool(abs(number - value) <= self.tolerance * abs(value))


def _quietly(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """The answer to a copy of the arguments. nbgrader takes any warning on the error stream for a failed test."""
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        return function(*copy.deepcopy(arguments))


def _parts(value: Any, several: bool) -> list[np.ndarray]:
    """The arrays of an answer: one, or `several` in a tuple, a list or an array."""
    several = several and (isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim > 0))
    return [_array(part) for part in (value if several else [value])]


def _array(value: Any) -> np.ndarray:
    """`value` as an array, also where it is a PyTorch tensor with a history."""
    try:
        return np.asarray(value.detach() if hasattr(value, "detach") else value)
    except (ValueError, TypeError):  # rows of different lengths
        return np.asarray(None)


def _close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    if found.shape != expected.shape:
        return False
    if "U" in (found.dtype.kind, expected.dtype.kind):
        return bool(np.array_equal(found, expected))
    if found.dtype.kind not in "biuf":
        return False
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0) if expected.size else 1.0
    return bool(np.allclose(found, expected, rtol=0, atol=tolerance * (scale or 1.0), equal_nan=True))


def _named(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" if value.ndim else f"a {value.dtype.name}"
    if callable(value):
        return "a function"
    return f"{value!r:.40}"
