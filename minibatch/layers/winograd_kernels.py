"""The compiled loops of Winograd's convolution (``winograd``): its ``transforms``, and the products between them.

Letters as in ``winograd``: d a patch of 6 x 6 pixels, g the kernel, U, V, P the transformed kernel, patches and
products. A place in U, V or P is k = 6 i + j; T counts the patches of a few rows of tiles. Importing this module
imports Numba.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch.atomics import settle
from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.layers import convolution_kernels as kernels
from minibatch.layers.convolution_kernels import NIL, NO, ONE, RUN
from minibatch.layers.rooms import Taken, enter, leave
from minibatch.layers.transforms import (
    finish_products,
    finish_sums,
    transform_error,
    transform_kernel,
    transform_patch,
)
from minibatch.layers.winograd import PATCH, PLACES, TILE
from minibatch.typing import Array

Numbers = npt.NDArray[np.int64]
#: PATCH and TILE: for two plain numbers Numba would compile ``patch`` twice.
WIDE: Any = np.intp(PATCH)
NARROW: Any = np.intp(TILE)
#: For each output of a tile, which of the four pixels in the middle of a patch it sees: bit 2 i + j for (i, j).
IN_THE_MIDDLE = tuple(
    sum(1 << 2 * a + b for a in (0, 1) for b in (0, 1) if i <= 2 + a <= i + 2 and j <= 2 + b <= j + 2)
    for i in range(TILE)
    for j in range(TILE)
)


@functools.lru_cache(maxsize=64)
def runs(C: int) -> kernels.Offsets:
    """Return the channels at which a run of the sums over C channels begins."""
    return np.arange(0, C, RUN)


@compiled
def divide(room: Array, T: int, C: int, F: int) -> tuple[Array, Array, Array]:
    """Return memory for V (36, T C), for P or E (36, T F), and for a patch.

    Their rows are a line of the cache longer: powers of two apart they would share few places there.
    """
    line = 64 // room.itemsize
    v, p = T * C + line, T * F + line
    V, rest = room[: PLACES * v], room[PLACES * v :]
    return V.reshape(PLACES, v), rest[: PLACES * p].reshape(PLACES, p), rest[PLACES * p :]


@compiled
def patch(x: Array, n: int, top: int, left: int, size: int, corner: Array) -> None:
    """Write into corner (size, size, C) the pixels of image n from (top, left) on; zeros beyond its edges."""
    _, H, W, C = x.shape
    for i in range(size):
        for j in range(size):
            inside = 0 <= top + i < H and 0 <= left + j < W
            for c in range(C):
                corner[(i * size + j) * C + c] = x[n, top + i, left + j, c] if inside else 0


@compiled
def blank_windows(d: Array, at: int, row: int, C: int, middle: int, down: int, across: int) -> int:
    """Return which outputs of a tile see nothing but zeros, a bit for each: bit TILE i + j for output (i, j).

    ``middle`` are the pixels in the middle of the patch that are zero, of which each window has one or more. There
    are so many rows and columns of outputs, ``down`` and ``across``.
    """
    bits = known = blank = 0
    for i in range(min(TILE, down)):
        for j in range(min(TILE, across)):
            needed, k = IN_THE_MIDDLE[i * TILE + j], 0
            while middle & needed == needed and k < 9:
                pixel = (i + k // 3) * PATCH + j + k % 3
                if not known >> pixel & 1:
                    first, c = at + pixel // PATCH * row + pixel % PATCH * C, 0
                    while c < C and d[first + c] == 0:
                        c += 1
                    known |= 1 << pixel
                    blank |= int(c == C) << pixel
                if not blank >> pixel & 1:
                    break
                k += 1
            if k == 9:
                bits |= 1 << (i * TILE + j)
    return bits


@compiled
def transform_patches(
    x: Array,
    pads: tuple[int, int],
    tiles: tuple[int, int],
    turn: tuple[int, int],
    V: Array,
    positions: tuple[int, int],
    blanks: Numbers,
    corner: Array,
) -> None:
    """Write V (36, T C): B' d B of the patches of these tiles; and their ``blank_windows``, if there is room."""
    _, H, W, C = x.shape
    pixels, places, far = x.reshape(-1), V.reshape(-1), V.shape[1]
    to = t = 0
    for tile_row in range(turn[0], turn[1]):
        n, top = tile_row // tiles[0], TILE * (tile_row % tiles[0]) - pads[0]
        for left in range(-pads[1], TILE * tiles[1] - pads[1], TILE):
            d, at, row = pixels, ((n * H + top) * W + left) * C, W * C
            if not (0 <= top <= H - PATCH and 0 <= left <= W - PATCH):
                patch(x, n, top, left, WIDE, corner)
                d, at, row = corner, 0, PATCH * C
            middle = transform_patch(d, at, (row, C), C, places, to, (PATCH * far, far))
            if len(blanks):
                down, across = positions[0] - (top + pads[0]), positions[1] - (left + pads[1])
                blanks[t] = blank_windows(d, at, row, C, middle, down, across) if middle else 0
            to, t = to + C, t + 1


@compiled
def transform_errors(
    dz: Array, tiles: tuple[int, int], turn: tuple[int, int], E: Array, total: Array, corner: Array
) -> None:
    """Write E (36, T F): A dz A' of these tiles, and add them to ``total`` (F,)."""
    _, OH, OW, F = dz.shape
    numbers, places, far = dz.reshape(-1), E.reshape(-1), E.shape[1]
    to = 0
    for tile_row in range(turn[0], turn[1]):
        n, p = tile_row // tiles[0], TILE * (tile_row % tiles[0])
        for q in range(0, TILE * tiles[1], TILE):
            dY, at, row = numbers, ((n * OH + p) * OW + q) * F, OW * F
            if p > OH - TILE or q > OW - TILE:
                patch(dz, n, p, q, NARROW, corner)
                dY, at, row = corner, 0, TILE * F
            transform_error(dY, at, (row, F), F, places, to, (PATCH * far, far), total)
            to += F


@compiled
def finish(
    P: Array,
    tiles: tuple[int, int],
    turn: tuple[int, int],
    bias: Array,
    least: float,
    seen: Array,
    blanks: Numbers,
    stream: int | None,
    z: Array,
    corner: Array,
) -> None:
    """Write these tiles of z: max(A' P A + bias, least), or where there is a ``seen``, A' P A where it is above.

    An output that sees nothing but zeros is to be what the bias makes of zero, and not a rounding above or below:
    it may be just where a ReLU has its corner.
    """
    _, OH, OW, F = z.shape
    places, numbers, others, far = P.reshape(-1), z.reshape(-1), seen.reshape(-1), P.shape[1]
    one, zero, lowest = z.dtype.type(1), z.dtype.type(0), z.dtype.type(-np.inf)
    at = t = 0
    for tile_row in range(turn[0], turn[1]):
        n, p = tile_row // tiles[0], TILE * (tile_row % tiles[0])
        for q in range(0, TILE * tiles[1], TILE):
            whole = p <= OH - TILE and q <= OW - TILE
            Y, to, row = (numbers, ((n * OH + p) * OW + q) * F, OW * F) if whole else (corner, 0, TILE * F)
            floor = lowest if seen.size and not whole else least
            look, steps, strides = whole and seen.size > 0, (PATCH * far, far), (row, F)
            if stream is not None and whole:
                finish_products(places, at, steps, F, Y, to, strides, bias, others, look, floor, stream)
            else:
                finish_products(places, at, steps, F, Y, to, strides, bias, others, look, floor, None)
            for bit in range(TILE * TILE if blanks[t] else 0):
                if blanks[t] >> bit & 1:
                    first = to + bit // TILE * row + bit % TILE * F
                    for f in range(F):
                        Y[first + f] = zero if look else floor if bias[f] < floor else bias[f]
            at, t = at + F, t + 1
            if not whole:
                for i in range(min(TILE, OH - p)):
                    for j in range(min(TILE, OW - q)):
                        for f in range(F):
                            y = corner[(TILE * i + j) * F + f]
                            if seen.size:
                                y *= one if seen[n, p + i, q + j, f] > least else zero
                            z[n, p + i, q + j, f] = y


@compiled
def transform_kernels(board: Board, cut: Cut, kernel: Array, U: Array, start: int, stop: int) -> None:
    """Write U (36, C, F): G g G' of a kernel (3, 3, C, F)."""
    if start < 0:
        share(board, cut, this(transform_kernels, (board, cut, kernel, U)))
        return
    every = kernel.shape[2] * kernel.shape[3]
    numbers, places = kernel.reshape(-1), U.reshape(-1)
    transform_kernel(numbers, start, (3 * every, every), stop - start, places, start, (PATCH * every, every))


@compiled
def correlate(
    board: Board,
    cut: Cut,
    x: Array,
    pads: tuple[int, int],
    U: Array,
    bias: Array,
    nothing: Array,
    least: float,
    seen: Array,
    offsets: kernels.Offsets,
    rows: int,
    rooms: Array,
    taken: Taken,
    stream: int | None,
    z: Array,
    start: int,
    stop: int,
) -> None:
    """Write z (N, OH, OW, F): x correlated with the kernel of which U (36, C, F) is the transform. See ``finish``.

    ``rows`` of tiles are transformed, multiplied and transformed back a turn, in one of the ``rooms``. ``nothing``
    is a bias of zeros, and ``offsets`` are those of ``runs``.
    """
    if start < 0:
        every = (board, cut, x, pads, U, bias, nothing, least, seen, offsets, rows, rooms, taken, stream, z)
        share(board, cut, this(correlate, every))
        return
    (_, OH, OW, F), C = z.shape, x.shape[3]
    down, across = (OH + TILE - 1) // TILE, (OW + TILE - 1) // TILE
    room, strides, no_floor = enter(taken), (NIL, NIL, C), z.dtype.type(-np.inf)
    V, P, corner = divide(rooms[room], rows * across, C, F)
    blanks = np.empty(rows * across, np.int64)
    for first in range(start, stop, rows):
        turn = (first, min(first + rows, stop))
        T = (turn[1] - first) * across
        transform_patches(x, pads, (down, across), turn, V, (OH, OW), blanks, corner)
        for k in range(PLACES):
            P_k = P[k, : T * F].reshape(T, F)
            kernels.correlate(
                V[k], strides, offsets, RUN, U[k], nothing, no_floor, (ONE, ONE, T), (NIL, F), P_k, NO, None
            )
        finish(P, (down, across), turn, bias, least, seen, blanks, stream, z, corner)
    leave(taken, room)
    if stream is not None:
        settle()


@compiled
def sums(
    board: Board,
    cut: Cut,
    x: Array,
    pads: tuple[int, int],
    dz: Array,
    here: kernels.Offsets,
    rows: int,
    rooms: Array,
    taken: Taken,
    parts: Array,
    totals: Array,
    start: int,
    stop: int,
) -> None:
    """Write for each few images S (36, C, F), the sum over their tiles of V' E, into ``parts``.

    And into ``totals`` the sum of their errors, (F,).
    """
    if start < 0:
        share(board, cut, this(sums, (board, cut, x, pads, dz, here, rows, rooms, taken, parts, totals)))
        return
    x, dz, S, total = x[start:stop], dz[start:stop], parts[start // cut[1]], totals[start // cut[1]]
    total[:] = 0
    (N, OH, OW, F), C = dz.shape, x.shape[3]
    down, across = (OH + TILE - 1) // TILE, (OW + TILE - 1) // TILE
    room, strides = enter(taken), (NIL, NIL, C)
    V, E, corner = divide(rooms[room], rows * across, C, F)
    not_asked = np.empty(0, np.int64)
    for first in range(0, N * down, rows):
        turn = (first, min(first + rows, N * down))
        T = (turn[1] - first) * across
        transform_patches(x, pads, (down, across), turn, V, (OH, OW), not_asked, corner)
        transform_errors(dz, (down, across), turn, E, total, corner)
        for k in range(PLACES):
            E_k = E[k, : T * F].reshape(T, F)
            kernels.kernel_gradient(V[k], strides, here, C, E_k, (ONE, ONE, T), S[k], first > 0, None)
    leave(taken, room)


@compiled
def kernel_gradient(board: Board, cut: Cut, parts: Array, dW: Array, start: int, stop: int) -> None:
    """Write dW (3, 3, C, F): G' S G, for S the sum of the parts, which is made where the first of them is."""
    if start < 0:
        share(board, cut, this(kernel_gradient, (board, cut, parts, dW)))
        return
    every = dW.size // 9
    for k in range(PLACES):
        total = parts[0].reshape(-1)[k * every + start : k * every + stop]
        for part in range(1, len(parts)):
            more = parts[part].reshape(-1)[k * every + start : k * every + stop]
            for i in range(stop - start):
                total[i] += more[i]
    S = parts[0].reshape(-1)
    finish_sums(S, start, (PATCH * every, every), stop - start, dW.reshape(-1), start, (3 * every, every))
