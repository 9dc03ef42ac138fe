"""Gradient noise against batch size, and the exact line through it."""

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
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# A value so far below the largest is a zero with rounding on it.
_ZERO = 1e-9


def noise_by_batch_size(
    batch_sizes: Sequence[int] | NDArray[np.int64],
    measured: ArrayLike,
    expected: ArrayLike | None = None,
    *,
    errors: ArrayLike | None = None,
    trace: float | None = None,
    n_samples: int | None = None,
    noise_scale: float | None = None,
    styles: Mapping[BatchSize, BatchStyle] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Measured gradient noise E|g_B|^2 - |G|^2 by batch size, both axes logarithmic.

    Drawing B of N samples without replacement, the noise is exactly S2 (1/B - 1/N), which is zero at
    B = N; from an infinite population it is S2/B (McCandlish et al. 2018, arXiv 1812.06162). A
    measurement that is not positive has no place on a logarithmic axis: it is drawn as a triangle at the foot
    of the axes, with its value beside it.

    Parameters
    ----------
    batch_sizes : sequence of int, shape (n,)
        In samples.
    measured : array_like, shape (n,)
        E|g_B|^2 - |G|^2, in squared units of the gradient.
    expected : array_like, shape (n,), optional
        The exact values at these batch sizes; not needed where ``trace`` and ``n_samples`` give the line.
    errors : array_like, shape (n,), optional
        Half the height of each error bar, for example the standard error of ``measured``.
    trace : float, optional
        S2, the unbiased trace of the covariance of the per-sample gradients. Draws S2/B, and with
        ``n_samples`` the exact line.
    n_samples : int, optional
        N, the samples in the data set.
    noise_scale : float, optional
        tr(Sigma)/|G|^2 in samples: the batch size at which S2/B is |G|^2; marked.
    styles : mapping of batch size to BatchStyle, optional
        From `batch_styles`; made from ``batch_sizes`` if not given.
    ax : Axes, optional
        Where to draw; the axes of a new figure if not given.
    title : str, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, an error, ``trace`` or ``noise_scale`` is negative, or no
        value at all is positive.
    """
    sizes = finite_vector("batch_sizes", np.asarray(batch_sizes))
    noise = finite_vector("measured", measured, sizes.size)
    exact = None if expected is None else finite_vector("expected", expected, sizes.size)
    bars = None if errors is None else finite_vector("errors", errors, sizes.size)
    _check_numbers(sizes, bars, trace, n_samples, noise_scale)
    keys: list[BatchSize] = [int(size) for size in sizes]
    chosen = pick_styles(dict.fromkeys(keys), styles, n_samples)
    zero = _ZERO * max(float(np.abs(noise).max()), trace or 0.0)
    positive = noise > zero
    line = None if exact is None else exact[exact > zero]
    if not positive.any() and (line is None or not line.size) and not trace:
        raise ValueError("noise_by_batch_size draws logarithms: no value of measured, expected or trace is > 0.")

    with house_style():
        from matplotlib.lines import Line2D

        ax = new_axes(ax, (6.4, 4.6))
        ax.set_xscale("log")
        ax.set_yscale("log")
        xlim = _x_limits(sizes, n_samples, noise_scale, zero_at=sizes[~positive])
        tops = noise if bars is None else noise + bars
        ylim = _y_limits(noise[positive], tops[positive], line, trace, n_samples, sizes)
        entries: list[tuple[Artist, str]] = []

        if trace:
            B = np.geomspace(*xlim, 2)
            (faint,) = ax.plot(B, trace / B, color=MUTED, linewidth=1.1, linestyle=(0, (4, 2.5)), zorder=1.0)
            if n_samples is not None:
                # Points even in the height of the line, which falls ever more steeply towards B = N.
                heights = np.geomspace(max(trace, ylim[1]), 1e-3 * ylim[0], 400)
                B = 1.0 / (heights / trace + 1.0 / n_samples)
                (solid,) = ax.plot(B, heights, color=INK, linewidth=1.6, zorder=1.5)
                entries.append((solid, "exact: $S_2$ (1/B − 1/N)"))
            entries.append((faint, "infinite population: $S_2$ / B"))
        if exact is not None:
            above = exact > zero
            if trace and n_samples is not None:
                style: dict[str, Any] = {
                    "linestyle": "none",
                    "marker": "_",
                    "markersize": 13.0,
                    "markeredgewidth": 1.4,
                }
            else:
                style = {"linestyle": "-", "linewidth": 1.6}
            order = np.argsort(sizes[above])
            (drawn,) = ax.plot(sizes[above][order], exact[above][order], color=INK, zorder=1.6, **style)
            entries.append((drawn, "expected"))

        for k, key in enumerate(keys):
            if positive[k]:
                ax.errorbar(
                    sizes[k],
                    noise[k],
                    yerr=None if bars is None else bars[k],
                    color=chosen[key].color,
                    marker="o",
                    markersize=7.5,
                    markeredgecolor=ax.get_facecolor(),
                    markeredgewidth=0.8,
                    linestyle="none",
                    elinewidth=1.6,
                    capsize=3.5,
                    zorder=3.0,
                )
            else:
                _mark_at_foot(ax, sizes[k], noise[k], zero, chosen[key])
        dot = Line2D([], [], linestyle="none", marker="o", markersize=7.5, color=MUTED)
        entries.insert(0, (dot, "measured"))

        ax.set_xlim(*xlim)
        ax.set_ylim(*ylim)
        _label_batch_sizes(ax, sizes, xlim)
        if noise_scale is not None:
            _mark_noise_scale(ax, noise_scale, trace, xlim, ylim)
        ax.set_xlabel("batch size B (samples)")
        ax.set_ylabel("gradient noise, E$|g_B|^2 - |G|^2$")
        title_and_key(
            ax,
            "Gradient noise by batch size" if title is None else title,
            [handle for handle, _ in entries],
            [name for _, name in entries],
        )
    return ax


def _check_numbers(
    sizes: NDArray[np.float64],
    bars: NDArray[np.float64] | None,
    trace: float | None,
    n_samples: int | None,
    noise_scale: float | None,
) -> None:
    if sizes.size == 0 or (sizes < 1).any() or (sizes != np.round(sizes)).any():
        raise ValueError(f"batch_sizes must be positive integers, at least one; got {sizes.tolist()}.")
    if bars is not None and (bars < 0).any():
        raise ValueError(f"errors must not be negative; got {float(bars.min())}.")
    for name, value in (("trace", trace), ("noise_scale", noise_scale)):
        if value is not None and not 0.0 <= value < np.inf:
            raise ValueError(f"{name} must be finite and not negative; got {value}.")
    if n_samples is not None and n_samples < sizes.max():
        raise ValueError(f"n_samples must be at least the largest batch, {int(sizes.max())}; got {n_samples}.")


def _x_limits(
    sizes: NDArray[np.float64],
    n_samples: int | None,
    noise_scale: float | None,
    zero_at: NDArray[np.float64],
) -> tuple[float, float]:
    low, high = float(sizes.min()), float(max(sizes.max(), n_samples or 1))
    # A noise scale a little beyond the data is worth showing; one far beyond is only named at the edge.
    if noise_scale is not None and low / 3.0 < noise_scale < 3.0 * high:
        low, high = min(low, noise_scale), max(high, noise_scale)
    # A value written at the foot stands to the right of its batch size, and needs the room.
    room = 0.14 * np.log(high / low) if zero_at.size and zero_at.max() == sizes.max() else 0.0
    return low / 1.5, high * max(1.6, float(np.exp(room)))


def _y_limits(
    noise: NDArray[np.float64],
    tops: NDArray[np.float64],
    line: NDArray[np.float64] | None,
    trace: float | None,
    n_samples: int | None,
    sizes: NDArray[np.float64],
) -> tuple[float, float]:
    values = np.concatenate([noise, tops, [] if line is None else line])
    if values.size == 0:
        values = np.asarray([(trace or 1.0) / size for size in sizes])
    low, high = float(values.min()) / 5.0, float(values.max()) * 2.5
    if trace and n_samples is not None:
        # Far enough down to see the exact line leave S2/B, which is trace / n_samples at B = N.
        low = min(low, 0.05 * trace / n_samples)
    return low, high


def _mark_at_foot(ax: Axes, size: float, value: float, zero: float, style: BatchStyle) -> None:
    foot = ax.get_xaxis_transform()
    ax.plot(
        [size],
        [0.035],
        transform=foot,
        linestyle="none",
        marker="v",
        markersize=8.5,
        color=style.color,
        markeredgecolor=ax.get_facecolor(),
        markeredgewidth=0.8,
        zorder=3.5,
    )
    ax.annotate(
        "zero" if abs(value) <= zero else f"{value:.2g}".replace("-", "−"),
        (size, 0.035),
        xycoords=foot,
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=style.color,
    )


def _label_batch_sizes(ax: Axes, sizes: NDArray[np.float64], xlim: tuple[float, float]) -> None:
    """The batch sizes themselves as ticks, less those whose labels would touch the one before."""
    from matplotlib.ticker import FixedLocator, NullLocator

    room = 0.075 * np.log(xlim[1] / xlim[0])
    # From the right, so that the full batch keeps its label.
    kept: list[float] = []
    for size in sorted({float(s) for s in sizes}, reverse=True):
        if not kept or np.log(kept[-1] / size) >= room:
            kept.append(size)
    kept.reverse()
    ax.xaxis.set_major_locator(FixedLocator(kept))
    ax.xaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
    ax.xaxis.set_minor_locator(NullLocator())


def _mark_noise_scale(
    ax: Axes,
    noise_scale: float,
    trace: float | None,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
) -> None:
    digits = f"{noise_scale:.3g}" if noise_scale < 1000.0 else f"{noise_scale:,.0f}"
    name = f"noise scale {digits}"
    inside = xlim[0] <= noise_scale <= xlim[1]
    if not inside:
        beyond = noise_scale > xlim[1]
        ax.text(
            0.985 if beyond else 0.015,
            0.96,
            f"{name} →" if beyond else f"← {name}",
            transform=ax.transAxes,
            ha="right" if beyond else "left",
            va="top",
            fontsize=8.5,
        )
        return
    ax.axvline(noise_scale, color=MUTED, linewidth=1.0, linestyle=(0, (1.2, 1.6)), zorder=0.8)
    if trace:
        (crossing,) = ax.plot(
            [noise_scale],
            [trace / noise_scale],
            linestyle="none",
            marker="o",
            markersize=6.0,
            markerfacecolor=ax.get_facecolor(),
            markeredgecolor=INK,
            zorder=2.0,
        )
        crossing.set_clip_on(True)
    # Above the falling line there is room to the right; near the right edge, on the left only lower down.
    rightwards = np.log(noise_scale / xlim[0]) < 0.65 * np.log(xlim[1] / xlim[0])
    ax.annotate(
        f"{name}\n$S_2$ / B equals $|G|^2$",
        (noise_scale, 0.97),
        xycoords=ax.get_xaxis_transform(),
        xytext=(5 if rightwards else -5, 0),
        textcoords="offset points",
        ha="left" if rightwards else "right",
        va="top",
        fontsize=8.5,
    )
