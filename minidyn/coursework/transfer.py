"""What crosses between a grader and a student's notebook: numbers, text, arrays, and functions given by their numbers.

While grading, an answer is called in the student's process and judged in the grader's. Arguments go there and results
come back as JSON, in which an array is its type, its shape and its bytes. Nothing is pickled, so nothing that a student
sends can run. The same conversion is applied when a student runs a test, so that both judge the same data.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from minidyn.coursework.callables import ALL

KINDS = "biufcU"  # of the arrays that cross: truth values, numbers, text
MAX_BYTES = 2**22  # that one answer may have
MAX_TEXT = 500  # characters of an error's text that are shown


@dataclass(frozen=True)
class Opaque:
    """Something that cannot cross: what it is, in words, and for a function the module that it comes from."""

    description: str
    module: str = ""


class TooLarge(ValueError):
    """Raised if an answer has more than `MAX_BYTES`."""


def pack(value: Any) -> str:
    """Text, in the characters of base64, from which `unpack` makes the value again.

    Raises
    ------
    TooLarge
        If the text would be longer than `MAX_BYTES`.

    Examples
    --------
    >>> unpack(pack((np.arange(3), "abc", None)))
    [array([0, 1, 2]), 'abc', None]
    >>> unpack(pack(object()))
    Opaque(description='an object', module='')
    """
    text = base64.b64encode(json.dumps(_encoded(value)).encode()).decode()
    if len(text) > MAX_BYTES:
        raise TooLarge(f"the answer must have at most {MAX_BYTES} bytes, and has {len(text)}")
    return text


def unpack(text: str) -> Any:
    """The value that was packed; tuples come as lists.

    Raises
    ------
    ValueError
        If the text was not made by `pack`.
    """
    if len(text) > MAX_BYTES:
        raise TooLarge(f"the answer must have at most {MAX_BYTES} bytes, and has {len(text)}")
    try:
        return _decoded(json.loads(base64.b64decode(text, validate=True)))
    except (KeyError, TypeError, AttributeError, RecursionError, MemoryError, OverflowError) as error:
        raise ValueError(f"text must be made by pack, got {text[:40]!r} ({type(error).__name__})") from None


def plain(value: Any) -> Any:
    """The value as it would arrive at the other side."""
    return unpack(pack(value))


def answer(function: Callable[..., Any], arguments: str) -> str:
    """Call a function in a student's process: packed arguments in, the packed answer or error out."""
    try:
        return pack({"value": function(*unpack(arguments))})
    except BaseException as error:  # an answer may raise SystemExit
        return pack({"error": [type(error).__name__, _text(error)]})


def _text(error: BaseException) -> str:
    try:
        return str(error)[:MAX_TEXT]
    except Exception:
        return ""


def _encoded(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value if value is None or type(value) in (bool, str) else str(value)
    if isinstance(value, int) and not isinstance(value, np.generic):
        return int(value)
    if isinstance(value, float) and not isinstance(value, np.generic):
        return float(value)
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[_encoded(key), _encoded(item)] for key, item in value.items()]}
    if is_dataclass(value) and type(value) is ALL.get(type(value).__name__):
        return {"callable": type(value).__name__, "fields": [_encoded(getattr(value, f.name)) for f in fields(value)]}
    return _encoded_array(value)


def _encoded_array(value: Any) -> Any:
    array = _array(value)
    if array is None or array.dtype.kind not in KINDS:
        return {"opaque": _description(value), "module": str(getattr(value, "__module__", "") or "")[:100]}
    if array.nbytes > MAX_BYTES:  # before its text takes several times as much
        raise TooLarge(f"the answer must have at most {MAX_BYTES} bytes, and has {array.nbytes}")
    layout = "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else "strided"
    data = array.tobytes(order="F" if layout == "F" else "C")
    return {"array": [array.dtype.str, list(array.shape), layout, base64.b64encode(data).decode()]}


def _array(value: Any) -> Any:
    """`value` as an array, also if it is a PyTorch tensor with a history; None if it is no array."""
    try:
        value = value.detach().cpu() if hasattr(value, "detach") else value
        return np.asarray(value)
    except Exception:  # what a stranger's __array__ raises
        return None


def _decoded(node: Any) -> Any:
    if isinstance(node, list):
        return [_decoded(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "array" in node:
        return _decoded_array(*node["array"])
    if "callable" in node:
        return ALL[node["callable"]](*map(_decoded, node["fields"]))
    if "dict" in node:
        return {_decoded(key): _decoded(item) for key, item in node["dict"]}
    return Opaque(str(node["opaque"])[:100], str(node["module"])[:100])


def _decoded_array(kind: str, shape: Sequence[int], layout: str, data: str) -> Any:
    dtype, content = np.dtype(kind), base64.b64decode(data, validate=True)
    if dtype.kind not in KINDS or any(type(n) is not int or n < 0 for n in shape) or len(shape) > 32:
        raise ValueError(f"an array must have a plain type and shape, got {kind!r} and {shape!r}")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"an array of shape {shape} must have its bytes, got {len(content)}")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if layout == "F" else "C")
    if layout == "strided":  # every second column of a wider array
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return array.copy(order="K") if array.ndim else array[()]


def _description(value: Any) -> str:
    if callable(value):
        return "a function"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"[:100]
