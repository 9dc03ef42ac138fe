"""Memory for batches: fresh to whoever holds one, recycled where nobody does any more."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What sys.getrefcount says of an item of a list that nobody else refers to.
_ITEMS = [np.empty(0, np.uint8)]
_UNSHARED = sys.getrefcount(_ITEMS[0])


class Blocks:
    """Hand out uninitialised arrays, over the memory of earlier ones that have no reader left.

    The system clears fresh memory page by page, at a third of the cost of filling a large batch. So a block
    is kept, and used again once nothing refers to it: no batch, no slice of one, no tensor that shares
    its memory; all of these keep the block's reference count up, through their ``base``.

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
        return self._bytes(size)[:size].view(dtype).reshape(shape)

    def _bytes(self, size: int) -> NDArray[np.uint8]:
        for i in range(len(self._kept)):
            unread = self.overwrite or sys.getrefcount(self._kept[i]) == _UNSHARED
            if unread and len(self._kept[i]) >= size:
                return self._kept[i]
        fresh = np.empty(size, np.uint8)
        # Two are enough: one being read, one being filled.
        self._kept = [*self._kept[-1:], fresh]
        return fresh
