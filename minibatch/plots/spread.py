"""How far batch gradients point away from the full gradient, by batch size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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

# Height of a ridge, in rows.
_RIDGE = 0.62
# Angles (degrees) closer together than this are one line on any screen, not a distribution.
_ONE_ANGLE = 0.05
# Fewer draws than this have no shape worth smoothing; they are drawn one by one.
_FEW = 8


def direction_spread(
    angles: Mapping[BatchSize, ArrayLike],
    *,
    theory: Mapping[BatchSize, float] | None = None,
    n_samples: int | None = None,
    styles: Mapping[BatchSize, BatchStyle] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """The distribution of the angle between batch gradient and full gradient, by batch size.

    One row per batch size: a smoothed density (each of the same height, so that shapes can be compared),
    and under it the median, the middle half, and the angle expected. Fewer than eight draws are shown one
    by one, equal angles as one upright line.

    Parameters
    ----------
    angles : mapping of batch size to array_like, shape (draws,)
        In degrees, from 0 to 180.
    theory : mapping of batch size to float, optional
        The angle expected, in degrees: arccos (1 + x)^(-1/2) with x = (S2/|G|^2)(1/B - 1/N), an
        approximation. Batch sizes without an entry get no mark.
    n_samples : int, optional
        Samples in the data set, for the label and the colour of the full batch.
    styles : mapping of batch size to BatchStyle, optional
        From `batch_styles`; made from the keys of ``angles`` if not given.
    ax : Axes, optional
        Where to draw; the axes of a new figure if not given.
    title : str, optional

    Returns
    -------
    Axes
        Row k (from the top, smallest batch first) is at y = -k.

    Raises
    ------
    ValueError
        If there is no batch size, a row has no angle, or an angle is not from 0 to 180.
    """
    if not angles:
        raise ValueError("angles must map at least one batch size to an array of shape (draws,); got none.")
    draws = {batch_size: _checked(batch_size, values) for batch_size, values in angles.items()}
    expected = {b: float(finite_vector(f"theory[{b!r}]", [v], 1)[0]) for b, v in (theory or {}).items()}
    stray = [b for b in expected if b not in draws]
    if stray:
        raise ValueError(f"theory must be of batch sizes in angles, {list(draws)}; got {stray} besides.")
    chosen = pick_styles(draws, styles, n_samples)

    with house_style():
        ax = new_axes(ax, (6.4, min(1.5 + 0.72 * len(chosen), 7.5)))
        paper = ax.get_facecolor()
        largest = max(max(values.max() for values in draws.values()), *expected.values(), 0.0)
        right = 180.0 if largest > 150.0 else max(95.0, 1.06 * largest)
        ax.axvline(90.0, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0.5)
        handles = {}
        for row, (batch_size, style) in enumerate(chosen.items()):
            values, y = draws[batch_size], -float(row)
            ax.axhline(y, color="#DDDDDD", linewidth=0.8, zorder=0.6)
            _draw_ridge(ax, values, y, style)
            lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
            (handles["middle half"],) = ax.plot(
                [lower, upper], [y, y], color=INK, linewidth=4.0, solid_capstyle="butt", zorder=4.0
            )
            (handles["median"],) = ax.plot(
                [median],
                [y],
                linestyle="none",
                marker="o",
                markersize=7.0,
                markerfacecolor=paper,
                markeredgecolor=INK,
                markeredgewidth=1.6,
                zorder=5.0,
            )
            if batch_size in expected:
                (handles["expected"],) = ax.plot(
                    [expected[batch_size]],
                    [y - 0.17],
                    linestyle="none",
                    marker="^",
                    markersize=7.0,
                    markerfacecolor="#F2C230",
                    markeredgecolor=INK,
                    markeredgewidth=0.9,
                    zorder=5.5,
                    clip_on=False,
                )
        ax.set_yticks([-float(row) for row in range(len(chosen))], [style.label for style in chosen.values()])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_ylim(-len(chosen) + 0.6, 0.85)
        ax.set_xlim(-0.02 * right, right)
        ax.set_xticks(np.arange(0.0, right + 1e-9, 15.0 if right < 120.0 else 30.0))
        ax.set_xlabel("angle to the full gradient (degrees)")
        ax.set_ylabel("batch size (samples)")
        names = {"expected": "expected, arccos $(1+x)^{-1/2}$"}
        order = [name for name in ("median", "middle half", "expected") if name in handles]
        title_and_key(
            ax,
            "Angle to the full gradient by batch size" if title is None else title,
            [handles[name] for name in order],
            [names.get(name, name) for name in order],
        )
    return ax


def _checked(batch_size: BatchSize, values: ArrayLike) -> NDArray[np.float64]:
    vector = finite_vector(f"angles[{batch_size!r}]", values)
    if vector.size == 0:
        raise ValueError(f"angles[{batch_size!r}] must have at least one angle; got shape (0,).")
    if vector.min() < 0.0 or vector.max() > 180.0:
        worst = vector.min() if vector.min() < 0.0 else vector.max()
        raise ValueError(f"angles[{batch_size!r}] must be in degrees, from 0 to 180; got {worst}.")
    return vector


def _draw_ridge(ax: Axes, values: NDArray[np.float64], y: float, style: BatchStyle) -> None:
    low, high = float(values.min()), float(values.max())
    if high - low < _ONE_ANGLE or values.size < _FEW:
        lines = np.unique(values) if high - low >= _ONE_ANGLE else np.array([np.median(values)])
        ax.vlines(lines, y, y + _RIDGE, colors=style.color, linewidth=2.0, zorder=3.0)
        return
    grid, density = smoothed_density(values)
    curve = y + _RIDGE * density / density.max()
    ax.fill_between(grid, y, curve, color=style.color, alpha=0.35, linewidth=0.0, zorder=2.0)
    ax.plot(grid, curve, color=style.color, linewidth=1.6, zorder=3.0)


def smoothed_density(
    values: NDArray[np.float64], n_points: int = 256
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A Gaussian kernel density of angles in degrees, mirrored at 0 and 180, where angles end.

    Bandwidth: Silverman (1986), "Density Estimation for Statistics and Data Analysis", eq. 3.31. The values
    are counted in bins of the grid first, so that the work does not grow with their number.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Not all equal.
    n_points : int

    Returns
    -------
    grid, density : ndarray of float64, shape (n_points,)
        From two bandwidths before the smallest value to two after the largest, within 0 and 180.
    """
    low, high = float(values.min()), float(values.max())
    lower, upper = np.quantile(values, [0.25, 0.75])
    spread = min(float(values.std()), float(upper - lower) / 1.34) or float(values.std())
    bandwidth = max(0.9 * spread * values.size**-0.2, (high - low) / n_points)
    counts, edges = np.histogram(values, bins=n_points, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2.0
    grid = np.linspace(max(low - 2.0 * bandwidth, 0.0), min(high + 2.0 * bandwidth, 180.0), n_points)
    density = np.zeros(n_points)
    for mirrored in (centres, -centres, 360.0 - centres):
        z = (grid[:, None] - mirrored[None, :]) / bandwidth
        density += np.exp(-0.5 * z * z) @ counts
    return grid, density / (values.size * bandwidth * np.sqrt(2.0 * np.pi))
