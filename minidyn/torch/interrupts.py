"""Ctrl-C between two updates, not inside one: what is written afterwards is then the state after whole updates."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def postponed() -> Iterator[Callable[[], None]]:
    """Within the block Ctrl-C waits until the function that this yields is called, which raises it.

    A second Ctrl-C does not wait. In threads other than the main one nothing changes, nor if the program handles Ctrl-C
    in its own way.
    """
    pressed: list[int] = []

    def note(number: int, frame: Any) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    def look() -> None:
        if pressed:
            raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield look
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield look
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
