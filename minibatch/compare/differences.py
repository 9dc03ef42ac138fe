"""How two paths part: pure functions of plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minibatch.typing import Array


def of_steps(mine: Array, theirs: Array) -> Array:
    """Return |mine - theirs| / max(1, |theirs|) of each step: (T,).

    Relative where a loss is large, absolute where it is below 1: a loss of 1e-5 that is off by 1e-7 has agreed.
    Where exactly one of the two is not finite the difference is infinite; where both are, it is 0.

    Examples
    --------
    >>> of_steps(np.array([2.0, 0.5, np.nan]), np.array([1.0, 0.5, np.inf])).tolist()
    [1.0, 0.0, 0.0]
    """
    mine, theirs = np.asarray(mine, np.float64), np.asarray(theirs, np.float64)
    if mine.shape != theirs.shape:
        raise ValueError(f"two paths of one length are compared; got {mine.shape} and {theirs.shape}.")
    finite = np.isfinite(mine) & np.isfinite(theirs)
    neither = ~np.isfinite(mine) & ~np.isfinite(theirs)
    difference = np.where(neither, 0.0, np.inf)
    gap = np.abs(mine[finite] - theirs[finite])
    difference[finite] = gap / np.maximum(1.0, np.abs(theirs[finite]))
    return difference


def first_parting(difference: Array, tolerance: float) -> int | None:
    """Return the first step (counted from 1) whose difference is above the tolerance; None if there is none.

    Examples
    --------
    >>> first_parting(np.array([0.0, 1e-7, 2e-3, 1e-9]), 1e-3)
    3
    """
    above = np.flatnonzero(difference > tolerance)
    return int(above[0]) + 1 if len(above) else None


def crossover(batch_sizes: Sequence[int], slow_start: Sequence[float], fast_end: Sequence[float]) -> float | None:
    """Return the batch size from which the second side handles more samples per second, and keeps doing so.

    Between two batch sizes that were measured it is read off straight lines in the logarithms of both axes.

    Parameters
    ----------
    batch_sizes : sequence of int
        Rising.
    slow_start, fast_end : sequence of float
        Samples per second: say of a processor, and of a graphics card.

    Returns
    -------
    float or None
        The first batch size where the second is ahead from the start; None where it is not ahead at the end.

    Examples
    --------
    >>> round(crossover([10, 1000], [100.0, 100.0], [10.0, 1000.0]))
    100
    >>> crossover([1, 10], [5.0, 5.0], [1.0, 2.0]) is None
    True
    """
    lead = np.log(np.asarray(fast_end, np.float64)) - np.log(np.asarray(slow_start, np.float64))
    sizes = np.log(np.asarray(batch_sizes, np.float64))
    if not len(lead) or not lead[-1] > 0:
        return None
    behind = np.flatnonzero(lead <= 0)
    if not len(behind):
        return float(batch_sizes[0])
    k = int(behind[-1])
    share = -lead[k] / (lead[k + 1] - lead[k])
    return float(math.exp(sizes[k] + share * (sizes[k + 1] - sizes[k])))
