"""The lab as a widget: Python sets its state and reads what it has measured."""

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


class Lab(anywidget.AnyWidget):
    """A 2-H-3 network trained on the spirals in your browser, under an oscillating loss, while you watch.

    Parameters
    ----------
    **settings
        What differs from the published run; see `state`.

    Attributes
    ----------
    state : dict
        Assign a whole or a partial dict to change the lab. What defines a run starts it over when it changes:
        amplitude, period, learning_rate, width (4 to 128), noise, seed (initial weights), data_seed (the
        validation samples have the next seed), loss ("cross_entropy", "mse_sample", "mse_output"), rest_from
        (Γ = 1 from that step on; 0: never) and against (what a second run beside it changes: "A:1" or
        "A:1,H:10"). The rest: until (the step at which it pauses; 0: never), step (assign it to run there at
        full speed), playing, speed (steps a second, as text, or "max"), window (the last steps that the charts
        show, or "run"), difference ("total" or "frozen") and hide or only (names of parts).
    history : xarray.Dataset
        What was measured since the run started, named as in `md.train`'s record; with a second run, over "run".

    Raises
    ------
    TypeError, ValueError
        Where a setting is unknown, of the wrong type or out of range.

    Examples
    --------
    >>> from minidyn.lab import Lab
    >>> lab = Lab(amplitude=20, period=500)
    >>> lab.state = {"width": 25}
    >>> lab.state["amplitude"], lab.state["width"]
    (20.0, 25)
    """

    # The pages' script is a plain one, so that it runs from disk; a widget wants a module.
    _esm = (states.HERE / "lab.js").read_text("utf-8") + "\nexport default minidynLab.default;\n"

    state = traitlets.Dict(states.DEFAULTS).tag(sync=True)

    def __init__(self, **settings: Any):
        self._view: str | None = None  # the view that the history comes from: the last to have started over
        self._runs: list[dict[str, Any]] = []
        self._columns: list[str] = []
        self._parcels: list[list[NDArray]] = []
        super().__init__(state=settings)
        self.on_msg(self._receive)

    @traitlets.validate("state")
    def _check(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        return {**states.DEFAULTS, **self.state, **states.checked(proposal["value"])}

    @property
    def query(self) -> str:
        """What differs from the published run, as links to the book's lab hold it: "A=20&T=500"."""
        return states.query(self.state)

    @property
    def history(self) -> xr.Dataset:
        runs = [self._dataset(i) for i in range(len(self._runs))]
        if not runs:
            raise RuntimeError("the lab has no history yet: show it, and let it run")
        return runs[0] if len(runs) == 1 else xr.concat(runs, xr.IndexVariable("run", range(len(runs))))

    def _receive(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """A message from the page: a run started over, or rows were measured."""
        if "opened" in content:
            self._view, self._runs, self._columns = content["view"], content["opened"], content["columns"]
            self._parcels = [[] for _ in self._runs]
        elif content["view"] == self._view:
            for run, buffer in zip(content["runs"], buffers, strict=True):
                self._parcels[run].append(np.frombuffer(buffer).reshape(-1, len(self._columns)))

    def _dataset(self, run: int) -> xr.Dataset:
        rows = np.concatenate([np.empty((0, len(self._columns))), *self._parcels[run]])
        column = dict(zip(self._columns, rows.T, strict=True))
        step = column["step"].astype(int)
        settings = self._runs[run]
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
        if "MINIDYN_BOOK" in os.environ:  # on a page no kernel answers, and none is needed
            return {"text/html": f'<div data-lab="{escape(self.query)}"></div>'}
        return super()._repr_mimebundle_(**kwargs)
