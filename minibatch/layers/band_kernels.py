"""The compiled loops of a convolution (``kernels``) over bands of an image's rows, pieces that threads share.

A band and the padding around it are copied to where they stay in the processor's cache; so no padded image is made,
and one large image is work for several threads. Letters as in ``kernels``. Importing this module imports Numba.
"""

from __future__ import annotations

from minibatch.atomics import settle
from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.layers import kernels
from minibatch.layers.kernels import NIL, NO, ONE
from minibatch.layers.rooms import Taken, enter, leave
from minibatch.typing import Array


@compiled
def pad(x: Array, n: int, top: int, left: int, band: Array, rows: int, columns: int) -> None:
    """Write into ``band`` so many rows and columns of image n, from (top, left) on; zeros beyond its edges."""
    _, H, W, C = x.shape
    pixels, zero = x.reshape(-1), x.dtype.type(0)
    # What is inside of the image, counted in the band's own columns.
    first, last = max(0, -left), min(columns, W - left)
    for i in range(rows):
        row, inside = band[i * columns * C : (i + 1) * columns * C], 0 <= top + i < H
        begun, done = (first * C, last * C) if inside else (0, 0)
        row[:begun] = zero
        row[done:] = zero
        at = ((n * H + top + i) * W + left) * C
        for c in range(begun, done):
            row[c] = pixels[at + c]


@compiled
def correlate(
    board: Board,
    cut: Cut,
    x: Array,
    before: tuple[int, int],
    padded: tuple[int, int],
    reach: int,
    strides: tuple[int, int, int],
    offsets: kernels.Offsets,
    run: int,
    W: Array,
    bias: Array,
    least: float,
    rooms: Array,
    taken: Taken,
    stream: bool,
    z: Array,
    start: int,
    stop: int,
) -> None:
    """Write z (N, OH, OW, F), some of its N OH rows: see ``kernels.correlate``.

    ``padded`` is the size of an image with the padding, so much of which is ``before``: above, and left; windows
    ``reach`` so many rows down. ``strides`` are those in the padded images.
    """
    if start < 0:
        how = before, padded, reach, strides, offsets, run, W, bias, least
        share(board, cut, this(correlate, (board, cut, x, *how, rooms, taken, stream, z)))
        return
    (_, OH, OW, F), (_, H, width, C), maps = z.shape, x.shape, z.reshape(-1, z.shape[3])
    whole = padded == (H, width)
    pixels, (image, row, step) = x.reshape(-1), strides
    down, room = row // (padded[1] * C), NIL if whole else enter(taken)
    first = start
    while first < stop:
        n, p = first // OH, first % OH
        rows = min(OH - p, stop - first)
        band = pixels[n * image + p * row :]
        if not whole:
            band = rooms[room]
            pad(x, n, p * down - before[0], -before[1], band, (rows - 1) * down + reach, padded[1])
        some = maps[first * OW : (first + rows) * OW]
        kernels.correlate(
            band, (NIL, row, step), offsets, run, W, bias, least, (ONE, rows, OW), (NIL, F), some, NO, stream
        )
        first += rows
    if not whole:
        leave(taken, room)
    if stream:
        settle()
