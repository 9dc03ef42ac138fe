"""The product of two matrices; a large one in pieces, several at a time."""

from __future__ import annotations

import math

import numpy as np

from minibatch import memory
from minibatch.parallel import each
from minibatch.typing import Array

#: The multiplications of a piece: an eighth of a millisecond's work, some times what it takes to wake a thread.
PIECE = 1 << 23
#: Pieces are cut at multiples of so many rows or columns, which is what BLAS works through at a time.
GRAIN = 32


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return a @ b, of shapes (..., I) and (I, O).

    A product of two matrices whose result is large in one direction is cut along that, in pieces that depend on the
    shapes alone; each is a product of its own.

    Examples
    --------
    >>> product(np.ones((2, 3)), np.ones((3, 1)))
    array([[3.],
           [3.]])
    """
    if a.ndim == 2 and a.shape[1] == 1:
        # A batch of one sample: its kernel gradient is a column times a row, which BLAS is slow at.
        return np.multiply(a, b, out=out)
    work = a.size * b.shape[1]
    if work < 2 * PIECE or a.ndim != 2:
        return np.matmul(a, b, out=out)
    z = memory.empty((len(a), b.shape[1]), np.result_type(a, b)) if out is None else out
    across = z.shape[1] > z.shape[0]
    extent = max(z.shape)
    step = max(GRAIN, math.ceil(extent * PIECE / work / GRAIN) * GRAIN)

    def multiply(start: int) -> None:
        piece = slice(start, start + step)
        if across:
            np.matmul(a, b[:, piece], out=z[:, piece])
        else:
            np.matmul(a[piece], b, out=z[piece])

    each(multiply, range(0, extent, step))
    return z
