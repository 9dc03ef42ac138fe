"""Convolution as a product of matrices: patches as rows, for a few images at a time, and BLAS.

Axes as in ``correlation``, whose formulas these are. The patches are h w times the size of x; so they are made for
a few images at a time, or a band of rows of a large one, in memory that is kept, and made again where the gradient
needs them: that costs less than keeping them.
"""

from __future__ import annotations

import numpy as np

from minibatch import memory
from minibatch.layers.window import Window, blocks
from minibatch.parallel import each, summed
from minibatch.typing import Array

#: The bytes of the patches of a piece: large enough for BLAS, small enough for the processor's cache.
BLOCK = 2**21

#: Which images, and which rows of positions in them.
Piece = tuple[slice, slice]


def pieces(x: Array, window: Window) -> list[Piece]:
    """Return how to cut a batch, so that the patches of a piece stay in the processor's cache: see ``blocks``."""
    OH, OW = window.positions
    row = OW * window.size[0] * window.size[1] * x.shape[-1] * x.itemsize
    bands = [slice(band.start, min(band.stop, OH)) for band in blocks(OH, row, BLOCK)]
    images = blocks(len(x), OH * row, BLOCK)
    return [(few, band) for few in images for band in bands]


def rows_of_patches(x: Array, window: Window, piece: Piece) -> Array:
    """Return the patches of a piece as rows, (n * rows * OW, h * w * C), in this thread's scratch memory."""
    few, band = piece
    seen = window.rows_seen(x[few], band)
    patches = window.patches(seen, band.stop - band.start)
    A = memory.scratch("patches", patches.shape, x.dtype)
    np.copyto(A, patches)
    return A.reshape(-1, window.size[0] * window.size[1] * x.shape[-1])


def correlate(
    x: Array, kernel: Array, window: Window, bias: Array | None = None, least: float | None = None
) -> Array:
    """Return max(z + bias, least), (N, OH, OW, F); for z see ``correlation.patches_times``."""
    F = kernel.shape[-1]
    W = kernel.reshape(-1, F)
    z = memory.empty((len(x), *window.positions, F), x.dtype)

    def multiply(piece: Piece) -> None:
        rows = z[piece].reshape(-1, F)  # a view: several images are taken whole, and bands from one
        np.matmul(rows_of_patches(x, window, piece), W, out=rows)
        if bias is not None:
            rows += bias
        if least is not None:
            np.maximum(rows, least, out=rows)

    each(multiply, pieces(x, window))
    return z


def kernel_gradient(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel (h, w, C, F) from dz = dL/dz: see ``correlation.transposed_patches_times``."""
    C, F = x.shape[-1], dz.shape[-1]

    def write(piece: Piece, out: Array) -> None:
        np.matmul(rows_of_patches(x, window, piece).T, dz[piece].reshape(-1, F), out=out)

    dW = summed(write, pieces(x, window), (window.size[0] * window.size[1] * C, F), dz.dtype)
    return dW.reshape(*window.size, C, F)


def kernel_gradient_of_each(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel of each sample alone, (N, h, w, C, F): dW_n = A_n' dz_n."""
    N, C, F = len(x), x.shape[-1], dz.shape[-1]
    dW = np.empty((N, window.size[0] * window.size[1] * C, F), dtype=dz.dtype)

    whole = pieces(x, window)
    bands = sum(few.start == 0 for few, _ in whole)

    def add_up(first: int) -> None:
        for few, band in whole[first : first + bands]:
            D = dz[few, band].reshape(len(x[few]), -1, F)
            A = rows_of_patches(x, window, (few, band)).reshape(*D.shape[:2], -1)
            product = A.transpose(0, 2, 1) @ D
            if band.start:
                dW[few] += product
            else:
                dW[few] = product

    each(add_up, range(0, len(whole), bands))
    return dW.reshape(N, *window.size, C, F)
