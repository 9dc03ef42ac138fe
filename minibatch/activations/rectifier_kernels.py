"""The compiled loops of activations, in pieces that threads share. Importing this module imports Numba."""

from __future__ import annotations

from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.typing import Array


@compiled
def above(board: Board, cut: Cut, dy: Array, z: Array, least: float, dz: Array, start: int, stop: int) -> None:
    """Write dz = dy (z > least), of three rows of numbers: the gradient of ReLU, where ``least`` is 0."""
    if start < 0:
        share(board, cut, this(above, (board, cut, dy, z, least, dz)))
        return
    one, zero = dy.dtype.type(1), dy.dtype.type(0)
    few, of, to = dy[start:stop], z[start:stop], dz[start:stop]
    for i in range(few.size):
        # A product, as in the formula: what is no number in dy, or infinite, is to be seen in dz everywhere.
        to[i] = few[i] * (one if of[i] > least else zero)
