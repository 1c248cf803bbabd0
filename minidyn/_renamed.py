"""Former names of modules, functions and arguments: they work until 0.3, with a DeprecationWarning."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

RENAMED = {
    "minidyn.compiled": "minidyn.training.compiled_engine",
    "minidyn.coursework.build": "minidyn.coursework.teacher.build",
    "minidyn.coursework.execution": "minidyn.coursework.teacher.sandbox",
    "minidyn.coursework.export": "minidyn.coursework.teacher.export",
    "minidyn.coursework.grading": "minidyn.coursework.teacher.grade",
    "minidyn.coursework.repair": "minidyn.coursework.teacher.repair",
    "minidyn.descent": "minidyn.training.run",
    "minidyn.engine": "minidyn.training.engines",
    "minidyn.experiments.images": "minidyn.experiments.tilting.images",
    "minidyn.experiments.learning": "minidyn.experiments.tilting.learning",
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
        warn(spec.name, new)
        module = ModuleType(spec.name, f"The former name of `{new}`.")
        vars(module).update({"__getattr__": importlib.import_module(new).__getattribute__, "__path__": []})
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the module of the new name has been imported."""


def warn(old: str, new: str) -> None:
    """Tell the caller of the caller that a name is a former one."""
    warnings.warn(f"{old} is now {new}; the old name goes in 0.3", DeprecationWarning, stacklevel=3)


def names(module: str, **renamed: str) -> None:
    """Let a module answer to former names of its members: `names(__name__, old="package.module.new")`.

    Set from here, not by a `__getattr__` in the module, which would stop mypy from reporting names that do not exist.
    """

    def look_up(name: str) -> Any:
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn(f"{module}.{name}", renamed[name])
        home, _, member = renamed[name].rpartition(".")
        return getattr(importlib.import_module(home), member)

    vars(sys.modules[module])["__getattr__"] = look_up


def arguments(**renamed: str) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """A decorator that accepts keyword arguments under former names: `@arguments(old="new")`."""

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        name = function.__qualname__.removesuffix(".__init__")

        @wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            for old in renamed.keys() & kwargs.keys():
                new = renamed[old]
                if new in kwargs:
                    raise TypeError(f"{name}() got both {new!r} and {old!r}, its former name")
                warn(f"{name}({old}=...)", f"{name}({new}=...)")
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate


class Member:
    """The former name of a method or attribute: `old = Member("new")` in the body of a class."""

    def __init__(self, new: str):
        self.new = new

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        warn(f"{owner.__name__}.{self.name}", f"{owner.__name__}.{self.new}")
        return getattr(owner if instance is None else instance, self.new)


def install() -> None:
    """Let the old names be imported."""
    if not any(isinstance(finder, _RenamedModules) for finder in sys.meta_path):
        sys.meta_path.append(_RenamedModules())
