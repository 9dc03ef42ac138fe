"""The compiled loops of batch normalization, which read and write each array once, in pieces that threads share.

The formulas are where the loops are used, in ``normalization``. Importing this module imports Numba.

A row is a few positions of all their C channels, so many that a loop along it is long (``passes.row_length``);
what there is of each channel, a mean or gamma, is repeated along it. Sums of a piece are short, and few enough of
its numbers to be still in the processor's cache when they are read a second time.
"""

from __future__ import annotations

import numpy as np

from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.typing import Array

#: Rows of a piece.
ROWS = 64


@compiled
def _of_channels(row: Array, total: Array) -> None:
    """Write the sum over a row's positions into ``total`` (C,)."""
    total[:] = 0
    for first in range(0, row.size, total.size):
        for c in range(total.size):
            total[c] += row[first + c]


@compiled
def moments(board: Board, cut: Cut, x: Array, length: int, parts: Array, start: int, stop: int) -> None:
    """Write for each piece of x into parts (pieces, 2, C) the sum, and that of the squared distances from its mean.

    ``parts`` are of float64.
    """
    if start < 0:
        share(board, cut, this(moments, (board, cut, x, length, parts)))
        return
    few, part = x[start:stop], parts[start // cut[1]]
    C = part.shape[1]
    row, mean = np.zeros(length, x.dtype), np.empty(length, x.dtype)
    for first in range(0, few.size, length):
        some = few[first : first + length]
        for j in range(some.size):
            row[j] += some[j]
    _of_channels(row, part[0])
    for j in range(length):
        mean[j] = part[0, j % C] / (few.size // C)
    row[:] = 0
    for first in range(0, few.size, length):
        some = few[first : first + length]
        for j in range(some.size):
            row[j] += (some[j] - mean[j]) * (some[j] - mean[j])
    _of_channels(row, part[1])


@compiled
def normalize(
    board: Board,
    cut: Cut,
    x: Array,
    mean: Array,
    inverse: Array,
    gamma: Array,
    beta: Array,
    y: Array,
    start: int,
    stop: int,
) -> None:
    """Write y = gamma (x - mean) inverse + beta; all but x and y are one row."""
    if start < 0:
        share(board, cut, this(normalize, (board, cut, x, mean, inverse, gamma, beta, y)))
        return
    for first in range(start, stop, mean.size):
        some, to = x[first : min(first + mean.size, stop)], y[first : min(first + mean.size, stop)]
        for j in range(some.size):
            to[j] = (some[j] - mean[j]) * inverse[j] * gamma[j] + beta[j]


@compiled
def gradients(
    board: Board, cut: Cut, dy: Array, x: Array, mean: Array, inverse: Array, parts: Array, start: int, stop: int
) -> None:
    """Write for each piece into parts (pieces, 2, C) the sums of dy and of dy xhat, xhat = (x - mean) inverse."""
    if start < 0:
        share(board, cut, this(gradients, (board, cut, dy, x, mean, inverse, parts)))
        return
    part, row, other = parts[start // cut[1]], np.zeros_like(mean), np.zeros_like(mean)
    for first in range(start, stop, mean.size):
        some, of = dy[first : min(first + mean.size, stop)], x[first : min(first + mean.size, stop)]
        for j in range(some.size):
            row[j] += some[j]
            other[j] += some[j] * ((of[j] - mean[j]) * inverse[j])
    _of_channels(row, part[0])
    _of_channels(other, part[1])


@compiled
def backward(
    board: Board,
    cut: Cut,
    dy: Array,
    x: Array,
    mean: Array,
    inverse: Array,
    gamma: Array,
    a: Array,
    b: Array,
    dx: Array,
    start: int,
    stop: int,
) -> None:
    """Write dx = (dy gamma - a - xhat b) inverse, xhat = (x - mean) inverse; the others are one row."""
    if start < 0:
        share(board, cut, this(backward, (board, cut, dy, x, mean, inverse, gamma, a, b, dx)))
        return
    for first in range(start, stop, mean.size):
        last = min(first + mean.size, stop)
        some, of, to = dy[first:last], x[first:last], dx[first:last]
        for j in range(some.size):
            to[j] = (some[j] * gamma[j] - a[j] - (of[j] - mean[j]) * inverse[j] * b[j]) * inverse[j]


__all__ = ["ROWS", "backward", "gradients", "moments", "normalize"]
