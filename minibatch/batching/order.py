"""The order of an epoch: a pure function of (seed, epoch), the same on every machine, forever.

Randomness comes from a counter-based hash (SplitMix64), not from ``numpy.random``: a generator would
have to be replayed to reach epoch 7, and NumPy may change its streams between versions. The compiled
loops are in `kernels`; the references here say the same in plain NumPy and Python, and tests hold the
two equal. Changing any of these functions changes everybody's seeds, so they do not change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]

GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
MASK = 2**64 - 1

# One word per use of randomness, so that no two uses share a stream.
BUCKETS, SWAPS, DRAWS, BLOCKS, BUFFER, CLASSES, TIES = range(7)


def mix(z: int) -> int:
    """Scramble 64 bits: the finaliser of SplitMix64, a bijection."""
    z = (z ^ (z >> 30)) * MIX_1 & MASK
    z = (z ^ (z >> 27)) * MIX_2 & MASK
    return z ^ (z >> 31)


def stream_key(seed: int, epoch: int, *words: int) -> int:
    """Fold a seed, an epoch and what the stream is for into one 64-bit key.

    Examples
    --------
    >>> hex(stream_key(0, 0))
    '0xa706dd2f4d197e6f'
    """
    key = 0
    for word in (seed, epoch, *words):
        key = mix(((key + GOLDEN) ^ word) & MASK)
    return key


def random_words(key: int, n: int) -> NDArray[np.uint64]:
    """Return the first n words of SplitMix64 started at ``key``, each 64 random bits: (n,) uint64."""
    z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX_2)
    return z ^ (z >> np.uint64(31))


def random_below(key: int, bounds: Any, n: int) -> Indices:
    """Return n random integers, element i in 0..bounds[i]-1 (bounds: an integer or (n,)): (n,) intp.

    Why the product never reaches the bound: `kernels.random_below`.
    """
    u = (random_words(key, n) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return (u * bounds).astype(np.intp)


def bucket_bits(n: int) -> int:
    """Return the log2 of how many buckets `permutation` uses: buckets of at most about 2**17 indices (1 MiB)."""
    return max(0, (n - 1).bit_length() - 17)


def permutation(n: int, seed: int, epoch: int) -> Indices:
    """Return the order of epoch ``epoch`` under ``seed``: a uniformly random permutation, (n,) intp.

    The time is O(n), about 4 ns per index; nothing is kept between calls.

    Examples
    --------
    >>> permutation(10, seed=1234, epoch=0)
    array([3, 8, 0, 4, 5, 7, 6, 1, 9, 2])
    """
    return permute(n, stream_key(seed, epoch, BUCKETS), stream_key(seed, epoch, SWAPS), bucket_bits(n))


def permute(n: int, bucket_key: int, swap_key: int, bits: int) -> Indices:
    """Run the compiled shuffle (`kernels.permute`) with 2**bits buckets."""
    from minibatch.batching import kernels

    out = np.empty(n, np.intp)
    # Only when Numba is switched off does Python see the words wrap around, as they are meant to.
    with np.errstate(over="ignore"):
        kernels.permute(np.uint64(bucket_key), np.uint64(swap_key), bits, np.zeros(1 << bits, np.int64), out)
    return out


def permute_reference(n: int, bucket_key: int, swap_key: int, bits: int) -> Indices:
    """Say what `permute` computes: sort by random bucket, then Fisher and Yates in each bucket."""
    bucket = random_words(bucket_key, n) >> np.uint64(64 - bits) if bits else np.zeros(n, np.uint64)
    order = np.argsort(bucket, kind="stable")
    ends = np.cumsum(np.bincount(bucket.astype(np.intp), minlength=1))
    low = np.concatenate([[0], ends])[bucket[order].astype(np.intp)]
    places = np.arange(n)
    partners = low + random_below(swap_key, places - low + 1, n)
    for i, j in zip(places, partners, strict=True):
        order[i], order[j] = order[j], order[i]
    return order
