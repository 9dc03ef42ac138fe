"""The compiled loops of a product of matrices, in pieces that threads share (``board``).

A product is a convolution of pixels in a row with a window of one (``convolution_kernels``). Letters: N samples, C
channels in, F filters. Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.atomics import settle
from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.layers import convolution_kernels as kernels
from minibatch.layers.convolution_kernels import NIL, ONE
from minibatch.layers.registers import ROWS, VECTOR
from minibatch.layers.rooms import Taken, enter, leave
from minibatch.layers.turning import turn
from minibatch.typing import Array

#: The patch of a window of one pixel begins, and ends, where it is.
HERE = np.zeros(1, np.intp)
#: So many rows of W are multiplied before the next: of so many, a few columns stay in the processor's cache for all
#: rows of x, though they lie a whole row apart.
DEPTH = 256
#: So many samples are turned round at a time: their rows of dx lie in as many pages of memory.
SLAB: Any = np.intp(64)


@compiled
def product(
    board: Board,
    cut: Cut,
    x: Array,
    W: Array,
    bias: Array,
    least: float,
    here: kernels.Offsets,
    across: bool,
    z: Array,
    start: int,
    stop: int,
) -> None:
    """Write z (N, F) = max(x W + bias, least), some columns at a time, or if not ``across`` some rows."""
    if start < 0:
        share(board, cut, this(product, (board, cut, x, W, bias, least, here, across, z)))
        return
    (N, C), F = x.shape, W.shape[1]
    rows, columns = ((NIL, N), (start, stop)) if across else ((start, stop), (NIL, F))
    some, pixels = z[rows[0] : rows[1]], x[rows[0] :].reshape(-1)
    strides, positions, no_floor = (NIL, NIL, C), (ONE, ONE, len(some)), z.dtype.type(-np.inf)
    for c in range(0, C, DEPTH):
        few, floor = W[c : c + DEPTH], least if c + DEPTH >= C else no_floor
        kernels.correlate(
            pixels[c:], strides, here, len(few), few, bias, floor, positions, columns, some, c > 0, None
        )


@compiled
def partial_products(
    board: Board,
    cut: Cut,
    x: Array,
    W: Array,
    nothing: Array,
    here: kernels.Offsets,
    parts: Array,
    largest: Array,
    start: int,
    stop: int,
) -> None:
    """Write for some rows of W after another what they add to x W, (N, F), into ``parts``."""
    if start < 0:
        share(board, cut, this(partial_products, (board, cut, x, W, nothing, here, parts, largest)))
        return
    (N, C), F = x.shape, W.shape[1]
    part, pixels = parts[start // cut[1]], x.reshape(-1)
    strides, positions, no_floor = (NIL, NIL, C), (ONE, ONE, N), x.dtype.type(-np.inf)
    for c in range(start, stop, DEPTH):
        few = W[c : min(c + DEPTH, stop)]
        # Written somewhere, or the compiler would see that nobody needs it.
        largest[start // cut[1]] = kernels.read_ahead(few.reshape(-1))
        kernels.correlate(
            pixels[c:], strides, here, len(few), few, nothing, no_floor, positions, (NIL, F), part, c > start, None
        )


@compiled
def add_up(
    board: Board, cut: Cut, parts: Array, bias: Array, least: float, z: Array, start: int, stop: int
) -> None:
    """Write some rows of z (N, F): max(the sum of the parts + bias, least)."""
    if start < 0:
        share(board, cut, this(add_up, (board, cut, parts, bias, least, z)))
        return
    for n in range(start, stop):
        for f in range(z.shape[1]):
            z[n, f] = bias[f]
        for k in range(len(parts)):
            for f in range(z.shape[1]):
                z[n, f] += parts[k, n, f]
        for f in range(z.shape[1]):
            z[n, f] = least if z[n, f] < least else z[n, f]  # what is no number stays so


@compiled
def turn_slab(dz: Array, n: int, turned: Array) -> Array:
    """Write some rows of dz (N, F), from the n-th on, ``SLAB`` or as many as there are, transposed; return that."""
    F, some = dz.shape[1], min(SLAB, len(dz) - n)
    turn(dz.reshape(-1), n * F, F, some, F, turned, NIL, some)
    return turned[: some * F].reshape(F, some)


@compiled
def turn_slabs(dz: Array, turned: Array) -> None:
    """Write all of dz, as ``turn_slab`` does, one slab after another."""
    for n in range(0, len(dz), SLAB):
        turn_slab(dz, n, turned[n * dz.shape[1] :])


@compiled
def product_with_transposed(
    board: Board,
    cut: Cut,
    dz: Array,
    W: Array,
    turned: Array,
    nothing: Array,
    here: kernels.Offsets,
    few: int,
    rooms: Array,
    taken: Taken,
    dx: Array,
    start: int,
    stop: int,
) -> None:
    """Write dx (N, C) = dz W', of dz (N, F) and W (C, F): some columns, if all of dz is ``turned``, or some rows.

    So few rows of W times a slab, in one of the ``rooms``, are turned round in the processor's first cache.
    """
    if start < 0:
        every = (board, cut, dz, W, turned, nothing, here, few, rooms, taken, dx)
        share(board, cut, this(product_with_transposed, every))
        return
    (N, C), F, numbers, across = dx.shape, W.shape[1], dx.reshape(-1), turned.size > 0
    strides, no_floor, room = (NIL, NIL, F), dx.dtype.type(-np.inf), enter(taken)
    block, mine = rooms[room][: few * SLAB], rooms[room][few * SLAB :]
    samples, columns = ((NIL, N), (start, stop)) if across else ((start, stop), (NIL, C))
    for n in range(samples[0], samples[1], SLAB):
        some = min(SLAB, N - n)
        slab = turned[n * F : (n + some) * F].reshape(F, some) if across else turn_slab(dz, n, mine)
        for c in range(columns[0], columns[1], few):
            rows, pixels = min(few, columns[1] - c), W[c:].reshape(-1)
            z, positions, filters = block[: rows * some].reshape(rows, some), (ONE, ONE, rows), (NIL, some)
            for f in range(0, F, DEPTH):
                deep = slab[f : f + DEPTH]
                kernels.correlate(
                    pixels[f:],
                    strides,
                    here,
                    len(deep),
                    deep,
                    nothing,
                    no_floor,
                    positions,
                    filters,
                    z,
                    f > 0,
                    None,
                )
            turn(block, NIL, some, rows, some, numbers, n * C + c, C)
    leave(taken, room)


@compiled
def transposed_product(
    board: Board,
    cut: Cut,
    x: Array,
    dz: Array,
    here: kernels.Offsets,
    few: int,
    stream: int | None,
    dW: Array,
    start: int,
    stop: int,
) -> None:
    """Write dW (C, F) = x' dz, some rows at a time, and so few samples after one another."""
    if start < 0:
        share(board, cut, this(transposed_product, (board, cut, x, dz, here, few, stream, dW)))
        return
    N, C = x.shape
    some, pixels, strides = dW[start:stop], x.reshape(-1), (NIL, NIL, C)
    for n in range(0, N, few):
        inputs, errors = pixels[n * C + start :], dz[n : n + few]
        positions = ONE, ONE, len(errors)
        if stream is not None and n + few >= N:
            kernels.kernel_gradient(inputs, strides, here, len(some), errors, positions, some, n > 0, stream)
            settle()
        else:
            kernels.kernel_gradient(inputs, strides, here, len(some), errors, positions, some, n > 0, None)


@compiled
def transposed_products(
    board: Board,
    cut: Cut,
    x: Array,
    dz: Array,
    here: kernels.Offsets,
    few: int,
    parts: Array,
    start: int,
    stop: int,
) -> None:
    """Write for some samples after others x' dz, (C, F), into ``parts``, of so few at a time."""
    if start < 0:
        share(board, cut, this(transposed_products, (board, cut, x, dz, here, few, parts)))
        return
    C, part, pixels = x.shape[1], parts[start // cut[1]], x.reshape(-1)
    for n in range(start, stop, few):
        errors = dz[n : min(n + few, stop)]
        positions = ONE, ONE, len(errors)
        kernels.kernel_gradient(pixels[n * C :], (NIL, NIL, C), here, C, errors, positions, part, n > start, None)


__all__ = [
    "HERE",
    "ROWS",
    "SLAB",
    "VECTOR",
    "add_up",
    "partial_products",
    "product",
    "product_with_transposed",
    "transposed_product",
    "transposed_products",
    "turn_slabs",
]
