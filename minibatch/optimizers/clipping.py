"""Clipping: a gradient that is long is made shorter before the step (Pascanu, Mikolov and Bengio 2013)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minibatch.typing import Array

#: How many squares are summed in the gradient's float type; such sums are then added up in float64. So the norm of
#: a long vector keeps its digits, and is the same whatever the number of threads.
CHUNK = 8192


def norm(pieces: Iterable[Array]) -> float:
    """Return the Euclidean length of the vector that the pieces make up.

    >>> norm([np.array([3.0]), np.array([0.0, 4.0])])
    5.0
    """
    chunks = (piece[start : start + CHUNK] for piece in pieces for start in range(0, piece.size, CHUNK))
    return math.sqrt(sum(float(np.dot(chunk, chunk)) for chunk in chunks))


def weight_scale(length: float, most: float) -> float:
    """Return c / max(|g|, c): the factor that makes one weight's gradient no longer than c (``clipnorm``).

    >>> weight_scale(5.0, 1.0), weight_scale(0.5, 1.0)
    (0.2, 1.0)
    """
    return most / max(length, most)


def global_scale(length: float, most: float) -> float:
    """Return c / max(|g|, c) for all gradients as one vector (``global_clipnorm``; algorithm 1 of the paper).

    It is NaN if the length is not finite, as in Keras, so that an overflow shows and is not hidden by a zero.
    """
    return weight_scale(length, most) if math.isfinite(length) else math.nan
