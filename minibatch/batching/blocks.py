"""Memory for batches: fresh to whoever holds one, recycled where nobody does any more."""

from __future__ import annotations

import math
import sys
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minibatch.memory import lines

# What sys.getrefcount says of an item of a list that nobody else refers to.
_ITEMS = [np.empty(0, np.uint8)]
_UNSHARED = sys.getrefcount(_ITEMS[0])

# The last two blocks of these sizes outlive their epoch, for the next one: at most 64 MiB. Smaller ones malloc
# keeps by itself; larger ones are too much to hold on to.
SPARED_BYTES = range(1 << 20, 1 << 25)
_SPARED: deque[NDArray[Any]] = deque(maxlen=2)  # threads may append and pop as they like


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
        self._kept: list[NDArray[Any]] = []

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an uninitialised array, C-contiguous, that no one else can see (unless ``overwrite``)."""
        for i in range(len(self._kept)):
            # The very array that is wanted, but for the last one of an epoch. (Rows that pass through the caches
            # leave nothing else in them: each step here costs ten times what it would cost elsewhere.)
            if self._is_free(i) and self._kept[i].shape == shape and self._kept[i].dtype == dtype:
                return self._kept[i]
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or size == 0:
            return np.empty(shape, dtype)
        for i in range(len(self._kept)):
            if self._is_free(i) and _room(self._kept[i]) >= size:
                self._kept[i] = np.ndarray(shape, dtype, self._kept[i].base)
                return self._kept[i]
        memory = _spared(size)
        # They begin a cache line, so that `gather_kernels.gather_rows` can write whole lines past the cache.
        block = np.ndarray(shape, dtype, lines(size) if memory is None else memory)
        # Two are enough: one being read, one being filled.
        self._kept = [*self._kept[-1:], block]
        return block

    def _is_free(self, i: int) -> bool:
        return self.overwrite or sys.getrefcount(self._kept[i]) == _UNSHARED

    def __del__(self) -> None:
        _SPARED.extend(block for block in self._kept if _room(block) in SPARED_BYTES)


def _room(block: NDArray[Any]) -> int:
    """Return how many bytes of memory there are under a block."""
    memory = block.base
    return 0 if memory is None else memory.nbytes


def _spared(size: int) -> NDArray[np.uint8] | None:
    """Take the memory of the first spared block that is large enough and has no reader; forget those before it."""
    while size in SPARED_BYTES:
        try:
            items = [_SPARED.popleft()]
        except IndexError:
            break
        # (Where blocks are overwritten, an earlier block over the same memory may have readers, too.)
        if _room(items[0]) >= size and sys.getrefcount(items[0]) == sys.getrefcount(items[0].base) == _UNSHARED:
            return items[0].base
    return None
