"""The compiled loop of dropout, in pieces that threads share. Importing this module imports Numba.

The formula is in ``dropout``, and the tests hold the two equal bit for bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minibatch.board import Board, Cut, share, this
from minibatch.compiling import compiled
from minibatch.typing import Array

Bools = npt.NDArray[np.bool_]


@compiled
def of_kept(board: Board, cut: Cut, x: Array, kept: Bools, scale: float, y: Array, start: int, stop: int) -> None:
    """Write y = x kept scale, of three rows of numbers."""
    if start < 0:
        share(board, cut, this(of_kept, (board, cut, x, kept, scale, y)))
        return
    one, zero = x.dtype.type(1), x.dtype.type(0)
    few, these, to = x[start:stop], kept[start:stop], y[start:stop]
    for i in range(len(few)):
        to[i] = few[i] * (one if these[i] else zero) * scale
