"""The order of an epoch: a pure function of (seed, epoch), the same on every machine, forever.

Randomness comes from a counter-based hash (SplitMix64), not from ``numpy.random``: a generator would
have to be replayed to reach epoch 7, and NumPy may change its streams between versions. The compiled
loops are in `order_kernels`; each ``..._reference`` says the same in plain NumPy and Python, and tests hold
the two equal. Changing any of these functions changes everybody's seeds, so they do not change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minibatch.utils.names import near_misses

Indices = NDArray[np.intp]

# What ``shuffle`` may be, besides True and False.
SHUFFLES = ("batch", "buffer", "replacement", "stratified")

GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
MASK = 2**64 - 1

# One word per use of randomness, so that no two uses share a stream.
BUCKETS, SWAPS, BLOCKS, BUFFER, DRAWS, CLASSES = range(6)


# --- randomness as a function ------------------------------------------------------------------------


def mix(z: int) -> int:
    """Scramble 64 bits: the finaliser of SplitMix64, a bijection."""
    z = (z ^ (z >> 30)) * MIX_1 & MASK
    z = (z ^ (z >> 27)) * MIX_2 & MASK
    return z ^ (z >> 31)


def stream_key(*words: int) -> int:
    """Fold words (a seed, an epoch, what the stream is for) into one 64-bit key.

    Examples
    --------
    >>> hex(stream_key(0, 0))
    '0xa706dd2f4d197e6f'
    """
    key = 0
    for word in words:
        key = mix(((key + GOLDEN) ^ word) & MASK)
    return key


def random_words(key: int, n: int) -> NDArray[np.uint64]:
    """Return the first n words of SplitMix64 started at ``key``, each 64 random bits: (n,) uint64."""
    z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX_2)
    return z ^ (z >> np.uint64(31))


def random_below(key: int, bounds: Any, n: int) -> Indices:
    """Return n random integers, element i from 0 to bounds[i] - 1 (an integer, or (n,)): (n,) intp.

    Why the product never reaches the bound: `order_kernels.random_below`.
    """
    u = (random_words(key, n) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    below: Indices = (u * bounds).astype(np.intp)
    return below


# --- the orders --------------------------------------------------------------------------------------


def permutation(n: int, seed: int, epoch: int) -> Indices:
    """Return a uniformly random permutation of 0..n-1: ``shuffle=True``.

    Rao and Sandelius 1961: throw the indices into buckets by a fair die, then shuffle each bucket. The
    result is exactly as uniform as one large shuffle, but each bucket fits in cache: at n = 10^7 it is
    eight times as fast as one, about 3 ns per index.

    Examples
    --------
    >>> permutation(10, seed=1234, epoch=0)
    array([3, 8, 0, 4, 5, 7, 6, 1, 9, 2])
    """
    return permute(n, bucket_bits(n), stream_key(seed, epoch, BUCKETS), stream_key(seed, epoch, SWAPS))


def bucket_bits(n: int) -> int:
    """Return the log2 of the number of buckets for n indices: at most about 2**17 (1 MiB) in each."""
    return max(0, (n - 1).bit_length() - 17)


def permute(n: int, bits: int, bucket_key: int, swap_key: int) -> Indices:
    """Shuffle 0..n-1 by way of 2**bits buckets."""
    from minibatch.batching import order_kernels as kernels

    out, ends = np.arange(n), np.array([n], np.int64)
    # Words are meant to wrap around; NumPy would warn where Numba is switched off.
    with np.errstate(over="ignore"):
        if bits:
            ends = np.zeros(1 << bits, np.int64)
            kernels.fill_buckets(np.uint64(bucket_key), bits, ends, out)
        kernels.shuffle_within(np.uint64(swap_key), ends, out)
    return out


def permute_reference(n: int, bits: int, bucket_key: int, swap_key: int) -> Indices:
    """Say what `permute` computes: sort by a random bucket, then Fisher and Yates in each bucket."""
    if bits == 0:
        return shuffle_within_reference(np.arange(n), np.array([n]), swap_key)
    bucket = (random_words(bucket_key, n) >> np.uint64(64 - bits)).astype(np.intp)
    ends = np.cumsum(np.bincount(bucket, minlength=1 << bits))
    return shuffle_within_reference(np.argsort(bucket, kind="stable"), ends, swap_key)


def shuffle_within_reference(order: Indices, ends: NDArray[np.int64], key: int) -> Indices:
    """Say what `order_kernels.shuffle_within` does."""
    order, words, low = order.copy(), random_words(key, len(order)), 0
    for high in ends:
        for i in range(low + 1, high):
            j = low + int(int(words[i] >> np.uint64(11)) * 2.0**-53 * (i - low + 1))
            order[i], order[j] = order[j], order[i]
        low = high
    return order


def shuffled_blocks(n: int, block: int, seed: int, epoch: int) -> Indices:
    """Shuffle each ``block`` consecutive indices among themselves: ``shuffle="batch"``, as Keras does.

    The batches of an epoch hold the same samples in every epoch.

    Examples
    --------
    >>> shuffled_blocks(10, 5, seed=0, epoch=0)
    array([...])
    """
    from minibatch.batching import order_kernels as kernels

    out = np.arange(n)
    with np.errstate(over="ignore"):
        kernels.shuffle_within(np.uint64(stream_key(seed, epoch, BLOCKS)), block_ends(n, block), out)
    return out


def block_ends(n: int, block: int) -> NDArray[np.int64]:
    """Return where each of n indices' blocks ends: (ceil(n / block),) int64."""
    return np.minimum(np.arange(block, n + block, block, dtype=np.int64), n)


def buffered(n: int, buffer_size: int, seed: int, epoch: int) -> Indices:
    """Return the order in which 0..n-1 leave a shuffle buffer: ``shuffle="buffer"``, as tf.data does.

    Index i leaves no earlier than place i - buffer_size + 1: data sorted by class stay nearly sorted.

    Examples
    --------
    >>> buffered(10, 1, seed=0, epoch=0)
    array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    from minibatch.batching import order_kernels as kernels

    out = np.empty(n, np.intp)
    with np.errstate(over="ignore"):
        key = np.uint64(stream_key(seed, epoch, BUFFER))
        kernels.shuffle_buffer(key, np.arange(min(buffer_size, n)), out)
    return out


def buffered_reference(n: int, buffer_size: int, seed: int, epoch: int) -> Indices:
    """Say what `buffered` computes."""
    words = random_words(stream_key(seed, epoch, BUFFER), n)
    waiting = deque(range(n))
    buffer = [waiting.popleft() for _ in range(min(buffer_size, n))]
    order = []
    for word in words:
        j = int(int(word >> np.uint64(11)) * 2.0**-53 * len(buffer))
        order.append(buffer[j])
        if waiting:
            buffer[j] = waiting.popleft()
        else:
            buffer[j] = buffer[-1]
            buffer.pop()
    return np.array(order, np.intp)


def drawn(n: int, seed: int, epoch: int) -> Indices:
    """Draw n indices independently, with replacement: ``shuffle="replacement"``, i.i.d. SGD.

    Examples
    --------
    >>> drawn(5, seed=0, epoch=0)
    array([...])
    """
    from minibatch.batching import order_kernels as kernels

    out = np.empty(n, np.intp)
    with np.errstate(over="ignore"):
        kernels.draw_below(np.uint64(stream_key(seed, epoch, DRAWS)), n, out)
    return out


def drawn_reference(n: int, seed: int, epoch: int) -> Indices:
    """Say what `drawn` computes."""
    return random_below(stream_key(seed, epoch, DRAWS), n, n)


def stratified(classes: NDArray[np.intp], seed: int, epoch: int) -> Indices:
    """Spread every class evenly over a random order: ``shuffle="stratified"``.

    The j-th of class c's n_c samples (in random order) belongs at place (j + 1/2) N / n_c; samples are
    sorted by that place rounded down, those at one place in random order. A batch of B then has B n_c / N
    samples of class c, give or take two or so (at most 2 + 2 C n_c / N for C classes); exactly B / C
    if the classes are of one size and B is a multiple of C.

    Parameters
    ----------
    classes : array (N,) of intp
        Each sample's class, from 0.

    Examples
    --------
    >>> classes = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> classes[stratified(classes, seed=0, epoch=0)].reshape(4, 2).sum(axis=1)
    array([1, 1, 1, 1])
    """
    N = len(classes)
    random = permute(N, bucket_bits(N), stream_key(seed, epoch, CLASSES, 0), stream_key(seed, epoch, CLASSES, 1))
    grouped = _stable_order(classes[random])
    sizes = np.bincount(classes)
    rank = np.empty(N, np.int64)
    rank[grouped] = np.arange(N) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = (2 * rank + 1) * N // (2 * sizes[classes[random]])
    return random[_stable_order(place)]


def _stable_order(keys: NDArray[Any]) -> Indices:
    """Return a stable argsort of integers >= 0 in linear time: by 16-bit digits, the lowest first."""
    order = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
    for shift in range(16, int(keys.max(initial=0)).bit_length(), 16):
        digit = ((keys >> shift) & 0xFFFF).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
    return order


# --- what the options mean ---------------------------------------------------------------------------


def check_shuffle(shuffle: bool | str) -> bool | str:
    """Return True, False or the name of an order, or raise a ValueError that names the near misses."""
    if isinstance(shuffle, (bool, np.bool_)):
        return bool(shuffle)
    if shuffle in SHUFFLES:
        return shuffle
    raise ValueError(f"shuffle must be True, False or a name; got {shuffle!r}.{near_misses(shuffle, SHUFFLES)}")


def class_codes(y: Any, n_samples: int) -> Indices:
    """Return each sample's class as a number from 0, from labels (N,) or (N, 1), or one-hot rows (N, C)."""
    labels = None if y is None or isinstance(y, (tuple, Mapping)) else np.asarray(y)
    if labels is not None and labels.ndim == 2:
        labels = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0]
    if labels is None or labels.ndim != 1:
        got = type(y).__name__ if labels is None else f"shape {labels.shape}"
        raise ValueError(f'shuffle="stratified" needs class labels y, (N,) or one-hot (N, C); got {got}.')
    codes: Indices = np.unique(labels, return_inverse=True)[1].reshape(n_samples)
    return codes
