"""The compiled loops of a product of matrices, in pieces that threads share (``board``).

A product is a convolution of pixels in a row with a window of one (``kernels``). Letters: N samples, C channels in,
F filters. Importing this module imports Numba.
"""

from __future__ import annotations

import numpy as np

from minibatch.board import Board, Cut, sharing
from minibatch.compiling import compiled
from minibatch.layers import kernels
from minibatch.layers.registers import ROWS, VECTOR
from minibatch.typing import Array

#: The patch of a window of one pixel begins, and ends, where it is.
HERE = np.zeros(1, np.intp)
#: So many rows of W are multiplied before the next: of so many, a few columns stay in the processor's cache for all
#: rows of x, though they lie a whole row apart.
DEPTH = 256


@compiled
def _part_of_product(
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
    (N, C), F = x.shape, W.shape[1]
    rows, columns = ((0, N), (start, stop)) if across else ((start, stop), (0, F))
    some, no_floor = z[rows[0] : rows[1]], z.dtype.type(-np.inf)
    pixels = x[rows[0] :].reshape(-1)
    for c in range(0, C, DEPTH):
        few, floor = W[c : c + DEPTH], least if c + DEPTH >= C else no_floor
        kernels.correlate(
            pixels[c:], (0, 0, C), here, len(few), few, bias, floor, (1, 1, len(some)), columns, some, c > 0
        )


_share_product = sharing(_part_of_product)


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
) -> None:
    """Write z (N, F) = max(x W + bias, least), some columns at a time, or if not ``across`` some rows."""
    _share_product(board, cut, (x, W, bias, least, here, across, z))


@compiled
def _part_of_transposed_product(
    x: Array, dz: Array, here: kernels.Offsets, few: int, dW: Array, start: int, stop: int
) -> None:
    N, C = x.shape
    some, pixels = dW[start:stop], x.reshape(-1)
    for n in range(0, N, few):
        inputs, errors = pixels[n * C + start :], dz[n : n + few]
        kernels.kernel_gradient(inputs, (0, 0, C), here, len(some), errors, (1, 1, len(errors)), some, n > 0)


_share_transposed_product = sharing(_part_of_transposed_product)


@compiled
def transposed_product(
    board: Board, cut: Cut, x: Array, dz: Array, here: kernels.Offsets, few: int, dW: Array
) -> None:
    """Write dW (C, F) = x' dz, some rows at a time, and so few samples after one another."""
    _share_transposed_product(board, cut, (x, dz, here, few, dW))


__all__ = ["HERE", "ROWS", "VECTOR", "product", "transposed_product"]
