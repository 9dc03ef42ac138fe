"""Layers that change the shape of a sample and none of its numbers."""

from __future__ import annotations

import math

from minibatch.layers.layer import Cache, Layer
from minibatch.typing import Array


class Flatten(Layer):
    """Each sample as one row: (N, ...) to (N, I), I the product of the rest.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Flatten()(np.zeros((5, 8, 8, 3))).shape
    (5, 192)
    """

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(input_shape),)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        return x.reshape(len(x), -1), x.shape

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy.reshape(cache)
