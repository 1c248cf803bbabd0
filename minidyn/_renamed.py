"""Modules that have moved: their names before 0.2 still import, with a DeprecationWarning, until 0.3."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

RENAMED = {
    "minidyn.compiled": "minidyn.training.compiled_engine",
    "minidyn.coursework.build": "minidyn.coursework.teacher.build",
    "minidyn.coursework.execution": "minidyn.coursework.teacher.sandbox",
    "minidyn.coursework.export": "minidyn.coursework.teacher.export",
    "minidyn.coursework.grading": "minidyn.coursework.teacher.grade",
    "minidyn.coursework.repair": "minidyn.coursework.teacher.repair",
    "minidyn.descent": "minidyn.training.run",
    "minidyn.engine": "minidyn.training.numpy_engine",
    "minidyn.kernel": "minidyn.tangent_kernel",
    "minidyn.loop": "minidyn.training.loop",
    "minidyn.measures": "minidyn.training.measures",
    "minidyn.playground": "minidyn.lab",
    "minidyn.playground.state": "minidyn.lab.state",
    "minidyn.playground.widget": "minidyn.lab.widget",
    "minidyn.record": "minidyn.training.record",
    "minidyn.torch.ensemble": "minidyn.ensembles.torch",
    "minidyn.torch.kernel": "minidyn.torch.tangent_kernel",
}


class _RenamedModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module under its old name and hands out the module of the new name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self) if fullname in RENAMED else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        new = RENAMED[spec.name]
        warnings.warn(f"{spec.name} is now {new}; the old name goes in 0.3", DeprecationWarning, stacklevel=2)
        module = ModuleType(spec.name, f"The former name of `{new}`.")
        vars(module).update({"__getattr__": importlib.import_module(new).__getattribute__, "__path__": []})
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the module of the new name has been imported."""


def install() -> None:
    """Let the old names be imported."""
    if not any(isinstance(finder, _RenamedModules) for finder in sys.meta_path):
        sys.meta_path.append(_RenamedModules())
