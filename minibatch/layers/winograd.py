"""Convolution with a window of 3 x 3 pixels in fewer multiplications: Winograd's, as Lavin and Gray write it.

Four outputs that are neighbours, 2 x 2, see 4 x 4 pixels d between them, and need 36 products with the kernel g,
3 x 3. But they are also

    Y = A' [(G g G') * (B' d B)] A

(A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, eq. 8), with * entry by entry:
16 products, 2.25 times fewer. What the transforms of d and Y cost, additions only, is soon less than what is saved,
for d is transformed once for all filters and Y once for all channels. With U = G g G' and V = B' d B, the sums over
channels are 16 products of matrices, P[k] = V[k] U[k], one for each place k = (i, j).

Y is linear in U, and U in g; so the gradient runs back through the same matrices, dz being the error of Y:

    dg = G' S G,   S = the sum over all tiles of  V * (A dz A').

Entries of B and A are 0 and 1, those of G 1/2 as well, so the transforms round little: an output is a sum over C
channels of 16 numbers, where the plain form sums 9 C one after the other; it is not less exact (the tests say so).
One difference stays: where a pixel is infinite or no number, so are all four outputs of the tiles that see it.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from minibatch import memory
from minibatch.layers import tiles
from minibatch.layers.window import Window
from minibatch.parallel import PARTS, threads, together
from minibatch.typing import Array

#: B (4, 4), G (4, 3) and A (4, 2), Lavin and Gray's eq. 9.
B = np.array([[1, 0, 0, 0], [0, 1, -1, 1], [-1, 1, 1, 0], [0, 0, 0, -1]], np.float64)
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float64)
A = np.array([[1, 0], [1, 1], [1, -1], [0, -1]], np.float64)
#: Channels and filters, at least, for which the transforms cost less than they save.
FEWEST = 16
#: The bytes of a turn's transformed patches, which stay in the processor's cache until they are multiplied.
TURN = 1 << 19

#: A window of one pixel lies where it is.
HERE = np.zeros(1, np.intp)


def suits(window: Window, C: int, F: int) -> bool:
    """Return whether this is a window that Winograd's form is for, with channels and filters enough to pay."""
    return window.size == (3, 3) and window.strides == window.dilation == (1, 1) and min(C, F) >= FEWEST


def transformed_times(x: Array, kernel: Array, window: Window) -> Array:
    """Return z as the page above says, for a whole batch: the formula, and what the loops are tested against."""
    (OH, OW), (h, w) = window.positions, window.padded
    across, down = -(-OW // 2), -(-OH // 2)
    padded = np.pad(window.pad(x), [(0, 0), (0, 2 * down + 2 - h), (0, 2 * across + 2 - w), (0, 0)])
    d = np.lib.stride_tricks.sliding_window_view(padded, (4, 4), axis=(1, 2))[:, ::2, ::2]  # (N, p, q, C, 4, 4)
    U = np.einsum("ai,bj,ijcf->abcf", G, G, kernel)
    V = np.einsum("ia,jb,npqcij->abnpqc", B, B, d)
    P = np.einsum("abnpqc,abcf->abnpqf", V, U)
    Y = np.einsum("ia,jb,ijnpqf->npaqbf", A, A, P)
    z: Array = Y.reshape(len(x), 2 * down, 2 * across, kernel.shape[3])[:, :OH, :OW]
    return z


def correlate(
    x: Array, kernel: Array, window: Window, bias: Array | None = None, least: float | None = None
) -> Array:
    """Return max(z + bias, least), (N, OH, OW, F); for z see ``correlation.patches_times``."""
    from minibatch.layers import transforms

    x, (C, F) = np.ascontiguousarray(x), kernel.shape[2:]
    z = memory.empty((len(x), *window.positions, F), x.dtype)
    U = memory.scratch("U", (4, 4, C, F), x.dtype)
    transforms.transform_kernels(np.ascontiguousarray(kernel), U)
    nothing = np.zeros(F, x.dtype)
    biases = nothing if bias is None else bias, nothing, x.dtype.type(-math.inf if least is None else least)
    few = tiles.images(x, window, F)
    turn = _turn(len(x), few, window, C, F, x.dtype)
    U = U.reshape(16, C, F)
    together(transforms.correlate, (len(x), few), x, _before(window), U, *biases, HERE, *turn, z, long=True)
    return z


def kernel_gradient(x: Array, dz: Array, window: Window) -> Array:
    """Return dL/dkernel (3, 3, C, F), see ``correlation.transposed_patches_times``."""
    from minibatch.layers import transforms

    x, dz, C, F = np.ascontiguousarray(x), np.ascontiguousarray(dz), x.shape[-1], dz.shape[-1]
    dW = np.empty((3, 3, C, F), dz.dtype)
    few = max(tiles.images(x, window, F), -(-len(x) // PARTS))
    parts = memory.empty((max(1, -(-len(x) // few)), 16, C, F), x.dtype)
    if not len(x):
        parts[...] = 0
    turn = _turn(len(x), few, window, C, F, x.dtype)
    together(transforms.sums, (len(x), few), x, _before(window), dz, HERE, *turn, parts, long=True)
    together(transforms.kernel_gradient, (C * F, -(-C * F // PARTS)), parts, dW)
    return dW


def _turn(N: int, few: int, window: Window, C: int, F: int, dtype: np.dtype[Any]) -> tuple[int, Array, Array]:
    """Return how many rows of tiles to take a turn, memory for their transforms, and who is in it.

    There is a room for each thread that can take part; should there be more, they wait for one.
    """
    rows, size = _room(few, window.positions, C, F, dtype.itemsize)
    rooms = max(1, min(threads(), -(-N // few)))
    return rows, memory.scratch("winograd", (rooms, size), dtype), np.zeros(rooms, np.int64)


@functools.lru_cache(maxsize=256)
def _room(N: int, positions: tuple[int, int], C: int, F: int, itemsize: int) -> tuple[int, int]:
    down, across = (-(-extent // 2) for extent in positions)
    rows = max(1, min(N * down, TURN // (16 * across * max(C, F) * itemsize)))
    # V, and P or A dz A', a line of the cache (64 bytes) longer for each k; and a patch.
    return rows, 16 * (rows * across * (C + F) + 2 * 64 // itemsize + max(C, F))


def _before(window: Window) -> tuple[int, int]:
    return window.pads[0][0], window.pads[1][0]
