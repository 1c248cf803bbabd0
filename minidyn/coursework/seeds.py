"""Whose data: a student's own, which everybody may know, and the hidden one, which only the teacher's secret tells.

The masters are public, and so are the hidden tests. What is not public is the data that they run on: it is drawn from
a seed made of the teacher's secret, the assignment and the student. The first `grade` writes a secret to ``secret.txt``
in the course folder; with the same secret, points never change in a regrade. Neither the secret nor the seed nor the
data reach a student's process before its function is called with them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_hidden = ContextVar("hidden seed", default=1)  # known to the grader's process only


def personal_seed(student: str | int) -> int:
    """The seed of a student's own pictures: 0 for an empty name, so that a class may share one.

    Parameters
    ----------
    student : str or int
        A name or number. Case and surrounding blanks do not count.

    Returns
    -------
    int
        0 to 2³² - 1.

    Raises
    ------
    TypeError
        If `student` is neither.

    Examples
    --------
    >>> personal_seed(""), personal_seed(" Ada") == personal_seed("ada")
    (0, True)
    """
    if not isinstance(student, (str, int)):
        raise TypeError(f"student must be a name or a number, such as '12345', got {student!r}")
    name = str(student).strip().casefold()
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") if name else 0


def seed_from_secret(secret: str, assignment: str, student: str = "") -> int:
    """The seed of the hidden data: HMAC-SHA256 of assignment and student, with the teacher's secret as the key.

    Parameters
    ----------
    secret : str
        Not empty.
    assignment : str
    student : str
        Empty: the whole class meets the same hidden data.

    Returns
    -------
    int
        0 to 2³² - 1.

    Raises
    ------
    ValueError
        If the secret is empty.

    Examples
    --------
    >>> seed_from_secret("a secret", "ps1", "ada") == seed_from_secret("a secret", "ps1", "bob")
    False
    """
    if not secret.strip():
        raise ValueError(f"secret must not be empty, got {secret!r}")
    message = f"{assignment}\n{student}".encode()
    return int.from_bytes(hmac.new(secret.strip().encode(), message, hashlib.sha256).digest()[:4], "big")


@contextmanager
def hidden(seed: int) -> Iterator[None]:
    """Within this context hidden tests draw from the seed.

    Examples
    --------
    >>> with hidden(5):
    ...     hidden_seed()
    5
    """
    token = _hidden.set(seed)
    try:
        yield
    finally:
        _hidden.reset(token)


def hidden_seed() -> int:
    """The seed that hidden tests use: the grader's, or 1 if a teacher runs the notebook by hand.

    Examples
    --------
    >>> hidden_seed()
    1
    """
    return _hidden.get()
