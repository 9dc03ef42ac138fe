"""A model's parameters as one vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minibatch import config
from minibatch.layers import Weight
from minibatch.typing import Array


class Parameters:
    """The vector theta of a model, and its gradient laid out alike.

    The weights' numbers are copied in, one weight after the other; from then on each weight's ``value`` and
    ``gradient`` are views of these two vectors. So a gradient is a point that can be projected, compared and
    drawn, an optimizer is a few operations on vectors, and a checkpoint is one array.

    Parameters
    ----------
    weights : sequence of Weight

    Attributes
    ----------
    theta, gradient : ndarray, shape (D,)
    slices : dict of Weight to slice
        Where each weight lies.
    """

    def __init__(self, weights: Sequence[Weight]) -> None:
        dtype = weights[0].value.dtype if weights else config.floatx()
        size = sum(weight.value.size for weight in weights)
        self.theta: Array = np.empty(size, dtype=dtype)
        self.gradient: Array = np.zeros(size, dtype=dtype)
        self.slices: dict[Weight, slice] = {}
        start = 0
        for weight in weights:
            piece = slice(start, start + weight.value.size)
            self.theta[piece] = weight.value.reshape(-1)
            weight.value = self.theta[piece].reshape(weight.shape)
            weight.gradient = self.gradient[piece].reshape(weight.shape)
            self.slices[weight] = piece
            start = piece.stop
