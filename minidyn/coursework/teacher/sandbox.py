"""Where a student's code runs: the ways to keep it from everything but its own notebook, the safest first.

1. `Bubblewrap` (Linux: ``apt install bubblewrap``): the student's process sees Python, minidyn and an empty folder of
   its own. It has no network, and it ends with everything that it started.
2. `Container`: a command that the teacher names with ``--container``. ``{folder}`` becomes the folder of one notebook;
   the image has minidyn[coursework]::

       python -m minidyn.coursework grade ps1 --container \\
         "docker run --rm --network none --memory 4g --pids-limit 100 -v {folder}:{folder} IMAGE"

3. `SecondUser`: if the grader is root, a user id without rights. The course folder is closed to it; the network is not.
   This is the way on Windows and macOS: grade inside a container, in which you are root and which has no network::

       docker run --rm --network none -v "$PWD:/course" -w /course IMAGE python -m minidyn.coursework grade ps1

4. `Unprotected`: the teacher's own rights, with ``--unprotected`` only.

Whether a way works here is tried out, not guessed: a probe runs in it, and must not be able to read the course.

A test draws its data and compares results in the grader's process. The student's process gets arguments and sends back
results, both as plain data, so that patching NumPy, minidyn or the check gains nothing. After each student `grade`
checks that no score exceeds the maximum, and that neither another student's points nor source nor release have changed.
If they have, the result is marked in the column ``trouble`` and is not exported.

What a determined attacker can still do:

- look up an answer: the project is open. The report says if an answer *is* the project's own function, but not if it
  was copied;
- tell the public examples from the hidden ones, and give a right answer for the wrong reason to both;
- use up the notebook's time and memory, or fill the folder of sockets, until it is ended;
- use a hole in the kernel of the operating system, in bubblewrap or in the container;
- in the second and third way, whatever the container or the machine allows to every user.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import minidyn

LAUNCH = Path(__file__).with_name("launch.py")
PACKAGE = Path(minidyn.__file__).resolve().parent
USERS = 61000  # user ids from here on belong to nobody
LONGEST_PATH = 107  # bytes that the path of a socket may have
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/fonts", "/etc/localtime"),
)
PROBE = """
import json, os, socket, sys
def able(action, *arguments):
    try:
        action(*arguments)
    except OSError:
        return False
    return True
import minidyn, ipykernel
networks = [name for _, name in socket.if_nameindex() if name != "lo"]
print(json.dumps({"reads": able(os.listdir, sys.argv[1]) and bool(os.listdir(sys.argv[1])), "networks": networks}))
"""


class NoSandbox(RuntimeError):
    """Raised if student code cannot be kept apart on this machine."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one notebook may use.

    Attributes
    ----------
    seconds : float
        For the whole notebook, restarts included.
    cell_seconds : float
        For one cell, or one call of an answer.
    memory : int
        Bytes that all its processes hold together.
    processes : int
        Processes and threads at a time.
    file_bytes : int
        Size of a file, and of all files together where the sandbox keeps them in memory.
    output_bytes : int
        What all cells together may print and show; the rest is dropped.
    """

    seconds: float = 60.0
    cell_seconds: float = 15.0
    memory: int = 2 * 2**30
    processes: int = 64
    file_bytes: int = 64 * 2**20
    output_bytes: int = 2 * 2**20

    def resources(self) -> dict[str, int]:
        """The limits that the system keeps for each process."""
        return {
            "RLIMIT_AS": 4 * self.memory,
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_FSIZE": self.file_bytes,
            "RLIMIT_CORE": 0,
            "RLIMIT_CPU": int(2 * self.seconds) + 10,
        }


@dataclass(frozen=True)
class Place:
    """The folders of one run, outside of the course: `given` is read-only, `home` and `cache` are the student's own.

    `sockets` is where grader and kernel meet.
    """

    root: Path

    @property
    def given(self) -> Path:
        return self.root / "given"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def sockets(self) -> Path:
        return self.root / "sockets"


@contextmanager
def place() -> Iterator[Place]:
    """Folders for one run, with paths short enough for sockets; gone afterwards, whatever is in them."""
    base = tempfile.gettempdir()
    root = Path(tempfile.mkdtemp(prefix="md-", dir="/tmp" if len(base) > 40 and os.path.isdir("/tmp") else base))
    here = Place(root)
    try:
        for folder in (here.given / "home", here.given / "cache", here.home, here.cache, here.sockets):
            folder.mkdir(parents=True)
        root.chmod(0o755)
        yield here
    finally:
        _remove(root)


def _remove(root: Path) -> None:
    """Delete a folder that a student could write to: deep ones are left to `rm`, which does not recurse."""
    try:
        shutil.rmtree(root)
    except (OSError, RecursionError):
        subprocess.run(["rm", "-rf", "--", str(root)], check=False, stderr=subprocess.DEVNULL)


class Sandbox(ABC):
    """A way to run a program for a student."""

    name: str
    warning = ""  # what it does not keep apart

    def command(self, program: Sequence[str], here: Place, limits: Limits) -> list[str]:
        """The command that runs a program in the sandbox, from its home folder."""
        copies = [(str(here.root / "given" / name), str(here.root / name)) for name in ("home", "cache")]
        settings = {
            "copies": copies,
            "limits": limits.resources(),
            "user": self.user(),
            "folder": str(here.home),
        }
        launch = [self.python(), "-I", self.launcher(), json.dumps(settings), self.python(), *program]
        return [*self.prefix(here, limits), *launch]

    @abstractmethod
    def prefix(self, here: Place, limits: Limits) -> list[str]:
        """What stands before the command."""

    def python(self) -> str:
        return sys.executable

    def launcher(self) -> str:
        return str(LAUNCH)

    def user(self) -> int | None:
        """The user id that the program gets, or None for the grader's."""
        return None

    def own(self, folder: Path) -> None:
        """Let the program write into a folder that the grader made."""
        user = self.user()
        if user is not None:
            os.chown(folder, user, user)

    def environment(self, here: Place) -> dict[str, str]:
        """All that the program knows of the grader's environment."""
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        return threads | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(here.home),
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",
            "PYTHONPATH": str(PACKAGE.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "MPLCONFIGDIR": str(here.cache / "matplotlib"),
            "NUMBA_CACHE_DIR": str(here.cache / "numba"),
            "IPYTHONDIR": str(here.cache / "ipython"),
        }

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End the program and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


class Bubblewrap(Sandbox):
    """Namespaces of its own for files, processes and the network, by the program bwrap."""

    name = "bubblewrap"

    def __init__(self, hidden: Path):
        self._hidden = hidden

    def prefix(self, here: Place, limits: Limits) -> list[str]:
        namespaces = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        rights = ["--cap-drop", "ALL"]
        if os.getuid() == 0:  # the launcher needs them, and gives them up
            for right in ("CHOWN", "DAC_OVERRIDE", "SETUID", "SETGID"):
                rights += ["--cap-add", f"CAP_{right}"]
        else:
            namespaces.append("--unshare-user")
        memory = ["--perms", "1777", "--size", str(limits.file_bytes), "--tmpfs"]
        folders = [*memory, "/tmp"]
        for path in _ancestors([here.home, *map(Path, _python_folders())]):
            folders += ["--perms", "0755", "--dir", path]  # else they are closed to another user
        for path in (*SYSTEM, *_python_folders()):
            folders += ["--ro-bind-try", path, path]
        if any(self._hidden.is_relative_to(path) for path in map(Path, _python_folders())):
            folders += ["--tmpfs", str(self._hidden)]
        folders += ["--ro-bind", str(here.given), str(here.given), "--bind", str(here.sockets), str(here.sockets)]
        folders += [*memory, str(here.home), *memory, str(here.cache), "--proc", "/proc", "--dev", "/dev"]
        folders += [*memory, "/dev/shm"]
        return ["bwrap", *namespaces, *rights, "--die-with-parent", *folders, "--"]

    def user(self) -> int | None:
        return USERS + os.getpid() % 4000 if os.getuid() == 0 else None


class Container(Sandbox):
    """A command of the teacher's, such as `docker run --rm --network none -v {folder}:{folder} IMAGE`.

    `{folder}` becomes the folder of a run. The image has Python with minidyn[coursework] as `python`.
    """

    name = "container"

    def __init__(self, template: str):
        if "{folder}" not in template:
            raise ValueError(f"container must be a command with {{folder}} in it, got {template!r}")
        self._template = template

    def prefix(self, here: Place, limits: Limits) -> list[str]:
        return [part.replace("{folder}", str(here.root)) for part in shlex.split(self._template)]

    def python(self) -> str:
        return "python"

    def command(self, program: Sequence[str], here: Place, limits: Limits) -> list[str]:
        shutil.copy(LAUNCH, here.root / "launch.py")
        for folder in (here.home, here.cache, here.sockets):
            folder.chmod(0o777)  # the container has a user of its own
        return super().command(program, here, limits)

    def launcher(self) -> str:
        return "{folder}/launch.py"


class SecondUser(Sandbox):
    """A user id without rights, for a grader who is root: the container in a container, for example."""

    name = "second user"
    warning = "Student code can reach the network, and read what every user of this machine can read."

    def prefix(self, here: Place, limits: Limits) -> list[str]:
        return []

    def user(self) -> int:
        return USERS + os.getpid() % 4000

    def end(self, process: subprocess.Popen[bytes]) -> None:
        super().end(process)
        self._end_all()

    def _end_all(self) -> None:
        """As that user, kill everything that may be killed: the user's own processes, also those that hid."""
        script = f"import os; os.setgid({self.user()}); os.setuid({self.user()}); os.kill(-1, 9)"
        subprocess.run([sys.executable, "-I", "-c", script], check=False, stderr=subprocess.DEVNULL)


class Unprotected(Sandbox):
    """No protection but the limits."""

    name = "unprotected"
    warning = "Student code runs with your own rights: it can read and change whatever you can."

    def prefix(self, here: Place, limits: Limits) -> list[str]:
        return []


def choose(course: Path, *, container: str | None = None, unprotected: bool = False) -> Sandbox:
    """The first way on the ladder that works here.

    Parameters
    ----------
    course : Path
        The folder that must be out of reach.
    container : str, optional
        The command of `Container`, which then is the only way that is tried.
    unprotected : bool
        Go on without protection if nothing else works.

    Raises
    ------
    NoSandbox
        If nothing works and `unprotected` is not set: says what was tried, and what to do.
    """
    course = Path(course).resolve()
    ways: list[Sandbox] = [Container(container)] if container else [Bubblewrap(course)]
    if not container and os.name == "posix" and os.getuid() == 0:
        course.chmod(0o700)
        ways.append(SecondUser())
    reasons = []
    for way in ways:
        reason = _unfit(way, course)
        if reason is None:
            return way
        reasons.append(f"{way.name}: {reason}")
    if unprotected:
        return Unprotected()
    raise NoSandbox(
        "no sandbox works here (" + "; ".join(reasons) + "). Install bubblewrap, grade in a container, name one with "
        "--container, or go on without protection with --unprotected"
    )


def _unfit(way: Sandbox, course: Path) -> str | None:
    """Why a way does not work here; None if it does."""
    with place() as here, tempfile.TemporaryDirectory(prefix="canary-", dir=course) as canary:
        (Path(canary) / "secret").write_text("secret")
        for folder in (here.home, here.cache):
            way.own(folder)
        command = way.command(["-c", PROBE, canary], here, Limits())
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=120, env=way.environment(here), start_new_session=True
            )
            if done.returncode:
                return (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
            findings = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            return str(error)
    if findings["reads"]:
        return "student code could read the course folder"
    if findings["networks"] and not way.warning:
        return f"student code could reach the network ({', '.join(findings['networks'])})"
    return None


def _ancestors(paths: Sequence[Path]) -> list[str]:
    """The folders above the paths, outermost first; those of the system are there already."""
    above = {str(folder) for path in paths for folder in path.parents if len(folder.parts) > 1}
    return sorted(path for path in above if path != "/tmp" and not path.startswith(SYSTEM))


def _python_folders() -> list[str]:
    """Where Python, its packages and minidyn are: what a student's process needs of this machine."""
    packages = [path for path in sys.path if path.rstrip("/").endswith(("site-packages", "dist-packages"))]
    data = getattr(sys.modules.get("minidyn._data"), "__path__", [])
    folders = [sys.prefix, sys.base_prefix, *packages, str(PACKAGE), str(Path(minidyn.__file__).parent), *data]
    return [path for path in dict.fromkeys(folders) if os.path.isdir(path)]
