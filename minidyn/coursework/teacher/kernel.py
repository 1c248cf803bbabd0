"""A student's kernel: a Jupyter kernel in a sandbox, which the grader talks to and does not trust.

Grader and kernel meet at sockets in a folder (`ipc`), for the kernel has no network. What comes back is bounded in time
and size, and is read as data: outputs of cells, and packed answers.
"""

from __future__ import annotations

import ast
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import psutil
import zmq
from jupyter_client import BlockingKernelClient, connect

from minidyn.coursework import transfer
from minidyn.coursework.teacher.sandbox import LONGEST_PATH, Limits, Place, Sandbox

MESSAGE_BYTES = 2 * transfer.MAX_BYTES  # of a message: a larger one closes the connection
WAITING_MESSAGES = 100  # that a socket keeps for the grader
BEAT = 0.1  # seconds between two looks at time and memory
LONGEST_BEAT = 1.0  # seconds that count between two looks: a grader that looks late was kept from it by the machine,
# and a machine that stands still charges the process that was running for all of it
PRELUDE = "get_ipython().ask_exit = lambda: None"  # exit() in a cell ends nothing
GARBLED = "the answer did not arrive as it was sent"
CALL = "__import__('minidyn.coursework.transfer', fromlist=['answer'])"


class Stopped(BaseException):
    """Raised if a kernel is over: the text says why, as the end of the sentence "this cell ...".

    `again` says whether a second try may end better, since a machine that is short of memory or time does the same to
    an honest notebook. It is no `Exception`, since a test may catch those on behalf of an answer.
    """

    def __init__(self, text: str, *, again: bool = False):
        super().__init__(text)
        self.again = again


class AnswerError(Exception):
    """Raised if an answer, or the look at a variable, stopped with an error: `name` is that of its type."""

    def __init__(self, name: str, text: str):
        super().__init__(text)
        self.name = name


class _Clock:
    """How much of its time one request has used: the student's CPU seconds, or half of those in which none of it ran.

    What waits for a processor counts as running. So a busy machine costs a student nothing, and a notebook that only
    waits still comes to its end.

    Attributes
    ----------
    cpu, waited : float
        Seconds at the last look: of CPU, and half of those without any; at most `LONGEST_BEAT` between two looks.
    """

    def __init__(self, process: int, allowed: float, reason: str):
        self.allowed, self.reason, self.cpu, self.waited = allowed, reason, 0.0, 0.0
        self._process, self._looked, self._seen = process, time.monotonic(), _usage(process).cpu

    @property
    def used(self) -> float:
        return max(self.cpu, self.waited)

    def look(self) -> _Usage:
        now, usage = time.monotonic(), _usage(self._process)
        if not usage.running:
            self.waited += min(now - self._looked, LONGEST_BEAT) / 2
        self.cpu += min(max(usage.cpu - self._seen, 0.0), LONGEST_BEAT)  # less than before: a child is gone
        self._looked, self._seen = now, usage.cpu
        return usage


@dataclass(frozen=True)
class _Usage:
    """What a process and its descendants hold and have used: bytes, seconds of CPU, and whether one of them runs."""

    memory: int
    cpu: float
    running: bool


class Kernel:
    """A running kernel. Made by `start`.

    Attributes
    ----------
    seconds_left : float
        What is left of the notebook's time: CPU seconds of the kernel, or half of those in which it does not run.
    """

    def __init__(self, process: subprocess.Popen[bytes], client: BlockingKernelClient, limits: Limits):
        self._process, self._client, self._limits = process, client, limits
        self._bytes_left, self.seconds_left = limits.output_bytes, limits.seconds
        self._next_look = 0.0

    def run(self, code: str) -> list[Any]:
        """Run a cell and return its outputs, as a notebook keeps them.

        Raises
        ------
        Stopped
            If the cell ran too long, used too much memory or ended the kernel. The kernel is then of no more use.
        """
        outputs: list[Any] = []
        with self._timed() as clock:
            for message in self._messages(self._sent(code), clock):
                self._take(message, outputs)
        return outputs

    def look(self, name: str) -> Any:
        """A variable's value, as far as it is data; a function is an `Opaque`.

        Raises
        ------
        AnswerError
            If there is no such variable.
        """
        return _unpacked(self._evaluate(f"{CALL}.pack({name})"))

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        """What a function in the kernel returns.

        Raises
        ------
        AnswerError
            If it stopped with an error, or returned more than crosses.
        Stopped
            If it ran too long, used too much memory or ended the kernel.
        """
        reply = _unpacked(self._evaluate(f"{CALL}.answer({name}, {transfer.pack(list(arguments))!r})"))
        if isinstance(reply, dict) and isinstance(reply.get("error"), list) and len(reply["error"]) == 2:
            raise AnswerError(*map(str, reply["error"]))
        if not isinstance(reply, dict) or "value" not in reply:
            raise AnswerError("ValueError", GARBLED)
        return reply["value"]

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until the kernel answers on all channels."""
        clock = _Clock(self._process.pid, seconds, "did not start")
        while True:
            request = self._sent(PRELUDE, store_history=False)
            if any(message.get("msg_type") == "execute_input" for message in self._messages(request, clock)):
                return

    @contextmanager
    def _timed(self) -> Iterator[_Clock]:
        """Charge the notebook for the time that the kernel takes."""
        limits = self._limits
        if self.seconds_left <= 0:
            raise Stopped("was not run: the time for the notebook was over")
        reason = f"ran for more than {limits.cell_seconds:g} s"
        if self.seconds_left < limits.cell_seconds:
            reason = f"ran until the time for the notebook, {limits.seconds:g} s, was over"
        clock = _Clock(self._process.pid, min(self.seconds_left, limits.cell_seconds), reason)
        try:
            yield clock
        finally:
            clock.look()
            self.seconds_left -= clock.used

    def _evaluate(self, expression: str) -> str:
        with self._timed() as clock:
            request = self._sent("", silent=True, user_expressions={"value": expression})
            content = self._reply(request, clock)
        return _value(content)

    def _sent(self, code: str, **settings: Any) -> str:
        """The name of a request. An error in one must not cost the next: the kernel would drop what waits."""
        return self._client.execute(code, allow_stdin=False, stop_on_error=False, **settings)

    def _reply(self, request: str, clock: _Clock) -> Any:
        """The content of the reply to a request."""
        while True:
            message = self._next(self._client.get_shell_msg, clock)
            if message is not None and _parent(message) == request:
                return message["content"]

    def _messages(self, request: str, clock: _Clock) -> Iterator[Any]:
        """What a cell shows, until it is done. The reply ends it too, for a flood of messages may lose the last."""
        replied = False
        while True:
            message = self._next(self._client.get_iopub_msg, clock)
            if message is None:
                if replied:
                    return
                replied = self._replied(request)
            elif _parent(message) == request:
                if _is_idle(message):
                    return
                yield message

    def _replied(self, request: str) -> bool:
        try:
            return _parent(self._client.get_shell_msg(timeout=0)) == request
        except Exception:  # none, or what was sent is no message
            return False

    def _next(self, receive: Any, clock: _Clock) -> Any:
        """The next message, or None if there was none for a beat. Forged ones are dropped."""
        message = None
        try:
            message = receive(timeout=BEAT)
        except Empty:
            if self._process.poll() is not None:
                raise Stopped("ended the kernel", again=True) from None
        except Exception:  # what was sent is no message
            pass
        self._check(clock)
        return message

    def _check(self, clock: _Clock) -> None:
        """Look at time and memory, not too often."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + BEAT
        usage = clock.look()
        if clock.used > clock.allowed:
            raise Stopped(clock.reason, again=clock.cpu <= clock.allowed)
        if usage.memory > self._limits.memory:
            raise Stopped(f"used more than {self._limits.memory / 2**30:.3g} GB of memory")

    def _take(self, message: Any, outputs: list[Any]) -> None:
        """Add what a message shows, as long as the notebook has not shown too much."""
        size = len(str(message["content"]))
        if self._bytes_left < size:
            if self._bytes_left > 0:
                outputs.append(nbformat.v4.new_output("stream", name="stderr", text="[more was shown, and is dropped]"))
            self._bytes_left = 0
            return
        self._bytes_left -= size
        if message.get("msg_type") == "clear_output":
            outputs.clear()
        elif message.get("msg_type") in ("stream", "display_data", "execute_result", "error"):
            with suppress(KeyError, TypeError, ValueError, AttributeError):  # a forged message may lack anything
                _add(outputs, nbformat.v4.output_from_msg(message))


def _parent(message: Any) -> Any:
    """The request that a message answers to."""
    parent = message.get("parent_header") if isinstance(message, dict) else None
    return parent.get("msg_id") if isinstance(parent, dict) and isinstance(message.get("content"), dict) else None


def _value(content: Any) -> str:
    """The text that an expression gave, from the content of a reply."""
    expressions = content.get("user_expressions")
    value = expressions.get("value") if isinstance(expressions, dict) else None
    value = value if isinstance(value, dict) else {}
    if value.get("status") != "ok":
        kind, text = value.get("ename") or content.get("ename"), value.get("evalue") or content.get("evalue")
        raise AnswerError(str(kind or "Error"), str(text or "")[: transfer.MAX_TEXT])
    try:
        return str(ast.literal_eval(value["data"]["text/plain"]))
    except (KeyError, TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        raise AnswerError("ValueError", GARBLED) from None


def _unpacked(text: str) -> Any:
    try:
        return transfer.unpack(text)
    except ValueError:
        raise AnswerError("ValueError", GARBLED) from None


def _is_idle(message: Any) -> bool:
    return bool(message.get("msg_type") == "status" and message["content"].get("execution_state") == "idle")


def _usage(process: int) -> _Usage:
    memory, cpu, running = 0, 0.0, False
    with suppress(psutil.Error):
        root = psutil.Process(process)
        for member in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                memory += member.memory_info().rss
                times = member.cpu_times()
                cpu += times.user + times.system + times.children_user + times.children_system
                running = running or member.status() == psutil.STATUS_RUNNING
    return _Usage(memory, cpu, running)


def _add(outputs: list[Any], output: Any) -> None:
    last = outputs[-1] if outputs else None
    if last and output.output_type == "stream" == last.output_type and output.name == last.name:
        last.text += output.text
    else:
        outputs.append(output)


@contextmanager
def start(sandbox: Sandbox, here: Place, limits: Limits) -> Iterator[Kernel]:
    """A kernel in the sandbox, from the files in `here.given`; ended with all that it started.

    Raises
    ------
    Stopped
        If it does not start.
    """
    meeting = Path(tempfile.mkdtemp(dir=here.sockets))
    assert len(str(meeting)) < LONGEST_PATH - 10, f"the path of a socket must be short, got {meeting}"
    connection, key = str(meeting / "kernel.json"), secrets.token_hex(16).encode()
    connect.write_connection_file(connection, transport="ipc", ip=str(meeting / "s"), key=key)
    for path in (meeting, Path(connection)):
        sandbox.own(path)
    program = ["-m", "ipykernel_launcher", "-f", connection, "--HistoryManager.enabled=False"]
    process = subprocess.Popen(
        sandbox.command(program, here, limits),
        env=sandbox.environment(here),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with _client(connection) as client:
            kernel = Kernel(process, client, limits)
            kernel.wait()
            yield kernel
    finally:
        sandbox.end(process)


@contextmanager
def _client(connection: str) -> Iterator[BlockingKernelClient]:
    """A client whose sockets take no message that is too large, and keep few."""
    context = zmq.Context()
    context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
    context.setsockopt(zmq.RCVHWM, WAITING_MESSAGES)
    context.setsockopt(zmq.LINGER, 0)
    client = BlockingKernelClient(context=context)
    client.load_connection_file(connection)
    client.start_channels(shell=True, iopub=True, stdin=False, hb=False, control=False)
    try:
        yield client
    finally:
        client.stop_channels()
        context.destroy(linger=0)
