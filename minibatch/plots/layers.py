"""Noise and signal of each layer's gradient, as bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minibatch.plots.axes import plain_number, set_log_axis
from minibatch.plots.series import QUANTITIES
from minibatch.plots.style import MUTED, house_style, title_and_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minibatch.plots.series import Floats

_NUMBERS = ("trace", "grad_norm2", "noise_scale")
# Of a longer name the middle is left out: the beginning says which block, the end which layer of it.
_LONGEST = 30
# More rows than this have no height for the numbers beside the bars.
_NUMBERED = 24


def noise_by_layer(
    layers: Iterable[Any],
    *,
    noise_scale: float | None = None,
    axes: Sequence[Axes] | NDArray[Any] | None = None,
    title: str | None = None,
) -> NDArray[Any]:
    """tr(Sigma), |G|^2 and their ratio, the noise scale, of each layer's share of the gradient.

    Bars on a logarithmic axis have no zero to start from: lengths compare within a panel, but twice the length is
    not twice the value. On the left, the distance between the two ends of a layer is its noise scale. A value that
    has no place on the axis (zero, negative, infinite, NaN) is written in words.

    Parameters
    ----------
    layers : iterable of mappings or objects
        First layer first; each with ``name`` (str), ``n_parameters`` (int), ``trace`` and ``grad_norm2`` (floats,
        in squared units of the gradient) and ``noise_scale`` (float, in samples), as in ``NoiseReport.by_layer``.
    noise_scale : float, optional
        That of the whole model, in samples; marked.
    axes : sequence of two Axes, optional
        Where to draw; those of a new figure if not given.
    title : str, optional

    Returns
    -------
    ndarray of two Axes
        tr(Sigma) and |G|^2 on the left, the noise scale on the right; layer k, from the top, is at y = -k.

    Raises
    ------
    ValueError
        If there is no layer, one lacks a number, or ``axes`` are not two.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> hidden = {"name": "hidden", "n_parameters": 2080, "trace": 12.0, "grad_norm2": 0.4, "noise_scale": 30.0}
    >>> parts, ratio = noise_by_layer([hidden], axes=Figure().subplots(1, 2))
    >>> parts.get_yticklabels()[0].get_text(), ratio.texts[0].get_text()
    ('hidden (2,080)', '30')
    """
    rows = [_checked(layer, k) for k, layer in enumerate(layers)]
    if not rows:
        raise ValueError("layers must have at least one layer with parameters; got none.")
    panels = None if axes is None else np.asarray(axes, dtype=object).ravel()
    if panels is not None and panels.size != 2:
        raise ValueError(f"axes must be two, for the parts and for the noise scale; got {panels.size}.")
    S, G2, scale = (np.array([row[name] for row in rows], dtype=np.float64) for name in _NUMBERS)
    names = _labels([str(row["name"]) for row in rows], [int(row["n_parameters"]) for row in rows])
    y = -np.arange(len(rows), dtype=np.float64)
    size = float(np.clip(270.0 / len(rows), 5.0, 9.0))

    with house_style():
        if panels is None:
            from matplotlib import pyplot as plt

            height = float(np.clip(1.7 + 0.42 * len(rows), 2.6, 15.0))
            made = plt.subplots(1, 2, figsize=(9.6, height), layout="constrained")[1]
            panels = np.asarray(made, dtype=object)
        left, right = panels
        _set_bar_axis(left, np.concatenate([S, G2]))
        _set_bar_axis(right, np.r_[scale, np.nan if noise_scale is None else noise_scale])
        number = size if len(rows) <= _NUMBERED else None
        bars = [
            _draw_bars(left, y + 0.2, S, 0.36, QUANTITIES[2], number),
            _draw_bars(left, y - 0.2, G2, 0.36, QUANTITIES[1], number),
        ]
        marked = noise_scale is not None and 0.0 < noise_scale < np.inf
        ratio = _draw_bars(right, y, scale, 0.5, QUANTITIES[0], number, noise_scale if marked else None)
        entries = [(ratio, "noise scale")]
        if noise_scale is not None and marked:
            mark = right.axvline(noise_scale, color=MUTED, linewidth=1.2, linestyle=(0, (4, 2.5)), zorder=4.0)
            entries.append((mark, f"of the whole model: {_short(noise_scale)}"))
        left.set_ylabel("layer (parameters)")
        for panel, unit in ((left, "squared gradient"), (right, "samples")):
            panel.set_ylim(-len(rows) + 0.4, 0.6)
            panel.set_xlabel(unit)
            panel.tick_params(axis="y", length=0)
            panel.grid(axis="x", color="#E6E6E6", linewidth=0.7)
            panel.set_axisbelow(True)
        # Side by side the names on the left are read for both.
        beside = np.isclose(left.get_position().y0, right.get_position().y0)
        left.set_yticks(y, names, fontsize=size)
        right.set_yticks(y, [""] * len(names) if beside else names, fontsize=size)
        title_and_key(left, "Noise and signal by layer" if title is None else title, bars, ["tr(Σ)", "$|G|^2$"])
        title_and_key(right, "", [handle for handle, _ in entries], [name for _, name in entries])
    return panels


def _checked(layer: Any, k: int) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in ("name", "n_parameters", *_NUMBERS):
        value = layer.get(name) if isinstance(layer, Mapping) else getattr(layer, name, None)
        if value is None:
            raise ValueError(f"layers[{k}] must have {name!r}; it has none: {layer!r}.")
        row[name] = value
    return row


def _labels(names: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Names short enough to be read, with their parameters; numbered where shortening made two alike."""
    short = [n if len(n) <= _LONGEST else f"{n[:12]}…{n[-(_LONGEST - 13) :]}" for n in names]
    if len(set(short)) < len(set(names)):
        short = [f"{k + 1}: {name}" for k, name in enumerate(short)]
    return [f"{name} ({count:,})" for name, count in zip(short, counts, strict=True)]


def _set_bar_axis(ax: Axes, values: Floats) -> None:
    """A decade before the shortest bar, lest a tenth more look like three times as much."""
    fits = values[np.isfinite(values) & (values > 0.0)]
    if fits.size:
        bottom, top = np.log10(fits.min()), np.log10(fits.max())
        before, after = max(1.0, 0.1 * (top - bottom)), 0.2 * (top - bottom + 1.0)
        # The numbers stand after the bars, and need the room.
        fits = 10.0 ** np.clip([bottom - before, top + after], -300.0, 300.0)
    set_log_axis(ax, fits, "x", margin=0.0)


def _draw_bars(
    ax: Axes,
    y: Floats,
    values: Floats,
    height: float,
    color: str,
    number: float | None,
    mark: float | None = None,
) -> Any:
    """Bars from the left edge, with their values; words where there is no value to draw.

    A line at ``mark`` would run through what is written just before it: that is written behind it.
    """
    low, high = ax.get_xlim()
    drawable = np.isfinite(values) & (values > 0.0)
    ends = np.where(drawable, values, np.where(np.isposinf(values), high, low))
    bars = ax.barh(y, ends - low, height=height, left=low, color=color, zorder=2.0)
    for bar, value, end, at in zip(bars, values, ends, y, strict=True):
        inside = bool(np.isposinf(value))
        if inside:
            bar.set_hatch("///")
            bar.set_facecolor(ax.get_facecolor())
            bar.set_edgecolor(color)
        if number is None and 0.0 < value < np.inf:
            continue
        words, size = _words(float(value)), 0.9 * (number or 6.0)
        start = low if inside else end
        if mark is not None and start < mark and _points_between(ax, start, mark) < 0.9 * size * len(words) + 8.0:
            start = mark
        ax.annotate(
            words,
            (start, at),
            xytext=(4, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=size,
            bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.8},
            zorder=5.0,
        )
    return bars


def _points_between(ax: Axes, low: float, high: float) -> float:
    """The distance of two places on the x axis, in points."""
    (left, _), (right, _) = ax.transData.transform([(low, 0.0), (high, 0.0)])
    return float(right - left) / ax.figure.dpi * 72.0


def _words(value: float) -> str:
    if np.isnan(value):
        return "not a number"
    if value == 0.0:
        return "zero"
    if np.isinf(value):
        return "infinite" if value > 0.0 else "−infinite"
    return _short(value) if value > 0.0 else f"negative: {_short(value)}"


def _short(value: float) -> str:
    """Three digits."""
    return plain_number(float(f"{value:.3g}"))
