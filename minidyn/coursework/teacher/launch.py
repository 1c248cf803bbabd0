"""Runs first in a student's sandbox, before anything of the student's: files in place, limits set, rights given up.

    python -I launch.py SETTINGS PROGRAM ARGUMENT...

SETTINGS is JSON: `copies`, pairs of folders (from, to); `limits`, by their names in the module resource; `user`, a user
id to become, or null; `folder`, where the program starts. This file imports nothing of minidyn.
"""

import json
import os
import resource
import shutil
import sys
from collections.abc import Sequence
from typing import Any


def main(settings: dict[str, Any], program: list[str]) -> None:
    """Prepare, and become the program."""
    for source, target in settings["copies"]:
        shutil.copytree(source, target, dirs_exist_ok=True)
    user = settings["user"]
    if user is not None:
        own([target for _, target in settings["copies"]], user)
        os.setgroups([])
    for name, value in settings["limits"].items():
        lower(getattr(resource, name), value)
    if user is not None:
        os.setgid(user)
        os.setuid(user)
    os.umask(0o077)
    os.chdir(settings["folder"])
    os.execv(program[0], program)


def lower(limit: int, value: int) -> None:
    """Set a limit, unless a stricter one holds."""
    _, hard = resource.getrlimit(limit)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))


def own(folders: Sequence[str], user: int) -> None:
    """Hand folders and what is in them to a user."""
    for folder in folders:
        for place, _, files in os.walk(folder):
            for path in (place, *(os.path.join(place, name) for name in files)):
                os.chown(path, user, user, follow_symlinks=False)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
