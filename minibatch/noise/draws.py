"""How far the gradients of drawn batches lie from G, from the inner products of the samples' gradients.

With c_i = g_i - G, a batch's gradient is G + c_B, c_B the mean of its c_i; so all that is asked of a batch follows
from |c_B|^2, a sum over the pairs of its samples, and from c_B . G. Draw d is the first B samples of the order of
epoch d: a batch of 64 is its batch of 32 and 32 more, and the pairs are summed up once for all sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from minibatch.batching import order
from minibatch.typing import Array

if TYPE_CHECKING:
    from collections.abc import Callable


def orders(n_samples: int, draws: int, seed: int, replacement: bool = False, first: int = 0) -> Array:
    """Return the order of each draw from ``first`` on, (draws, N) intp: the library's epochs under this seed."""
    one = order.drawn if replacement else order.permutation
    return np.stack([one(n_samples, seed, epoch) for epoch in range(first, first + draws)])


def drawn_sums(
    centred: Array, along: Array, members: Array, sizes: Sequence[int], replacement: bool = False
) -> tuple[Array, Array]:
    """Return (|c_B|^2, c_B . G), each (sizes, draws), of the first B samples of each order.

    Parameters
    ----------
    centred : ndarray, shape (N, N)
        c_i . c_k.
    along : ndarray, shape (N,)
        c_i . G.
    members : ndarray of int, shape (draws, N)
    sizes : sequence of int
    replacement : bool, default False
        Whether a sample may come twice in an order. If not, the samples of a large batch sum up to minus those
        that it leaves out, which are fewer.
    """
    n = len(along)
    spread, projected = np.zeros((len(sizes), len(members))), np.zeros((len(sizes), len(members)))
    # Of a batch of all samples the sums are zero: say so, rather than what rounding leaves of them.
    first = [k for k, B in enumerate(sizes) if replacement or n // 2 >= B]
    left_out = [k for k, B in enumerate(sizes) if not replacement and n // 2 < B < n]
    for chosen, counts, rows, sign in (
        (first, [sizes[k] for k in first], members, 1),
        (left_out, [n - sizes[k] for k in left_out], members[:, ::-1], -1),
    ):
        if chosen:
            by_count = np.argsort(counts, kind="stable")
            places = np.array(chosen)[by_count]
            B = np.array(sizes)[places, None]
            pairs, sums = prefix_sums(centred, along, rows, np.array(counts)[by_count])
            spread[places], projected[places] = pairs / B**2, sign * sums / B
    return spread, projected


def prefix_sums(centred: Array, along: Array, members: Array, counts: Array) -> tuple[Array, Array]:
    """Return, of the first m samples of each order, (the sum of c_i . c_k over all pairs, that of c_i . G).

    Each (counts, draws); ``counts`` ascending.
    """
    # Sorting numbers of 16 bits takes a time that is proportional to their count.
    kind = np.uint16 if len(along) <= 1 << 16 else np.int64
    first = np.ascontiguousarray(members[:, : counts[-1]], dtype=kind)
    # Sample by sample, wherever it was drawn: so each row of products is read once, and stays in the cache.
    drawn = np.argsort(first, axis=None, kind="stable")
    added = np.empty(first.shape)
    _compiled()(centred, first, drawn, added)
    ends = counts - 1
    return np.cumsum(added, axis=1)[:, ends].T, np.cumsum(along[first], axis=1)[:, ends].T


def prefix_sums_reference(centred: Array, along: Array, members: Array, counts: Array) -> tuple[Array, Array]:
    """Say what `prefix_sums` computes: with w the count of each sample in a batch, w' C w and w . along."""
    pairs, sums = np.empty((len(counts), len(members))), np.empty((len(counts), len(members)))
    for d, rows in enumerate(members):
        for k, m in enumerate(counts):
            w = np.bincount(rows[:m], minlength=len(along))
            pairs[k, d], sums[k, d] = w @ centred @ w, w @ along
    return pairs, sums


def _add_pairs(centred: Array, members: Array, drawn: Array, added: Array) -> None:
    """Write what each drawn sample adds to its order's sum of pairs: 2 c_i . (those before it) + |c_i|^2."""
    length = members.shape[1]
    for place in drawn:
        d, i = place // length, place % length
        order = members[d]
        row = centred[order[i]]
        cross = 0.0
        for j in range(i):
            cross += row[order[j]]
        added[d, i] = 2 * cross + row[order[i]]


@cache
def _compiled() -> Callable[..., Any]:
    """Compile the loop when it is first needed: ``import minibatch`` does not import Numba."""
    from minibatch.compiling import compiled

    return compiled(_add_pairs)
