"""The fingerprint of a measure, model or loss of the reader's own: the same if, and only if, it is the same program.

It is made of the compiled code of functions and methods, the values that the code refers to, and the functions that it
calls, as far as these are the reader's own: what comes from an installed package counts by its name. Something whose
content cannot be told raises a TypeError, so that nothing different passes as the same.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from minidyn.mlp import MLP
from minidyn.task import Task

PLAIN = (type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis))
PACKAGES = {"site-packages", "dist-packages"}


def fingerprint(value: Any) -> str:
    """Tells one function, or other value, from another. Compiled code is that of one version of Python, which is part
    of it.

    Raises a TypeError, which names it, if something that the value refers to cannot be described.
    """
    content = sha256()
    for piece in _describe(value, ()):
        content.update(piece.encode() + b"\0")
    return f"{content.hexdigest()[:16]} (Python {sys.version_info.major}.{sys.version_info.minor})"


def _describe(value: Any, inside: tuple[Any, ...]) -> Iterator[str]:
    """All that makes a value what it is, as text, piece by piece; `inside` are the values that it is a part of."""
    yield type(value).__name__
    if isinstance(value, PLAIN):
        yield repr(value)
    elif not any(value is other for other in inside):  # a function may refer to itself
        for content in _contents(value):
            yield from _describe(content, (*inside, value))
    yield "end"


def _contents(value: Any) -> Iterator[Any]:
    """What a value is made of, for each kind of value that can be described."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        yield from (str(value.dtype), value.shape, sha256(value.tobytes()).hexdigest())
    elif isinstance(value, tuple | list):
        yield from value
    elif isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, set | frozenset):
        yield from sorted(map(repr, value))
    elif isinstance(value, ModuleType):
        yield value.__name__
    elif isinstance(value, CodeType):
        yield from (value.co_code, value.co_names, value.co_consts, getattr(value, "co_exceptiontable", b""))
    elif isinstance(value, partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif _is_installed(value):
        # NumPy gives its ufuncs a module only since version 2.0; that of their type is the same one.
        module = getattr(value, "__module__", type(value).__module__)
        yield from (str(module), getattr(value, "__qualname__", value.__name__))
    elif isinstance(value, FunctionType):
        closure = [cell.cell_contents for cell in value.__closure__ or ()]
        yield from (value.__code__, value.__defaults__, value.__kwdefaults__, closure, _globals(value))
    elif isinstance(value, type):
        functions = {name: part for name, part in vars(value).items() if isinstance(part, FunctionType)}
        constants = {name: part for name, part in vars(value).items() if _is_constant(name, part)}
        yield from (value.__qualname__, value.__bases__, functions, constants)
    elif type(value) is MLP:
        yield value.widths
        if value.activation != "relu":  # so that stores of version 0.1, which knew no other, are still found
            yield value.activation
    elif type(value) is Task and not value.names:  # as in version 0.1, where no class had a name
        yield from (type(value), value.x, value.labels, value.classes)
    elif is_dataclass(value):
        yield from (type(value), *(getattr(value, field.name) for field in fields(value)))
    elif hasattr(value, "__dict__") and not _is_installed(type(value)):
        yield from (type(value), vars(value))
    else:
        raise TypeError(f"{value!r:.60} of type {type(value).__name__}")


def _is_constant(name: str, value: Any) -> bool:
    """Is this part of a class a value that its methods may use?"""
    return not name.startswith("__") and isinstance(value, PLAIN + (tuple, np.ndarray))


def _globals(function: FunctionType) -> dict[str, Any]:
    """The global values that a function refers to, also from the functions that are written inside it."""
    names = sorted({name for name in _global_names(function.__code__) if name in function.__globals__})
    return {name: function.__globals__[name] for name in names}


def _global_names(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def _is_installed(value: Any) -> bool:
    """Is this a function or class by its name, from an installed package (or from this one), and not the reader's?"""
    if isinstance(value, BuiltinFunctionType | np.ufunc):
        return True
    package = str(getattr(value, "__module__", None)).partition(".")[0]
    if not hasattr(value, "__name__") or package not in sys.modules:
        return False
    file = getattr(sys.modules[package], "__file__", None) or ""
    return package in ("minidyn", *sys.stdlib_module_names) or not PACKAGES.isdisjoint(Path(file).parts)
