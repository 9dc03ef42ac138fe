"""The compiled loops: gather rows, gather and scale rows, permute an epoch.

Each kernel is a plain Python function before it is a compiled one, and each has a NumPy or plain
Python reference beside its caller (`order`, `gather`) that the tests hold it equal to. Importing
this module imports Numba, so the rest of the package imports it where it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

P = ParamSpec("P")
T = TypeVar("T")

# SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
S11, S27, S30, S31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
ONE, WORD = np.uint64(1), np.uint64(64)
TWO_TO_MINUS_53 = 2.0**-53


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile ``function``, and keep the machine code on disk where there is a place for it."""
    try:
        return njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        # "cannot cache function ...: no locator available": no writable cache directory. That may
        # cost the compile time in each process; it must not cost the program.
        return njit(nogil=True)(function)  # type: ignore[no-any-return]


@compiled
def random_word(key: np.uint64, i: int) -> np.uint64:
    """Return 64 random bits, a pure function of (key, i): element i of SplitMix64 started at ``key``."""
    z = key + (np.uint64(i) + ONE) * GOLDEN
    z = (z ^ (z >> S30)) * MIX_1
    z = (z ^ (z >> S27)) * MIX_2
    return z ^ (z >> S31)


@compiled
def random_below(key: np.uint64, i: int, bound: int) -> int:
    """Return a random integer j, 0 <= j < bound, a pure function of (key, i).

    j = floor(u bound) with u a multiple of 2^-53 in [0, 1). It never rounds up to ``bound``: the largest
    u is 1 - 2^-53, and bound - bound 2^-53 lies at least half a unit in the last place below ``bound``.
    No value's probability is off by more than 2^-53.
    """
    return int(np.float64(random_word(key, i) >> S11) * TWO_TO_MINUS_53 * bound)


@compiled
def permute(
    bucket_key: np.uint64, swap_key: np.uint64, bits: int, ends: NDArray[np.int64], out: NDArray[np.intp]
) -> None:
    """Write a uniformly random permutation of 0..n-1 into ``out`` (n,).

    Rao and Sandelius 1961: throw the indices into 2**bits buckets by a fair die, then shuffle each
    bucket (Fisher and Yates). The result is exactly as uniform as one large shuffle, but each bucket
    fits in cache, which at n = 10^7 is several times faster. ``ends`` (2**bits,) of zeros is scratch.
    """
    n = out.shape[0]
    if bits == 0:
        ends[0] = n
        for i in range(n):
            out[i] = i
    else:
        shift = WORD - np.uint64(bits)
        for i in range(n):
            ends[random_word(bucket_key, i) >> shift] += 1
        start = 0
        for b in range(ends.shape[0]):
            size = ends[b]
            ends[b] = start
            start += size
        for i in range(n):  # ends[b] walks from bucket b's first place to one past its last
            b = int(random_word(bucket_key, i) >> shift)
            out[ends[b]] = i
            ends[b] += 1
    low = 0
    for b in range(ends.shape[0]):
        for i in range(low + 1, ends[b]):
            j = low + random_below(swap_key, i, i - low + 1)
            out[i], out[j] = out[j], out[i]
        low = ends[b]


@compiled
def gather_rows(x: NDArray[np.uint64], rows: NDArray[np.intp], out: NDArray[np.uint64]) -> int:
    """Copy ``x[rows]`` into ``out``: x (N, W), rows (B,), out (B, W), all C-contiguous words.

    Returns -1, or the position of the first index outside 0..N-1, before which it stops.
    """
    N, W = x.shape
    for b in range(rows.shape[0]):
        i = rows[b]
        if i < 0 or i >= N:
            return b
        for w in range(W):
            out[b, w] = x[i, w]
    return -1


@compiled
def gather_scaled(
    x: NDArray[np.uint8], rows: NDArray[np.intp], scale: np.float32, out: NDArray[np.float32]
) -> int:
    """Write ``float32(x[rows]) * scale`` into ``out`` in one pass; shapes and result as `gather_rows`."""
    N, W = x.shape
    for b in range(rows.shape[0]):
        i = rows[b]
        if i < 0 or i >= N:
            return b
        for w in range(W):
            out[b, w] = np.float32(x[i, w]) * scale
    return -1
