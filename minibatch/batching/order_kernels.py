"""The compiled loops that draw the order of an epoch. Importing this module imports Numba.

Each is a plain Python function before it is a compiled one, and each has a NumPy or plain Python reference in
`order` that the tests hold it equal to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minibatch.compiling import compiled

# SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
S11, S27, S30, S31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
ONE, WORD_BITS = np.uint64(1), np.uint64(64)
TWO_TO_MINUS_53 = 2.0**-53


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
    u is 1 - 2^-53, and bound (1 - 2^-53) lies at least half a unit in the last place below ``bound``.
    No value's probability is off by more than 2^-53.
    """
    return int(np.float64(random_word(key, i) >> S11) * TWO_TO_MINUS_53 * bound)


# Random words are drawn so many at a time, in a loop of their own: of that one the compiler makes vectors, which it
# cannot of the loops that use them.
CHUNK = 512


@compiled
def draw_buckets(key: np.uint64, bits: int, first: int, buckets: NDArray[np.uint32], count: int) -> None:
    """Write into ``buckets`` those of ``count`` indices from ``first`` on: the first ``bits`` of their words."""
    for i in range(count):
        buckets[i] = random_word(key, first + i) >> (WORD_BITS - np.uint64(bits))


@compiled
def fill_buckets(key: np.uint64, bits: int, ends: NDArray[np.int64], out: NDArray[np.intp]) -> None:
    """Throw 0..n-1 into 2**bits >= 2 buckets by a fair die, keeping their order within a bucket.

    ``out`` (n,) becomes bucket after bucket; ``ends`` (2**bits,), zeros before, becomes where each ends.
    """
    n, buckets = out.shape[0], np.empty(CHUNK, np.uint32)
    for first in range(0, n, CHUNK):
        count = min(CHUNK, n - first)
        draw_buckets(key, bits, first, buckets, count)
        for i in range(count):
            ends[buckets[i]] += 1
    start = 0
    for b in range(ends.shape[0]):
        size = ends[b]
        ends[b] = start
        start += size
    for first in range(0, n, CHUNK):
        count = min(CHUNK, n - first)
        draw_buckets(key, bits, first, buckets, count)
        for i in range(count):  # ends[b] walks from its bucket's first place to one past the last
            b = buckets[i]
            out[ends[b]] = first + i
            ends[b] += 1


@compiled
def shuffle_within(key: np.uint64, ends: NDArray[np.int64], out: NDArray[np.intp]) -> None:
    """Shuffle ``out[0:ends[0]]``, ``out[ends[0]:ends[1]]``, ... each in place (Fisher and Yates)."""
    places, low = np.empty(CHUNK, np.intp), 0
    for high in ends:
        for first in range(low + 1, high, CHUNK):
            count = min(CHUNK, high - first)
            for i in range(first, first + count):
                places[i - first] = low + random_below(key, i, i - low + 1)
            for i in range(first, first + count):
                j = places[i - first]
                out[i], out[j] = out[j], out[i]
        low = high


@compiled
def shuffle_buffer(key: np.uint64, buffer: NDArray[np.intp], out: NDArray[np.intp]) -> None:
    """Write into ``out`` (n,) the order in which 0..n-1 leave a shuffle buffer.

    ``buffer`` (at most n,) holds 0, 1, 2, ...; each index that leaves it is replaced by the next one.
    """
    n, live = out.shape[0], buffer.shape[0]
    following = live
    for i in range(n):
        j = random_below(key, i, live)
        out[i] = buffer[j]
        if following < n:
            buffer[j] = following
            following += 1
        else:
            live -= 1
            buffer[j] = buffer[live]


@compiled
def draw_below(key: np.uint64, bound: int, out: NDArray[np.intp]) -> None:
    """Fill ``out`` with independent random integers from 0 to bound - 1."""
    for i in range(out.shape[0]):
        out[i] = random_below(key, i, bound)
