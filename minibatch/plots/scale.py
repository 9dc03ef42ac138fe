"""The noise scale over a training, with the batch size that was used drawn on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from minibatch.plots.axes import finish_step_axis, plain_number, set_log_axis
from minibatch.plots.series import QUANTITIES, Entry, checked_series, draw_series, running_means
from minibatch.plots.style import GREENS, MUTED, house_style, new_axes, title_and_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minibatch.plots.series import Floats


def noise_scale_over_training(
    steps: ArrayLike,
    noise_scale: ArrayLike,
    *,
    batch_sizes: tuple[ArrayLike, ArrayLike] | int | None = None,
    n_samples: int | None = None,
    decay: float | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """The noise scale tr(Sigma)/|G|^2 over the steps of a training, on a logarithmic axis.

    Where the batch size lies below the noise scale, a step is mostly noise, and a larger batch makes a better
    step; far above it, a larger batch is mostly waste (McCandlish et al. 2018, arXiv 1812.06162, section 2).

    Estimated from batches, |G|^2 can come out as zero or less. The noise scale is then infinite, or past infinity
    and written as a negative number. Both stand as triangles at the head of the axes, and the key counts them. In
    the running median of a long series they are larger than every other value.

    Parameters
    ----------
    steps : array_like, shape (n,)
        Numbers of training steps, increasing.
    noise_scale : array_like, shape (n,)
        In samples; may be infinite, negative or NaN.
    batch_sizes : (steps, sizes) or int, optional
        The batch size used, from each of these steps on, in samples; or the one that was used throughout.
    n_samples : int, optional
        N, marked: no batch is larger.
    decay : float, optional
        Of the running means that the noise scale is the ratio of (0.99 is ``GradientNoise``'s). The key then says
        over about how many measurements they are, and that it lags.
    ax : Axes, optional
        Where to draw; the axes of a new figure if not given.
    title : str, optional

    Returns
    -------
    Axes
        Lines labelled "noise scale" (with ``decay``, more than that) and "batch size used".

    Raises
    ------
    ValueError
        If lengths differ, steps do not increase, or a batch size is not at least 1 and finite.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = noise_scale_over_training([1, 2, 3], [20.0, 55.0, -7.0], batch_sizes=32, ax=Figure().add_subplot())
    >>> sorted(text.get_text() for text in ax.get_legend().get_texts())
    ['batch size used', 'infinite, $|G|^2$ estimated ≤ 0: 1 of 3', 'noise scale']
    """
    x, scale = checked_series("noise_scale", steps, noise_scale)
    used = None if batch_sizes is None else _checked_sizes(batch_sizes, x)
    if n_samples is not None and not 1 <= n_samples < np.inf:
        raise ValueError(f"n_samples must be at least 1; got {n_samples}.")
    check_decay(decay)
    with house_style():
        ax = new_axes(ax, (7.0, 4.4))
        entries = draw_noise_scale(ax, x, scale, used, n_samples, decay)
        title_and_key(ax, "Noise scale over training" if title is None else title, *_split(entries))
    return ax


def noise_parts_over_training(
    steps: ArrayLike,
    trace: ArrayLike,
    grad_norm2: ArrayLike,
    *,
    decay: float | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """The two parts of the noise scale, tr(Sigma) and |G|^2, as one step's estimates and as their running means.

    The parts are averaged first, each on its own, and divided then. So on the logarithmic axis the distance between
    the two running means is the noise scale. Estimates of |G|^2 that are not positive are triangles at the foot,
    counted in the key.

    Parameters
    ----------
    steps : array_like, shape (n,)
        Numbers of training steps, increasing.
    trace, grad_norm2 : array_like, shape (n,)
        In squared units of the gradient; may be negative, infinite or NaN.
    decay : float, optional
        Of the running means (0.99 is ``GradientNoise``'s), drawn strong over the light estimates. Without, what is
        handed in is drawn as it is, such as means taken elsewhere.
    ax : Axes, optional
        Where to draw; the axes of a new figure if not given.
    title : str, optional

    Returns
    -------
    Axes
        Lines labelled "tr(Σ), the noise of one sample" and "$|G|^2$, the signal".

    Raises
    ------
    ValueError
        If lengths differ, steps do not increase, or ``decay`` is not from 0 to below 1.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = noise_parts_over_training([1, 2], [9.0, 7.0], [0.5, -0.1], decay=0.5, ax=Figure().add_subplot())
    >>> sorted(text.get_text() for text in ax.get_legend().get_texts())
    ['$|G|^2$, the signal', 'not positive: 1 of 2', 'tr(Σ), the noise of one sample']
    """
    x, S = checked_series("trace", steps, trace)
    _, G2 = checked_series("grad_norm2", steps, grad_norm2)
    check_decay(decay)
    with house_style():
        ax = new_axes(ax, (7.0, 3.6))
        entries = draw_parts(ax, (x, S), (x, G2), decay)
        title_and_key(ax, "Noise and signal over training" if title is None else title, *_split(entries))
    return ax


def check_decay(decay: float | None) -> None:
    """An error where the decay of running means is none."""
    if decay is not None and not 0.0 <= decay < 1.0:
        raise ValueError(f"decay must lie in [0, 1); got {decay!r}.")


def draw_noise_scale(
    ax: Axes,
    x: Floats,
    scale: Floats,
    used: tuple[Floats, Floats] | None,
    n_samples: int | None = None,
    decay: float | None = None,
) -> list[Entry]:
    """Draw, and return what the key should say; numbers as from `checked_series`."""
    # Past infinity is beyond infinity: both belong at the head, and above all else in a median.
    ordered = np.where(scale < 0.0, np.inf, scale)
    entries = draw_series(
        ax,
        x,
        ordered,
        color=QUANTITIES[0],
        label="noise scale" + ("" if decay is None else f" (lags: of means over ~{1 / (1 - decay):,.0f})"),
        logarithmic=True,
        beyond="infinite, $|G|^2$ estimated ≤ 0",
    )
    sizes = np.empty(0)
    if used is not None:
        sizes = used[1]
        # The last size is held to the last step.
        end = max(float(x[-1]), float(used[0][-1]))
        held = np.r_[used[0], end] if end > used[0][-1] else used[0]
        entries += draw_series(
            ax,
            held,
            np.r_[sizes, sizes[-1:]][: len(held)],
            color=GREENS[1],
            label="batch size used",
            logarithmic=True,
            held=True,
            zorder=4.0,
        )[:1]
    set_log_axis(ax, np.concatenate([ordered, sizes, [] if n_samples is None else [n_samples]]), margin=0.1)
    if n_samples is not None:
        line = ax.axhline(n_samples, color=MUTED, linewidth=1.0, linestyle=(0, (1.2, 1.6)), zorder=1.0)
        entries.append((line, f"all {plain_number(n_samples)} samples"))
    ax.set_ylabel("samples")
    finish_step_axis(ax, [x] if used is None else [x, used[0]])
    return entries


def draw_parts(
    ax: Axes,
    trace: tuple[Floats, Floats] | None,
    grad_norm2: tuple[Floats, Floats] | None,
    decay: float | None = None,
) -> list[Entry]:
    """Draw those of the two that there are, and return what the key should say."""
    parts = [
        (*series, color, label)
        for series, color, label in (
            (trace, QUANTITIES[2], "tr(Σ), the noise of one sample"),
            (grad_norm2, QUANTITIES[1], "$|G|^2$, the signal"),
        )
        if series is not None
    ]
    means: list[Floats | None] = [None] * len(parts)
    if decay is not None and all(np.array_equal(x, parts[0][0]) for x, *_ in parts):
        means = list(running_means(decay, *(values for _, values, *_ in parts)))
    entries: list[Entry] = []
    for (x, values, color, label), mean in zip(parts, means, strict=True):
        entries += draw_series(ax, x, values, color=color, label=label, logarithmic=True, smooth=mean)
    set_log_axis(ax, np.concatenate([values for _, values, *_ in parts]))
    ax.set_ylabel("squared gradient")
    finish_step_axis(ax, [x for x, *_ in parts])
    return entries


def _checked_sizes(batch_sizes: tuple[ArrayLike, ArrayLike] | int, x: Floats) -> tuple[Floats, Floats]:
    if isinstance(batch_sizes, int | np.integer):
        batch_sizes = (x[:1], [int(batch_sizes)])
    if not isinstance(batch_sizes, tuple) or len(batch_sizes) != 2:
        raise ValueError(f"batch_sizes must be (steps, sizes), or one batch size; got {batch_sizes!r}.")
    at, sizes = checked_series("batch_sizes", *batch_sizes)
    return checked_batch_sizes(at, sizes)


def checked_batch_sizes(at: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """The same, or an error where a batch size is not one."""
    if not np.isfinite(sizes).all() or (sizes < 1.0).any():
        worst = sizes[~(np.isfinite(sizes) & (sizes >= 1.0))][0]
        raise ValueError(f"batch_sizes must be finite and at least 1; got {worst}.")
    return at, sizes


def _split(entries: list[Entry]) -> tuple[list[Any], list[str]]:
    return [handle for handle, _ in entries], [name for _, name in entries]
