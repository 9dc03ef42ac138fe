"""Paths of gradient descent over the contours of the loss: the picture textbooks draw by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minibatch.plots.style import (
    INK,
    MUTED,
    BatchSize,
    BatchStyle,
    finite_vector,
    house_style,
    new_axes,
    pick_styles,
    title_and_key,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A path of at most so many points shows each of its updates as a dot.
_DOTTED = 100
# A contour is labelled where no path comes nearer than this fraction of the axes.
_CLEAR = 0.05
_CONTOUR = "#A9A69E"


def gradient_directions(
    paths: Mapping[BatchSize, ArrayLike],
    *,
    contours: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    labels: tuple[str, str] | None = None,
    explained: ArrayLike | None = None,
    minimum: ArrayLike | None = None,
    levels: int | ArrayLike = 12,
    n_samples: int | None = None,
    styles: Mapping[BatchSize, BatchStyle] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """The path of each batch size through a plane of parameters, over contours of the loss.

    Parameters
    ----------
    paths : mapping of batch size to array_like, shape (T, 2)
        Points in the order of the updates, from before the first to after the last. The full batch is
        drawn on top, batch size 1 thin and underneath, and a larger mini-batch narrower than a smaller, so
        that paths which run together can be told apart. A path of at most 100 points shows each as a dot.
    contours : (xs, ys, Z), optional
        The loss (mean per sample) on a grid: ``xs`` of shape (X,), ``ys`` of shape (Y,), both increasing,
        ``Z`` of shape (Y, X). The axes then show the grid, and a path that leaves it is cut. Values that
        are not finite are left blank.
    labels : (str, str), optional
        What the axes are; with ``explained``, "PC 1" and "PC 2", otherwise "parameter 1" and "parameter 2".
    explained : (float, float), optional
        Fractions of variance along the axes, as in `Plane.explained`; added to the labels.
    minimum : (float, float), optional
        A point to mark as the minimum.
    levels : int or array_like, optional
        How many contours, or the losses at which to draw them. A number of them are quantiles of ``Z``, so
        spaced that the rings around the minimum of a quadratic come out evenly.
    n_samples : int, optional
        Samples in the data set, for the label and the colour of the full batch.
    styles : mapping of batch size to BatchStyle, optional
        From `batch_styles`; made from the keys of ``paths`` if not given.
    ax : Axes, optional
        Where to draw; the axes of a new figure if not given.
    title : str, optional

    Returns
    -------
    Axes
        Lines labelled by batch size hold the paths. Scales are equal, so that a gradient stands
        at right angles to the contours, unless that would make the picture a strip.

    Raises
    ------
    ValueError
        If a shape is not as above, ``paths`` is empty, or a point is not finite.
    """
    points = _checked_paths(paths)
    grid = None if contours is None else _checked_contours(*contours)
    star = None if minimum is None else finite_vector("minimum", minimum, 2)
    xlabel, ylabel = _axis_labels(labels, explained)
    chosen = pick_styles(points, styles, n_samples)

    with house_style():
        from matplotlib.lines import Line2D

        ax = new_axes(ax, (6.4, 5.6))
        if grid is not None:
            _draw_contours(ax, *grid, levels, np.concatenate(list(points.values())))
        _set_limits(ax, points, grid, star)

        paper = ax.get_facecolor()
        handles = []
        for (batch_size, style), width in zip(chosen.items(), _path_widths(chosen), strict=True):
            path = points[batch_size]
            if style.kind != "stochastic":
                # A paper-coloured edge parts the smoother paths from the ragged one beneath, not from
                # each other: where they run together, the narrower shows upon the wider.
                ax.plot(path[:, 0], path[:, 1], color=paper, linewidth=width + 1.6, zorder=2.5)
            ax.plot(
                path[:, 0],
                path[:, 1],
                color=style.color,
                linewidth=width,
                alpha=0.75 if style.kind == "stochastic" else 1.0,
                zorder=style.zorder,
                label=style.label,
                solid_joinstyle="round",
            )
            if len(path) <= _DOTTED:
                ax.plot(
                    path[1:, 0],
                    path[1:, 1],
                    color=style.color,
                    linestyle="none",
                    marker=".",
                    markersize=1.5 * width + 2.5,
                    zorder=style.zorder + 0.1,
                )
            end: dict[str, Any] = {
                "marker": style.marker,
                "markersize": 7.5,
                "markeredgecolor": paper,
                "markeredgewidth": 1.1,
            }
            ax.plot(*path[-1], color=style.color, linestyle="none", zorder=style.zorder + 4.0, **end)
            handles.append(Line2D([], [], color=style.color, linewidth=max(width, 1.2), **end))
        names = [style.label for style in chosen.values()]
        if grid is not None:
            handles.append(Line2D([], [], color=_CONTOUR, linewidth=1.0))
            names.append("loss")

        starts = np.unique([path[0] for path in points.values()], axis=0)
        (start,) = ax.plot(
            starts[:, 0],
            starts[:, 1],
            linestyle="none",
            marker="o",
            markersize=7.5,
            markerfacecolor=paper,
            markeredgecolor=INK,
            markeredgewidth=1.6,
            zorder=9.0,
        )
        handles.append(start)
        names.append("start")
        if star is not None:
            (cross,) = ax.plot(
                *star,
                linestyle="none",
                marker="*",
                markersize=17.0,
                markerfacecolor="#F2C230",
                markeredgecolor=INK,
                markeredgewidth=0.9,
                zorder=5.5,
            )
            handles.append(cross)
            names.append("minimum")

        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        title_and_key(ax, "Gradient directions by batch size" if title is None else title, handles, names)
    return ax


def _path_widths(styles: Mapping[BatchSize, BatchStyle]) -> list[float]:
    """In points: mini-batches wide, ever narrower up to the full batch; batch size 1 a hair."""
    n_between = sum(style.kind == "mini-batch" for style in styles.values())
    between = iter(np.linspace(2.8, 1.9, n_between).tolist() if n_between > 1 else [2.4])
    fixed = {"stochastic": 1.0, "full": 1.4}
    return [fixed[style.kind] if style.kind in fixed else next(between) for style in styles.values()]


def _checked_paths(paths: Mapping[BatchSize, ArrayLike]) -> dict[BatchSize, NDArray[np.float64]]:
    if not paths:
        raise ValueError("paths must map at least one batch size to an array of shape (T, 2); got none.")
    points: dict[BatchSize, NDArray[np.float64]] = {}
    for batch_size, path in paths.items():
        rows = np.asarray(path, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[0] < 1 or rows.shape[1] != 2:
            raise ValueError(f"paths[{batch_size!r}] must have shape (T, 2) with T >= 1; got {rows.shape}.")
        unfinished = ~np.isfinite(rows).all(axis=1)
        if unfinished.any():
            where = int(np.argmax(unfinished))
            raise ValueError(f"paths[{batch_size!r}] must be finite; point {where} is {rows[where].tolist()}.")
        points[batch_size] = rows
    return points


def _checked_contours(
    xs: ArrayLike, ys: ArrayLike, Z: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    x, y = finite_vector("contours xs", xs), finite_vector("contours ys", ys)
    z = np.asarray(Z, dtype=np.float64)
    if min(x.size, y.size) < 2 or (np.diff(x) <= 0).any() or (np.diff(y) <= 0).any():
        raise ValueError("contours xs and ys must each be increasing, with at least two values.")
    if z.shape != (y.size, x.size):
        raise ValueError(f"contours Z must have shape (len(ys), len(xs)) = ({y.size}, {x.size}); got {z.shape}.")
    if not np.isfinite(z).any():
        raise ValueError("contours Z must have finite values; it has none.")
    return x, y, z


def _axis_labels(labels: tuple[str, str] | None, explained: ArrayLike | None) -> tuple[str, str]:
    if explained is None:
        first, second = labels or ("parameter 1", "parameter 2")
        return first, second
    first, second = labels or ("PC 1", "PC 2")
    percent = [_percent(v) for v in finite_vector("explained", explained, 2)]
    return f"{first} ({percent[0]} of variance)", f"{second} ({percent[1]} of variance)"


def _percent(fraction: float) -> str:
    percent = 100.0 * fraction
    return f"{percent:.0f} %" if percent >= 9.95 or percent == 0.0 else f"{percent:.1f} %"


def _draw_contours(
    ax: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
    levels: int | ArrayLike,
    avoid: NDArray[np.float64],
) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    finite = z[np.isfinite(z)]
    if np.ndim(levels) == 0:
        # For a quadratic the area within a level grows with the loss above the minimum, so quantiles are
        # even in the loss, and quantiles at squares are even in the distance from the minimum.
        fractions = np.linspace(0.0, 1.0, int(np.asarray(levels)) + 2)[1:-1] ** 2
        at = np.unique(np.quantile(finite, fractions))
    else:
        at = np.unique(finite_vector("levels", np.asarray(levels)))
    at = at[(at > finite.min()) & (at < finite.max())]
    if at.size == 0:
        return
    masked = np.ma.masked_invalid(z)
    shades = LinearSegmentedColormap.from_list("loss", ["#FFFFFF", "#DEDCD6"])
    bounds = np.concatenate([[finite.min()], at, [finite.max()]])
    ax.contourf(x, y, masked, levels=bounds, colors=shades(np.linspace(0.0, 1.0, at.size + 1)), zorder=0.5)
    lines = ax.contour(x, y, masked, levels=at, colors=_CONTOUR, linewidths=0.7, zorder=0.8)
    spots = _label_spots(at, lines.allsegs, avoid, (x[0], y[0]), (x[-1], y[-1]))
    for loss, spot in spots.items():
        ax.clabel(lines, [loss], manual=[spot], fontsize=7.5, colors=MUTED, fmt=f"{loss:.2g}", inline_spacing=3)


def _label_spots(
    levels: NDArray[np.float64],
    segments: Sequence[Sequence[NDArray[np.float64]]],
    avoid: NDArray[np.float64],
    low: tuple[float, float],
    high: tuple[float, float],
) -> dict[float, tuple[float, float]]:
    """Where to write the loss of every other contour: far from all paths, edges, and earlier labels."""
    corner, span = np.array(low), np.array(high) - np.array(low)
    # The paths leave their mark on a coarse board, so that the work does not grow with their length.
    taken = np.unique(np.round((avoid - corner) / span, 2), axis=0)
    spots: dict[float, tuple[float, float]] = {}
    for loss, pieces in list(zip(levels.tolist(), segments, strict=True))[1::2]:
        vertices = np.concatenate([piece for piece in pieces if len(piece)] or [np.empty((0, 2))])
        at = (vertices - corner) / span
        inside = ((at > 0.06) & (at < 0.94)).all(axis=1)
        if not inside.any():
            continue
        vertices, at = vertices[inside], at[inside]
        clearance = np.min(np.linalg.norm(at[:, None] - taken[None], axis=2), axis=1)
        if clearance.max() < _CLEAR:
            continue
        # Clear enough is enough: among such places the one nearest the paths is read with them.
        wanted = np.abs(np.minimum(clearance, clearance.max()) - 2.5 * _CLEAR)
        best = int(np.argmin(np.where(clearance < _CLEAR, np.inf, wanted)))
        spots[loss] = (float(vertices[best, 0]), float(vertices[best, 1]))
        taken = np.vstack([taken, at[best] + np.array([[-0.04, 0.0], [0.0, 0.0], [0.04, 0.0]])])
    return spots


def _set_limits(
    ax: Axes,
    points: Mapping[BatchSize, NDArray[np.float64]],
    grid: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None,
    star: NDArray[np.float64] | None,
) -> None:
    if grid is not None:
        low, high = np.array([grid[0][0], grid[1][0]]), np.array([grid[0][-1], grid[1][-1]])
    else:
        drawn = np.concatenate([*points.values(), *([] if star is None else [star[None]])])
        low, high = drawn.min(axis=0), drawn.max(axis=0)
        span = high - low
        # A path along one axis, or of one point, still needs an area to be drawn on.
        span = np.maximum(span, 0.1 * span.max() or 1.0)
        middle = (low + high) / 2.0
        low, high = middle - 0.57 * span, middle + 0.57 * span
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    width, height = high - low
    if 0.4 <= height / width <= 2.5:
        ax.set_aspect("equal", adjustable="box")
