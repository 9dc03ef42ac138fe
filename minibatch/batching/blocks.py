"""Memory for batches: fresh to whoever holds one, recycled where nobody does any more."""

from __future__ import annotations

import math
import sys
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What sys.getrefcount says of an item of a list that nobody else refers to.
_ITEMS = [np.empty(0, np.uint8)]
_UNSHARED = sys.getrefcount(_ITEMS[0])

# Blocks begin a cache line, so that `kernels.gather_rows` can write whole lines past the cache.
LINE_BYTES = 64
# The last two blocks of these sizes outlive their epoch, for the next one: at most 64 MiB. Smaller ones malloc
# keeps by itself; larger ones are too much to hold on to.
SPARED_BYTES = range(1 << 20, 1 << 25)
_SPARED: deque[NDArray[np.uint8]] = deque(maxlen=2)  # threads may append and pop as they like


class Blocks:
    """Hand out uninitialised arrays, over the memory of earlier ones that have no reader left.

    The system clears fresh memory page by page, at a third of the cost of filling a large batch. So a block
    is kept, for this epoch and the next, and used again once nothing refers to it: no batch, no slice of one,
    no tensor that shares its memory; all of these keep the block's reference count up, through their ``base``.

    Parameters
    ----------
    overwrite : bool
        Use the one block over and over, whoever holds it.
    """

    def __init__(self, overwrite: bool = False) -> None:
        self.overwrite = overwrite
        self._kept: list[NDArray[np.uint8]] = []

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an uninitialised array, C-contiguous, that no one else can see (unless ``overwrite``)."""
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or size == 0:
            return np.empty(shape, dtype)
        return self._block(size)[:size].view(dtype).reshape(shape)

    def _block(self, size: int) -> NDArray[np.uint8]:
        for i in range(len(self._kept)):
            unread = self.overwrite or sys.getrefcount(self._kept[i]) == _UNSHARED
            if unread and len(self._kept[i]) >= size:
                return self._kept[i]
        block = _spared(size)
        if block is None:
            block = _fresh(size)
        # Two are enough: one being read, one being filled.
        self._kept = [*self._kept[-1:], block]
        return block

    def __del__(self) -> None:
        _SPARED.extend(block for block in self._kept if len(block) in SPARED_BYTES)


def _spared(size: int) -> NDArray[np.uint8] | None:
    """Take the first spared block that is large enough and has no reader left; forget those before it."""
    while size in SPARED_BYTES:
        try:
            items = [_SPARED.popleft()]
        except IndexError:
            break
        if len(items[0]) >= size and sys.getrefcount(items[0]) == _UNSHARED:
            return items[0]
    return None


def _fresh(size: int) -> NDArray[np.uint8]:
    memory = np.empty(size + LINE_BYTES, np.uint8)
    # By way of a memoryview: a slice of a slice has the whole as its base, and would not count as a reader.
    return np.frombuffer(memory.data, np.uint8, size, -memory.ctypes.data % LINE_BYTES)
