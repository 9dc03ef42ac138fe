"""Memory for large arrays, kept: fresh pages cost more than the arithmetic that fills them.

The system clears every page of fresh memory when it is first written to, which takes about as long as the layer
that writes there; and on a virtual machine the one below may have to find that page first, which takes some times
as long. ``empty`` hands out memory again that nobody refers to any more; ``scratch`` is a thread's own, for numbers
that are needed for a moment. All of it, and what is made with ``aligned``, begins a line of the processor's cache:
the widest loads are as long as a line, and one that begins inside takes two.

When a fit is over its memory is lent to the system (``release``): whoever needs it gets it, but if nobody does, the
next fit finds its pages as they were. So a process still counts as large then, while its memory is there for all.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
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

#: From so many bytes on the system is asked for its huge pages.
HUGE = 1 << 22

#: Memory that was not used between so many calls of ``release`` is given back.
IDLE = 16

#: Whether there are pages that can be lent.
_LENDS = hasattr(mmap, "MADV_FREE")


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


class _Block:
    """Memory that arrays are cut from, a whole number of pages.

    Parameters
    ----------
    size : int
        Bytes.

    Attributes
    ----------
    memory : ndarray of bytes
    """

    def __init__(self, size: int) -> None:
        self._pages: mmap.mmap | None = None
        self.memory: npt.NDArray[np.uint8]
        #: How many calls of ``release`` have passed it by since it was last handed out.
        self.idle = 0
        if _LENDS:
            with contextlib.suppress(OSError):  # no room: then NumPy says so, in its own words
                self._pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if self._pages is None:
            self.memory = aligned(size, np.uint8)
            return
        self.memory = np.frombuffer(self._pages, np.uint8)
        if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a system without
                self._pages.madvise(mmap.MADV_HUGEPAGE)

    @property
    def is_free(self) -> bool:
        """Whether nothing refers to the memory: no array, and no view of one."""
        return sys.getrefcount(self.memory) == _UNSHARED

    def lend(self) -> bool:
        """Let the system have these pages, if it needs some before they are written to again.

        Returns
        -------
        bool
            Whether it would take them.
        """
        if self._pages is None:
            return False
        with contextlib.suppress(OSError):
            self._pages.madvise(mmap.MADV_FREE)
            return True
        return False


# What ``is_free`` counts where nobody else refers to the memory.
_nobodys = _Block(mmap.PAGESIZE)
_UNSHARED = sys.getrefcount(_nobodys.memory)


class Kept:
    """Arrays that are handed out again once nothing refers to them: no array, no view of one, no tensor.

    All of these keep the count of references to the memory up, through their ``base``; so a value that somebody
    holds is never written over.
    """

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an uninitialised array, C-contiguous, as ``numpy.empty``."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < LARGE:
            return np.empty(shape, dtype)
        return self._memory(size)[:size].view(dtype).reshape(shape)

    def _memory(self, size: int) -> npt.NDArray[np.uint8]:
        with self._lock:
            for block in self._blocks:
                # Up to half of it may lie idle: a short last batch takes the memory of a whole one.
                if size <= block.memory.size <= 2 * size and block.is_free:
                    block.idle = 0
                    return block.memory
            self._blocks.append(_Block(size))
            return self._blocks[-1].memory

    def release(self) -> None:
        """Lend the system what nobody refers to; give back what is not used any more."""
        with self._lock:
            self._blocks = [block for block in self._blocks if not block.is_free or self._is_kept(block)]

    def unlock(self) -> None:
        """Begin with a lock that nobody holds: in a forked process."""
        self._lock = threading.Lock()

    def _is_kept(self, block: _Block) -> bool:
        block.idle += 1
        return block.lend() if block.idle == 1 else block.idle <= IDLE


_kept = Kept()
if hasattr(os, "register_at_fork"):
    # Another thread, which the child does not have, may have been at it.
    os.register_at_fork(after_in_child=_kept.unlock)
empty = _kept.empty
release = _kept.release


def like(x: Array) -> Array | None:
    """Return memory for an array like x, if that is large; None, for ``out=None``, leaves a small one to NumPy."""
    return None if x.nbytes < LARGE else empty(x.shape, x.dtype)


def streams(z: Array) -> int | None:
    """Return 1, if a new array is better written past the cache, where it is no more when it is read; else None.

    A processor reads a line of memory before it writes to it, unless all of the line is written, in this way. The
    compiled loops that do so are others, and compiled when they are first asked for: hence None, of another type.
    """
    rows = z.shape[-1] * z.itemsize
    return 1 if z.nbytes >= STREAM and rows % LINE_BYTES == 0 and z.ctypes.data % LINE_BYTES == 0 else None


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
