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
        best = 0
        for k in range(1, K):
            if p[n, k] > p[n, best] or (p[n, k] != p[n, k] and p[n, best] == p[n, best]):
                best = k
        count += best == y[n]
    return count
