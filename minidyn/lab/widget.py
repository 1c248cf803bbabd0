"""The lab as a widget: Python sets its state and reads its measurements."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from typing import Any

import anywidget
import numpy as np
import traitlets
import xarray as xr
from numpy.typing import NDArray

from minidyn.lab import state as states
from minidyn.oscillation import Oscillation

POINTS = 300  # samples of the lab's spirals
COLUMNS = ("step", "F", "correct", "validationCorrect", "sharpness", "loss0", "loss1", "loss2")  # those read here


class Lab(anywidget.AnyWidget):
    """A 2-H-3 network trained on the spirals in your browser, under an oscillating loss, while you watch.

    Parameters
    ----------
    **settings
        Settings that differ from the published run; see `state`.

    Attributes
    ----------
    state : dict
        Assign a complete or a partial dict to change the lab. A change of these settings starts the run over:
        amplitude, period, learning_rate, width (4 to 128), noise, seed (initial weights), data_seed (the
        validation samples have the next seed), loss ("cross_entropy", "mse_sample", "mse_output"), rest_from
        (Γ = 1 from that step on; 0: never) and against (the settings that a second run beside it changes: "A:1" or
        "A:1,H:10"). The others: until (the step at which it pauses; 0: never), step (assign it to run to that step at
        full speed), playing, speed (steps per second, as text, or "max"), window (number of the last steps in the
        charts, or "run"), difference ("total" or "frozen"), and hide or only (names of parts of the lab, as in
        "map,F": the ones that are hidden, or the only ones that are shown).
    history : xarray.Dataset
        The measurements since the run started, named as in the history of `md.train`; with a second run, over "run".
        Empty before the first step.

    Raises
    ------
    TypeError, ValueError
        If a setting is unknown, or its value has the wrong type or is out of range.

    Examples
    --------
    >>> from minidyn.lab import Lab
    >>> lab = Lab(amplitude=20, period=500)
    >>> lab.state = {"width": 25}
    >>> lab.state["amplitude"], lab.state["width"]
    (20.0, 25)
    """

    # The script of the pages is not a module, so that it runs from disk; a widget needs a module.
    _esm = (states.HERE / "lab.js").read_text("utf-8") + "\nexport default minidynLab.default;\n"

    state = traitlets.Dict(states.DEFAULTS).tag(sync=True)

    def __init__(self, **settings: Any):
        self._view: str | None = None  # the view that sends the history: the last one that started over
        self._runs: list[dict[str, Any]] = []
        self._columns = list(COLUMNS)
        self._rows: list[list[NDArray]] = []
        super().__init__(state=settings)
        self.on_msg(self._receive)

    @traitlets.validate("state")
    def _check(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        return {**states.DEFAULTS, **self.state, **states.checked(proposal["value"])}

    @property
    def query(self) -> str:
        """The settings that differ from the published run, as in links to the book's lab: "A=20&T=500"."""
        return states.query(self.state)

    @property
    def history(self) -> xr.Dataset:
        settings = self._runs or [self.state] * (2 if self.state["against"] else 1)
        rows = self._rows or [[] for _ in settings]
        runs = [self._dataset(*run) for run in zip(settings, rows, strict=True)]
        return runs[0] if len(runs) == 1 else xr.concat(runs, xr.IndexVariable("run", range(len(runs))))

    def _receive(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """Handle a message from the page: a run has started over, or rows have been measured."""
        if "opened" in content:
            self._view, self._runs, self._columns = content["view"], content["opened"], content["columns"]
            self._rows = [[] for _ in self._runs]
        elif content["view"] == self._view:
            for run, buffer in zip(content["runs"], buffers, strict=True):
                self._rows[run].append(np.frombuffer(buffer).reshape(-1, len(self._columns)))

    def _dataset(self, settings: Mapping[str, Any], messages: list[NDArray]) -> xr.Dataset:
        rows = np.concatenate([np.empty((0, len(self._columns))), *messages])
        column = dict(zip(self._columns, rows.T, strict=True))
        step = column["step"].astype(int)
        gamma = Oscillation(settings["amplitude"], settings["period"], rest_from=settings["rest_from"] or None)
        class_loss = np.stack([column[f"loss{c}"] for c in range(gamma.classes)], axis=1)
        measured = ~np.isnan(column["sharpness"])
        return xr.Dataset(
            {
                "loss": ("step", column["F"]),
                "static_loss": ("step", class_loss.sum(axis=1)),
                "accuracy": ("step", column["correct"] / POINTS),
                "validation_accuracy": ("step", column["validationCorrect"] / POINTS),
                "weights": (("step", "class"), gamma.weights(step)),
                "class_loss": (("step", "class"), class_loss),
                "hessian_max": ("hessian_max_step", column["sharpness"][measured]),
            },
            coords={"step": step, "class": np.arange(gamma.classes), "hessian_max_step": step[measured]},
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if "MINIDYN_BOOK" in os.environ:  # a page has no kernel, and needs none
            return {"text/html": f'<div data-lab="{escape(self.query)}"></div>'}
        return super()._repr_mimebundle_(**kwargs)
