"""The compiled loops of a product of matrices, in pieces that threads share (``board``).

A product is a convolution of pixels in a row with a window of one (``kernels``). Letters: N samples, C channels in,
F filters. Importing this module imports Numba.
"""

from __future__ import annotations

import numpy as np

from minibatch.atomics import settle
from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.layers import kernels
from minibatch.layers.kernels import NIL, ONE
from minibatch.layers.registers import ROWS, VECTOR
from minibatch.typing import Array

#: The patch of a window of one pixel begins, and ends, where it is.
HERE = np.zeros(1, np.intp)
#: So many rows of W are multiplied before the next: of so many, a few columns stay in the processor's cache for all
#: rows of x, though they lie a whole row apart.
DEPTH = 256


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


__all__ = ["HERE", "ROWS", "VECTOR", "add_up", "partial_products", "product", "transposed_product"]
