"""Small pictures and tables in HTML, for notebooks that show an object."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minidyn._palette import PALETTE

COLOURS: list[str] = PALETTE["classes"]
CARD = f"background: white; color: {PALETTE['ink']}"  # to be read on a dark page too
MOST_POINTS = 300  # of a picture


def table(rows: Mapping[str, Any]) -> str:
    cells = (f"<tr><th>{escape(name)}</th><td>{escape(f'{value!s:.200}')}</td></tr>" for name, value in rows.items())
    return f"<table>{''.join(cells)}</table>"


def curve(values: NDArray, label: str) -> str:
    """A curve over the steps, as SVG; what is not finite is left out."""
    values = values[:: max(1, len(values) // MOST_POINTS)]
    at = np.flatnonzero(np.isfinite(values))
    if len(at) < 2:
        return ""
    y = _scaled(values[at], 76)
    points = " ".join(f"{x:.1f},{78 - v:.1f}" for x, v in zip(at / (len(values) - 1) * 300, y, strict=True))
    return _svg(300, 80, label, f'<polyline fill="none" stroke="currentColor" points="{points}"/>')


def dots(x: NDArray, labels: NDArray, label: str) -> str:
    """Points (P, 2) in the colours of their classes, as SVG."""
    chosen = np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(int)
    places = zip(_scaled(x[chosen, 0], 146), _scaled(x[chosen, 1], 146), labels[chosen], strict=True)
    circles = (
        f'<circle cx="{a + 2:.1f}" cy="{148 - b:.1f}" r="2" fill="{COLOURS[c % len(COLOURS)]}"/>' for a, b, c in places
    )
    return _svg(150, 150, label, "".join(circles))


def _scaled(values: NDArray, length: float) -> NDArray:
    low, high = float(values.min()), float(values.max())
    return (values - low) / ((high - low) or 1) * length


def _svg(width: int, height: int, label: str, inside: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}" style="{CARD}">{inside}</svg>'
    )
