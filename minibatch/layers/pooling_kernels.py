"""The compiled loops of max pooling: each reads and writes its arrays once, in pieces that threads share.

The formulas are in ``pooling``, and the tests hold them equal bit for bit. Importing this module imports Numba.

N samples, OH x OW positions, C channels. Position (n, p, q) begins at n, p, q times the three ``strides`` in x, and
its entries lie so far (``offsets``) from there, in the order in which the first of equal ones wins. Places in a row
are counted without a sign: of a signed one Numba asks in the innermost loop whether it is negative, and so counted
from the end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.layers.pooling import NOBODY
from minibatch.typing import Array

Offsets = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]


@compiled
def largest(
    board: Board,
    cut: Cut,
    images: Array,
    strides: tuple[int, int, int],
    offsets: Offsets,
    maps: Array,
    places: Bytes,
    start: int,
    stop: int,
) -> None:
    """Write into maps (N, OH, OW, C) the largest entry of each window, and into places which of them it is.

    Of all images' rows together, N OH, those from ``start`` on.
    """
    if start < 0:
        share(board, cut, this(largest, (board, cut, images, strides, offsets, maps, places)))
        return
    (_, OH, OW, C), (image, row, step) = maps.shape, strides
    x, y, winners = images.reshape(-1), maps.reshape(-1), places.reshape(-1)
    nobody, channels, last = np.uint8(NOBODY), np.uintp(C), len(offsets) - 1
    for of_all in range(start, stop):
        n, p = of_all // OH, of_all % OH
        # Four at a time, so that a window of 2 x 2 is done at once; one that comes twice wins no second time.
        for k in range(0, last + 1, 4):
            k_0, k_1, k_2, k_3 = np.uint8(k), np.uint8(k + 1), np.uint8(k + 2), np.uint8(k + 3)
            x_0, x_1 = np.uintp(offsets[k]), np.uintp(offsets[min(k + 1, last)])
            x_2, x_3 = np.uintp(offsets[min(k + 2, last)]), np.uintp(offsets[min(k + 3, last)])
            to = np.uintp(of_all * OW) * channels
            for q in range(OW):
                at = np.uintp(n * image + p * row + q * step)
                for c in range(channels):
                    entry = x[at + x_0 + c]
                    if k == 0:
                        most, winner = entry, k_0
                    else:
                        most, winner = y[to + c], winners[to + c]
                        if entry > most:
                            most, winner = entry, k_0
                    if entry != entry:  # what is no number stays: nothing is larger
                        most, winner = entry, nobody
                    entry = x[at + x_1 + c]
                    if entry > most:
                        most, winner = entry, k_1
                    if entry != entry:
                        most, winner = entry, nobody
                    entry = x[at + x_2 + c]
                    if entry > most:
                        most, winner = entry, k_2
                    if entry != entry:
                        most, winner = entry, nobody
                    entry = x[at + x_3 + c]
                    if entry > most:
                        most, winner = entry, k_3
                    if entry != entry:
                        most, winner = entry, nobody
                    y[to + c], winners[to + c] = most, winner
                to += channels


@compiled
def to_the_largest(
    board: Board,
    cut: Cut,
    errors: Array,
    places: Bytes,
    strides: tuple[int, int, int],
    offsets: Offsets,
    covers: bool,
    apart: bool,
    images: Array,
    start: int,
    stop: int,
) -> None:
    """Write dx into images: dy, the errors (N, OH, OW, C), at each winner, dy times 0 at the other entries.

    Where windows are not ``apart`` it is added up, from the last position to the first, so that what a pixel gets
    comes in the order of its window's entries. Together the windows see each pixel, or do not ``cover`` them.
    """
    if start < 0:
        share(
            board, cut, this(to_the_largest, (board, cut, errors, places, strides, offsets, covers, apart, images))
        )
        return
    few = errors[start:stop]
    (N, OH, OW, C), (image, row, step) = few.shape, strides
    dy, winners, dx = few.reshape(-1), places[start:stop].reshape(-1), images[start:stop].reshape(-1)
    one, zero, channels = dy.dtype.type(1), dy.dtype.type(0), np.uintp(C)
    if not (covers and apart):
        dx[:] = zero
    for n in range(N):
        for p in range(OH - 1, -1, -1):
            for q in range(OW - 1, -1, -1):
                first, at = n * image + p * row + q * step, np.uintp((n * OH + p) * OW + q) * channels
                for k in range(len(offsets)):
                    to, winner = np.uintp(first + offsets[k]), np.uint8(k)
                    if apart:
                        for c in range(channels):
                            dx[to + c] = dy[at + c] * (one if winners[at + c] == winner else zero)
                    else:
                        for c in range(channels):
                            dx[to + c] += dy[at + c] * (one if winners[at + c] == winner else zero)
