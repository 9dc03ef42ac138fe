"""The entries of the gradient over a training: how their histogram widens, narrows and grows tails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from minibatch.plots.axes import plain_number
from minibatch.plots.style import MUTED, house_style, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minibatch.plots.series import Floats

# Few entries light, many dark; no entries are paper. One hue, so that grey print keeps the order.
_SHADES = ("#E7DFF3", "#B79AD6", "#6A3D9A", "#220A3E")
# More records than this are narrower than a pixel; neighbours are averaged.
_COLUMNS = 400


def gradient_histograms(
    steps: ArrayLike,
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    scale: str = "auto",
    share: bool = False,
    clipped: bool = False,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Histograms of the gradient's entries over the steps of a training, as a heat map of their counts.

    Each record is a column, from halfway to the record before to halfway to the one after. The darker a bin, the
    more entries, on a logarithmic scale; a bin without any is blank. More than 400 records are averaged in groups
    of neighbours.

    Parameters
    ----------
    steps : array_like, shape (n,)
        Numbers of training steps, increasing.
    edges : array_like, shape (K + 1,)
        Edges of the bins, increasing, in units of the gradient. The first may be minus infinity and the last plus
        infinity: such a bin is drawn as high as its neighbour, and its edge labelled as the end of its neighbour.
    counts : array_like, shape (n, K)
        Entries in each bin: finite, and not negative.
    scale : {"auto", "symlog", "linear"}
        Of the value axis. "symlog" is logarithmic on either side of zero, and linear between the edges nearest to
        zero. "auto" is "linear" where all bins are equally wide, which then are equally high.
    share : bool, default False
        Whether to draw each record's counts as shares of all its entries. A larger batch has more samples, and so
        more entries, which as counts look like a wider distribution.
    clipped : bool, default False
        Whether the outermost bins count what lies beyond them, too; then the label says so.
    ax : Axes, optional
        Where to draw; the axes of a new figure if not given. A colour bar is added beside it.
    title : str, optional

    Returns
    -------
    Axes
        With a mesh of ``n`` columns (400 at most) and K rows.

    Raises
    ------
    ValueError
        If a shape differs, steps or edges do not increase, a count is negative or not finite, all counts are
        zero, or ``scale`` is none of the three.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = gradient_histograms([1, 11], [-1.0, 0.0, 1.0], [[3, 5], [0, 8]], ax=Figure().add_subplot())
    >>> ax.collections[0].get_array().filled(0).tolist()  # a row for each bin
    [[3.0, 0.0], [5.0, 8.0]]
    """
    x, bins, table = _checked(steps, edges, counts)
    if scale not in ("auto", "symlog", "linear"):
        raise ValueError(f"scale must be 'auto', 'symlog' or 'linear'; got {scale!r}.")
    with house_style():
        ax = new_axes(ax, (7.0, 4.4))
        draw_histograms(ax, x, bins, table, scale, share, clipped)
        ax.set_title("Entries of the gradient over training" if title is None else title, loc="left", pad=8.0)
    return ax


def draw_histograms(
    ax: Axes,
    x: Floats,
    bins: Floats,
    table: Floats,
    scale: str = "auto",
    share: bool = False,
    clipped: bool = False,
) -> None:
    """Draw mesh, axes and colour bar; numbers as `gradient_histograms` has checked them."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm
    from matplotlib.ticker import MaxNLocator

    if scale == "auto":
        widths = np.diff(bins[np.isfinite(bins)])
        scale = "linear" if np.allclose(widths, widths[0], rtol=1e-6, atol=0.0) else "symlog"
    if share:
        # A record without entries stays without.
        table = table / np.maximum(table.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    columns, table = _grouped(x, table)
    positive = table[table > 0.0]
    low, high = float(positive.min()), float(positive.max())
    shades = LinearSegmentedColormap.from_list("counts", _SHADES)
    norm = LogNorm(low, high if high > low else 10.0 * low)
    rows, has_tails = _finite_edges(bins, scale)
    mesh = ax.pcolormesh(
        columns, rows, np.ma.masked_less_equal(table.T, 0.0), cmap=shades, norm=norm, rasterized=True
    )
    if scale == "symlog":
        _set_symlog(ax, rows)
    else:
        ax.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
        ax.yaxis.set_major_formatter(lambda value, _: plain_number(value))
    ax.set_ylim(rows[0], rows[-1])
    ax.set_xlim(columns[0], columns[-1])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter(lambda value, _: plain_number(value))
    ax.set_xlabel("training step")
    ax.set_ylabel("gradient entry" + (" (ends: and beyond)" if has_tails or clipped else ""))
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02, fraction=0.06, aspect=30)
    bar.set_label("share of the entries" if share else "entries in a bin")
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(lambda value, _: plain_number(value))
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=2.5, color=MUTED)


def checked_histograms(histograms: Any) -> tuple[Floats, Floats, Floats]:
    """The three of a mapping with "steps", "edges" and "counts"."""
    missing = [name for name in ("steps", "edges", "counts") if name not in histograms]
    if missing:
        raise ValueError(f"histograms must have 'steps', 'edges' and 'counts'; {missing} missing.")
    return _checked(histograms["steps"], histograms["edges"], histograms["counts"])


def _checked(steps: ArrayLike, edges: ArrayLike, counts: ArrayLike) -> tuple[Floats, Floats, Floats]:
    x, bins = np.asarray(steps, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    table = np.asarray(counts, dtype=np.float64)
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all() or (np.diff(x) <= 0.0).any():
        raise ValueError(f"steps must be a vector of at least one number, increasing; got shape {x.shape}.")
    if bins.ndim != 1 or bins.size < 2 or not (np.diff(bins) > 0.0).all() or not np.isfinite(bins[1:-1]).all():
        raise ValueError(f"edges must be a vector of at least two numbers, increasing; got shape {bins.shape}.")
    if bins.size < 4 and not np.isfinite(bins).all():
        raise ValueError("edges must have a bin between the outermost ones, where those have no end.")
    if table.shape != (x.size, bins.size - 1):
        raise ValueError(f"counts must have shape (steps, bins) = {(x.size, bins.size - 1)}; got {table.shape}.")
    if not np.isfinite(table).all() or (table < 0.0).any():
        raise ValueError("counts must be finite and not negative.")
    if not table.any():
        raise ValueError("counts must have at least one entry; all are zero.")
    return x, bins, table


def _grouped(x: Floats, table: Floats) -> tuple[Floats, Floats]:
    """Edges of the columns (n + 1,) and their counts (n, K), of neighbours' means where there are too many."""
    middle = (x[1:] + x[:-1]) / 2.0
    # Training begins at step 1, or is looked at before it, at 0.
    first = max(x[0] - (middle[0] - x[0] if middle.size else 0.5), 0.0 if x[0] > 0.0 else -0.5)
    last = x[-1] + (x[-1] - middle[-1] if middle.size else 0.5)
    edges = np.concatenate([[first], middle, [last]])
    if len(x) > _COLUMNS:
        starts = np.linspace(0, len(x), _COLUMNS + 1).astype(int)
        table = np.add.reduceat(table, starts[:-1], axis=0) / np.diff(starts)[:, None]
        edges = edges[starts]
    return edges, table


def _finite_edges(bins: Floats, scale: str) -> tuple[Floats, bool]:
    """Edges that can be drawn, and whether an outermost one stands for infinity."""
    rows = bins.copy()
    for end, inner in ((0, 1), (-1, -2)):
        if np.isinf(bins[end]):
            nearest, next_ = bins[inner], bins[inner + (1 if end == 0 else -1)]
            grows = scale == "symlog" and nearest * next_ > 0.0
            rows[end] = nearest**2 / next_ if grows else 2.0 * nearest - next_
    return rows, bool(np.isinf(bins).any())


def _set_symlog(ax: Axes, rows: Floats) -> None:
    """Logarithmic beyond the edges nearest to zero, which are a piece as high as a decade or less."""
    from matplotlib.ticker import FixedLocator, NullLocator

    apart = np.abs(rows[rows != 0.0])
    nearest, farthest = float(apart.min()), float(apart.max())
    # At most eight decades: what is nearer to zero than that is zero to any eye.
    nearest = max(nearest, 1e-8 * farthest)
    decades = max(1.0, np.log10(farthest / nearest))
    ax.set_yscale("symlog", linthresh=nearest, linscale=min(1.0, 0.12 * decades))
    powers = np.arange(np.ceil(np.log10(nearest) - 1e-9), np.floor(np.log10(farthest) + 1e-9) + 1.0)
    # Away from zero, whose own label needs the room.
    powers = powers[::-1][:: max(1, -(-len(powers) // 4))]
    powers = powers[powers > np.log10(nearest) + 0.25 * decades / 4.0] if len(powers) > 1 else powers
    ticks = np.concatenate([-(10.0**powers), [0.0], 10.0**powers])
    ax.yaxis.set_major_locator(FixedLocator([t for t in np.sort(ticks) if rows[0] <= t <= rows[-1]]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(lambda value, _: plain_number(value))
