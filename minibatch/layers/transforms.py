"""The compiled loops of Winograd's convolution (``winograd``): its transforms, and the products between them.

A transform is X -> M X M', for a small matrix M that is known beforehand and the X of many channels, which lie side
by side: so its entries stay in the processor's registers, a vector of channels each, and M's zeros and ones are
known to the compiler. The plain form stands beside it. Importing this module imports Numba.

Letters as in ``winograd``: d a patch of 4 x 4 pixels, g the kernel, U, V, P the transformed kernel, patches and
products. A place in U, V or P is k = 4 i + j; t counts the patches of a few rows of an image.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minibatch.atomics import add, pause
from minibatch.board import Board, Cut, share, this
from minibatch.compiling import PLAIN, compiled
from minibatch.layers import kernels
from minibatch.layers.kernels import NIL, NO, ONE
from minibatch.layers.registers import I64, VECTOR, Columns, array, integer
from minibatch.layers.winograd import A, B, G
from minibatch.typing import Array

Numbers = npt.NDArray[np.int64]


def _plain_transform(M: npt.NDArray[np.float64]) -> Any:
    n = M.shape[1]

    def transform(
        x: Array,
        at: int,
        steps: tuple[int, int],
        C: int,
        y: Array,
        to: int,
        strides: tuple[int, int],
        least: float,
    ) -> None:
        """Write Y = max(M X M', least) for C channels.

        X[i, j] of channel c is at x[at + i steps[0] + j steps[1] + c], and Y[i, j] goes to y likewise.
        """
        X = np.array([[x[at + i * steps[0] + j * steps[1] :][:C] for j in range(n)] for i in range(n)])
        Y = np.einsum("ai,bj,ijc->abc", M.astype(x.dtype), M.astype(x.dtype), X)
        for (i, j), row in zip(np.ndindex(Y.shape[:2]), Y.reshape(-1, C), strict=True):
            y[to + i * strides[0] + j * strides[1] :][:C] = np.maximum(row, least)

    return transform


def _compiled_transform(M: npt.NDArray[np.float64]) -> Any:
    m, n = M.shape

    def times(builder: Any, vectors: Iterable[Any]) -> list[Any]:
        """Return M times a column of vectors."""
        column = list(vectors)
        return [_combined(builder, row, column) for row in M]

    @intrinsic
    def transform(_: Any, x: Any, at: Any, steps: Any, C: Any, y: Any, to: Any, strides: Any, least: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            here = context, builder, signature, arguments
            x_, y_ = array(*here, 0), array(*here, 4)
            at, C, to = (integer(*here, k) for k in (1, 3, 5))
            floor = context.cast(builder, arguments[7], signature.args[7], x.dtype)
            lanes = VECTOR // (x.dtype.bitwidth // 8)

            def place(data: Any, first: Any, strides: Any, i: int, j: int) -> Any:
                rows, columns = (builder.mul(builder.extract_value(strides, k), I64((i, j)[k])) for k in (0, 1))
                return builder.gep(data, [builder.add(first, builder.add(rows, columns))])

            X_, Y_ = (
                [[place(data, first, strides, i, j) for j in range(size)] for i in range(size)]
                for data, first, strides, size in (
                    (x_.data, at, arguments[2], n),
                    (y_.data, to, arguments[6], m),
                )
            )
            with cgutils.for_range_slice(builder, I64(0), C, I64(lanes), inc=True) as (c, _):
                channels = Columns(context, builder, x.dtype, 1, c, C)
                X = [[channels.load(builder.gep(address, [c]))[0] for address in row] for row in X_]
                half = [times(builder, column) for column in zip(*X, strict=True)]  # M X, column by column
                Y = [times(builder, row) for row in zip(*half, strict=True)]
                for vectors, addresses in zip(Y, Y_, strict=True):
                    for vector, address in zip(vectors, addresses, strict=True):
                        channels.store([channels.at_least(vector, floor)], builder.gep(address, [c]))
            return context.get_dummy_value()

        return types.void(x, at, steps, C, y, to, strides, least), emit

    return transform


def _combined(builder: Any, factors: npt.NDArray[np.float64], vectors: list[Any]) -> Any:
    """Return the sum of factors times vectors, without what is zero."""
    total: Any = None
    # The positive ones first, so that nothing has to be negated that can be subtracted.
    for factor, vector in sorted(zip(factors.tolist(), vectors, strict=True), key=lambda pair: -pair[0]):
        if factor:
            size = ir.Constant(vector.type, [abs(factor)] * vector.type.count)
            term = vector if abs(factor) == 1 else builder.fmul(vector, size)
            if total is None:
                total = term if factor > 0 else builder.fneg(term)
            else:
                total = builder.fadd(total, term) if factor > 0 else builder.fsub(total, term)
    return total


_transform = _plain_transform if PLAIN else _compiled_transform
transform_kernel, transform_patch, transform_error = _transform(G), _transform(B.T), _transform(A)
finish_products, finish_sums = _transform(A.T), _transform(G.T)


# The loops -------------------------------------------------------------------------------------------------------


@compiled
def divide(room: Array, T: int, C: int, F: int) -> tuple[Array, Array, Array]:
    """Return memory for V (16, T C), for P or E (16, T F), and for a patch of 4 x 4 pixels.

    Their rows are a line of the cache longer: powers of two apart they would share few places there.
    """
    line = 64 // room.itemsize
    v, p = T * C + line, T * F + line
    return room[: 16 * v].reshape(16, v), room[16 * v : 16 * (v + p)].reshape(16, p), room[16 * (v + p) :]


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
def transform_patches(
    x: Array, pads: tuple[int, int], tiles: tuple[int, int], turn: tuple[int, int], V: Array, corner: Array
) -> None:
    """Write V (16, T C): B' d B of the patches of these tiles."""
    _, H, W, C = x.shape
    pixels, places, far = x.reshape(-1), V.reshape(-1), V.shape[1]
    to = 0
    for tile_row in range(turn[0], turn[1]):
        n, top = tile_row // tiles[0], 2 * (tile_row % tiles[0]) - pads[0]
        for left in range(-pads[1], 2 * tiles[1] - pads[1], 2):
            d, at, row = pixels, ((n * H + top) * W + left) * C, W * C
            if not (0 <= top <= H - 4 and 0 <= left <= W - 4):
                patch(x, n, top, left, 4, corner)
                d, at, row = corner, 0, 4 * C
            transform_patch(d, at, (row, C), C, places, to, (4 * far, far), -np.inf)
            to += C


@compiled
def transform_errors(dz: Array, tiles: tuple[int, int], turn: tuple[int, int], E: Array, corner: Array) -> None:
    """Write E (16, T F): A dz A' of these tiles."""
    _, OH, OW, F = dz.shape
    numbers, places, far = dz.reshape(-1), E.reshape(-1), E.shape[1]
    to = 0
    for tile_row in range(turn[0], turn[1]):
        n, p = tile_row // tiles[0], 2 * (tile_row % tiles[0])
        for q in range(0, 2 * tiles[1], 2):
            dY, at, row = numbers, ((n * OH + p) * OW + q) * F, OW * F
            if p > OH - 2 or q > OW - 2:
                patch(dz, n, p, q, 2, corner)
                dY, at, row = corner, 0, 2 * F
            transform_error(dY, at, (row, F), F, places, to, (4 * far, far), -np.inf)
            to += F


@compiled
def finish(P: Array, tiles: tuple[int, int], turn: tuple[int, int], least: float, z: Array, corner: Array) -> None:
    """Write these tiles of z: max(A' P A, least)."""
    _, OH, OW, F = z.shape
    places, numbers, far = P.reshape(-1), z.reshape(-1), P.shape[1]
    at = 0
    for tile_row in range(turn[0], turn[1]):
        n, p = tile_row // tiles[0], 2 * (tile_row % tiles[0])
        for q in range(0, 2 * tiles[1], 2):
            whole = p <= OH - 2 and q <= OW - 2
            Y, to, row = (numbers, ((n * OH + p) * OW + q) * F, OW * F) if whole else (corner, 0, 2 * F)
            finish_products(places, at, (4 * far, far), F, Y, to, (row, F), least)
            at += F
            if not whole:
                for i in range(min(2, OH - p)):
                    for j in range(min(2, OW - q)):
                        for f in range(F):
                            z[n, p + i, q + j, f] = corner[(2 * i + j) * F + f]


@compiled
def transform_kernels(kernel: Array, U: Array) -> None:
    """Write U (4, 4, C, F): G g G' of a kernel (3, 3, C, F)."""
    every = kernel.shape[2] * kernel.shape[3]
    transform_kernel(
        kernel.reshape(-1), 0, (3 * every, every), every, U.reshape(-1), 0, (4 * every, every), -np.inf
    )


@compiled
def enter(taken: Numbers) -> int:
    """Return a room in which no other thread is; ``taken`` counts those who are in each."""
    room = 0
    if not PLAIN:  # then there are no other threads
        while add(taken, room, 1):
            add(taken, room, -1)
            room = (room + 1) % len(taken)
            pause()
    return room


@compiled
def leave(taken: Numbers, room: int) -> None:
    """Let another thread have the room."""
    if not PLAIN:
        add(taken, room, -1)


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
    here: kernels.Offsets,
    rows: int,
    rooms: Array,
    taken: Numbers,
    z: Array,
    start: int,
    stop: int,
) -> None:
    """Write z (N, OH, OW, F): x correlated with the kernel of which U (16, C, F) is the transform.

    ``rows`` of tiles are transformed, multiplied and transformed back a turn, in one of the ``rooms``. ``nothing``
    is a bias of zeros, and ``here`` the offset of a window of one pixel.
    """
    if start < 0:
        every = (board, cut, x, pads, U, bias, nothing, least, here, rows, rooms, taken, z)
        share(board, cut, this(correlate, every))
        return
    x, z = x[start:stop], z[start:stop]
    (N, OH, OW, F), C = z.shape, x.shape[3]
    down, across = (OH + 1) // 2, (OW + 1) // 2
    room, strides, no_floor = enter(taken), (NIL, NIL, C), z.dtype.type(-np.inf)
    V, P, corner = divide(rooms[room], rows * across, C, F)
    for first in range(0, N * down, rows):
        turn = (first, min(first + rows, N * down))
        T = (turn[1] - first) * across
        transform_patches(x, pads, (down, across), turn, V, corner)
        for k in range(16):
            # A number b at i = j = 1 comes out as b everywhere: that is where the bias goes.
            before, P_k = bias if k == 5 else nothing, P[k, : T * F].reshape(T, F)
            kernels.correlate(V[k], strides, here, C, U[k], before, no_floor, (ONE, ONE, T), (NIL, F), P_k, NO)
        finish(P, (down, across), turn, least, z, corner)
    leave(taken, room)


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
    taken: Numbers,
    parts: Array,
    start: int,
    stop: int,
) -> None:
    """Write for each few images S (16, C, F), the sum over their tiles of V' E, into ``parts``."""
    if start < 0:
        share(board, cut, this(sums, (board, cut, x, pads, dz, here, rows, rooms, taken, parts)))
        return
    x, dz, S = x[start:stop], dz[start:stop], parts[start // cut[1]]
    (N, OH, OW, F), C = dz.shape, x.shape[3]
    down, across = (OH + 1) // 2, (OW + 1) // 2
    room, strides = enter(taken), (NIL, NIL, C)
    V, E, corner = divide(rooms[room], rows * across, C, F)
    for first in range(0, N * down, rows):
        turn = (first, min(first + rows, N * down))
        T = (turn[1] - first) * across
        transform_patches(x, pads, (down, across), turn, V, corner)
        transform_errors(dz, (down, across), turn, E, corner)
        for k in range(16):
            E_k = E[k, : T * F].reshape(T, F)
            kernels.kernel_gradient(V[k], strides, here, C, E_k, (ONE, ONE, T), S[k], first > 0)
    leave(taken, room)


@compiled
def kernel_gradient(board: Board, cut: Cut, parts: Array, dW: Array, start: int, stop: int) -> None:
    """Write dW (3, 3, C, F): G' S G, for S the sum of the parts, which is made where the first of them is."""
    if start < 0:
        share(board, cut, this(kernel_gradient, (board, cut, parts, dW)))
        return
    every = dW.size // 9
    for k in range(16):
        total = parts[0].reshape(-1)[k * every + start : k * every + stop]
        for part in range(1, len(parts)):
            more = parts[part].reshape(-1)[k * every + start : k * every + stop]
            for i in range(stop - start):
                total[i] += more[i]
    S = parts[0].reshape(-1)
    finish_sums(S, start, (4 * every, every), stop - start, dW.reshape(-1), start, (3 * every, every), -np.inf)
