"""What the figures share: a colour, dash and marker for each batch size, and the look of the axes.

Nothing here, and nothing in this room, changes a global Matplotlib setting. Matplotlib is imported
when a figure is drawn, not before.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

#: A batch size as a reader names it: ``32``, ``"32"``, ``"full"`` or ``"full (1,437)"``.
BatchSize: TypeAlias = int | str

# Stochastic red, mini-batch green, full batch blue, chosen so that they also part by lightness: L* 43,
# 52 to 71, and 24. So they survive grey, print, and a red-green blind eye (to which the greens, being
# bluish and light, look pale and the red dark brown).
RED = "#C0281C"
GREENS = ("#7BBF4A", "#1FA97A", "#008A84")
BLUE = "#08357A"
INK = "#222222"
MUTED = "#6B6B6B"

# "-", or (offset, (on, off, ...)) in line widths. Not spelt out: Matplotlib's own types for it vary.
Dash: TypeAlias = Any
_DASHES: tuple[Dash, ...] = ((0, (6, 1.6)), (0, (3, 1.2)), (0, (6, 1.2, 1.2, 1.2)), (0, (1.2, 1.0)))
_MARKERS = ("s", "^", "v", "P", "<", ">", "X", "p", "h")

# Applied inside `house_style()` only: what a figure made here looks like, whatever the reader's defaults.
_HOUSE: Any = {
    "font.size": 10.0,
    "axes.titlesize": 12.0,
    "axes.titleweight": "bold",
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "axes.grid": False,
    "axes.unicode_minus": True,
    "lines.solid_capstyle": "round",
    "lines.dash_capstyle": "butt",
    "lines.scale_dashes": True,
    "text.usetex": False,
}


@dataclass(frozen=True)
class BatchStyle:
    """How one batch size is drawn, in every figure.

    Attributes
    ----------
    kind : str
        ``"stochastic"`` (batch size 1), ``"mini-batch"`` or ``"full"``.
    label : str
        For the legend: ``"1 (stochastic)"``, ``"32"``, ``"full (1,437)"``.
    color : str
        ``"#RRGGBB"``.
    dash : str or tuple
        A Matplotlib line style.
    marker : str
        A Matplotlib marker.
    width : float
        Line width in points.
    zorder : float
        Larger is on top: the full batch over the mini-batches over batch size 1.
    """

    kind: Literal["stochastic", "mini-batch", "full"]
    label: str
    color: str
    dash: Dash
    marker: str
    width: float
    zorder: float


def batch_label(batch_size: BatchSize, n_samples: int | None = None) -> str:
    """A batch size in words, for a legend or an axis.

    Parameters
    ----------
    batch_size : int or str
        A positive integer, the same as a string, or any other string, kept as it is; ``"full"`` is the
        full batch.
    n_samples : int, optional
        Samples in the data set; makes ``"full"``, or a batch size equal to it, ``"full (n_samples)"``.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If ``batch_size`` is neither an integer nor a string.
    ValueError
        If it is below 1, or an empty string.

    Examples
    --------
    >>> batch_label(1), batch_label(32), batch_label("full"), batch_label("full", 1437)
    ('1 (stochastic)', '32', 'full', 'full (1,437)')
    """
    size, is_full = _parse(batch_size, n_samples)
    if is_full:
        n = size if size is not None else n_samples
        return "full" if n is None else f"full ({n:,})"
    if size == 1:
        return "1 (stochastic)"
    return str(batch_size).strip() if size is None else f"{size:,}"


def batch_order(batch_sizes: Iterable[BatchSize], n_samples: int | None = None) -> list[BatchSize]:
    """Batch sizes from small to large: numbers, then other strings as they come, then the full batch.

    Examples
    --------
    >>> batch_order(["full", 128, "8", 1])
    [1, '8', 128, 'full']
    """

    def key(batch_size: BatchSize) -> tuple[int, float]:
        size, is_full = _parse(batch_size, n_samples)
        if is_full:
            return 2, 0.0
        return (1, 0.0) if size is None else (0, float(size))

    return sorted(batch_sizes, key=key)


def batch_styles(batch_sizes: Iterable[BatchSize], n_samples: int | None = None) -> dict[BatchSize, BatchStyle]:
    """The one place where a batch size gets its colour, dash and marker.

    Batch size 1 is red and the full batch blue. Those in between are greens, the lighter the smaller.
    The greens are spread over the sizes handed in; where figures of one report show different sizes, make
    the styles once, of all of them, and hand them to each figure as ``styles=``.

    Parameters
    ----------
    batch_sizes : iterable of int or str
        As in `batch_label`; keys of the result.
    n_samples : int, optional
        Samples in the data set; an integer batch size equal to it is the full batch.

    Returns
    -------
    dict of batch size to BatchStyle
        From small to large.

    Examples
    --------
    >>> styles = batch_styles([1, 32, "full"])
    >>> [(style.label, style.color) for style in styles.values()]
    [('1 (stochastic)', '#C0281C'), ('32', '#1FA97A'), ('full', '#08357A')]
    """
    ordered = batch_order(batch_sizes, n_samples)
    parsed = {batch_size: _parse(batch_size, n_samples) for batch_size in ordered}
    between = [b for b, (size, is_full) in parsed.items() if not is_full and size != 1]
    styles: dict[BatchSize, BatchStyle] = {}
    for batch_size, (size, is_full) in parsed.items():
        label = batch_label(batch_size, n_samples)
        if is_full:
            styles[batch_size] = BatchStyle("full", label, BLUE, "-", "D", 2.2, 4.0)
        elif size == 1:
            styles[batch_size] = BatchStyle("stochastic", label, RED, "-", "o", 1.2, 2.0)
        else:
            k = between.index(batch_size)
            t = 0.5 if len(between) == 1 else k / (len(between) - 1)
            dash, marker = _DASHES[k % len(_DASHES)], _MARKERS[k % len(_MARKERS)]
            styles[batch_size] = BatchStyle("mini-batch", label, _green(t), dash, marker, 1.6, 3.0 + 0.5 * t)
    return styles


def _parse(batch_size: BatchSize, n_samples: int | None) -> tuple[int | None, bool]:
    """(the number, or None where there is none; whether it is the full batch)."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer, str)):
        raise TypeError(
            f"a batch size must be an integer or a string such as 'full'; got {batch_size!r} "
            f"({type(batch_size).__name__})."
        )
    if isinstance(batch_size, str):
        text = batch_size.strip()
        if not text:
            raise ValueError("a batch size must not be an empty string.")
        full = re.fullmatch(r"full(?:\s*\(([\d,]+)\))?", text, flags=re.IGNORECASE)
        if full:
            return (int(full[1].replace(",", "")) if full[1] else None), True
        if not re.fullmatch(r"[+-]?\d+", text):
            return None, False
        batch_size = int(text)
    if batch_size < 1:
        raise ValueError(f"a batch size must be at least 1; got {batch_size}.")
    return int(batch_size), n_samples is not None and batch_size == n_samples


def _green(t: float) -> str:
    anchors = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in GREENS])
    rgb = [np.interp(t, np.linspace(0.0, 1.0, len(GREENS)), channel) for channel in anchors.T]
    return "#" + "".join(f"{round(float(channel)):02X}" for channel in rgb)


def pick_styles(
    batch_sizes: Iterable[BatchSize],
    styles: Mapping[BatchSize, BatchStyle] | None,
    n_samples: int | None,
) -> dict[BatchSize, BatchStyle]:
    """The styles of a figure, from small to large: those handed in, or those of its own batch sizes."""
    ordered = batch_order(batch_sizes, n_samples)
    if styles is None:
        return batch_styles(ordered, n_samples)
    missing = [batch_size for batch_size in ordered if batch_size not in styles]
    if missing:
        raise ValueError(f"styles must have every batch size drawn; {missing} missing from {list(styles)}.")
    return {batch_size: styles[batch_size] for batch_size in ordered}


def house_style() -> AbstractContextManager[None]:
    """The look of this room's figures, for the length of a ``with`` block."""
    from matplotlib import rc_context

    return rc_context(_HOUSE)


def new_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """``ax`` itself, or the axes of a new figure."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1]


def title_and_key(
    ax: Axes,
    title: str,
    handles: Sequence[Artist],
    labels: Sequence[str],
    *,
    width: float | None = None,
) -> None:
    """Title at the left, and the legend as rows between title and plot, where it covers no data.

    Parameters
    ----------
    ax : Axes
    title : str
        May be empty; wrapped where it is wider than the room there is.
    handles, labels : sequences
        Of the legend's entries, in reading order.
    width : float, optional
        Pixels the legend may take; the width of ``ax`` if not given.
    """
    n = len(handles)
    columns = n
    while True:
        rows = -(-n // columns)
        columns = -(-n // rows)
        # Matplotlib fills a legend column by column; this order makes it read row by row.
        order = [i for column in range(columns) for i in range(column, n, columns)]
        legend = ax.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            ncols=columns,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            frameon=False,
            borderpad=0.0,
            borderaxespad=0.5,
            handlelength=2.2,
            handletextpad=0.5,
            columnspacing=1.3,
            labelspacing=0.3,
        )
        # The title's padding makes the room; a legend in the layout would push neighbouring axes apart.
        legend.set_in_layout(False)
        box = legend.get_window_extent()
        heading = ax.set_title(title or " ", loc="left", pad=box.height / ax.figure.dpi * 72.0 + 11.0)
        room = _width_when_drawn(ax) if width is None else width
        if columns == 1 or box.width <= room:
            break
        columns -= 1
    title_width = heading.get_window_extent().width
    if title_width > room:
        heading.set_text(textwrap.fill(title, int(len(title) * room / title_width)))


def _width_when_drawn(ax: Axes) -> float:
    """Pixels across the axes, once laid out, and narrowed by an equal aspect."""
    engine = ax.figure.get_layout_engine()
    if engine is not None:
        engine.execute(ax.figure.figure)
    ax.apply_aspect()
    return float(ax.get_window_extent().width)


def finite_vector(name: str, values: ArrayLike, length: int | None = None) -> NDArray[np.float64]:
    """``values`` as a finite float64 vector, or an error that says what came instead."""
    vector = np.asarray(values, dtype=np.float64)
    shape = "(n,)" if length is None else f"({length},)"
    if vector.ndim != 1 or (length is not None and vector.size != length):
        raise ValueError(f"{name} must have shape {shape}; got {vector.shape}.")
    if not np.isfinite(vector).all():
        where = int(np.argmax(~np.isfinite(vector)))
        raise ValueError(f"{name} must be finite; entry {where} is {vector[where]}.")
    return vector
