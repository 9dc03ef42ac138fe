"""Figures of several libraries: a style for each side; how fast, and how far apart, the sides are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from minibatch.plots.style import INK, finite_vector, house_style, new_axes, title_and_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The first side is a broad pale band that the others are drawn upon: where they agree, all are seen. Batch sizes
# have red, greens and blue; sides have other colours, that part by lightness, too.
_BAND = "#BDBDBD"
_COLORS = ("#B3560A", "#5B2A86", "#0B7285", "#B02A6F", "#5C5C0A", "#303030")
_DASHES: tuple[Any, ...] = ((0, (4, 2)), (0, (1.2, 1.6)), (0, (6, 1.5, 1.2, 1.5)), (0, (2.5, 1)), "-", (0, (8, 2)))
_MARKERS = ("s", "^", "D", "v", "P", "X")


def side_styles(sides: Iterable[str], kinds: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """A line style for each side: the first a broad pale band, the others thin and dashed on top of it.

    Parameters
    ----------
    sides : iterable of str
        Labels, in order.
    kinds : mapping of str to str, optional
        "gpu" fills the markers; all else leaves them open.

    Returns
    -------
    dict of str to dict
        Keyword arguments of Matplotlib's ``plot``.

    Examples
    --------
    >>> styles = side_styles(["minibatch", "keras"])
    >>> styles["minibatch"]["linewidth"] > styles["keras"]["linewidth"]
    True
    """
    styles: dict[str, dict[str, Any]] = {}
    for k, side in enumerate(sides):
        filled = (kinds or {}).get(side) == "gpu"
        if k == 0:
            styles[side] = {"color": _BAND, "linewidth": 5.0, "linestyle": "-", "marker": "o", "zorder": 2.0}
            continue
        i = (k - 1) % len(_COLORS)
        styles[side] = {
            "color": _COLORS[i],
            "linewidth": 1.5,
            "linestyle": _DASHES[i],
            "marker": _MARKERS[i],
            "markerfacecolor": _COLORS[i] if filled else "white",
            "zorder": 3.0 + 0.1 * k,
        }
    return styles


def throughput(
    series: Mapping[str, tuple[Sequence[int], ArrayLike]],
    *,
    kinds: Mapping[str, str] | None = None,
    crossovers: Mapping[str, float] | None = None,
    title: str = "",
    key: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Samples per second by batch size, a line for each side, both axes logarithmic.

    Parameters
    ----------
    series : mapping of str to (batch sizes, samples per second)
    kinds : mapping of str to str, optional
        See ``side_styles``: a GPU's markers are filled.
    crossovers : mapping of str to float, optional
        By the label of a GPU's side, the batch size from which it is ahead of the processor; marked.
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
        If there is no side, or a number is not above zero.
    """
    if not series:
        raise ValueError("throughput needs at least one side; got none.")
    lines = {}
    for side, (sizes, rates) in series.items():
        B = finite_vector("batch sizes", np.asarray(sizes))
        rate = finite_vector("samples per second", rates, B.size)
        if (rate <= 0).any() or (B <= 0).any():
            raise ValueError(f"{side}: batch sizes and samples per second must be above zero.")
        lines[side] = B, rate
    styles = side_styles(series, kinds)
    with house_style():
        from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

        ax = new_axes(ax, (6.4, 4.4))
        ax.set_xscale("log")
        ax.set_yscale("log")
        handles = []
        every_size = {size for B, _ in lines.values() for size in B.tolist()}
        for side, (B, rate) in lines.items():
            handles += ax.plot(B, rate, label=side, markersize=6.5, markeredgewidth=1.4, **styles[side])
        for side, size in (crossovers or {}).items():
            ax.axvline(size, color=styles[side]["color"], linewidth=0.9, linestyle=(0, (2, 2)), zorder=1.0)
            ax.annotate(
                f"GPU ahead from {size:,.0f}",
                (size, 0.02),
                xycoords=("data", "axes fraction"),
                xytext=(3, 0),
                textcoords="offset points",
                rotation=90,
                va="bottom",
                ha="left",
                color=styles[side]["color"],
                fontsize=8.5,
            )
        ax.xaxis.set_major_locator(FixedLocator(sorted(every_size)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        every_rate = np.concatenate([rate for _, rate in lines.values()])
        wide = every_rate.max() > 300 * every_rate.min()
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("batch size")
        ax.set_ylabel("samples per second")
        grid(ax)
        head(ax, title, handles if key else [], list(series) if key else [])
    return ax


def seed_distributions(
    found: Mapping[str, Mapping[int, tuple[ArrayLike, float, float, float]]],
    *,
    kinds: Mapping[str, str] | None = None,
    what: str = "",
    title: str = "",
    key: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """A number of every seed, by batch size and side, with the mean and its interval.

    Parameters
    ----------
    found : mapping of str to mapping of int to (values, mean, low, high)
        By the label of the side, then by batch size. Bounds that are NaN (one seed) are not drawn.
    kinds : mapping of str to str, optional
        See ``side_styles``.
    what : str
        The number, for the axis.
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
        If there is nothing to draw.
    """
    sizes = sorted({size for by_size in found.values() for size in by_size})
    if not sizes:
        raise ValueError("seed_distributions needs at least one side with one batch size; got none.")
    styles = side_styles(found, kinds)
    with house_style():
        ax = new_axes(ax, (6.4, 4.4))
        handles = []
        width = 0.7 / len(found)
        for k, (side, by_size) in enumerate(found.items()):
            color = INK if k == 0 else styles[side]["color"]
            handle = None
            for size, (values, mean, low, high) in by_size.items():
                at = sizes.index(size) + (k - (len(found) - 1) / 2) * width
                points = np.asarray(values, np.float64)
                # Spread evenly, in the order of the seeds: points that coincide stay apart.
                across = at + width * 0.5 * np.linspace(-1, 1, len(points) + 2)[1:-1]
                ax.plot(across, points, linestyle="none", marker=".", markersize=4.5, color=color, alpha=0.45)
                if np.isfinite(low) and np.isfinite(high):
                    ax.plot([at, at], [low, high], color=color, linewidth=1.6)
                (marked,) = ax.plot(
                    at,
                    mean,
                    marker=styles[side]["marker"],
                    markersize=7.0,
                    color=color,
                    markerfacecolor=styles[side].get("markerfacecolor", "white"),
                    linestyle="none",
                    label=side if handle is None else None,
                )
                handle = handle or marked
            handles += [handle] if handle is not None else []
        ax.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
        ax.set_xlim(-0.5, len(sizes) - 0.5)
        ax.set_xlabel("batch size")
        ax.set_ylabel(what)
        grid(ax)
        head(ax, title, handles if key else [], [side for side, by in found.items() if by] if key else [])
    return ax


def head(ax: Axes, title: str, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Write the title, and the legend if there is one."""
    if handles:
        title_and_key(ax, title, handles, labels)
    else:
        ax.set_title(title, loc="left")


def grid(ax: Axes) -> None:
    """Draw faint horizontal lines below everything."""
    ax.grid(axis="y", color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
