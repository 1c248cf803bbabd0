"""One progress bar for the whole library, silent for work that is over within a second, and one way to say a line."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_SHOWN = ContextVar("shown", default=True)


@contextmanager
def bars(*, shown: bool) -> Iterator[None]:
    """Show the progress bars of the block, or none of them."""
    before = _SHOWN.set(shown and _SHOWN.get())
    try:
        yield
    finally:
        _SHOWN.reset(before)


def bar(total: int, what: str, unit: str, *, shown: bool = True, at_once: bool = False) -> Any:
    """A tqdm bar, in terminals and in notebooks; never while the book is built (MINIDYN_BOOK is set).

    It appears with the first progress after a second, or `at_once`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets tqdm warns, and draws a text bar
        from tqdm.auto import tqdm
    hidden = not _is_shown(shown)
    return tqdm(
        total=total, desc=what, unit=f" {unit}", unit_scale=True, delay=0 if at_once else 1, leave=False, disable=hidden
    )


def say(line: str, *, shown: bool = True) -> None:
    """A line for the reader, beside the progress bar and under the same conditions."""
    if _is_shown(shown):
        print(line, file=sys.stderr)


def _is_shown(wanted: bool) -> bool:
    return wanted and _SHOWN.get() and not os.environ.get("MINIDYN_BOOK")
