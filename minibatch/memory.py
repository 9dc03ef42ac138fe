"""Memory for large arrays, kept: fresh pages cost more than the arithmetic that fills them.

The system clears every page of fresh memory when it is first written to, which takes about as long as the layer
that writes there. ``empty`` hands out memory again that nobody refers to any more; ``scratch`` is a thread's own,
for numbers that are needed for a moment. All of it, and what is made with ``aligned``, begins a line of the
processor's cache: the widest loads are as long as a line, and one that begins inside takes two.
"""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch.typing import Array

#: Arrays of so many bytes and more are kept; for smaller ones the system's own memory is as fast.
LARGE = 1 << 18

#: Arrays of so many bytes and more do not stay in the processor's cache until they are read.
STREAM = 1 << 24

#: The bytes of a line of the processor's cache.
LINE_BYTES = 64

# What sys.getrefcount says of an item of a list that nobody else refers to.
_ITEMS = [np.empty(0, np.uint8)]
_UNSHARED = sys.getrefcount(_ITEMS[0])


class _Lines(np.ndarray[tuple[int, ...], np.dtype[np.uint8]]):
    """Bytes that begin a line. Of a type of its own: a view of an array over them has that array as its base."""


def lines(size: int) -> npt.NDArray[np.uint8]:
    """Return uninitialised bytes that begin a line."""
    memory = np.empty(size + LINE_BYTES, np.uint8).view(_Lines)
    start = -memory.ctypes.data % LINE_BYTES
    return memory[start : start + size]


def aligned(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return an uninitialised array, C-contiguous, that begins a line.

    >>> aligned((3, 5), "float32").ctypes.data % 64
    0
    """
    return np.ndarray(shape, dtype, lines(int(np.prod(shape)) * np.dtype(dtype).itemsize))


class Kept:
    """Arrays that are handed out again once nothing refers to them: no array, no view of one, no tensor.

    All of these keep the count of references to the memory up, through their ``base``; so a value that somebody
    holds is never written over.
    """

    def __init__(self) -> None:
        self._blocks: list[npt.NDArray[np.uint8]] = []
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an uninitialised array, C-contiguous, as ``numpy.empty``."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < LARGE:
            return np.empty(shape, dtype)
        return self._block(size)[:size].view(dtype).reshape(shape)

    def _block(self, size: int) -> npt.NDArray[np.uint8]:
        with self._lock:
            blocks = self._blocks
            for i in range(len(blocks)):
                # Up to half of it may lie idle: a short last batch takes the memory of a whole one.
                if size <= blocks[i].size <= 2 * size and sys.getrefcount(blocks[i]) == _UNSHARED:
                    return blocks[i]
            fresh = aligned(size, np.uint8)
            blocks.append(fresh)
            return fresh

    def release(self) -> None:
        """Give back what nobody refers to."""
        with self._lock:
            # No name may be bound to a block here: it would count as a reader.
            self._blocks = [self._blocks[i] for i in range(len(self._blocks)) if self._is_read(i)]

    def _is_read(self, i: int) -> bool:
        return sys.getrefcount(self._blocks[i]) != _UNSHARED


_kept = Kept()
empty = _kept.empty
release = _kept.release


def like(x: Array) -> Array | None:
    """Return memory for an array like x, if that is large; None, for ``out=None``, leaves a small one to NumPy."""
    return None if x.nbytes < LARGE else empty(x.shape, x.dtype)


def streams(z: Array) -> bool:
    """Return whether a new array is better written past the cache: it is not there any more when it is read.

    A processor reads a line of memory before it writes to it, unless all of the line is written, in this way.
    """
    rows = z.shape[-1] * z.itemsize
    return z.nbytes >= STREAM and rows % LINE_BYTES == 0 and z.ctypes.data % LINE_BYTES == 0


class _Own(threading.local):
    """Scratch memory of each thread: by what it is for, the block, and the arrays that were last cut from it."""

    def __init__(self) -> None:
        self.blocks: dict[str, npt.NDArray[np.uint8]] = {}
        self.arrays: dict[tuple[Any, ...], Array] = {}


_own = _Own()
#: How many arrays a thread remembers; beyond that it begins anew.
_REMEMBERED = 256


def scratch(purpose: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return an uninitialised array of this thread's, that the next call for the same purpose overwrites.

    >>> scratch("patches", (2, 3), "float32").shape
    (2, 3)
    """
    arrays = _own.arrays
    key = purpose, shape, dtype
    array = arrays.get(key)
    if array is None:
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        block = _own.blocks.get(purpose)
        if block is None or block.size < size:
            # The arrays of the smaller block would keep it alive.
            for other in [other for other in arrays if other[0] == purpose]:
                del arrays[other]
            block = _own.blocks[purpose] = aligned(size, np.uint8)
        if len(arrays) >= _REMEMBERED:
            arrays.clear()
        array = arrays[key] = block[:size].view(kind).reshape(shape)
    return array


__all__ = ["Kept", "aligned", "empty", "like", "lines", "release", "scratch", "streams"]
