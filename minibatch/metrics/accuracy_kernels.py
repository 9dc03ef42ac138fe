"""The compiled loops of the metrics; their formulas are in ``accuracy``. Importing this module imports Numba."""

from __future__ import annotations

from minibatch.compiling import compiled
from minibatch.typing import Array


@compiled
def count_best(y: Array, p: Array) -> int:
    """Return for how many n the largest of p[n], (N, K), is p[n, y[n]].

    As for ``argmax``, the first of equal ones is the largest, and what is no number is larger than all.
    """
    N, K = p.shape
    count = 0
    for n in range(N):
        best, most, are_numbers = 0, p[n, 0], p[n, 0] == p[n, 0]
        for k in range(1, K):
            # Not a branch: the processor could not guess which way it goes, and to guess wrong costs more.
            larger = p[n, k] > most
            best, most = k if larger else best, p[n, k] if larger else most
            are_numbers &= p[n, k] == p[n, k]
        if not are_numbers:
            best = 0
            while p[n, best] == p[n, best]:
                best += 1
        count += best == y[n]
    return count
