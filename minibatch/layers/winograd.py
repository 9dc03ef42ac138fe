"""Convolution with a window of 3 x 3 pixels in fewer multiplications: Winograd's, as Lavin and Gray write it.

Outputs that are neighbours, 4 x 4, see 6 x 6 pixels d between them, and need 144 products with the kernel g, 3 x 3.
But they are also

    Y = A' [(G g G') * (B' d B)] A

(A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, eq. 8), with * entry by entry:
36 products, four times fewer. What the transforms of d and Y cost is soon less than what is saved, for d is
transformed once for all filters and Y once for all channels. With U = G g G' and V = B' d B, the sums over channels
are 36 products of matrices, P[k] = V[k] U[k], one for each place k = (i, j).

Y is linear in U, and U in g; so the gradient runs back through the same matrices, dz being the error of Y:

    dg = G' S G,   S = the sum over all tiles of  V * (A dz A').

**Where the matrices come from.** A product of two polynomials, of 4 and 3 coefficients, is known where it is known
at 6 points: multiply their values there, and interpolate (Toom and Cook). To filter is that, transposed. So a row
of A or G holds the powers of a point, and B interpolates. The points are 0, a, -a, b, -b and infinity: at a and -a
even powers are the same and odd ones opposite, so each matrix is a sparse one and D, which adds and subtracts.

**Which points.** Any will do for real numbers, but the transforms round, the more the further their factors are
from one. Lavin and Gray take 1 and 2; 5/8 and 3/2 round half as much (B. Barabasz and others, Error Analysis and
Improving the Accuracy of Winograd Convolution for Deep Neural Networks, ACM TOMS 46, 2020, search for such points),
and their powers are exact in binary. With the sums over channels made in runs (``RUN``, ``convolution_kernels``) an
output rounds about twice as much as the plain form, which sums 9 C numbers one after the other; the tests bound it.
That is of the largest number in a patch: small outputs beside a very large pixel lose more of their digits, and
where a pixel is infinite or no number, so are all outputs of the tiles that see it. Outputs that see nothing but
zeros are set to zero, which the formula alone would leave to rounding (``winograd_kernels.finish``).
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch import memory
from minibatch.layers.window import Window
from minibatch.parallel import PARTS, rooms, together
from minibatch.typing import Array

Matrix = npt.NDArray[np.float64]

#: A tile is so many outputs high and wide, a patch so many pixels; and it has so many places k.
TILE, PATCH = 4, 6
PLACES = PATCH * PATCH


def _matrices(a: float, b: float) -> tuple[Matrix, ...]:
    """Return D (6, 6) and the sparse parts of A (6, 4), B' (6, 6) and G (6, 3), for the points a and b."""
    D = np.eye(6)
    D[1:3, 1:3] = D[3:5, 3:5] = [[1, 1], [1, -1]]
    aa, bb = a * a, b * b
    A = [[1, 0, 0, 0], [1, 0, aa, 0], [0, a, 0, aa * a], [1, 0, bb, 0], [0, b, 0, bb * b], [0, 0, 0, 1]]
    B = [
        [aa * bb, 0, -aa - bb, 0, 1, 0],
        [0, 0, -bb, 0, 1, 0],
        [0, -a * bb, 0, a, 0, 0],
        [0, 0, -aa, 0, 1, 0],
        [0, -b * aa, 0, b, 0, 0],
        [0, aa * bb, 0, -aa - bb, 0, 1],
    ]
    # What the other points' distances to a point, multiplied, divide by.
    at_0, at_a, at_b = aa * bb, 2 * aa * (aa - bb), 2 * bb * (bb - aa)
    G = [
        [1 / at_0, 0, 0],
        [1 / at_a, 0, aa / at_a],
        [0, a / at_a, 0],
        [1 / at_b, 0, bb / at_b],
        [0, b / at_b, 0],
        [0, 0, 1],
    ]
    return D, *(np.array(half) for half in (A, B, G))


#: A = D A_ (6, 4), B' = D B_ (6, 6) and G = D G_ (6, 3).
D, A_, B_, G_ = _matrices(5 / 8, 3 / 2)
#: Channels and filters, at least, for which the transforms cost less than they save.
FEWEST = 16
#: A batch is cut into so many pieces, at most, and a piece has so many tiles, at least: each goes through the whole
#: transformed kernel, or makes a gradient of its own.
PIECES, TILES = 8, 128
#: The bytes of all these gradients together, at most, unless there are two.
SUMS = 1 << 27
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
    A, B, G = D @ A_, (D @ B_).T, D @ G_
    across, down = -(-OW // TILE), -(-OH // TILE)
    more = PATCH - TILE
    padded = np.pad(window.pad(x), [(0, 0), (0, TILE * down + more - h), (0, TILE * across + more - w), (0, 0)])
    d = np.lib.stride_tricks.sliding_window_view(padded, (PATCH, PATCH), axis=(1, 2))[:, ::TILE, ::TILE]
    U = np.einsum("ai,bj,ijcf->abcf", G, G, kernel)
    V = np.einsum("ia,jb,npqcij->abnpqc", B, B, d)
    P = np.einsum("abnpqc,abcf->abnpqf", V, U)
    Y = np.einsum("ia,jb,ijnpqf->npaqbf", A, A, P)
    z: Array = Y.reshape(len(x), TILE * down, TILE * across, kernel.shape[3])[:, :OH, :OW]
    return z


def correlate(
    x: Array, kernel: Array, window: Window, bias: Array | None = None, least: float | None = None
) -> Array:
    """Return max(z + bias, least), (N, OH, OW, F); for z see ``correlation.patches_times``."""
    nothing, nobody = np.zeros(kernel.shape[3], x.dtype), np.empty((0, 1, 1, 1), x.dtype)
    floor = x.dtype.type(-math.inf if least is None else least)
    return _correlate(x, kernel, window, nothing if bias is None else bias, nothing, floor, nobody)


def correlate_where(x: Array, kernel: Array, window: Window, seen: Array, least: float) -> Array:
    """Return z where ``seen`` (N, OH, OW, F) is above ``least``, and 0 z elsewhere."""
    nothing = np.zeros(kernel.shape[3], x.dtype)
    return _correlate(x, kernel, window, nothing, nothing, x.dtype.type(least), np.ascontiguousarray(seen))


def _correlate(
    x: Array, kernel: Array, window: Window, bias: Array, nothing: Array, least: Any, seen: Array
) -> Array:
    from minibatch.layers import winograd_kernels as kernels

    x, (C, F) = np.ascontiguousarray(x), kernel.shape[2:]
    z = memory.empty((len(x), *window.positions, F), x.dtype)
    U = _transformed(kernel)
    down, across = (-(-extent // TILE) for extent in window.positions)
    extent = len(x) * down
    few = max(1, -(-extent // max(1, min(PIECES, extent * across // TILES))))
    turn = _turn(extent, few, across, C, F, x.dtype)
    how = U, bias, nothing, least, seen, kernels.runs(C)
    together(kernels.correlate, (extent, few), x, _before(window), *how, *turn, memory.streams(z), z, long=True)
    return z


#: Kernels' transforms, by where the kernels are.
Transforms = dict[Any, Array]


class _Standing(threading.local):
    """The transforms of kernels that stand still for a moment; None if they may change."""

    transforms: Transforms | None = None


_standing = _Standing()


@contextlib.contextmanager
def standing_kernels(transforms: Transforms) -> Iterator[None]:
    """Let this thread keep transforms there and take them from there: in here no kernel changes.

    For who takes a batch a few images at a time.
    """
    before, _standing.transforms = _standing.transforms, transforms
    try:
        yield
    finally:
        _standing.transforms = before


def _transformed(kernel: Array) -> Array:
    """Return U (36, C, F) = G g G' of a kernel (3, 3, C, F)."""
    from minibatch.layers import winograd_kernels as kernels

    shape, kept, place = (PLACES, *kernel.shape[2:]), _standing.transforms, None
    if kept is not None:
        place = kernel.ctypes.data, kernel.shape, kernel.strides, kernel.dtype
        if place in kept:
            return kept[place]
    U = memory.scratch("U", shape, kernel.dtype) if kept is None else memory.aligned(shape, kernel.dtype)
    every = shape[1] * shape[2]
    together(kernels.transform_kernels, (every, -(-every // PARTS)), np.ascontiguousarray(kernel), U)
    if kept is not None:
        kept[place] = U  # now that it is whole: another thread may look for it
    return U


def kernel_gradient(x: Array, dz: Array, window: Window, db: Array | None = None) -> Array:
    """Return dL/dkernel (3, 3, C, F), see ``correlation.transposed_patches_times``; write dL/dbias into db (F,)."""
    from minibatch.layers import winograd_kernels as kernels

    x, dz, C, F = np.ascontiguousarray(x), np.ascontiguousarray(dz), x.shape[-1], dz.shape[-1]
    dW = np.empty((3, 3, C, F), dz.dtype)
    pieces = max(2, SUMS // (PLACES * C * F * x.itemsize))
    few = max(_images(len(x), window.positions), -(-len(x) // pieces))
    count = max(1, -(-len(x) // few))
    parts, totals = memory.empty((count, PLACES, C, F), x.dtype), np.zeros((count, F), x.dtype)
    if not len(x):
        parts[...] = 0
    down, across = (-(-extent // TILE) for extent in window.positions)
    turn = _turn(len(x) * down, few * down, across, C, F, x.dtype)
    together(kernels.sums, (len(x), few), x, _before(window), dz, HERE, *turn, parts, totals, long=True)
    together(kernels.kernel_gradient, (C * F, -(-C * F // PARTS)), parts, dW)
    if db is not None:
        np.add.reduce(totals, axis=0, out=db)
    return dW


def _images(N: int, positions: tuple[int, int]) -> int:
    """Return how many images a piece has."""
    return max(1, -(-N // PIECES), TILES // math.prod(-(-extent // TILE) for extent in positions))


def _turn(extent: int, few: int, across: int, C: int, F: int, dtype: np.dtype[Any]) -> tuple[int, Array, Array]:
    """Return how many rows of tiles to take a turn, of the few of a piece; and ``rooms`` for their transforms."""
    rows, size = _room(few, across, C, F, dtype.itemsize)
    return rows, *rooms("winograd", -(-extent // few), size, dtype)


@functools.lru_cache(maxsize=256)
def _room(few: int, across: int, C: int, F: int, itemsize: int) -> tuple[int, int]:
    most = max(1, TURN // (PLACES * across * max(C, F) * itemsize))
    rows = -(-few // -(-few // most)) if few else 1  # turns of about one length: a short one costs the most
    # V, and P or A dz A', a line of the cache (64 bytes) longer for each k; and a patch.
    return rows, PLACES * (rows * across * (C + F) + 2 * 64 // itemsize + max(C, F))


def _before(window: Window) -> tuple[int, int]:
    return window.pads[0][0], window.pads[1][0]
