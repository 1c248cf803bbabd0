"""Pictures: one palette, one size, one function a picture. Import on demand; needs matplotlib.

Every class has one colour everywhere (samples, Γ_i, decision regions); one accent marks what is unstable.
The palette is `palette.json`, which the lab in the page reads too. Functions that draw one panel take `ax` and
return it; functions that draw several return the Figure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from minidyn.losses import ClassWeights
from minidyn.model import Model
from minidyn.task import Task

PALETTE: dict[str, Any] = json.loads((resources.files("minidyn") / "palette.json").read_text())
UNSTABLE, INK, MUTED, GRID = (PALETTE[name] for name in ("unstable", "ink", "muted", "grid"))
WIDTH = 7.2  # inches: the text column of the book
STYLE: Any = {
    "figure.figsize": (WIDTH, 3.4),
    "figure.dpi": 120,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=PALETTE["classes"]),
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.4,
}


def use_style() -> None:
    """Give all figures of this session the book's fonts, sizes and colours."""
    plt.rcParams.update(STYLE)


def class_color(index: int) -> str:
    """The colour of a class, everywhere."""
    return PALETTE["classes"][index % len(PALETTE["classes"])]


def samples(task: Task, ax: Axes | None = None, *, size: float = 12) -> Axes:
    """The samples of a task in the plane, coloured by class."""
    ax = _axes(ax)
    for label in range(task.classes):
        x, y = task.x[task.labels == label, :2].T
        ax.scatter(x, y, s=size, color=class_color(label), edgecolor="white", linewidth=0.4, label=f"class {label}")
    return _square(ax)


def decision_regions(net: Model, params: Any, task: Task, ax: Axes | None = None, *, resolution: int = 160) -> Axes:
    """Where the network decides for which class (paler where it is less sure), with the samples on top."""
    ax = _axes(ax)
    reach = 1.15 * np.abs(task.x).max()
    line = np.linspace(-reach, reach, resolution)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    logits = net.logits(params, grid)
    probability = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    colors = np.array([to_rgb(class_color(label)) for label in range(task.classes)])
    sure = (probability.max(axis=1, keepdims=True) - 1 / task.classes) / (1 - 1 / task.classes)
    tint = 0.12 + 0.38 * sure
    image = (1 - tint) + tint * colors[logits.argmax(axis=1)]
    ax.imshow(image.reshape(resolution, resolution, 3), extent=(-reach, reach, -reach, reach), origin="lower")
    return samples(task, ax)


def class_weights(gamma: ClassWeights, steps: ArrayLike, ax: Axes | None = None) -> Axes:
    """Γ_i(t), one line a class."""
    ax, steps = _axes(ax), np.asarray(steps)
    values = np.stack([gamma.weights(int(step)) for step in steps])
    return _weight_lines(ax, steps, values)


def history(
    record: xr.Dataset,
    names: Sequence[str] = ("weights", "loss", "accuracy"),
    *,
    learning_rate: float | None = None,
) -> Figure:
    """Panels of a run's record, one a name, over the same steps.

    Beside the record's own names, "change" is F(t) - F(t-1). With `learning_rate`, sharpness panels show 2/η.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(len(names), 1, figsize=(WIDTH, 1.25 * len(names) + 0.6), sharex=True, squeeze=False)
        for ax, name in zip(axes[:, 0], names, strict=True):
            panel(record, name, ax, learning_rate=learning_rate)
        axes[-1, 0].set_xlabel("step")
        figure.align_ylabels()
    return figure


def figure_four(record: xr.Dataset, learning_rate: float, *, zoom: tuple[int, int], title: str = "") -> Figure:
    """The six panels of figure 4 of "Tilting the playing field": the whole run, and beside it a zoom.

    Γ, F, F(t) - F(t-1), accuracy, largest Hessian eigenvalue with the 2/η line, largest NTK eigenvalue.
    """
    names = [name for name in FIGURE_FOUR if name in record or name == "change"]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(names),
            2,
            figsize=(WIDTH, 1.2 * len(names) + 0.6),
            sharex="col",
            width_ratios=(1.5, 1),
            squeeze=False,
        )
        for row, name in enumerate(names):
            panel(record, name, axes[row, 0], learning_rate=learning_rate)
            panel(_between(record, *zoom), name, axes[row, 1], learning_rate=learning_rate, points=True)
            axes[row, 1].set_ylabel("")
            axes[row, 0].axvspan(*zoom, color=GRID, alpha=0.5, linewidth=0)
        axes[0, 0].set_title(title or "the whole run", loc="left")
        axes[0, 1].set_title("zoom", loc="left")
        for ax in axes[-1]:
            ax.set_xlabel("step")
        figure.align_ylabels()
    return figure


def panel(
    record: xr.Dataset,
    name: str,
    ax: Axes | None = None,
    *,
    learning_rate: float | None = None,
    points: bool = False,
) -> Axes:
    """One quantity of a record over its steps. `points` draws single updates, so that period 2 shows two branches."""
    ax = _axes(ax)
    if name == "weights":
        _weight_lines(ax, record.step, record.weights.values)
        return ax
    if name == "change":
        steps, values = record.step.values[1:], np.diff(record.loss.values)
    else:
        steps, values = record[record[name].dims[0]].values, record[name].values
    many = points or name == "change"
    style = {"marker": ".", "markersize": 1.5, "linestyle": "none"} if many else {"linewidth": 0.9}
    ax.plot(steps, values, color=INK, rasterized=True, **style)
    if name == "hessian_max" and learning_rate is not None:
        stability_line(ax, learning_rate)
    ax.set_ylabel(LABELS.get(name, name.replace("_", " ")))
    return ax


FIGURE_FOUR = ("weights", "loss", "change", "accuracy", "hessian_max", "ntk_max")
LABELS = {
    "loss": "$F$",
    "static_loss": "static loss",
    "change": "$F(t)-F(t-1)$",
    "hessian_max": r"$\lambda_{\max}$",
    "hessian_min": r"$\lambda_{\min}$",
    "ntk_max": "NTK",
    "validation_accuracy": "validation",
}


def stability_line(ax: Axes, learning_rate: float, *, vertical: bool = False) -> Axes:
    """2/η: above it, descent in a frozen quadratic valley is unstable."""
    line = ax.axvline if vertical else ax.axhline
    line(2 / learning_rate, color=UNSTABLE, linewidth=1, linestyle=(0, (5, 3)), label=r"$2/\eta$", zorder=1)
    return ax


def valley(landscape: xr.DataArray, ax: Axes | None = None) -> Axes:
    """A slice of the landscape: a curve, or one a step (lighter is later), or in two dimensions filled contours."""
    ax = _axes(ax)
    if "second" in landscape.dims:
        levels = np.linspace(float(landscape.min()), float(landscape.quantile(0.98)), 18)
        filled = ax.contourf(landscape.second, landscape.first, landscape, levels, cmap=SEQUENTIAL, extend="max")
        ax.figure.colorbar(filled, ax=ax, label="$F$")
        ax.set_xlabel("along the second direction")
        ax.set_ylabel("along the first direction")
        return ax
    curves = landscape if "step" in landscape.dims else landscape.expand_dims("step")
    for color, curve in zip(SEQUENTIAL(np.linspace(0, 0.7, curves.sizes["step"])), curves, strict=True):
        ax.plot(
            landscape.first,
            curve,
            color=color,
            label=f"step {int(curve.step)}" if "step" in curve.coords else None,
        )
    ax.set_xlabel("offset along the direction")
    ax.set_ylabel("$F$")
    return ax


def spectrum(values: ArrayLike, learning_rate: float | None = None, ax: Axes | None = None) -> Axes:
    """All eigenvalues of a Hessian in order, with 2/η where the learning rate is given."""
    ax, values = _axes(ax), np.sort(np.asarray(values))[::-1]
    unstable = np.zeros(len(values), bool) if learning_rate is None else values > 2 / learning_rate
    ax.plot(np.arange(1, len(values) + 1), values, ".", color=INK, markersize=3)
    ax.plot(np.arange(1, len(values) + 1)[unstable], values[unstable], "o", color=UNSTABLE, markersize=4)
    if learning_rate is not None:
        stability_line(ax, learning_rate)
    ax.axhline(0, color=GRID, linewidth=0.8, zorder=0)
    ax.set_xlabel("rank")
    ax.set_ylabel("eigenvalue")
    return ax


def cloud(x: ArrayLike, y: ArrayLike, ax: Axes | None = None, *, unstable: ArrayLike | None = None) -> Axes:
    """Many points, as in a bifurcation diagram; those that are unstable in the accent colour."""
    ax, x, y = _axes(ax), np.asarray(x), np.asarray(y)
    colors: Any = INK if unstable is None else np.where(np.asarray(unstable), UNSTABLE, INK)
    ax.scatter(x, y, s=1.2, c=colors, linewidth=0, rasterized=True)
    return ax


def bands(data: xr.DataArray, along: str, over: str = "seed", ax: Axes | None = None, **style: Any) -> Axes:
    """Mean over seeds as a line, and the middle 80% as a band."""
    ax = _axes(ax)
    (line,) = ax.plot(data[along], data.mean(over), **style)
    low, high = data.quantile([0.1, 0.9], over)
    ax.fill_between(data[along], low, high, color=line.get_color(), alpha=0.18, linewidth=0)
    ax.set_xlabel(along.replace("_", " "))
    return ax


def heat(data: xr.DataArray, ax: Axes | None = None, *, center: float | None = None, form: str = ".2f") -> Axes:
    """A table of numbers over two settings as coloured, labelled cells; with `center`, colours diverge from there."""
    ax = _axes(ax)
    rows, columns = data.dims
    limits: dict[str, Any] = {}
    if center is not None:
        spread = float(np.abs(data - center).max()) or 1.0
        limits = {"vmin": center - spread, "vmax": center + spread}
    image = ax.imshow(data, cmap=SEQUENTIAL if center is None else DIVERGING, origin="lower", aspect="auto", **limits)
    for (row, column), value in np.ndenumerate(data.values):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.55
        ax.text(column, row, format(value, form), ha="center", va="center", size=8, color="white" if dark else INK)
    ax.set_xticks(range(data.sizes[columns]), [f"{v:g}" for v in data[columns].values])
    ax.set_yticks(range(data.sizes[rows]), [f"{v:g}" for v in data[rows].values])
    ax.set_xlabel(str(columns).replace("_", " "))
    ax.set_ylabel(str(rows).replace("_", " "))
    ax.spines[:].set_visible(False)
    return ax


def phase_diagram(data: xr.DataArray, static: float, ax: Axes | None = None, *, lower_is_better: bool = False) -> Axes:
    """A quantity over (amplitude, period) against its static value: blue is better, red is worse.

    The line on the colour bar is the static value.

    Parameters
    ----------
    data : xarray.DataArray, shape (amplitudes, periods)
    static : float
        The same quantity under the static loss; white.
    ax : Axes, optional
    lower_is_better : bool
        For sharpness and losses.

    Returns
    -------
    Axes
    """
    ax = _axes(ax)
    spread = float(np.abs(data - static).max()) or 1.0
    colors = DIVERGING.reversed() if lower_is_better else DIVERGING
    limits: dict[str, Any] = {"vmin": static - spread, "vmax": static + spread}
    image = ax.imshow(data.transpose("amplitude", "period"), cmap=colors, origin="lower", aspect="auto", **limits)
    for axis, name in ((ax.xaxis, "period"), (ax.yaxis, "amplitude")):
        axis.set_ticks(range(data.sizes[name]), [_short(value) for value in data[name].values], size=7)
    ax.xaxis.set_tick_params(rotation=60)
    ax.set(xlabel="period $T$", ylabel="amplitude $A$")
    ax.spines[:].set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax)
    bar.ax.set_ylim(min(float(data.min()), static), max(float(data.max()), static))
    bar.ax.axhline(static, color=INK, linewidth=1.5)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    return ax


def _short(value: float) -> str:
    """A number as a tick label: thousands as k."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


SEQUENTIAL = LinearSegmentedColormap.from_list("minidyn", ["#10305f", "#1f4e9e", "#5b8fc9", "#a9c8e4", "#f2f6fb"])
DIVERGING = LinearSegmentedColormap.from_list("minidyn_diverging", [UNSTABLE, "#f7f7f7", PALETTE["classes"][0]])


def _weight_lines(ax: Axes, steps: ArrayLike, values: np.ndarray) -> Axes:
    for label in range(values.shape[1]):
        ax.plot(steps, values[:, label], color=class_color(label), label=rf"$\Gamma_{label}$")
    ax.set_ylabel(r"$\Gamma_i$")
    return ax


def _axes(ax: Axes | None) -> Axes:
    return plt.gca() if ax is None else ax


def _square(ax: Axes) -> Axes:
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return ax


def _between(record: xr.Dataset, first: int, last: int) -> xr.Dataset:
    along = [dim for dim in record.dims if dim == "step" or str(dim).endswith("_step")]
    return record.sel({dim: slice(first, last) for dim in along})
