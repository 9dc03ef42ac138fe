"""What a logarithmic axis and an axis of training steps have on them: limits, ticks, and numbers to be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Powers of ten beyond which float64 leaves a logarithmic axis no room for ticks and margins.
_POWERS = (-300.0, 300.0)


def finish_step_axis(ax: Axes, steps: Sequence[NDArray[np.float64]], *, label: bool = True) -> None:
    """From the first step drawn to the last, in whole steps."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(float(x[0]) for x in steps), max(float(x[-1]) for x in steps)
    margin = 0.02 * (high - low) or 1.0
    ax.set_xlim(low - margin, high + margin)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.xaxis.set_major_formatter(lambda value, _: plain_number(value))
    if label:
        ax.set_xlabel("training step")
    ax.grid(axis="y", color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)


def spans_a_decade(values: ArrayLike) -> bool:
    """Whether values that are all positive, where finite, call for a logarithmic axis."""
    numbers = np.asarray(values, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    return finite.size > 0 and bool(finite.min() > 0.0 and finite.max() >= 10.0 * finite.min())


def set_log_axis(ax: Axes, values: ArrayLike, which: str = "y", margin: float = 0.08) -> None:
    """A logarithmic axis around the values that have a place on it, with ticks that can be read.

    Without any such value, from 0.1 to 1: what is drawn then are marks at the edges.
    """
    from matplotlib.ticker import FixedLocator, NullLocator

    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers) & (numbers > 0.0)]
    low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (0.1, 1.0)
    bottom, top = np.log10(low), np.log10(high)
    room = max(margin * (top - bottom), 0.05)
    low, high = 10.0 ** np.clip([bottom - room, top + room], *_POWERS)
    axis = ax.yaxis if which == "y" else ax.xaxis
    # Its own search for limits would warn of values that are equal, and as small or large as float64 has them.
    (ax.set_autoscaley_on if which == "y" else ax.set_autoscalex_on)(False)
    (ax.set_yscale if which == "y" else ax.set_xscale)("log")
    (ax.set_ylim if which == "y" else ax.set_xlim)(low, high)
    axis.set_major_locator(FixedLocator(_log_ticks(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: plain_number(value))


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, or where they are too few 1, 3 or 1, 2, 5, or where those are, round numbers."""
    from matplotlib.ticker import MaxNLocator

    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    every = -(-(last - first) // 6)
    powers = 10.0 ** np.arange(-(-first // every) * every, last + 1, every)
    for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
        if steps != (1.0,) and every > 1:
            break
        ticks = np.sort(np.concatenate([step * powers for step in steps]))
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) >= 3:
            return [float(tick) for tick in ticks]
    return [float(tick) for tick in MaxNLocator(nbins=4).tick_values(low, high) if low <= tick <= high]


def plain_number(value: float) -> str:
    """A tick's number: 0.05, 1,500, and powers of ten where zeros would have to be counted.

    Examples
    --------
    >>> plain_number(0.05), plain_number(-3.0), plain_number(1e-7)
    ('0.05', '−3', '$10^{-7}$')
    """
    if value == 0.0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.10g}".replace("-", "−")
    digits, power = f"{value:.6e}".split("e")
    mantissa = f"{float(digits):g}".replace("-", "−")
    times = {"1": "", "−1": "−"}.get(mantissa, mantissa + r"\times ")
    return f"${times}10^{{{int(power)}}}$"
