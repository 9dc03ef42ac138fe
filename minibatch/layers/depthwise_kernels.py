"""The compiled loops of a depthwise convolution, over rows of images, in pieces that threads share.

The formulas are in ``depthwise``, with its letters; here M is 1. Where a window reaches beyond an image nothing is
added, so that no padded image is made. Importing this module imports Numba.

What is added to a row of one map is a row of another, times a kernel's entry for each channel, repeated so that the
loop along it is long (``depthwise.repeated``). With strides every other position is left out, in one of the two.
"""

from __future__ import annotations

import numpy as np

from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.typing import Array

#: So many rows of dz are added up apart, and then to the others.
RUN = 16

Pair = tuple[int, int]


@compiled
def _overlap(extent: int, of: int, stride: int, shift: int) -> tuple[int, int]:
    """Return the first position p of so many, and the one after the last, with 0 <= p stride + shift < ``of``."""
    first = max(0, (stride - 1 - shift) // stride)
    return first, max(first, min(extent, (of - 1 - shift) // stride + 1))


@compiled
def _add(y: Array, y_at: Pair, u: Array, u_at: Pair, entry: Array, positions: Pair, C: int) -> None:
    """Add u, times an entry's channels, to y at some positions q; each is at q times a stride plus a shift."""
    step = entry.size // C if y_at[0] == u_at[0] == 1 else 1
    for q in range(positions[0], positions[1], step):
        some = min(step, positions[1] - q) * C
        to, of = y[(q * y_at[0] + y_at[1]) * C :], u[(q * u_at[0] + u_at[1]) * C :]
        for c in range(some):
            to[c] += of[c] * entry[c]


@compiled
def add_up(
    board: Board,
    cut: Cut,
    x: Array,
    before: Pair,
    strides: Pair,
    dilation: Pair,
    size: Pair,
    kernel: Array,
    z: Array,
    start: int,
    stop: int,
) -> None:
    """Write some of z's N OH rows: z (N, OH, OW, C), x (N, H, W, C); kernel as ``depthwise.repeated`` has it."""
    if start < 0:
        share(board, cut, this(add_up, (board, cut, x, before, strides, dilation, size, kernel, z)))
        return
    (_, OH, OW, C), (_, H, W, _) = z.shape, x.shape
    numbers, maps = x.reshape(-1), z.reshape(-1)
    for row in range(start, stop):
        n, p = row // OH, row % OH
        to = maps[row * OW * C : (row + 1) * OW * C]
        to[:] = 0
        for i in range(size[0]):
            at = p * strides[0] + i * dilation[0] - before[0]
            if at < 0 or at >= H:
                continue
            of = numbers[(n * H + at) * W * C : (n * H + at + 1) * W * C]
            for j in range(size[1]):
                shift = j * dilation[1] - before[1]
                positions = _overlap(OW, W, strides[1], shift)
                _add(to, (1, 0), of, (strides[1], shift), kernel[i * size[1] + j], positions, C)


@compiled
def send_back(
    board: Board,
    cut: Cut,
    dz: Array,
    before: Pair,
    strides: Pair,
    dilation: Pair,
    size: Pair,
    kernel: Array,
    dx: Array,
    start: int,
    stop: int,
) -> None:
    """Write some of dx's N H rows: dx (N, H, W, C) from dz (N, OH, OW, C)."""
    if start < 0:
        share(board, cut, this(send_back, (board, cut, dz, before, strides, dilation, size, kernel, dx)))
        return
    (_, OH, OW, C), (_, H, W, _) = dz.shape, dx.shape
    errors, images = dz.reshape(-1), dx.reshape(-1)
    for row in range(start, stop):
        n, at = row // H, row % H
        to = images[row * W * C : (row + 1) * W * C]
        to[:] = 0
        for i in range(size[0]):
            p, rest = divmod(at + before[0] - i * dilation[0], strides[0])
            if rest or p < 0 or p >= OH:
                continue
            of = errors[(n * OH + p) * OW * C : (n * OH + p + 1) * OW * C]
            for j in range(size[1]):
                shift = j * dilation[1] - before[1]
                positions = _overlap(OW, W, strides[1], shift)
                _add(to, (strides[1], shift), of, (1, 0), kernel[i * size[1] + j], positions, C)


@compiled
def kernel_gradient(
    board: Board,
    cut: Cut,
    x: Array,
    before: Pair,
    strides: Pair,
    dilation: Pair,
    size: Pair,
    dz: Array,
    length: int,
    parts: Array,
    start: int,
    stop: int,
) -> None:
    """Write what some of dz's N OH rows add to the kernel's gradient into one of the ``parts``, (h w, C)."""
    if start < 0:
        share(
            board, cut, this(kernel_gradient, (board, cut, x, before, strides, dilation, size, dz, length, parts))
        )
        return
    (_, OH, OW, C), (_, H, W, _) = dz.shape, x.shape
    numbers, errors, part = x.reshape(-1), dz.reshape(-1), parts[start // cut[1]]
    of_run = np.zeros((size[0] * size[1], length), x.dtype)
    part[:] = 0
    for row in range(start, stop):
        n, p = row // OH, row % OH
        d = errors[row * OW * C : (row + 1) * OW * C]
        for i in range(size[0]):
            at = p * strides[0] + i * dilation[0] - before[0]
            if at < 0 or at >= H:
                continue
            of = numbers[(n * H + at) * W * C : (n * H + at + 1) * W * C]
            for j in range(size[1]):
                shift, total = j * dilation[1] - before[1], of_run[i * size[1] + j]
                first, last = _overlap(OW, W, strides[1], shift)
                step = length // C if strides[1] == 1 else 1
                for q in range(first, last, step):
                    some = min(step, last - q) * C
                    e, u = d[q * C : q * C + some], of[(q * strides[1] + shift) * C :]
                    for c in range(some):
                        total[c] += u[c] * e[c]
        if (row - start) % RUN == RUN - 1 or row == stop - 1:
            for k in range(part.shape[0]):
                for first in range(0, length, C):
                    for c in range(C):
                        part[k, c] += of_run[k, first + c]
            of_run[:] = 0


__all__ = ["add_up", "kernel_gradient", "send_back"]
