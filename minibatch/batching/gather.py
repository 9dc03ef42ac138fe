"""Take rows of an array, ``x[rows]``, at the speed of memory; and a fused ``x[rows] * scale``.

Three ways give the same bytes, and each is used where it measured fastest (``benchmarks/batching.py``):
``np.take`` for short rows, the compiled `gather_kernels.gather_rows` for long ones, whose prefetching pays
from about 1 KiB, and NumPy's indexing for arrays that are not one contiguous block.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minibatch.batching.order import Indices

# A function (rows, out) that writes x[rows[:B]] into the C-contiguous array ``out`` (B, ...). Rows after
# the first B are those that will be wanted next: the compiled ones already ask memory for them.
Gatherer: TypeAlias = Callable[[Indices, NDArray[Any]], None]

# Rows of at least so many bytes go through the kernel.
LONG_ROW = 1024
# How far ahead the kernels ask for memory: far enough to hide a trip to it, near enough that what comes is
# still in the first cache when its turn comes. Words for the one that copies; for the one that converts, so
# many bytes, but never more than so many rows.
WORDS_AHEAD, BYTES_AHEAD, ROWS_AHEAD = 1024, 6144, 16
# Of rows of at least PAGED_ROW bytes both ends are asked for FAR_BYTES ahead, because to find out where a page lies
# may itself take a trip to memory; the rest then comes sooner, and is asked for later. It slows shorter rows down.
PAGED_ROW, FAR_BYTES, PAGED_WORDS_AHEAD = 2048, 16 << 10, 512
# Batches of at least so many bytes are written past the cache: with the batch before them and what is read
# for them, they hardly stay in it. Smaller ones are best left there, for whoever reads them next.
STREAM_BYTES = 6 << 20


def gather(x: NDArray[Any], rows: Indices) -> NDArray[Any]:
    """Return ``x[rows]`` as a fresh array.

    Parameters
    ----------
    x : array (N, ...)
        Of any dtype and strides.
    rows : array (B,) of intp
        From 0 to N - 1.

    Raises
    ------
    IndexError
        If a row is outside 0..N-1.

    Examples
    --------
    >>> gather(np.array([[1, 2], [3, 4], [5, 6]]), np.array([2, 0]))
    array([[5, 6], [1, 2]])
    """
    check_rows(rows, len(x))
    out = np.empty((len(rows), *x.shape[1:]), x.dtype)
    gatherer(x)(rows, out)
    return out


def gatherer(x: NDArray[Any]) -> Gatherer:
    """Return the fastest way to take rows of ``x``, whose callers answer for the rows being in range."""
    if not (x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative):
        # np.take would first copy all of such an array.
        return lambda rows, out: np.copyto(out, x[rows[: len(out)]])
    row_bytes = x.dtype.itemsize * math.prod(x.shape[1:])
    if row_bytes < LONG_ROW or row_bytes % 8 or x.ctypes.data % 8 or x.dtype.hasobject:

        def take(rows: Indices, out: NDArray[Any]) -> None:
            x.take(rows[: len(out)], axis=0, out=out, mode="clip")  # "raise" would go through a second copy

        return take

    words = _words(x, row_bytes)
    ahead, far = WORDS_AHEAD, 0
    if row_bytes >= PAGED_ROW:
        ahead, far = PAGED_WORDS_AHEAD, max(FAR_BYTES // row_bytes, 1)
    from minibatch.batching.gather_kernels import gather_rows

    def copy(rows: Indices, out: NDArray[Any]) -> None:
        target = _words(out, row_bytes)
        gather_rows(words, rows, ahead, far, out.nbytes >= STREAM_BYTES and target.flags.aligned, target)

    return copy


def _words(x: NDArray[Any], row_bytes: int) -> NDArray[np.uint64]:
    """View rows of any dtype and shape as rows of 8-byte words, so that one compiled kernel serves all."""
    # By way of bytes: an element's size need not be a multiple of 8.
    return x.reshape(len(x), row_bytes // x.itemsize).view(np.uint8).view(np.uint64)


def gather_scaled(x: NDArray[np.uint8], rows: Indices, scale: float) -> NDArray[np.float32]:
    """Return ``x[rows].astype(float32) * float32(scale)``, in one pass over memory.

    Parameters and errors as for `gather`, with x of dtype uint8.

    Examples
    --------
    >>> gather_scaled(np.array([[0, 64], [128, 255]], np.uint8), np.array([1, 0]), 1 / 256)
    array([[0.5 , 0.99609375], [0. , 0.25 ]], dtype=float32)
    """
    check_rows(rows, len(x))
    out = np.empty((len(rows), *x.shape[1:]), np.float32)
    scaled_gatherer(x, scale)(rows, out)
    return out


def scaled_gatherer(x: NDArray[np.uint8], scale: float) -> Gatherer:
    """Return the fastest way to take rows of ``x`` as float32, multiplied by ``scale``."""
    factor = np.float32(scale)
    if not x.flags.c_contiguous:
        return lambda rows, out: scale_into(x[rows[: len(out)]], factor, out)
    width = math.prod(x.shape[1:])
    table, ahead = x.reshape(len(x), width), rows_ahead(width)
    from minibatch.batching.gather_kernels import gather_scaled as kernel

    def convert(rows: Indices, out: NDArray[Any]) -> None:
        kernel(table, rows, ahead, factor, out.reshape(len(out), width))

    return convert


def scale_into(x: NDArray[np.uint8], scale: np.float32, out: NDArray[np.float32]) -> None:
    """Write ``float32(x) * scale`` into ``out``: what the fused kernel computes, in NumPy."""
    np.multiply(x, scale, out=out, dtype=np.float32)


def rows_ahead(row_bytes: int) -> int:
    """Return how many rows ahead a kernel should ask for."""
    return min(max(BYTES_AHEAD // max(row_bytes, 1), 3), ROWS_AHEAD)


def check_rows(rows: Indices, n_samples: int) -> None:
    """Raise an IndexError that names the first row outside 0..n_samples-1."""
    outside = rows[(rows < 0) | (rows >= n_samples)]
    if len(outside):
        raise IndexError(f"row {outside[0]} is out of range for {n_samples} samples.")
