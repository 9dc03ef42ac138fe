"""The compiled loops of the losses: a formula of many small NumPy calls in one pass over a batch.

The formulas are in ``sparse``, ``Loss.of_batch`` and ``Loss.value``, and the tests hold them equal. Importing this
module imports Numba.

Letters: N samples, K classes.
"""

from __future__ import annotations

import math

from minibatch.compiling import compiled
from minibatch.losses.crossentropy import NEAR_ZERO
from minibatch.typing import Array


@compiled
def nats(y: Array, p: Array, z: Array) -> float:
    """Return the sum over n of -log p[n, y[n]], for class numbers y (N,) and p = softmax(z), (N, K)."""
    N, K = p.shape
    total = 0.0
    for n in range(N):
        if p[n, y[n]] > NEAR_ZERO:
            total -= math.log(p[n, y[n]])
        else:
            most = z[n, 0]
            for k in range(K):
                most = max(most, z[n, k])
            sum_ = 0.0
            for k in range(K):
                sum_ += math.exp(z[n, k] - most)
            total += math.log(sum_) - (z[n, y[n]] - most)
    return total


@compiled
def nats_by(size: int, y: Array, p: Array, z: Array, totals: Array) -> None:
    """Write into ``totals`` what ``nats`` returns for every ``size`` samples."""
    for k in range(totals.size):
        few = slice(k * size, (k + 1) * size)
        totals[k] = nats(y[few], p[few], z[few])


@compiled
def nats_and_gradient(y: Array, p: Array, z: Array, dz: Array) -> float:
    """Return what ``nats`` does, and write (p - onehot(y)) / N, its gradient by z over N, into dz."""
    N, K = p.shape
    for n in range(N):
        for k in range(K):
            dz[n, k] = p[n, k]
        dz[n, y[n]] -= 1
        for k in range(K):
            dz[n, k] /= N
    return nats(y, p, z)
