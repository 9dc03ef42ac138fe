"""How the runs of a study ended: by batch size, or by learning rate, with every seed to be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from minibatch.plots.axes import set_log_axis, spans_a_decade
from minibatch.plots.sides import grid, head
from minibatch.plots.style import MUTED, BatchSize, batch_label, batch_styles, house_style, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Bounds = tuple[float, float]


def ends_by_batch_size(
    ends: Mapping[BatchSize, ArrayLike],
    intervals: Mapping[BatchSize, Bounds] | None = None,
    *,
    what: str = "",
    n_samples: int | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A number of every run by batch size: a pale line for each seed, and on it the means with their intervals.

    Where the seeds' lines run alike, batch sizes are told apart better than their intervals say: the difference is
    taken along the line.

    Parameters
    ----------
    ends : mapping of batch size to array_like, shape (S,)
        One for each seed, in one order. What is not finite is not drawn.
    intervals : mapping of batch size to (low, high), optional
        Of the means; NaN (one seed) is not drawn.
    what : str
        The number, for the axis.
    n_samples : int, optional
        Samples in the data set, for the name of the full batch.
    title : str, optional
    ax : Axes, optional
        Where to draw; the axes of a new figure if not given.

    Returns
    -------
    Axes
        Batch size k, from the smallest, is at x = k.

    Raises
    ------
    ValueError
        If there is no batch size, or they have different numbers of seeds.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = ends_by_batch_size({16: [0.97, 0.98], 64: [0.95, 0.97]}, what="accuracy", ax=Figure().add_subplot())
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['16', '64']
    """
    values = {size: np.asarray(numbers, np.float64) for size, numbers in ends.items()}
    if not values or len({numbers.shape for numbers in values.values()}) > 1:
        shapes = {size: numbers.shape for size, numbers in values.items()}
        raise ValueError(f"ends must have one number for each seed, of at least one batch size; got {shapes}.")
    styles = batch_styles(values, n_samples)
    rows = np.stack([np.where(np.isfinite(values[size]), values[size], np.nan) for size in styles])
    with house_style():
        ax = new_axes(ax, (6.4, 4.2))
        at = np.arange(len(rows))
        seeds = [
            ax.plot(at, numbers, color=MUTED, linewidth=0.8, alpha=0.5, marker=".", markersize=5.0, zorder=1.5)[0]
            for numbers in rows.T
        ]
        for k, (size, style) in enumerate(styles.items()):
            low, high = (intervals or {}).get(size, (np.nan, np.nan))
            ax.plot([k, k], [low, high], color=style.color, linewidth=3.0, solid_capstyle="butt", zorder=3.0)
            ax.plot(
                k,
                rows[k].mean(),
                color=style.color,
                marker=style.marker,
                markersize=8.0,
                markeredgecolor="white",
                linestyle="none",
                zorder=4.0,
            )
        ax.set_xticks(at, [style.label for style in styles.values()])
        ax.set_xlim(-0.5, len(rows) - 0.5)
        ax.set_xlabel("batch size")
        ax.set_ylabel(what)
        grid(ax)
        number = rows.shape[1]
        words = f"each of the {number} seeds" if number > 1 else "one seed"
        head(ax, title or "How the runs ended: means with 95% intervals", seeds[:1], [words])
    return ax


def ends_by_learning_rate(
    ends: Mapping[BatchSize, Mapping[Any, ArrayLike]],
    intervals: Mapping[BatchSize, Mapping[Any, Bounds]] | None = None,
    *,
    what: str = "",
    n_samples: int | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The mean over seeds by learning rate, a line for each batch size; every run is a dot.

    Parameters
    ----------
    ends : mapping of batch size to mapping of learning rate to array_like, shape (S,)
        One number for each seed. Where one is not finite there is no mean, and the line has a gap.
    intervals : the same, with (low, high) of the means, optional
    what, n_samples, title, ax
        As for ``ends_by_batch_size``.

    Returns
    -------
    Axes
        Lines labelled by batch size.

    Raises
    ------
    ValueError
        If there is nothing to draw, or a learning rate is not above zero.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ends = {16: {0.1: [0.4, 0.5], 0.3: [0.2, 0.3]}}
    >>> ax = ends_by_learning_rate(ends, what="loss", ax=Figure().add_subplot())
    >>> ax.get_xscale(), ax.get_legend().get_texts()[0].get_text()
    ('log', '16')
    """
    rates = sorted({rate for by_rate in ends.values() for rate in by_rate})
    if not rates or not rates[0] > 0.0:
        raise ValueError(f"ends must have learning rates above zero; got {rates}.")
    styles = batch_styles(ends, n_samples)
    with house_style():
        from matplotlib.ticker import FixedLocator

        ax = new_axes(ax, (6.4, 4.2))
        set_log_axis(ax, rates, "x")
        ax.xaxis.set_major_locator(FixedLocator(rates))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        handles = []
        for k, (size, style) in enumerate(styles.items()):
            # Beside one another, or intervals of two batch sizes would hide each other.
            beside = 1.0 + 0.03 * (k - (len(styles) - 1) / 2)
            runs = {rate: np.asarray(ends[size][rate], np.float64) for rate in sorted(ends[size])}
            at = [rate * beside for rate in runs]
            means = [numbers.mean() if np.isfinite(numbers).all() else np.nan for numbers in runs.values()]
            look: dict[str, Any] = {"color": style.color, "zorder": style.zorder}
            for place, (rate, numbers) in zip(at, runs.items(), strict=True):
                shown = numbers[np.isfinite(numbers)]
                ax.plot(np.full(len(shown), place), shown, ".", markersize=3.5, alpha=0.4, **look)
                low, high = (intervals or {}).get(size, {}).get(rate, (np.nan, np.nan))
                ax.plot([place, place], [low, high], linewidth=1.6, **look)
            handles += ax.plot(
                at,
                means,
                color=style.color,
                linestyle=style.dash,
                linewidth=style.width,
                marker=style.marker,
                markersize=6.5,
                markeredgecolor="white",
                label=style.label,
                zorder=style.zorder + 0.1,
            )
        drawn = np.concatenate([np.ravel(numbers) for by_rate in ends.values() for numbers in by_rate.values()])
        if spans_a_decade(drawn):  # a rate that is too large would flatten all the rest
            set_log_axis(ax, drawn)
        ax.set_xlabel("learning rate")
        ax.set_ylabel(what)
        grid(ax)
        heading = title or "How the runs ended, by learning rate and batch size"
        head(ax, heading, handles, [batch_label(size, n_samples) for size in styles])
    return ax
