"""What batch normalization asks of a large batch's channels, by compiled loops (``normalization_kernels``).

NumPy goes over such an array some fifteen times forward and as often backward; here it is read twice each way. x
and dy (N, ..., C) are such that ``passes.take`` takes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch import memory
from minibatch.parallel import together
from minibatch.passes import row_length
from minibatch.typing import Array

#: A batch of so many numbers takes half a millisecond and longer.
MANY = 1 << 21


def _job(name: str, x: Array, *arguments: Any) -> None:
    """Run one of the compiled jobs on all pieces of x."""
    from minibatch.layers import normalization_kernels as jobs

    cut = x.size, jobs.ROWS * row_length(x.shape[-1])
    together(getattr(jobs, name), cut, *arguments, long=x.size >= MANY)


def _parts(x: Array) -> Array:
    """Return room for two numbers of each channel, from each piece of x: (pieces, 2, C)."""
    from minibatch.layers import normalization_kernels as jobs

    C = x.shape[-1]
    return np.empty((-(-x.size // (jobs.ROWS * row_length(C))), 2, C))


def _along_row(x: Array, *of_channels: Array) -> list[Array]:
    """Return what there is of each channel, repeated along a row, in x's float type."""
    times = row_length(x.shape[-1]) // x.shape[-1]
    return [np.tile(numbers.astype(x.dtype, copy=False).reshape(-1), times) for numbers in of_channels]


def moments(x: Array) -> tuple[Array, Array]:
    """Return (mean, variance) of each channel, (C,). The variance divides by the count.

    Those of pieces are put together as Chan, Golub and LeVeque 1979 do it (eq. 2.1, for many groups): the squared
    distances from a piece's own mean, and that mean's from the mean of all.
    """
    from minibatch.layers import normalization_kernels as jobs

    parts, length = _parts(x), row_length(x.shape[-1])
    _job("moments", x, x.reshape(-1), length, parts)
    count = x.size // x.shape[-1]
    counts = np.full((len(parts), 1), jobs.ROWS * length // x.shape[-1])
    counts[-1] = count - counts[:-1].sum()
    mean = parts[:, 0].sum(axis=0) / count
    apart = counts * np.square(parts[:, 0] / counts - mean)
    variance = (parts[:, 1].sum(axis=0) + apart.sum(axis=0)) / count
    return mean.astype(x.dtype), variance.astype(x.dtype)


def normalized(x: Array, mean: Array, inverse: Array, gamma: Array, beta: Array) -> Array:
    """Return gamma (x - mean) inverse + beta."""
    y = memory.empty(x.shape, x.dtype)
    _job("normalize", x, x.reshape(-1), *_along_row(x, mean, inverse, gamma, beta), y.reshape(-1))
    return y


def gradients(dy: Array, x: Array, mean: Array, inverse: Array) -> tuple[Array, Array]:
    """Return the sums over a batch of dy and of dy xhat, (C,) float64, for xhat = (x - mean) inverse."""
    parts = _parts(x)
    _job("gradients", x, dy.reshape(-1), x.reshape(-1), *_along_row(x, mean, inverse), parts)
    of_dy, of_both = parts.sum(axis=0)
    return of_dy, of_both


def backward(dy: Array, x: Array, mean: Array, inverse: Array, gamma: Array, a: Array, b: Array) -> Array:
    """Return dx = (dy gamma - a - xhat b) inverse."""
    dx = memory.empty(x.shape, x.dtype)
    rows = _along_row(x, mean, inverse, gamma, a, b)
    _job("backward", x, dy.reshape(-1), x.reshape(-1), *rows, dx.reshape(-1))
    return dx
