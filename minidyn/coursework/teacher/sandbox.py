"""How a submission's cells run: one that never ends, or ends the kernel, is struck out and the others still count."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbgrader import preprocessors
from traitlets import Integer, Unicode

from minidyn.coursework import seeds

MOST = 6  # cells struck out before the rest of a notebook is given up


class Execute(preprocessors.Execute):
    """nbgrader's preprocessor, but a cell that hangs or kills the kernel costs what it breaks and no more.

    Such a cell is struck out and the notebook runs again, in a fresh kernel, without it. Kernels get the hidden seed
    of their student, never the secret.
    """

    secret = Unicode("", help="The key of the hidden data. Empty: the hidden seed stays what it is.").tag(config=True)
    per_student = Integer(1, help="1: hidden data for each student; 0: the same for all.").tag(config=True)
    shutdown_kernel = "immediate"  # a kernel in an endless loop is not asked
    interrupt_on_timeout = False  # a loop may catch the interrupt

    def preprocess(self, nb: Any, resources: Any, km: Any = None) -> tuple[Any, Any]:
        self.struck: dict[int, str] = {}
        self.current = 0
        about = resources["nbgrader"]
        seed = None
        if self.secret:
            who = about["student"] if self.per_student else ""
            seed = seeds.seed_from_secret(self.secret, about["assignment"], who)
        while True:
            try:
                with _environment(seed):
                    return super().preprocess(nb, resources, km)
            except (CellTimeoutError, DeadKernelError) as error:
                timeout = isinstance(error, CellTimeoutError)
                self.struck[self.current] = (
                    f"this cell ran for more than {self.timeout} s" if timeout else "this cell ended the kernel"
                )
                if len(self.struck) > MOST:
                    rest = range(min(self.struck), len(nb.cells))
                    self.struck |= {i: "earlier cells hang: given up" for i in rest if i not in self.struck}

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        self.current = index
        if index in self.struck and cell.cell_type == "code":
            why = self.struck[index]
            cell.outputs = [nbformat.v4.new_output("error", ename="Struck out", evalue=why, traceback=[why])]
            return cell, resources
        return super().preprocess_cell(cell, resources, index)


@contextmanager
def _environment(seed: int | None) -> Any:
    """The variables that kernels inherit."""
    before = dict(os.environ)
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if seed is not None:
        os.environ[seeds.VARIABLE] = str(seed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
