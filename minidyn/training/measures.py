"""What a run can measure besides the loss: curvature, the kernel, the weights, or anything of your own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import curvature, tangent_kernel
from minidyn.training.record import RESERVED
from minidyn.training.settings import Function, Measure, Settings


def as_measures(measure: Mapping[str, Any] | None) -> tuple[Measure, ...]:
    """The measures that a reader asks for: built-in ones by cadence, own ones by (cadence, function)."""
    if not isinstance(measure, Mapping | None):
        raise TypeError(f"measure must map names to cadences, got {measure!r:.80}")
    return tuple(_as_measure(name, wish) for name, wish in (measure or {}).items())


def restored(cadences: Mapping[str, int], functions: Mapping[str, Any] | None) -> tuple[Measure, ...]:
    """The measures of a saved run; `functions` brings those of the reader's own by name, if they are at hand."""
    own = {name: _own(function) for name, function in (functions or {}).items()}
    return tuple(Measure(name, every, BUILT_IN.get(name, own.get(name))) for name, every in cadences.items())


def _as_measure(name: Any, wish: Any) -> Measure:
    if name in BUILT_IN:
        return Measure(name, check.integer(f"measure[{name!r}]", wish, least=1), BUILT_IN[name])
    if not isinstance(name, str) or not name.isidentifier() or name in RESERVED:
        raise ValueError(f"measure names must be identifiers other than {', '.join(RESERVED)}, got {name!r}")
    if not (isinstance(wish, tuple) and len(wish) == 2 and callable(wish[1])):
        raise ValueError(
            f"measure[{name!r}] is none of {', '.join(BUILT_IN)}: it must be (cadence, "
            f"f(net, params, task, loss, step)), got {wish!r:.80}"
        )
    return Measure(name, check.integer(f"measure[{name!r}]", wish[0], least=1), _own(wish[1]))


def _own(function: Callable[..., Any]) -> Function:
    def call(s: Settings, vector: NDArray, step: int, warm: dict[str, NDArray]) -> Any:
        return function(s.net, s.unflatten(vector.copy()), s.task, s.loss, step)

    return call


def _hessian_end(which: str) -> Function:
    name = f"hessian_{which}"

    def call(s: Settings, vector: NDArray, step: int, warm: dict[str, NDArray]) -> float:
        params = s.unflatten(vector)
        found = curvature.hessian_eigenvalues(s.net, params, s.task, s.loss, step, which=which, start=warm.get(name))
        warm[name] = found.vectors[:, 0]
        return found.values[0]

    return call


def _hessian_spectrum(s: Settings, vector: NDArray, step: int, warm: dict[str, NDArray]) -> NDArray:
    hessian = curvature.hessian(s.net, s.unflatten(vector), s.task, s.loss, step)
    return np.linalg.eigvalsh(hessian)[::-1]


def _ntk_max(s: Settings, vector: NDArray, step: int, warm: dict[str, NDArray]) -> float:
    found = tangent_kernel.ntk_eigenvalues(s.net, s.unflatten(vector), s.task.x, start=warm.get("ntk_max"))
    warm["ntk_max"] = found.vectors[:, 0]
    return found.values[0]


def _params(s: Settings, vector: NDArray, step: int, warm: dict[str, NDArray]) -> NDArray:
    return vector.copy()


BUILT_IN: dict[str, Function] = {
    "hessian_max": _hessian_end("largest"),
    "hessian_min": _hessian_end("smallest"),
    "hessian_spectrum": _hessian_spectrum,
    "ntk_max": _ntk_max,
    "params": _params,
}
