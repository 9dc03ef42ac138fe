"""A step's sums in pieces, for threads that share them (``board``). Importing this module imports Numba.

The arithmetic of a piece is in ``sums_kernels``; here is what a piece is, and how their results are put together.
Which thread does which piece changes nothing: each has a place of its own, and they are added up in order.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.noise.training import sums_kernels as kernels
from minibatch.typing import Array

#: What stands where in a layer's plan: how many pieces there are of each kind, and of how many rows each is; where
#: kernel and bias begin in the gradient, -1 without a bias; whether the loops run along I; how g_i . g and g_i . h
#: are computed.
SIGNAL, SIGNAL_ROWS, OWN, OWN_ROWS, KEPT, KEPT_ROWS, KERNEL, BIAS, ACROSS, OWN_BY, KEPT_BY = range(11)
#: From the products of all pairs; or with the vector itself; or they are computed elsewhere.
PAIRS, VECTOR, ELSEWHERE = range(3)

#: A layer's arrays: a, d (N, ...) and b, e (M, ...), the factors of its samples' gradients and of h; g and h (D,);
#: the plan; one, scale, bessel and epsilon; the two factors; tiles, memory; and the results: found (3, N), parts
#: (pieces, N) and signals (pieces, 2).
Layer = tuple[Any, ...]

# As a part of its callers: a call counts references to all arrays of a layer, which threads do in turns.
inlined = functools.partial(compiled, inline="always")


@compiled
def _begin(layer: Layer) -> None:
    a, d, _, _, _, _, plan, _, _, tiles, found, parts, _ = layer
    found[:] = 0
    parts[:] = 0
    if plan[SIGNAL]:
        kernels.squared_tiles(a if plan[ACROSS] else d, tiles)


@inlined
def _signal(layer: Layer, number: int) -> None:
    a, d, _, _, gradient, _, plan, reals, _, tiles, _, _, signals = layer
    I, O = a.shape[1], d.shape[1]  # noqa: E741 - the maths' letters
    g = gradient[plan[KERNEL] : plan[KERNEL] + I * O].reshape(I, O)
    numbers = reals[1], reals[2], reals[3]
    u = a
    if plan[ACROSS]:
        u, g = d, np.ascontiguousarray(g.T)
    first = number * plan[SIGNAL_ROWS]
    last = min(first + plan[SIGNAL_ROWS], u.shape[1])
    plain, unbiased = kernels.outer_signal_sums(u, first, last, tiles, g, numbers)
    if plan[BIAS] >= 0 and number == plan[SIGNAL] - 1:
        g_bias = gradient[plan[BIAS] : plan[BIAS] + O]
        x, y = kernels.bias_signal_sums(d, g_bias, numbers)
        plain, unbiased = plain + x, unbiased + y
    signals[number, 0], signals[number, 1] = plain, unbiased


@compiled
def _along(layer: Layer, v: Array, factor: float, along: Array) -> None:
    """Add factor g_i . v to ``along``, for a vector v (D,)."""
    a, d, _, _, _, _, plan, _, _, _, _, _, _ = layer
    I, O = a.shape[1], d.shape[1]  # noqa: E741 - the maths' letters
    kernel = np.ascontiguousarray(v[plan[KERNEL] : plan[KERNEL] + I * O].reshape(I, O).T)
    bias = v[plan[BIAS] : plan[BIAS] + O] if plan[BIAS] >= 0 else np.zeros(O, v.dtype)
    kernels.sample_products(a, d, kernel, bias, factor, along)


@inlined
def _own(layer: Layer, number: int) -> None:
    a, d, _, _, gradient, _, plan, reals, factors, _, found, parts, _ = layer
    first = number * plan[OWN_ROWS]
    last = min(first + plan[OWN_ROWS], a.shape[0])
    if plan[OWN_BY] == PAIRS:
        kernels.batch_products(a, d, reals[0], factors[0] ** 2, first, last, found[0], parts[number])
        return
    kernels.sample_lengths(a, d, reals[0], factors[0] ** 2, found[0])
    if plan[OWN_BY] == VECTOR:
        _along(layer, gradient, factors[0], found[1])


@inlined
def _kept(layer: Layer, number: int) -> None:
    a, d, b, e, _, h, plan, reals, factors, _, found, _, _ = layer
    first = number * plan[KEPT_ROWS]
    last = min(first + plan[KEPT_ROWS], a.shape[0])
    if plan[KEPT_BY] == PAIRS:
        kernels.products_with(a, d, b, e, reals[0], factors[0] * factors[1], first, last, found[2])
    else:
        _along(layer, h, factors[0], found[2])


@inlined
def _piece_of(layer: Layer, number: int) -> None:
    plan = layer[6]
    if number < plan[SIGNAL]:
        _signal(layer, number)
    elif number < plan[SIGNAL] + plan[OWN]:
        _own(layer, number - plan[SIGNAL])
    else:
        _kept(layer, number - plan[SIGNAL] - plan[OWN])


@compiled
def _end(layer: Layer, total: Array, signal: Array) -> None:
    _, _, _, _, _, _, plan, _, _, _, found, parts, signals = layer
    if not plan[OWN]:
        return
    for i in range(total.shape[1]):
        for r in range(3):
            total[r, i] += found[r, i]
        for p in range(parts.shape[0]):
            total[1, i] += parts[p, i]
    for p in range(plan[SIGNAL]):
        signal[0] += signals[p, 0]
        signal[1] += signals[p, 1]


@compiled
def layer_sums(
    board: Board,
    cut: Cut,
    first: Layer,
    second: Layer,
    total: Array,
    signal: Array,
    start: int,
    stop: int,
) -> None:
    """Add the sums of two layers to ``total`` (3, N), |g_i|^2, g_i . g and g_i . h, and to ``signal`` (2,)."""
    if start < 0:
        _begin(first)
        _begin(second)
        share(board, cut, this(layer_sums, (board, cut, first, second, total, signal)))
        _end(first, total, signal)
        _end(second, total, signal)
        return
    plan = first[6]
    count = plan[SIGNAL] + plan[OWN] + plan[KEPT]
    for number in range(start, stop):
        if number < count:
            _piece_of(first, number)
        else:
            _piece_of(second, number - count)


@compiled
def distances(
    board: Board,
    cut: Cut,
    theta: Array,
    first: Array,
    before: Array,
    found: Array,
    start: int,
    stop: int,
) -> None:
    """Write |theta - first|^2, and |theta - before|^2 unless that is empty, into the last row of ``found``.

    It has one row more than there are pieces.
    """
    if start >= 0:
        place = found[start // cut[1]]
        if before.shape[0]:
            place[0], place[1] = kernels.distances2(theta[start:stop], first[start:stop], before[start:stop])
        else:
            place[0] = kernels.distance2(theta[start:stop], first[start:stop])
        return
    share(board, cut, this(distances, (board, cut, theta, first, before, found)))
    to_first, to_before = 0.0, 0.0
    for p in range(found.shape[0] - 1):
        to_first += found[p, 0]
        to_before += found[p, 1]
    found[-1, 0], found[-1, 1] = to_first, to_before
