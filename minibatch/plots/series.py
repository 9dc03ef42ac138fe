"""A number measured over the steps of a training, drawn so that 3 steps and 100,000 can be read alike.

What has no place on an axis, an infinite value or on a logarithmic axis one that is not positive, is marked at the
edge of the axes and counted in the key: never a silent gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minibatch.plots.axes import plain_number
from minibatch.plots.style import INK, Dash

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Floats: TypeAlias = NDArray[np.float64]
#: What the key shows, and the words beside it.
Entry: TypeAlias = "tuple[Artist, str]"

# Quantities, where no batch size gives the colour: apart in lightness too (L* 13, 35, 59).
QUANTITIES = (INK, "#6A3D9A", "#C77F00")
# Up to so many values are a line; more are a light line under their running median.
_FEW = 200
# A line has at most the extremes of so many stretches: more than a figure has pixels to show.
_STRETCHES = 800
_MARKS = 80


def checked_series(name: str, steps: ArrayLike, values: ArrayLike) -> tuple[Floats, Floats]:
    """Steps and values as float64 vectors of one length.

    Parameters
    ----------
    name : str
        For the errors.
    steps : array_like, shape (n,)
        Numbers of training steps, at least 0, increasing.
    values : array_like, shape (n,)
        May hold NaN and infinities.

    Raises
    ------
    ValueError
        If a shape differs, there is no step, or the steps do not increase.
    """
    x, y = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(f"the steps of {name} must have shape (n,), n >= 1; got {x.shape}.")
    if y.shape != x.shape:
        raise ValueError(f"{name} must have a value for each of its {x.size} steps; got shape {y.shape}.")
    if not np.isfinite(x).all() or x[0] < 0.0 or (np.diff(x) <= 0.0).any():
        raise ValueError(f"the steps of {name} must be at least 0 and increase.")
    return x, y


def draw_series(
    ax: Axes,
    steps: Floats,
    values: Floats,
    *,
    color: str,
    label: str,
    logarithmic: bool,
    dash: Dash = "-",
    beyond: str = "infinite",
    held: bool = False,
    smooth: Floats | None = None,
    zorder: float = 3.0,
) -> list[Entry]:
    """Draw one series; return what the key should say of it.

    More than 200 values are a light line, of the smallest and the largest of each stretch, under their running
    median. Infinite values are triangles at the head of the axes; negative infinite ones, and on a logarithmic
    axis all that are not positive, at the foot; NaN are crosses at the foot.

    Parameters
    ----------
    ax : Axes
    steps, values : ndarray of float64, shape (n,)
        From `checked_series`.
    color : str
    label : str
        For the key, and of the line that holds the values (or their median).
    logarithmic : bool
        Whether ``ax`` has, or will have, a logarithmic y axis.
    dash : Dash, default "-"
    beyond : str, default "infinite"
        What the key calls values of plus infinity.
    held : bool, default False
        Whether a value holds until the next step: drawn in steps. Of many, the line leaves out what lasts for a
        few steps only, such as the short batch at the end of an epoch, which the light line shows.
    smooth : ndarray of float64, shape (n,), optional
        A smoother series, to be drawn strong over the light values, be they few or many, instead of their median.
    zorder : float, default 3.0
    """
    drawable = np.isfinite(values) & ((values > 0.0) | (not logarithmic))
    shown = np.where(drawable, values, np.nan)
    look: dict[str, Any] = {"color": color, "zorder": zorder, "solid_joinstyle": "round"}
    if held:
        look["drawstyle"] = "steps-post"
    faint = look | {"linewidth": 0.7, "alpha": 0.35}
    look |= {"linewidth": 1.6, "linestyle": dash, "label": label}
    if len(values) <= _FEW and smooth is None:
        (line,) = ax.plot(steps, shown, **look)
        _dot_the_lonely(ax, steps, shown, {"color": color, "zorder": zorder, "markersize": 3.5})
    else:
        ax.plot(*_extremes(steps, shown), **faint)
        _dot_the_lonely(ax, steps, shown, {"color": color, "zorder": zorder, "markersize": 1.2, "alpha": 0.35})
        if smooth is not None:
            at, strong = steps, smooth
        else:
            at, strong = without_dips(steps, values) if held else running_median(steps, values)
        fits = np.isfinite(strong) & ((strong > 0.0) | (not logarithmic))
        strong = np.where(fits, strong, np.nan)
        (line,) = ax.plot(*_extremes(at, strong), **look | {"zorder": zorder + 0.5})
        if smooth is not None:
            _dot_the_lonely(ax, at, strong, {"color": color, "zorder": zorder + 0.5, "markersize": 3.5})
    entries: list[Entry] = [(line, label)]
    for marker, height, which, words in (
        ("^", 0.965, np.isposinf(values), beyond),
        (
            "v",
            0.035,
            ~drawable & ~np.isnan(values) & ~np.isposinf(values),
            "not positive" if logarithmic else "−inf",
        ),
        ("x", 0.035, np.isnan(values), "not a number"),
    ):
        if which.any():
            mark = _mark_at_edge(ax, steps[which], height, marker, color)
            entries.append((mark, f"{words}: {plain_number(which.sum())} of {plain_number(len(values))}"))
    return entries


def running_median(steps: Floats, values: Floats, places: int = _FEW) -> tuple[Floats, Floats]:
    """Medians of windows of about a fortieth of the values, at about ``places`` evenly spread places.

    Infinite values count as what they are, larger than all others; NaN are left out.

    Examples
    --------
    >>> import numpy as np
    >>> _, median = running_median(np.arange(401.0), np.arange(401.0), places=3)
    >>> median.tolist()
    [2.0, 200.0, 397.0]
    """
    n = len(values)
    half = max(5, n // 80)
    centres = np.unique(np.linspace(0, n - 1, min(n, places)).round().astype(int))
    medians = []
    for centre in centres:
        window = values[max(0, centre - half) : centre + half + 1]
        ranked = np.sort(window[~np.isnan(window)])
        # Of an even number the lower of the middle two: the mean of a number and an infinity says nothing.
        medians.append(ranked[(len(ranked) - 1) // 2] if len(ranked) else np.nan)
    return steps[centres], np.asarray(medians, dtype=np.float64)


def _extremes(steps: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The smallest and the largest value of each stretch, in their order; all of them, if they are few."""
    n = len(values)
    if n <= 2 * _STRETCHES:
        return steps, values
    kept: list[int] = []
    for stretch in np.array_split(np.arange(n), _STRETCHES):
        part = values[stretch]
        if np.isnan(part).all():
            kept.append(int(stretch[0]))  # a NaN, which breaks the line
        else:
            # The last value too: one that is held is held from there.
            kept += sorted({int(stretch[np.nanargmin(part)]), int(stretch[np.nanargmax(part)]), int(stretch[-1])})
    return steps[kept], values[kept]


def running_means(decay: float, *series: Floats) -> list[Floats]:
    """m <- decay m + (1 - decay) value, over 1 - decay^t, so that the first value counts as much as any other.

    Steps at which one of the series is not finite are left out of all of them, as ``GradientNoise`` does.

    Examples
    --------
    >>> import numpy as np
    >>> [mean] = running_means(0.5, np.array([1.0, 4.0, np.inf]))
    >>> mean.tolist()
    [1.0, 3.0, 3.0]
    """
    columns = np.stack(series, axis=1)
    finite = np.asarray(np.isfinite(columns).all(axis=1))
    means = np.full(columns.T.shape, np.nan)
    sums, weight = np.zeros(len(series)), 0.0
    for t in range(len(columns)):
        if finite[t]:
            sums = decay * sums + (1.0 - decay) * columns[t]
            weight = decay * weight + 1.0 - decay
        if weight:
            means[:, t] = sums / weight
    return list(means)


def without_dips(steps: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The median of each value and five on either side: an edge stays in its place, a short dip goes.

    Only where the level changes, and at the end.

    Examples
    --------
    >>> import numpy as np
    >>> sizes = np.repeat([32.0, 29.0, 32.0, 64.0], [9, 1, 10, 10])
    >>> [part.tolist() for part in without_dips(np.arange(30.0), sizes)]
    [[0.0, 20.0, 29.0], [32.0, 64.0, 64.0]]
    """
    if len(values) < 11:
        return steps, values
    padded = np.pad(values, 5, mode="reflect")
    level = np.median(np.lib.stride_tricks.sliding_window_view(padded, 11), axis=1)
    kept = np.flatnonzero(np.r_[True, level[1:] != level[:-1]])
    kept = np.unique(np.r_[kept, len(values) - 1])
    return steps[kept], level[kept]


def _dot_the_lonely(ax: Axes, steps: Floats, shown: Floats, look: dict[str, Any]) -> None:
    """A value with none beside it makes no line: a dot. Few values are dots as well as a line."""
    gap = np.isnan(np.r_[np.nan, shown, np.nan])
    lonely = ~gap[1:-1] & gap[:-2] & gap[2:]
    if np.count_nonzero(~gap) <= 24:
        lonely = ~gap[1:-1]
    if lonely.any():
        where = np.flatnonzero(lonely)
        where = where[:: max(1, -(-len(where) // _STRETCHES))]
        ax.plot(steps[where], shown[where], linestyle="none", marker="o", markeredgewidth=0.0, **look)


def _mark_at_edge(ax: Axes, steps: Floats, height: float, marker: str, color: str) -> Artist:
    # Neighbours that would lie on one another are one mark.
    at = steps[np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _MARKS)).round().astype(int))]
    (marks,) = ax.plot(
        at,
        np.full(len(at), height),
        transform=ax.get_xaxis_transform(),
        linestyle="none",
        marker=marker,
        markersize=5.0,
        color=color,
        markeredgewidth=1.1 if marker == "x" else 0.0,
        zorder=5.0,
    )
    return marks
