"""The sums over a batch's samples that the quantities of a step follow from, in as few passes as there can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minibatch.noise.per_sample import PerSample
from minibatch.noise.training.affine import SignalTask
from minibatch.noise.training.kept import Kept
from minibatch.noise.training.lazy import kernels
from minibatch.noise.training.samples import Samples
from minibatch.parallel import each
from minibatch.typing import Array

#: Up to so many multiplications a layer is done in one call, by the thread that asks: others would come too late.
SMALL = 1 << 23


@dataclass
class Sums:
    """What the samples of a batch add up to.

    Attributes
    ----------
    norm2, along : ndarray, shape (B,)
        |g_i|^2 and g_i . g_B.
    along_kept : ndarray, shape (B,), or None
        g_i . h, for a gradient h that was kept.
    signal : (float, float) or None
        ``elementwise.signal_sums`` over all parameters that a sample's gradient can move.
    """

    norm2: Array
    along: Array
    along_kept: Array | None = None
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
        For ``along_kept``.
    memory : dict, optional
        Kept between calls.

    Notes
    -----
    The work is cut into pieces, which the processors that are free share (see ``parallel.each``).
    """
    memory = {} if memory is None else memory
    B, others = samples.batch_size, samples.others
    signal = epsilon if B > 1 else None
    parts = len(samples.affine) + bool(others.shares)
    found = np.zeros((parts, 3, B))
    tasks: list[Callable[[], Any]] = []
    signals: list[SignalTask] = []
    work = 0
    for part, place in zip(samples.affine, found, strict=False):
        factors = None if kept is None else kept.factors_of(part)
        if B * part.size < SMALL and part.pairs_are_less and (kept is None or factors is not None):
            signals.append(partial(part.add_all, gradient, factors, signal, memory, place))
            continue
        work += B * part.size
        norm2, along, along_kept = place
        tasks.append(partial(part.add_products, gradient, norm2, along))
        if kept is not None:
            tasks.append(partial(kept.add_along, part, along_kept))
        if signal is not None:
            signals += part.signal_tasks(gradient, signal, memory)
    if others.shares:
        work += B * sum(weight.value.size for weight in others.shares)
        tasks.append(partial(_add_products, others, gradient, found[-1]))
        if kept is not None:
            tasks.append(partial(_add_along, others, kept.gradient, found[-1]))
        if signal is not None:
            real = gradient.dtype.type
            numbers = real(1), real(B / (B - 1)), real(signal)
            signals += [partial(_signal_of, samples, weight, gradient, numbers) for weight in others.shares]
    # The long ones first: the short ones then fill what is left of the processors' time.
    results = _done([*tasks, *signals], side_by_side=work >= SMALL)[len(tasks) :]
    norm2, along, along_kept = np.add.reduce(found)
    total = Sums(norm2, along, None if kept is None else along_kept)
    if signal is not None:
        plain, unbiased = 0.0, 0.0
        for x, y in results:
            plain, unbiased = plain + float(x), unbiased + float(y)
        total.signal = plain, unbiased
    return total


def _add_products(others: PerSample, gradient: Array, found: Array) -> None:
    found[0] += others.norm2()
    found[1] += others.times(gradient)


def _add_along(others: PerSample, h: Array, found: Array) -> None:
    found[2] += others.times(h)


def _signal_of(samples: Samples, weight: Any, gradient: Array, numbers: tuple[Any, ...]) -> tuple[float, float]:
    g = gradient[samples.parameters.slices[weight]]
    plain, unbiased = kernels().signal_sums(samples.second_moment_of(weight, gradient), g, *numbers)
    return plain, unbiased


def _done(tasks: list[Callable[[], Any]], side_by_side: bool) -> list[Any]:
    """Return the results of all tasks, in order."""
    if not side_by_side:
        return [task() for task in tasks]
    results: list[Any] = [None] * len(tasks)

    def do(i: int) -> None:
        results[i] = tasks[i]()

    each(do, range(len(tasks)))
    return results
