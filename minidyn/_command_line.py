"""What all command lines have in common: they say their version, and end quietly if nobody reads them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps

from minidyn._version import __version__

BROKEN_PIPE = 141  # the exit status of what writes to a closed pipe, as shells give it


def add_version(parser: argparse.ArgumentParser) -> None:
    """Let a command answer to --version."""
    parser.add_argument("--version", action="version", version=f"minidyn {__version__}")


def ends_quietly(main: Callable[..., int]) -> Callable[..., int]:
    """A decorator for a command: if the reader of its output has gone, it ends with status 141 and no traceback."""

    @wraps(main)
    def run(arguments: Sequence[str] | None = None) -> int:
        try:
            try:
                return main(arguments)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at its exit
            return BROKEN_PIPE

    return run
