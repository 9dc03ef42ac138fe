"""Passes: which arrays go through compiled loops that read and write them once.

Where NumPy goes over large arrays several times, the time is the memory's. The loops are in files of their own,
``pooling_kernels`` beside ``pooling``, the formulas in NumPy where the loops are used; here is what decides between
the two. They give the same bits, but only NumPy warns of what overflows.
"""

from __future__ import annotations

from minibatch import memory
from minibatch.typing import Array

#: Arrays of so many bytes and more. Smaller ones stay in the processor's cache from one of NumPy's passes to the
#: next, and a process that has no others need not load Numba.
LARGE = memory.LARGE
#: Threads share them in pieces of so many numbers, 10 us and more of work.
PIECE = 1 << 15
#: What there is of each channel is repeated to about so many numbers, so that a loop along them is long.
LONG = 512


def take(*arrays: Array) -> bool:
    """Return whether the compiled loops take these: large, of one float type, each one row of numbers in memory.

    They do not with ``NUMBA_DISABLE_JIT=1``. No loop asks for the same shape: that is for its caller to see to.

    Examples
    --------
    >>> import numpy as np
    >>> take(np.zeros(8), np.zeros(8))
    False
    """
    first = arrays[0]
    if first.nbytes < LARGE or first.dtype.char not in "fd" or not first.dtype.isnative:
        return False
    # Of other layouts, and of memory that may not be written to, Numba would compile the loops once more.
    if not all(array.dtype == first.dtype and array.flags.carray for array in arrays):
        return False
    from minibatch.compiling import PLAIN

    return not PLAIN


def row_length(C: int) -> int:
    """Return how many numbers of C channels make a long row, a multiple of C.

    Examples
    --------
    >>> row_length(16), row_length(1000)
    (512, 1000)
    """
    return -(-LONG // C) * C


__all__ = ["row_length", "take"]
