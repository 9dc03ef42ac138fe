"""Two libraries on one path: their losses overlaid, and how they part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minibatch.plots.axes import set_log_axis, spans_a_decade
from minibatch.plots.sides import grid, head, seed_distributions, side_styles, throughput
from minibatch.plots.style import (
    MUTED,
    BatchSize,
    BatchStyle,
    batch_styles,
    finite_vector,
    house_style,
    new_axes,
    pick_styles,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["batch_styles", "seed_distributions", "side_styles", "step_differences", "step_losses", "throughput"]

#: A path of more steps is averaged to about so many points, or the curves would be a smear.
_POINTS = 200
#: What a logarithmic axis of differences begins at: exact agreement is drawn there.
_FLOOR = 1e-17


def step_losses(
    losses: Mapping[str, ArrayLike],
    *,
    kinds: Mapping[str, str] | None = None,
    title: str = "",
    key: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """The loss of every step, the sides overlaid; of a long path, means of consecutive steps.

    Parameters
    ----------
    losses : mapping of str to array_like, shape (T,)
        By the label of the side. A loss that is not finite leaves a gap.
    kinds : mapping of str to str, optional
        See ``side_styles``.
    title : str, optional
    key : bool, default True
        Whether to draw the legend.
    ax : Axes, optional
        Where to draw; the axes of a new figure if not given.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is no side.
    """
    if not losses:
        raise ValueError("step_losses needs the losses of at least one side; got none.")
    styles = side_styles(losses, kinds)
    with house_style():
        from matplotlib.ticker import MaxNLocator

        ax = new_axes(ax, (6.4, 4.0))
        handles: list[Line2D] = []
        longest = max(len(np.asarray(values)) for values in losses.values())
        together = max(1, longest // _POINTS)
        for side, values in losses.items():
            steps, means = _averaged(np.asarray(values, np.float64), together)
            # A path of one step is no line.
            look = styles[side] | (
                {"markersize": 8.0 if not handles else 5.0} if len(steps) == 1 else {"marker": ""}
            )
            handles += ax.plot(steps, means, label=side, **look)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.ticklabel_format(axis="y", useOffset=False)  # or what all sides share would stand apart, as "+2.3"
        if together == 1 and longest == 1:
            ax.set_xticks([1])
            _with_some_room(ax, [line.get_ydata() for line in handles])
        drawn = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in handles])
        if spans_a_decade(drawn):
            set_log_axis(ax, drawn)
        ax.set_xlabel("step" if together == 1 else f"step (means of {together})")
        ax.set_ylabel("loss of the batch")
        grid(ax)
        head(ax, title, handles if key else [], list(losses) if key else [])
    return ax


def step_differences(
    differences: Mapping[BatchSize, tuple[ArrayLike, ArrayLike]],
    *,
    tolerance: float | None = None,
    what: str = "",
    title: str = "",
    styles: Mapping[BatchSize, BatchStyle] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """How far two paths are apart, over the steps, both axes logarithmic: the largest difference so far.

    Parameters
    ----------
    differences : mapping of batch size to (steps, differences)
        Each of shape (T,); steps from 0 up (0 has no place on the axis, and is left out).
    tolerance : float, optional
        Drawn as a line.
    what : str
        What differs, for the axis.
    title : str, optional
    styles : mapping of batch size to BatchStyle, optional
        From `batch_styles`.
    ax : Axes, optional
        Where to draw; the axes of a new figure if not given.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is nothing to draw, or steps and differences are not of one length.
    """
    if not differences:
        raise ValueError("step_differences needs at least one batch size; got none.")
    chosen = pick_styles(differences, styles, None)
    runs = {}
    for size, (steps, values) in differences.items():
        along = finite_vector("steps", np.asarray(list(steps) if isinstance(steps, range) else steps))
        gaps = np.asarray(values, np.float64)
        if gaps.shape != along.shape:
            raise ValueError(f"steps and differences must be of one length; got {along.shape} and {gaps.shape}.")
        gaps = np.maximum.accumulate(np.where(np.isfinite(gaps), gaps, np.nan))
        runs[size] = along[along > 0], gaps[along > 0]
    positive = [gaps[gaps > 0] for _, gaps in runs.values()]
    low = min((float(gaps.min()) for gaps in positive if gaps.size), default=_FLOOR)

    with house_style():
        ax = new_axes(ax, (6.4, 4.0))
        ax.set_xscale("log")
        ax.set_yscale("log")
        handles: list[Artist] = []
        for size, style in chosen.items():
            along, gaps = runs[size]
            # Until the first difference there is exact agreement: a line along the foot of the axes.
            shown = np.where(gaps == 0, low / 3, gaps)
            look: Any = {
                "color": style.color,
                "linestyle": style.dash,
                "linewidth": style.width,
                "zorder": style.zorder,
            }
            if len(along) == 1:
                look |= {"marker": style.marker}
            handles += ax.plot(along, shown, **look)
        if tolerance is not None and tolerance > 0:
            ax.axhline(tolerance, color=MUTED, linewidth=1.0, linestyle=(0, (4, 2.5)), zorder=1.0)
            ax.annotate(
                f"tolerance {tolerance:g}",
                (0.99, tolerance),
                xycoords=("axes fraction", "data"),
                xytext=(0, -3),
                textcoords="offset points",
                va="top",
                ha="right",
                color=MUTED,
                fontsize=8.5,
            )
        ax.margins(y=0.08)  # and no limit is set: panels may share the axis
        ax.set_xlabel("updates made")
        ax.set_ylabel(what)
        grid(ax)
        head(ax, title, handles, [style.label for style in chosen.values()])
    return ax


def _averaged(values: NDArray[np.float64], together: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the last step of each group of steps, and the group's mean; NaN where one of it is not finite."""
    starts = np.arange(0, len(values), together)
    ends = np.minimum(starts + together, len(values))
    known = np.where(np.isfinite(values), values, np.nan)
    return ends.astype(np.float64), np.add.reduceat(known, starts) / (ends - starts)


def _with_some_room(ax: Axes, losses: Iterable[ArrayLike]) -> None:
    """Limits that do not make a difference of what is rounding."""
    values = np.concatenate([np.asarray(v, np.float64) for v in losses])
    values = values[np.isfinite(values)]
    if values.size and np.ptp(values) < 0.01 * np.abs(values).max():
        middle, room = float(values.mean()), 0.05 * float(np.abs(values).max())
        ax.set_ylim(middle - room, middle + room)
