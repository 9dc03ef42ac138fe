"""The sums over a batch's samples that the quantities of a step follow from, in as few passes as there can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minibatch.noise.training.affine import Affine
from minibatch.noise.training.kept import Kept
from minibatch.noise.training.lazy import kernels, pieces
from minibatch.noise.training.samples import Samples
from minibatch.noise.training.shares import share_of
from minibatch.parallel import each, together
from minibatch.typing import Array

#: Fewer multiplications are done by who asks, some 20 microseconds: others would come too late.
SMALL = 1 << 21
#: So many take two processors half a millisecond and longer.
LONG = 1 << 26
#: A sum, and what returns something to be added to it.
Task = tuple[Array, Callable[[], Any]]


@dataclass
class Sums:
    """What the samples of a batch add up to.

    Attributes
    ----------
    each : ndarray, shape (3, B)
        |g_i|^2, g_i . g_B, and g_i . h for a gradient h that was kept.
    norm2, along, along2 : float
        The sums of |g_i|^2, g_i . g_B and (g_i . g_B)^2.
    along_variance : float
        Of the g_i . g_B, with divisor B - 1.
    kept : (float, float) or None
        Mean and variance of the g_i . h, where these were asked for.
    signal : (float, float) or None
        ``elementwise.signal_sums`` over all parameters that a sample's gradient can move.
    """

    each: Array
    norm2: float
    along: float
    along2: float
    along_variance: float
    kept: tuple[float, float] | None = None
    signal: tuple[float, float] | None = None


def sums(
    samples: Samples,
    gradient: Array,
    *,
    epsilon: float | None = None,
    kept: Kept | None = None,
    memory: dict[Any, Any] | None = None,
) -> Sums:
    """Return the sums over the samples of a batch whose mean gradient is ``gradient`` (D,).

    Parameters
    ----------
    samples : Samples
    gradient : ndarray, shape (D,)
    epsilon : float, optional
        Of the signal sums, which are left out without.
    kept : Kept, optional
        For the g_i . h.
    memory : dict, optional
        Kept between calls.

    Notes
    -----
    The work is cut into pieces, which the processors that are free share (see ``parallel``).
    """
    memory = {} if memory is None else memory
    B, others = samples.batch_size, samples.others
    signal = epsilon if B > 1 else None
    total, of_signal = np.zeros((3, B)), np.zeros(2)
    tasks = _of_layers(samples.affine, gradient, signal, kept, memory, total, of_signal)
    if others.shares:
        tasks.append((total[0], others.norm2))
        tasks.append((total[1], partial(others.times, gradient)))
        if kept is not None:
            tasks.append((total[2], partial(others.times, kept.gradient)))
        if signal is not None:
            real = gradient.dtype.type
            numbers = real(1), real(B / (B - 1)), real(signal)
            tasks += [
                (of_signal, partial(_signal_of, samples, weight, gradient, numbers)) for weight in others.shares
            ]
    _add_all(tasks)
    *of_batch, mean, variance = kernels().statistics(total)
    found = Sums(total, *of_batch)
    if kept is not None:
        found.kept = mean, variance
    if signal is not None:
        found.signal = float(of_signal[0]), float(of_signal[1])
    return found


def _of_layers(
    parts: list[Affine],
    gradient: Array,
    signal: float | None,
    kept: Kept | None,
    memory: dict[Any, Any],
    total: Array,
    of_signal: Array,
) -> list[Task]:
    """Add the sums of the dense layers, two layers at a time; return what is left to do for them."""
    tasks: list[Task] = []
    shares = [(share_of(part, kept, signal, memory), part) for part in parts]
    for i in range(0, len(shares), 2):
        share, part = shares[i]
        first, count, work = share.arrays(part, gradient, kept), share.count, share.work
        if i + 1 < len(shares):
            other, another = shares[i + 1]
            second = other.arrays(another, gradient, kept)
            count, work = count + other.count, work + other.work
        else:
            second = share.idle(part, gradient)
        cut = count, 1 if work >= SMALL else count
        together(pieces().layer_sums, cut, first, second, total, of_signal, long=work >= LONG)
    for share, part in shares:
        if share.leaves_own:
            tasks.append((total[1], partial(part.times, gradient)))
        if share.leaves_kept and kept is not None:
            tasks.append((total[2], partial(part.times, kept.gradient)))
    return tasks


def _signal_of(samples: Samples, weight: Any, gradient: Array, numbers: tuple[Any, ...]) -> tuple[float, float]:
    g = gradient[samples.parameters.slices[weight]]
    sums: tuple[float, float] = kernels().signal_sums(samples.second_moment_of(weight, gradient), g, *numbers)
    return sums


def _add_all(tasks: list[Task]) -> None:
    """Add what the tasks return, in order, each to its sum; they run side by side."""
    results: list[Any] = [None] * len(tasks)

    def do(i: int) -> None:
        results[i] = tasks[i][1]()

    if tasks:
        each(do, range(len(tasks)))
    for (total, _), result in zip(tasks, results, strict=True):
        total += result
