"""The compiled loops of activations, in pieces that threads share. Importing this module imports Numba."""

from __future__ import annotations

from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.typing import Array


@compiled
def relu_gradient(board: Board, cut: Cut, dy: Array, z: Array, dz: Array, start: int, stop: int) -> None:
    """Write dz = dy (z > 0), of three rows of numbers."""
    if start < 0:
        share(board, cut, this(relu_gradient, (board, cut, dy, z, dz)))
        return
    one, zero = dy.dtype.type(1), dy.dtype.type(0)
    few, of, to = dy[start:stop], z[start:stop], dz[start:stop]
    for i in range(few.size):
        # A product, as in the formula: what is no number in dy, or infinite, is to be seen in dz everywhere.
        to[i] = few[i] * (one if of[i] > 0 else zero)
