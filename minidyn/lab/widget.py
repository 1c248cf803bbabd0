"""The lab as a widget: Python sets its state and reads its measurements."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import os
import threading
import uuid
from collections.abc import Generator, Mapping
from html import escape
from typing import Any, NoReturn

import anywidget
import numpy as np
import traitlets
import xarray as xr
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn._still import Still
from minidyn.lab import runfile, samples
from minidyn.lab import state as states
from minidyn.task import Task

COLUMNS = ("step", "F", "correct", "validationCorrect", "sharpness", "loss0", "loss1", "loss2")  # those read here


class State(dict):
    """The settings of a lab, to be read; a change of the dict itself would not reach the lab."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a lab's state is changed by lab.amplitude = 5 or lab.state = {'amplitude': 5}")

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse


class Arrival(concurrent.futures.Future):
    """That a run reaches a step, to be awaited. Its result is the history by then."""

    def __init__(self, step: int):
        super().__init__()
        self.step = step

    def __await__(self) -> Generator[Any, None, xr.Dataset]:
        return asyncio.wrap_future(self).__await__()


class Lab(anywidget.AnyWidget):
    """A 2-H-3 network trained on the spirals in your browser, under an oscillating loss, while you watch.

    Parameters
    ----------
    task : Task, optional
        Samples of your own in place of the spirals: in two dimensions, of three classes, at most 2,000.
    validation : Task, optional
        Samples of the same kind, on which the network is validated; without them there is no validation accuracy.
    **settings
        Settings that differ from the defaults; see `state`.

    Attributes
    ----------
    task, validation : Task or None
        The samples of your own; they cannot be changed.
    amplitude, period, ...
        Each setting can be read and set: `lab.amplitude = 5`.
    state : dict
        All settings. Assign a complete or a partial dict to change several at once; the dict itself cannot be changed.
        A change of these settings starts the run over:
        amplitude, period, learning_rate, cap ("leading": along the six leading eigenvectors of the Hessian the step is
        at most 1.7/λ times the gradient, as `minidyn.training.capped` has it; "none"), width (4 to 128), noise, seed
        (of the initial weights), weights ("seed", or "figure4": the initial weights behind figure 4 of the paper, of
        width 100), data_seed (the validation samples have the next seed), loss ("cross_entropy", "mse_sample",
        "mse_output"), clock ("paper": each class is held for `period` steps; "notebook": for one more, as in the
        published notebook), rest_from (Γ = 1 from that step on; 0: never) and against (the settings that a second run
        beside it changes: "A:1" or "A:1,H:10"). The others: until (the step at which it pauses; 0: never), step (assign
        it to run to that step at full speed), playing, speed (steps per second, as text, or "max"), window (number of
        the last steps in the charts, or "run"), difference ("total" or "frozen"), hide or only (names of parts of the
        lab, as in "map,F": the ones that are hidden, or the only ones that are shown), and first (those of the first
        screen; the others stand behind "More").
        guess ("accuracy@3000"; "F", "sharpness" or "burst" in place of "accuracy") asks the reader, before the run
        starts, for the value at that step, or for the step at which the first burst begins, up to that step; then the
        run starts, and the lab says how far off the guess was.
    history : xarray.Dataset
        The measurements since the run started, named as in the history of `md.train`; with a second run, over "run".
        Empty before the first step.

    Raises
    ------
    TypeError, ValueError
        If a setting is unknown, or its value has the wrong type or is out of range; if the samples are not such that
        the lab can draw them; or if noise or data_seed, which make spirals, are set beside samples of your own.
    AttributeError
        If an attribute is set that is no setting of the lab.

    Notes
    -----
    A lab that is shown twice in a notebook is one run: it moves to where it is shown last, and a button brings it
    back. If the kernel is lost, the lab says so and stops. A notebook that is saved and opened again shows a still
    picture with its settings, until the cell is run again. In marimo, `mo.ui.anywidget(Lab())` shows the lab, and the
    cells that use its value follow its state.

    Examples
    --------
    >>> from minidyn.lab import Lab
    >>> lab = Lab(amplitude=20, period=500)
    >>> lab.width = 25
    >>> lab.state["amplitude"], lab.state["width"]
    (20.0, 25)
    >>> import minidyn as md
    >>> Lab(md.Task([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]], [0, 1, 2], classes=3)).task
    Task(3 samples in 2 dimensions, 3 classes)
    >>> Lab(weights="figure4", clock="notebook", rest_from=65013).query  # the published run
    'weights=figure4&clock=notebook&rest=65013'
    """

    # The script of the pages is not a module, so that it runs from disk; a widget needs a module.
    _esm = (states.HERE / "lab.js").read_text("utf-8") + "\nexport default minidynLab.default;\n"

    state = traitlets.Dict(State(states.DEFAULTS)).tag(sync=True)
    _lab = traitlets.Unicode().tag(sync=True)  # by which all views in a page know the same lab

    _samples = traitlets.Unicode().tag(sync=True)  # of the reader, as text

    def __init__(self, task: Task | None = None, validation: Task | None = None, **settings: Any):
        if task is None and validation is not None:
            raise ValueError("validation must come with a task: the spirals have their own")
        self._task = None if task is None else samples.check("task", task)
        self._validation = None if validation is None else samples.check("validation", validation)
        self._still = Still()
        self._picture = ""  # the last one that the page sent, as a data address
        self._awaited: list[Arrival] = []
        self._page_thread: int | None = None  # the thread that takes over what the page says
        self._lock = threading.RLock()  # the page's messages come in threads of their own
        self._view: str | None = None  # the view that sends the history: the last one that started over
        self._openings: dict[str, int] = {}  # how often each view has started over
        self._runs: list[dict[str, Any]] = []
        self._columns = list(COLUMNS)
        self._rows: list[list[NDArray]] = []
        text = "" if task is None else samples.as_text(task, validation)
        super().__init__(state=states.opening(settings), _lab=uuid.uuid4().hex, _samples=text)
        self.on_msg(self._receive)

    @traitlets.validate("state")
    def _check(self, proposal: Mapping[str, Any]) -> State:
        state = states.complete({**self.state, **proposal["value"]})
        changed = [name for name in ("noise", "data_seed") if self._task and state[name] != states.DEFAULTS[name]]
        if changed:
            raise ValueError(f"{changed[0]} makes spirals, and this lab has samples of your own: leave it out")
        if self._task and not self._validation and state["guess"].startswith("accuracy"):
            raise ValueError(
                f"guess {state['guess']!r} asks for the validation accuracy: give the lab validation samples"
            )
        return State(state)

    @property
    def task(self) -> Task | None:
        return self._task

    @property
    def validation(self) -> Task | None:
        return self._validation

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name.startswith("_") or hasattr(type(self), name)):
            raise AttributeError(f"a setting of the lab must be one of {', '.join(states.TABLE)}, got {name!r}")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        own = {name: value for name in ("task", "validation") if (value := getattr(self, name)) is not None}
        changed = own | {name: value for name, value in self.state.items() if value != states.DEFAULTS[name]}
        return f"Lab({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    def reached(self, step: int) -> Arrival:
        """Wait until the run has reached a step: `await lab.reached(6000)`, or `lab.reached(6000).result(60)`.

        The second form blocks, for 60 seconds at most, so that a function or a script can wait too.
        The lab must be shown, since it is the browser that computes. The messages of the page must reach Python while
        a cell waits, which needs JupyterLab 4.4 and ipykernel 7 or later, but not 7.4.0.

        Parameters
        ----------
        step : int
            At least 0.

        Returns
        -------
        Arrival
            A `concurrent.futures.Future` that can also be awaited. Its result is the history as it is then.

        Raises
        ------
        TypeError, ValueError
            If `step` is not a whole number of at least 0, or lies beyond the step at which the lab pauses.
        """
        arrival = Arrival(check.integer("step", step, least=0, most=self.state["until"] or None))
        with self._lock:
            self._awaited.append(arrival)
        self._announce()
        return arrival

    def _announce(self) -> None:
        """Complete what waits for a step that is reached."""
        with self._lock:
            measured = min(map(self._last_step, range(len(self._rows))), default=-1.0)
            due = [arrival for arrival in self._awaited if measured >= arrival.step]
            self._awaited = [arrival for arrival in self._awaited if arrival not in due]
        for arrival in due:
            if arrival.set_running_or_notify_cancel():
                arrival.set_result(self.history)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What the page says about itself."""
        self._page_thread = threading.get_ident()
        try:
            super().set_state(sync_data)
        finally:
            self._page_thread = None

    @traitlets.observe("state")
    def _tell_page(self, change: Any) -> None:
        """Send what Python has changed, and nothing else: the page's own steps may be further than those known here."""
        if self._page_thread != threading.get_ident() and isinstance(change["old"], dict):
            self.send(
                {"set": {name: value for name, value in change["new"].items() if value != change["old"].get(name)}}
            )

    @property
    def query(self) -> str:
        """The settings that differ from the defaults, as in links to the book's lab: "A=20&T=500"."""
        return states.query(self.state)

    @property
    def history(self) -> xr.Dataset:
        settings = self._runs or [self.state] * (2 if self.state["against"] else 1)
        rows = self._rows or [[] for _ in settings]
        runs = [self._dataset(*run) for run in zip(settings, rows, strict=True)]
        return runs[0] if len(runs) == 1 else xr.concat(runs, xr.IndexVariable("run", range(len(runs))))

    def _receive(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """Handle a message from the page: a picture, or what the runs have measured.

        It may come late, or twice, since a message waits behind a cell that runs until the page has a way around it.
        """
        if "picture" in content:
            self._picture = f"data:image/webp;base64,{base64.b64encode(buffers[0]).decode()}"
            self._still.exchange(*self._as_still())
            return
        with self._lock:
            counts = self._take(content, buffers)
        self._announce()
        self.send({"heard": {"view": content["view"], "opening": content["opening"], "counts": counts}})

    def _take(self, content: dict[str, Any], buffers: list[memoryview]) -> list[int]:
        """Add the rows that are new and leave no gap; the number of rows of each run that need not be sent again."""
        view, opening = content["view"], content["opening"]
        if opening > self._openings.get(view, 0):
            self._view, self._openings[view] = view, opening
            self._runs, self._columns = content["opened"], content["columns"]
            self._rows = [[] for _ in self._runs]
        current = view == self._view and opening == self._openings[view]
        counts = [sum(map(len, run)) for run in self._rows] if current else [0] * len(content["opened"])
        for run, start, buffer in zip(content["runs"], content["starts"], buffers, strict=True):
            rows = np.frombuffer(buffer).reshape(-1, len(content["columns"]))
            if current and start > counts[run]:
                continue  # what lies between comes again, with these
            new = rows[max(0, counts[run] - start) :]
            if current and len(new):
                self._rows[run].append(new)
            counts[run] = max(counts[run], start + len(rows))
        return counts

    def _last_step(self, run: int) -> float:
        return float(self._rows[run][-1][-1, 0]) if self._rows[run] else -1.0

    def _dataset(self, settings: Mapping[str, Any], messages: list[NDArray]) -> xr.Dataset:
        rows = np.concatenate([np.empty((0, len(self._columns))), *messages])
        column = dict(zip(self._columns, rows.T, strict=True))
        counts = (len(self._task), len(self._validation or ()) or np.nan) if self._task else (runfile.POINTS,) * 2
        return runfile.history(settings, column, counts)

    def _as_still(self) -> tuple[str, str, str]:
        """The settings, the last picture and its description."""
        return repr(self), self._picture, f"The lab at step {self.state['step']:,}"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if "MINIDYN_BOOK" in os.environ:  # a page has no kernel, and needs none
            data = f' data-samples="{escape(self._samples)}"' if self._samples else ""
            return {"text/html": f'<div data-lab="{escape(self.query)}"{data}></div>'}
        self._still.show(*self._as_still())
        return super()._repr_mimebundle_(**kwargs)


def _setting(name: str) -> property:
    def get(lab: Lab) -> Any:
        return lab.state[name]

    def change(lab: Lab, value: Any) -> None:
        lab.state = {name: value}

    return property(get, change, doc=f"The setting {name!r}; see `Lab.state`.")


for _name in states.TABLE:
    setattr(Lab, _name, _setting(_name))
