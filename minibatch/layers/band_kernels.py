"""The compiled loops of a convolution over bands of an image's rows, pieces that threads share.

A band and the padding around it are copied to where they stay in the processor's cache; so no padded image is made,
and one large image is work for several threads. What is done in a band, and the letters, are those of
``convolution_kernels``. Importing this module imports Numba.
"""

from __future__ import annotations

import numpy as np

from minibatch.atomics import settle
from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.layers import convolution_kernels as kernels
from minibatch.layers.convolution_kernels import NIL, NO, ONE, RUN
from minibatch.layers.rooms import Taken, enter, leave
from minibatch.typing import Array


@compiled
def pad(x: Array, n: int, top: int, left: int, band: Array, rows: int, columns: int) -> None:
    """Write into ``band`` so many rows and columns of image n, from (top, left) on; zeros beyond its edges."""
    _, H, W, C = x.shape
    pixels, zero = x.reshape(-1), x.dtype.type(0)
    # What is inside of the image, counted in the band's own numbers; without a sign, or Numba would look for one.
    first, last, every = np.uintp(max(0, -left) * C), np.uintp(min(columns, W - left) * C), np.uintp(columns * C)
    for i in range(rows):
        row, inside = np.uintp(i) * every, 0 <= top + i < H
        begun, done = (first, last) if inside else (every, every)
        for c in range(begun):
            band[row + c] = zero
        at = np.uintp(((n * H + top + i) * W + max(0, left)) * C) if inside else np.uintp(0)
        for c in range(done - begun):
            band[row + begun + c] = pixels[at + c]
        for c in range(done, every):
            band[row + c] = zero


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
    few: int,
    W: Array,
    bias: Array,
    least: float,
    rooms: Array,
    taken: Taken,
    stream: int | None,
    z: Array,
    start: int,
    stop: int,
) -> None:
    """Write z (N, OH, OW, F), some of its N OH rows: see ``convolution_kernels.correlate``.

    ``padded`` is the size of an image with the padding, so much of which is ``before``: above, and left; windows
    ``reach`` so many rows down. ``strides`` are those in the padded images. So ``few`` rows are taken at a time.
    """
    if start < 0:
        how = before, padded, reach, strides, offsets, run, few, W, bias, least
        share(board, cut, this(correlate, (board, cut, x, *how, rooms, taken, stream, z)))
        return
    (_, OH, OW, F), (_, H, width, C), maps = z.shape, x.shape, z.reshape(-1, z.shape[3])
    whole = padded == (H, width)
    pixels, (image, row, step) = x.reshape(-1), strides
    down, room = row // (padded[1] * C), NIL if whole else enter(taken)
    first = start
    while first < stop:
        n, p = first // OH, first % OH
        rows = min(OH - p, stop - first, few)
        band = pixels[n * image + p * row :]
        if not whole:
            band = rooms[room]
            pad(x, n, p * down - before[0], -before[1], band, (rows - 1) * down + reach, padded[1])
        some = maps[first * OW : (first + rows) * OW]
        steps, positions, filters = (NIL, row, step), (ONE, rows, OW), (NIL, F)
        kernels.correlate(band, steps, offsets, run, W, bias, least, positions, filters, some, NO, stream)
        first += rows
    if not whole:
        leave(taken, room)
    if stream is not None:
        settle()


@compiled
def kernel_gradient(
    board: Board,
    cut: Cut,
    x: Array,
    before: tuple[int, int],
    padded: tuple[int, int],
    reach: int,
    strides: tuple[int, int, int],
    offsets: kernels.Offsets,
    run: int,
    few: int,
    dz: Array,
    rooms: Array,
    taken: Taken,
    parts: Array,
    totals: Array,
    start: int,
    stop: int,
) -> None:
    """Write into one of the ``parts`` what some of dz's N OH rows add to dW (K, F), and into one of the ``totals``
    their sum, (F,). The rest is as for ``correlate``.
    """
    if start < 0:
        how = before, padded, reach, strides, offsets, run, few
        share(board, cut, this(kernel_gradient, (board, cut, x, *how, dz, rooms, taken, parts, totals)))
        return
    (_, OH, OW, F), (_, H, width, C), maps = dz.shape, x.shape, dz.reshape(-1, dz.shape[3])
    whole = padded == (H, width)
    pixels, (image, row, step) = x.reshape(-1), strides
    down, room = row // (padded[1] * C), NIL if whole else enter(taken)
    part, total = parts[start // cut[1]], totals[start // cut[1]]
    total[:] = 0
    of_run, of_band = np.empty_like(total), np.empty_like(total)  # a long sum rounds more than short ones
    first = start
    while first < stop:
        n, p = first // OH, first % OH
        rows = min(OH - p, stop - first, few)
        band = pixels[n * image + p * row :]
        if not whole:
            band = rooms[room]
            pad(x, n, p * down - before[0], -before[1], band, (rows - 1) * down + reach, padded[1])
        errors = maps[first * OW : (first + rows) * OW]
        of_band[:] = 0
        for begun in range(0, rows * OW, RUN):
            of_run[:] = 0
            for m in range(begun, min(begun + RUN, rows * OW)):
                for f in range(F):
                    of_run[f] += errors[m, f]
            for f in range(F):
                of_band[f] += of_run[f]
        for f in range(F):
            total[f] += of_band[f]
        positions = ONE, rows, OW
        kernels.kernel_gradient(band, (NIL, row, step), offsets, run, errors, positions, part, first > start, None)
        first += rows
    if not whole:
        leave(taken, room)
