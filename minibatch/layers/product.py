"""The product of two matrices; a large one in pieces, several at a time."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from minibatch import memory
from minibatch.layers import tiles
from minibatch.parallel import each, summed
from minibatch.typing import Array

#: A product of so many multiplications and more is cut: it takes a tenth of a millisecond and longer, some times as
#: long as it takes to wake a thread.
LARGE = 1 << 23
#: Into no fewer pieces: of so many even two threads, one of which comes late, have about equal shares. Those of a
#: very large product have so many multiplications; small ones would lay their operands out again too often.
FEWEST, PIECE = 6, 1 << 25
#: From so many multiplications on compiled loops (``tiles``) multiply, where they are at hand: BLAS first lays its
#: operands out anew.
TILED = 1 << 19
#: Rows of so many numbers: of shorter ones, to turn the product round costs more than the loops save.
SHALLOW = 32
#: Columns of a product: of fewer, a tile has next to nothing, and BLAS sees a matrix times a vector.
NARROW = 4
#: Rows of ones are kept up to this length.
KEPT = 4096
#: Pieces are cut at multiples of so many rows or columns, which is what BLAS works through at a time.
GRAIN = 32


def affine(x: Array, W: Array, bias: Array | None, least: float | None = None) -> Array:
    """Return max(x W + bias, least), for x (..., I), W (I, O) and bias (O,).

    Examples
    --------
    >>> affine(np.array([[1.0, -1.0]]), np.eye(2), np.array([1.0, 0.5]), least=0.0)
    array([[2., 0.]])
    """
    fits = x.ndim == 2 and x.flags.c_contiguous and (bias is None or bias.shape == W.shape[1:])
    if fits and _in_tiles(x, W, bias):
        z = memory.empty((len(x), W.shape[1]), x.dtype)
        tiles.product(x, W, z, bias, least)
        return z
    z = product(x, W)
    if bias is not None:
        z += bias
    return z if least is None else np.maximum(z, least, out=z)


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return a @ b, of shapes (..., I) and (I, O).

    A product of two matrices whose result is large in one direction is cut along that, in pieces that depend on the
    shapes alone; each is a product of its own. ``np.matmul`` is the reference.

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
    if a.ndim != 2:
        return np.matmul(a, b, out=out)
    if (out is None or out.shape == (len(a), b.shape[1])) and _in_tiles(a, b, out):
        z = memory.empty((len(a), b.shape[1]), a.dtype) if out is None else out
        if not b.flags.c_contiguous:
            tiles.product_with_transposed(a, b.T, z)
        elif a.flags.c_contiguous:
            tiles.product(a, b, z)
        else:
            tiles.transposed_product(a.T, b, z)
        return z
    if work < LARGE:
        if out is None or (a.dtype == b.dtype == out.dtype and out.flags.c_contiguous):
            # The same call of BLAS as np.matmul's, which takes some time to prepare it.
            return a.dot(b, out)
        return np.matmul(a, b, out=out)
    z = memory.empty((len(a), b.shape[1]), np.result_type(a, b)) if out is None else out
    across = z.shape[1] > z.shape[0]
    extent = max(z.shape)
    step = math.ceil(extent / max(FEWEST, work / PIECE) / GRAIN) * GRAIN

    def multiply(start: int) -> None:
        piece = slice(start, start + step)
        if across:
            np.matmul(a, b[:, piece], out=z[:, piece])
        else:
            np.matmul(a[piece], b, out=z[piece])

    each(multiply, range(0, extent, step))
    return z


def _in_tiles(a: Array, b: Array, *others: Array | None) -> bool:
    """Return whether the compiled loops take these, and the product of a and b is large enough for them."""
    # The loops look at no shape: what does not fit goes to NumPy, which says so.
    if a.size * b.shape[1] < TILED or b.ndim != 2 or a.shape[-1] != len(b) or b.shape[1] < NARROW:
        return False
    # x W, dW = x' dz, or dx = dz W': one of the two may be the transposed of what lies in memory.
    whole = a.flags.c_contiguous or (a.flags.f_contiguous and b.flags.c_contiguous)
    whole = whole and (b.flags.c_contiguous or (b.flags.f_contiguous and len(b) >= SHALLOW))
    given = [array for array in others if array is not None]
    return whole and all(array.flags.c_contiguous for array in given) and tiles.take(a, b, *given)


def sum_of_rows(x: Array, out: Array) -> Array:
    """Write the sum of the rows of x (N, O) into out (O,): as a product, half the time of ``np.add.reduce``.

    Many rows are added up in pieces, several at a time.

    Examples
    --------
    >>> sum_of_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), out=np.empty(2))
    array([4., 6.])
    """
    if x.dtype != out.dtype:
        return np.add.reduce(x, axis=0, out=out)
    if len(x) >= 2 * KEPT:

        def add_up(few: Array, part: Array) -> None:
            _ones(len(few), x.dtype).dot(few, part)

        pieces = [x[start : start + KEPT] for start in range(0, len(x), KEPT)]
        out[...] = summed(add_up, pieces, out.shape, x.dtype)
        return out
    return _ones(len(x), x.dtype).dot(x, out)


@functools.lru_cache(maxsize=64)
def _ones(n: int, dtype: np.dtype[Any]) -> Array:
    return np.ones(n, dtype)
