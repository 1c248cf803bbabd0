"""What a run can measure besides the loss: curvature, the kernel, the weights, or anything of your own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import curvature, tangent_kernel
from minidyn.eigenvalues import Spectrum
from minidyn.training.record import RESERVED
from minidyn.training.settings import Function, Measure, Measurement, Settings


def as_measures(measure: Mapping[str, Any] | None) -> tuple[Measure, ...]:
    """The measures that `train` was asked for: built-in ones by cadence, own ones by (cadence, function)."""
    if not isinstance(measure, Mapping | None):
        raise TypeError(f"measure must map names to cadences, got {measure!r:.80}")
    measures = tuple(_as_measure(name, request) for name, request in (measure or {}).items())
    for name, other in permutations([measure.name for measure in measures], 2):
        if re.fullmatch(rf"{re.escape(other)}_(step|axis\d+)", name):
            raise ValueError(f"measure must not have the name {name!r}: it is that of an axis of the measure {other!r}")
    return measures


def restored(cadences: Mapping[str, int], functions: Mapping[str, Any] | None) -> tuple[Measure, ...]:
    """The measures of a saved run; `functions` brings those of the reader's own by name, if they are at hand."""
    functions = functions or {}
    for name, function in functions.items():
        if name not in cadences:
            raise ValueError(f"measure may name those of the saved run, {', '.join(cadences) or 'none'}, got {name!r}")
        if not callable(function):
            raise TypeError(f"measure[{name!r}] must be a function, got {function!r:.80}")
    return tuple(_restored(name, every, functions.get(name)) for name, every in cadences.items())


def _restored(name: str, every: int, function: Any) -> Measure:
    if name in BUILT_IN or function is None:
        return Measure(name, every, BUILT_IN.get(name))
    return Measure(name, every, _own(function), function)


def _as_measure(name: Any, request: Any) -> Measure:
    if name in BUILT_IN:
        return Measure(name, check.integer(f"measure[{name!r}]", request, least=1), BUILT_IN[name])
    if not isinstance(name, str) or not name.isidentifier() or name in RESERVED:
        raise ValueError(f"measure names must be identifiers other than {', '.join(RESERVED)}, got {name!r}")
    if not (isinstance(request, tuple) and len(request) == 2 and callable(request[1])):
        raise ValueError(
            f"measure[{name!r}] is none of {', '.join(BUILT_IN)}: it must be (cadence, "
            f"f(net, params, task, loss, step)), got {request!r:.80}"
        )
    every, function = request
    return Measure(name, check.integer(f"measure[{name!r}]", every, least=1), _own(function), function)


def _own(function: Callable[..., Any]) -> Function:
    def measure(s: Settings, vector: NDArray, step: int, start_vector: NDArray | None) -> Measurement:
        return Measurement(function(s.net, s.unflatten(vector.copy()), s.task, s.loss, step))

    return measure


def _hessian_end(which: str) -> Function:
    def measure(s: Settings, vector: NDArray, step: int, start_vector: NDArray | None) -> Measurement:
        problem = s.net, s.unflatten(vector), s.task, s.loss
        return _leading(curvature.hessian_eigenvalues(*problem, step, which=which, start=start_vector))

    return measure


def _hessian_spectrum(s: Settings, vector: NDArray, step: int, start_vector: NDArray | None) -> Measurement:
    hessian = curvature.hessian(s.net, s.unflatten(vector), s.task, s.loss, step)
    return Measurement(np.linalg.eigvalsh(hessian)[::-1])


def _ntk_max(s: Settings, vector: NDArray, step: int, start_vector: NDArray | None) -> Measurement:
    return _leading(tangent_kernel.ntk_eigenvalues(s.net, s.unflatten(vector), s.task.x, start=start_vector))


def _params(s: Settings, vector: NDArray, step: int, start_vector: NDArray | None) -> Measurement:
    return Measurement(vector.copy())


def _leading(spectrum: Spectrum) -> Measurement:
    return Measurement(spectrum.values[0], spectrum.vectors[:, 0])


BUILT_IN: dict[str, Function] = {
    "hessian_max": _hessian_end("largest"),
    "hessian_min": _hessian_end("smallest"),
    "hessian_spectrum": _hessian_spectrum,
    "ntk_max": _ntk_max,
    "params": _params,
}
