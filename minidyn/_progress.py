"""One progress bar for the whole library: silent for work that is over within a second."""

from __future__ import annotations

import os
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


def bar(total: int, what: str, unit: str, *, shown: bool = True) -> Any:
    """A tqdm bar, in terminals and in notebooks; never while the book is built (MINIDYN_BOOK is set)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets tqdm warns, and draws a text bar
        from tqdm.auto import tqdm
    hidden = not (shown and _SHOWN.get()) or bool(os.environ.get("MINIDYN_BOOK"))
    return tqdm(total=total, desc=what, unit=f" {unit}", unit_scale=True, delay=1, leave=False, disable=hidden)
