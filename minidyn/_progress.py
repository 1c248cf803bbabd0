"""One progress bar for the whole library: silent for work that is over within a second."""

from __future__ import annotations

import os
import warnings
from typing import Any


def bar(total: int, what: str, unit: str, *, shown: bool = True) -> Any:
    """A tqdm bar, in terminals and in notebooks; never while the book is built (MINIDYN_BOOK is set)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets tqdm warns, and draws a text bar
        from tqdm.auto import tqdm
    hidden = not shown or bool(os.environ.get("MINIDYN_BOOK"))
    return tqdm(total=total, desc=what, unit=f" {unit}", unit_scale=True, delay=1, leave=False, disable=hidden)
