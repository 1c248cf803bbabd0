"""Pictures: one palette, one size, one function per picture. Import on demand; needs matplotlib.

Every class has the same colour everywhere (samples, Γ_i, decision regions); one accent marks what is unstable.
The palette is `palette.json`, which the lab in the page reads too. Functions that draw a single panel take `ax`, by
default pyplot's current axes, and return it; functions that draw several panels return a new Figure.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib._pylab_helpers import Gcf
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from minidyn import _checks as check
from minidyn import optimizers
from minidyn._palette import PALETTE
from minidyn._typeset import typeset
from minidyn.losses import ClassWeights
from minidyn.model import Model
from minidyn.optimizers import PLAIN as PLAIN_DESCENT
from minidyn.optimizers import Optimizer
from minidyn.task import Task
from minidyn.training import Run

UNSTABLE, INK, MUTED, GRID = (PALETTE[name] for name in ("unstable", "ink", "muted", "grid"))
SEQUENTIAL = LinearSegmentedColormap.from_list("minidyn", ["#10305f", "#1f4e9e", "#5b8fc9", "#a9c8e4", "#f2f6fb"])
DIVERGING = LinearSegmentedColormap.from_list("minidyn_diverging", [UNSTABLE, "#f7f7f7", PALETTE["classes"][0]])
WIDTH = 6.0  # inches: at this width the type is as large as the text on the desktop, and legible on a phone
STYLE: Any = {
    "figure.figsize": (WIDTH, 3.4),
    "figure.dpi": 144,
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
THRESHOLD_LINE: Any = {"color": UNSTABLE, "linewidth": 1, "linestyle": (0, (5, 3)), "zorder": 1}
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


def use_style() -> None:
    """Give all figures of this session the book's fonts, sizes and colours."""
    plt.rcParams.update(STYLE)


def class_color(index: int) -> str:
    """The colour of a class, the same everywhere.

    Examples
    --------
    >>> class_color(0)
    '#1f4e9e'
    """
    return PALETTE["classes"][check.integer("index", index, least=0) % len(PALETTE["classes"])]


def samples(task: Task, ax: Axes | None = None, *, size: float = 12) -> Axes:
    """The samples of a task in the plane of their first two inputs, coloured by class.

    Parameters
    ----------
    task : Task
        With at least two inputs.
    ax : Axes, optional
    size : float
        Area of a dot, in points squared.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If `task` is not a Task, or has a single input.

    Examples
    --------
    >>> import minidyn as md
    >>> ax = samples(md.spiral())
    """
    _inputs(task, least=2)
    ax = _axes(ax)
    for label in range(task.classes):
        x, y = task.x[task.labels == label, :2].T
        name = _escaped(task.names[label]) if task.names else f"class {label}"
        ax.scatter(x, y, s=size, color=class_color(label), edgecolor="white", linewidth=0.4, label=name)
    return _square(ax)


def decision_regions(net: Model, params: Any, task: Task, ax: Axes | None = None, *, resolution: int = 160) -> Axes:
    """The class that the network predicts at each point of the plane, paler where it is less certain, and the samples.

    Parameters
    ----------
    net, params
        A model with two inputs, and its parameters.
    task : Task
        With two inputs.
    ax : Axes, optional
    resolution : int
        Number of points along each side of the picture, at least 2.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or the outputs of the network are not finite.

    Examples
    --------
    >>> import minidyn as md
    >>> net = md.MLP(2, 10, 3)
    >>> ax = decision_regions(net, net.init(0), md.spiral(), resolution=20)
    """
    _inputs(task, least=2, most=2)
    resolution = check.integer("resolution", resolution, least=2)
    reach = 1.15 * np.abs(task.x).max()
    line = np.linspace(-reach, reach, resolution)
    logits = net.logits(params, np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2))
    if not np.isfinite(logits).all():
        raise ValueError("params must give finite outputs, got NaN or infinity: did the run diverge?")
    ax = _axes(ax)
    image = _region_colors(logits).reshape(resolution, resolution, 3)
    ax.imshow(image, extent=(-reach, reach, -reach, reach), origin="lower")
    return samples(task, ax)


def class_weights(gamma: ClassWeights, steps: ArrayLike, ax: Axes | None = None) -> Axes:
    """The class weights Γ_i(t), one line per class.

    Parameters
    ----------
    gamma : Oscillation, or another object with `weights(step)`
    steps : array_like of int, shape (n,)
        At least one step.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> import minidyn as md
    >>> ax = class_weights(md.Oscillation(70, 5000), range(0, 15_000, 50))
    """
    times = _numbers("steps", steps)
    values = np.stack([gamma.weights(int(step)) for step in times])
    return _weight_lines(_axes(ax), times, values)


def history(
    record: Run | xr.Dataset,
    names: Sequence[str] = ("weights", "loss", "accuracy"),
    *,
    learning_rate: float | None = None,
) -> Figure:
    """Panels of a run's record, one per name, above each other over the same steps.

    Parameters
    ----------
    record : Run or xarray.Dataset
        A run, or its history.
    names : sequence of str
        Variables of the record, and "change", which is F(t) - F(t-1). At least one.
    learning_rate : float, optional
        Learning rate η of a history: panels of the sharpness then show 2/η. A run knows its own, and its optimiser:
        they show its stability threshold, such as 2 (1 + β)/η of momentum β, and none for Adam.

    Returns
    -------
    Figure
        Pyplot's current figure. A notebook shows it once, whether or not it is the value of the cell.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> import minidyn as md
    >>> net = md.MLP(2, 10, 3)
    >>> run = md.train(net, net.init(0), md.spiral(), md.CrossEntropy(), learning_rate=0.1, steps=20)
    >>> figure = history(run, ["loss", "change"])
    """
    shown = _shown(record, learning_rate)
    names = _names(shown.history, names)
    with _style():
        figure, axes = _subplots(len(names), 1, figsize=(WIDTH, 1.25 * len(names) + 0.6), sharex=True)
        for ax, name in zip(axes[:, 0], names, strict=True):
            _panel(shown, name, ax)
        axes[-1, 0].set_xlabel("step")
        figure.align_ylabels()
    return figure


def figure_four(
    record: Run | xr.Dataset, learning_rate: float | None = None, *, zoom: tuple[int, int], title: str = ""
) -> Figure:
    """The six panels of figure 4 of "Tilting the playing field": the whole run on the left, a zoom on the right.

    From the top: Γ, F, F(t) - F(t-1), the accuracy, the largest Hessian eigenvalue with the stability threshold (2/η),
    and the largest NTK eigenvalue. Panels of what the record lacks are left out.

    Parameters
    ----------
    record : Run or xarray.Dataset
        A run, or its history.
    learning_rate : float, optional
        As for `history`.
    zoom : (int, int)
        First and last step of the right column.
    title : str
        Title of the left column; default: "the whole run".

    Returns
    -------
    Figure
        As for `history`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or no step of the record lies in `zoom`; the message names it.

    Examples
    --------
    >>> import minidyn as md
    >>> net = md.MLP(2, 10, 3)
    >>> run = md.train(net, net.init(0), md.spiral(), md.CrossEntropy(), learning_rate=0.1, steps=20)
    >>> figure = figure_four(run, zoom=(5, 10))
    """
    shown = _shown(record, learning_rate)
    names = _names(shown.history, [name for name in FIGURE_FOUR if name in shown.history or name == "change"])
    closeup = replace(shown, history=_between(shown.history, zoom))
    with _style():
        size = (WIDTH, 1.2 * len(names) + 0.6)
        figure, axes = _subplots(len(names), 2, figsize=size, sharex="col", width_ratios=(1.5, 1))
        for row, name in enumerate(names):
            _panel(shown, name, axes[row, 0])
            _panel(closeup, name, axes[row, 1], points=True)
            axes[row, 1].set_ylabel("")
            axes[row, 0].axvspan(*zoom, color=GRID, alpha=0.5, linewidth=0)
        axes[0, 0].set_title(title or "the whole run", loc="left")
        axes[0, 1].set_title("zoom", loc="left")
        for ax in axes[-1]:
            ax.set_xlabel("step")
        figure.align_ylabels()
    return figure


def panel(
    record: Run | xr.Dataset,
    name: str,
    ax: Axes | None = None,
    *,
    learning_rate: float | None = None,
    points: bool = False,
) -> Axes:
    """A variable of a record over its steps.

    Parameters
    ----------
    record : Run or xarray.Dataset
        A run, or its history.
    name : str
        A variable of the record, or "change", which is F(t) - F(t-1).
    ax : Axes, optional
    learning_rate : float, optional
        As for `history`.
    points : bool
        Whether to draw single updates instead of a line, so that a period-2 orbit shows two branches.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.
    """
    shown = _shown(record, learning_rate)
    _names(shown.history, [name])
    return _panel(shown, name, _axes(ax), points=points)


def stability_line(
    ax: Axes, learning_rate: float, *, optimizer: Optimizer = PLAIN_DESCENT, vertical: bool = False
) -> Axes:
    """The line at 2/η, above which plain descent in a static quadratic valley is unstable, or that of an optimiser.

    Parameters
    ----------
    ax : Axes
    learning_rate : float
        Learning rate η, greater than 0.
    optimizer : GradientDescent, Momentum or Adam
        The line is at its `threshold`: 2 (1 + β)/η for momentum β. For Adam, which has none, nothing is drawn.
    vertical : bool
        Whether the sharpness is on the horizontal axis.

    Returns
    -------
    Axes
    """
    threshold = _threshold(learning_rate, optimizer)
    if threshold is not None:
        line = ax.axvline if vertical else ax.axhline
        line(threshold, label=_threshold_label(optimizer), **THRESHOLD_LINE)
    return ax


def valley(landscape: xr.DataArray, ax: Axes | None = None) -> Axes:
    """A slice of the landscape: curves in one dimension, filled contours in two.

    Parameters
    ----------
    landscape : xarray.DataArray
        From `minidyn.landscape`: over "first" for a curve, over "step" and "first" for a curve per step (lighter is
        later), or over "first" and "second" for contours. Finite.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If `landscape` is not as above.

    Examples
    --------
    >>> ax = valley(xr.DataArray([1.0, 0.0, 1.0], {"first": [-1, 0, 1]}, ["first"]))
    """
    allowed = ({"first"}, {"step", "first"}, {"first", "second"})
    if not isinstance(landscape, xr.DataArray) or set(landscape.dims) not in allowed:
        raise TypeError(f"landscape must be a DataArray over 'first', and 'step' or 'second', got {landscape!r:.80}")
    _numbers("landscape", landscape.values.ravel())
    ax = _axes(ax)
    return _contours(landscape, ax) if "second" in landscape.dims else _curves(landscape, ax)


def spectrum(
    values: ArrayLike,
    learning_rate: float | None = None,
    ax: Axes | None = None,
    *,
    optimizer: Optimizer = PLAIN_DESCENT,
) -> Axes:
    """The eigenvalues of a Hessian in descending order; with a learning rate, those above 2/η are marked.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        At least one finite number.
    learning_rate : float, optional
        Learning rate η, greater than 0.
    ax : Axes, optional
    optimizer : GradientDescent, Momentum or Adam
        As for `stability_line`: those above its threshold are marked.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> ax = spectrum([0.1, 3.0, -0.2], learning_rate=1.0)
    """
    eigenvalues = np.sort(_numbers("values", values))[::-1]
    threshold = None if learning_rate is None else _threshold(learning_rate, optimizer)
    ax, rank = _axes(ax), np.arange(1, len(eigenvalues) + 1)
    ax.plot(rank, eigenvalues, ".", color=INK, markersize=3)
    if learning_rate is not None and threshold is not None:
        stability_line(ax, learning_rate, optimizer=optimizer)
        unstable = eigenvalues > threshold
        ax.plot(rank[unstable], eigenvalues[unstable], "o", color=UNSTABLE, markersize=4)
    ax.axhline(0, color=GRID, linewidth=0.8, zorder=0)
    ax.set_xlabel("rank")
    ax.set_ylabel("eigenvalue")
    return ax


def cloud(x: ArrayLike, y: ArrayLike, ax: Axes | None = None, *, unstable: ArrayLike | None = None) -> Axes:
    """Many points, as in a bifurcation diagram, with the unstable ones in the accent colour.

    Parameters
    ----------
    x, y : array_like of float, with the same number of entries
        Points with NaN are left out.
    ax : Axes, optional
    unstable : array_like of bool, with as many entries, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the numbers of entries differ.

    Examples
    --------
    >>> ax = cloud([0, 1, 2], [0, 1, 0], unstable=[False, True, False])
    """
    points = {"x": np.ravel(x), "y": np.ravel(y)}
    if unstable is not None:
        points["unstable"] = np.ravel(unstable)
    sizes = [values.size for values in points.values()]
    if len(set(sizes)) > 1:
        raise ValueError(f"{', '.join(points)} must have the same number of entries, got {', '.join(map(str, sizes))}")
    colors: Any = INK if unstable is None else np.where(points["unstable"], UNSTABLE, INK)
    ax = _axes(ax)
    ax.scatter(points["x"], points["y"], s=1.2, c=colors, linewidth=0, rasterized=True)
    return ax


def bands(data: xr.DataArray, along: str, over: str = "seed", ax: Axes | None = None, **style: Any) -> Axes:
    """The mean over seeds as a line, and the middle 80% as a band.

    Parameters
    ----------
    data : xarray.DataArray
        Over `along` and `over`, without further dimensions.
    along : str
        The dimension on the horizontal axis.
    over : str
        The dimension that is averaged.
    ax : Axes, optional
    **style
        Of the line, as for `Axes.plot`.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError
        If `data` has other dimensions.

    Examples
    --------
    >>> data = xr.DataArray(np.eye(3), {"step": [0, 10, 20], "seed": range(3)}, ["step", "seed"])
    >>> ax = bands(data, "step")
    """
    _check_dims(data, along, over)
    ax = _axes(ax)
    (line,) = ax.plot(data[along], data.mean(over), **style)
    low, high = data.quantile([0.1, 0.9], over)
    ax.fill_between(data[along], low, high, color=line.get_color(), alpha=0.18, linewidth=0)
    ax.set_xlabel(along.replace("_", " "))
    return ax


def heat(data: xr.DataArray, ax: Axes | None = None, *, center: float | None = None, form: str = ".2f") -> Axes:
    """A table of numbers over two settings as coloured, labelled cells.

    Parameters
    ----------
    data : xarray.DataArray, shape (rows, columns)
        At least one finite number.
    ax : Axes, optional
    center : float, optional
        The value from which the colours diverge.
    form : str
        Format of the numbers, as for `format`.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> ax = heat(xr.DataArray([[1.0, 2.0]], {"amplitude": [5], "period": [10, 20]}, ["amplitude", "period"]))
    """
    if not isinstance(data, xr.DataArray) or data.ndim != 2:
        raise TypeError(f"data must be a DataArray over two settings, got {data!r:.80}")
    limits = {} if center is None else _symmetric(data, check.real("center", center))
    rows, columns = data.dims
    ax = _axes(ax)
    image = ax.imshow(data, cmap=SEQUENTIAL if center is None else DIVERGING, origin="lower", aspect="auto", **limits)
    for (row, column), value in np.ndenumerate(data.values):
        red, green, blue, _ = image.cmap(image.norm(value))
        ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.55 else INK
        ax.text(column, row, typeset(format(value, form)), ha="center", va="center", size=8, color=ink)
    ax.set_xticks(range(data.sizes[columns]), [_label(value) for value in data[columns].values])
    ax.set_yticks(range(data.sizes[rows]), [_label(value) for value in data[rows].values])
    ax.set_xlabel(str(columns).replace("_", " "))
    ax.set_ylabel(str(rows).replace("_", " "))
    ax.spines[:].set_visible(False)
    return ax


def phase_diagram(data: xr.DataArray, static: float, ax: Axes | None = None, *, lower_is_better: bool = False) -> Axes:
    """A quantity over amplitude and period, compared with its value under the static loss: blue is better, red worse.

    The line on the colour bar is the static value.

    Parameters
    ----------
    data : xarray.DataArray
        Over "amplitude" and "period"; at least one finite number.
    static : float
        The same quantity under the static loss; white.
    ax : Axes, optional
    lower_is_better : bool
        For sharpness and losses.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> data = xr.DataArray([[0.8, 0.9]], {"amplitude": [5], "period": [100, 2000]}, ["amplitude", "period"])
    >>> ax = phase_diagram(data, static=0.85)
    """
    _check_dims(data, "amplitude", "period")
    limits = _symmetric(data, check.real("static", static))
    ax = _axes(ax)
    colors = DIVERGING.reversed() if lower_is_better else DIVERGING
    image = ax.imshow(data.transpose("amplitude", "period"), cmap=colors, origin="lower", aspect="auto", **limits)
    for axis, name in ((ax.xaxis, "period"), (ax.yaxis, "amplitude")):
        axis.set_ticks(range(data.sizes[name]), [_short(value) for value in data[name].values], size=8)
    ax.xaxis.set_tick_params(rotation=60)
    ax.set(xlabel="period $T$", ylabel="amplitude $A$")
    ax.spines[:].set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax)
    finite = _finite(data)
    bar.ax.set_ylim(min(finite.min(), static), max(finite.max(), static))
    bar.ax.axhline(static, color=INK, linewidth=1.5)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return ax


class _NotebookFigure(Figure):
    """A figure that a notebook shows once.

    Jupyter shows the value of a cell, and at the end of the cell all figures that pyplot holds. A figure that is both
    would appear twice, so pyplot lets go of it when it is shown as a value.
    """

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        if "inline" in plt.get_backend():
            plt.close(self)
        if not hasattr(self.canvas, "_repr_mimebundle_"):
            return {}  # IPython then draws it as any other figure
        for number in [number for number, manager in Gcf.figs.items() if manager.canvas is self.canvas]:
            Gcf.figs.pop(number)  # closing it would end the canvas, which is a widget of ipympl
        return self.canvas._repr_mimebundle_(**kwargs)


@contextmanager
def _style() -> Iterator[None]:
    """The book's style for a while.

    `plt.rc_context` would restore everything, also what is set on the way: the first figure of a notebook starts its
    backend, which makes pyplot interactive, and no later figure would be shown.
    """
    before = {name: plt.rcParams[name] for name in STYLE}
    plt.rcParams.update(STYLE)
    try:
        yield
    finally:
        plt.rcParams.update(before)


def _subplots(rows: int, columns: int, **options: Any) -> tuple[Figure, np.ndarray]:
    return plt.subplots(rows, columns, squeeze=False, FigureClass=_NotebookFigure, **options)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Shown:
    """What is drawn of a run: its history, and the stability threshold at each of its steps if that is known."""

    history: xr.Dataset
    optimizer: Optimizer
    thresholds: xr.DataArray | None


def _shown(record: Any, learning_rate: Any) -> _Shown:
    """What is drawn of a `Run`, or of a history; the learning rate of a history may be given."""
    if isinstance(record, Run):
        if learning_rate is not None:
            raise ValueError(f"learning_rate must be left out for a Run, which has its own, got {learning_rate!r:.80}")
        optimizer, steps = record.settings.optimizer, record.history.get("step", xr.DataArray([]))
        rates = steps.copy(data=record.settings.learning_rates(0, steps.size))
        return _Shown(history=_history(record.history), optimizer=optimizer, thresholds=_thresholds(rates, optimizer))
    history = _history(record)
    if learning_rate is None:
        return _Shown(history=history, optimizer=PLAIN_DESCENT, thresholds=None)
    rates = xr.full_like(history["step"], check.real("learning_rate", learning_rate, above=0), float)
    return _Shown(history=history, optimizer=PLAIN_DESCENT, thresholds=_thresholds(rates, PLAIN_DESCENT))


def _history(record: Any) -> xr.Dataset:
    """`record`, which must be the history of a run."""
    if not isinstance(record, xr.Dataset) or "step" not in record.sizes:
        raise TypeError(
            f"record must be the history of a run, a Dataset over 'step', or the Run itself, got {record!r:.80}"
        )
    return record


@np.errstate(divide="ignore")
def _thresholds(rates: xr.DataArray, optimizer: Optimizer) -> xr.DataArray | None:
    """The stability threshold at each step: infinite where a schedule is at 0, None if the optimiser has none."""
    return optimizer.threshold(rates)


def _panel(shown: _Shown, name: str, ax: Axes, *, points: bool = False) -> Axes:
    """As `panel`, of what is known to be there."""
    record = shown.history
    if name == "weights":
        return _weight_lines(ax, record.step, record.weights.values, _class_names(record))
    if name == "change":
        steps, values = record.step.values[1:], np.diff(record.loss.values)
    else:
        steps, values = record[record[name].dims[0]].values, record[name].values
    dots = points or name == "change"
    style: Any = {"marker": ".", "markersize": 1.5, "linestyle": "none"} if dots else {"linewidth": 0.9}
    ax.plot(steps, values, color=INK, rasterized=True, **style)
    if name == "hessian_max":
        _draw_thresholds(shown, ax)
    ax.set_ylabel(LABELS.get(name, name.replace("_", " ")))
    return ax


def _draw_thresholds(shown: _Shown, ax: Axes) -> None:
    """The stability threshold: a level, or a curve if the learning rate changes."""
    if shown.thresholds is None:
        return
    label = _threshold_label(shown.optimizer)
    thresholds = shown.thresholds.sel(step=shown.history["step"])
    if (thresholds == thresholds[0]).all():
        ax.axhline(float(thresholds[0]), label=label, **THRESHOLD_LINE)
    else:
        largest = np.nanmax(np.append(shown.history["hessian_max"], thresholds.min()))
        in_sight = thresholds.where(thresholds <= 2 * largest)  # a rate that goes to 0 would flatten all else
        ax.plot(thresholds["step"], in_sight, label=label, **THRESHOLD_LINE)


def _region_colors(logits: np.ndarray) -> np.ndarray:
    """Colours (n, 3) of the predicted classes, paler where the largest probability is small."""
    classes = logits.shape[1]
    probability = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    certainty = (probability.max(axis=1, keepdims=True) - 1 / classes) / (1 - 1 / classes)
    tint = 0.12 + 0.38 * certainty
    colors = np.array([to_rgb(class_color(label)) for label in range(classes)])
    return (1 - tint) + tint * colors[logits.argmax(axis=1)]


def _contours(landscape: xr.DataArray, ax: Axes) -> Axes:
    low, high = float(landscape.min()), float(landscape.quantile(0.98))
    levels = np.linspace(low, high if high > low else low + 1, 18)
    plane = landscape.transpose("first", "second")
    filled = ax.contourf(plane.second, plane.first, plane, levels, cmap=SEQUENTIAL, extend="max")
    ax.figure.colorbar(filled, ax=ax, label="$F$")
    ax.set_xlabel("along the second direction")
    ax.set_ylabel("along the first direction")
    return ax


def _curves(landscape: xr.DataArray, ax: Axes) -> Axes:
    curves = landscape.transpose("step", "first") if "step" in landscape.dims else landscape.expand_dims("step")
    for color, curve in zip(SEQUENTIAL(np.linspace(0, 0.7, curves.sizes["step"])), curves, strict=True):
        label = f"step {int(curve.step)}" if "step" in curve.coords else None
        ax.plot(landscape.first, curve, color=color, label=label)
    ax.set_xlabel("offset along the direction")
    ax.set_ylabel("$F$")
    return ax


def _class_names(record: xr.Dataset) -> list[str] | None:
    """The names of the classes of a record, if they have names."""
    names = record["class"].values.tolist() if "class" in record.coords else []
    return names if names and all(isinstance(name, str) for name in names) else None


def _escaped(name: str) -> str:
    """A name as Matplotlib shows it, which takes what is between two dollars for a formula."""
    return name.replace("$", r"\$")


def _weight_lines(ax: Axes, steps: ArrayLike, values: np.ndarray, names: list[str] | None = None) -> Axes:
    for label in range(values.shape[1]):
        name = rf"$\Gamma_{{{label}}}$" if names is None else rf"$\Gamma$ of {_escaped(names[label])}"
        ax.plot(steps, values[:, label], color=class_color(label), label=name)
    ax.set_ylabel(r"$\Gamma_i$")
    return ax


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, numbers.Real) else str(value)


def _short(value: float) -> str:
    """A number as a tick label: thousands as k."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _axes(ax: Axes | None) -> Axes:
    return plt.gca() if ax is None else ax


def _square(ax: Axes) -> Axes:
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return ax


def _symmetric(data: xr.DataArray, center: float) -> dict[str, Any]:
    """Limits of colours that diverge from `center`."""
    reach = float(np.abs(_finite(data) - center).max()) or 1.0
    return {"vmin": center - reach, "vmax": center + reach}


def _finite(data: xr.DataArray) -> np.ndarray:
    values = data.values[np.isfinite(data.values)]
    if not len(values):
        raise ValueError(f"data must have at least one finite number, got {data!r:.80}")
    return values


def _between(record: xr.Dataset, zoom: Any) -> xr.Dataset:
    """The record from the first to the last step of `zoom`."""
    if np.shape(zoom) != (2,):
        raise ValueError(f"zoom must be the first and the last step, got {zoom!r:.80}")
    first = check.integer("zoom[0]", zoom[0])
    last = check.integer("zoom[1]", zoom[1], least=first + 1)
    along = [dim for dim in record.dims if dim == "step" or str(dim).endswith("_step")]
    closeup = record.sel({dim: slice(first, last) for dim in along})
    if not closeup.sizes["step"]:
        steps = record.step.values
        raise ValueError(f"zoom must lie in the steps {steps[0]} to {steps[-1]} of the record, got {zoom!r}")
    return closeup


def _names(record: xr.Dataset, names: Any) -> list[str]:
    """`names`, if the record has them all."""
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise TypeError(f"names must be a sequence of at least one name, got {names!r:.80}")
    available = [str(name) for name in record.data_vars if record[name].ndim]
    available += ["change"] if "loss" in available else []
    for name in names:
        check.choice("name", name, available)
    return list(names)


def _threshold(learning_rate: Any, optimizer: Any) -> float | None:
    """The stability threshold of an optimiser; None if it has none."""
    return optimizers.checked(optimizer).threshold(check.real("learning_rate", learning_rate, above=0))


def _threshold_label(optimizer: Optimizer) -> str:
    label = str(optimizer.threshold_label).replace("η", r"\eta").replace("β", r"\beta")
    return f"${label}$"


def _check_dims(data: Any, *dims: str) -> None:
    if not isinstance(data, xr.DataArray) or set(data.dims) != set(dims):
        shown = data.dims if isinstance(data, xr.DataArray) else repr(data)[:80]
        raise TypeError(f"data must be a DataArray over {' and '.join(map(repr, dims))}, got {shown}")


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """`values` as an array (n,) of finite numbers, n at least 1."""
    array = check.array(name, values, (None,))
    if not len(array):
        raise ValueError(f"{name} must have at least one number, got none")
    return array


def _inputs(task: Any, *, least: int, most: int | None = None) -> None:
    if not isinstance(task, Task):
        raise TypeError(f"task must be a Task, got {task!r:.80}")
    inputs = task.x.shape[1]
    if inputs < least or (most is not None and inputs > most):
        raise ValueError(f"task must have {'' if most else 'at least '}{least} inputs to be drawn, got {inputs}")
