"""Pooling: one number for each window of each channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.layers.layer import Cache, Layer, one_of, pair
from minibatch.layers.window import Window, image_shape, output_positions
from minibatch.typing import Array, IntOrPair


class MaxPooling2D(Layer):
    """The largest value in each window of each channel.

    x (N, H, W, C) to y (N, OH, OW, C). The gradient goes to the entry that was the largest; of several equal
    ones, to the first (row by row), as in TensorFlow.

    Parameters
    ----------
    pool_size : int or (int, int), default (2, 2)
    strides : int or (int, int), optional
        By default the pool size: windows side by side.
    padding : {"valid", "same"}
        "valid" leaves out what does not fill a window.
    name : str, optional

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> mb.layers.MaxPooling2D()(x)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """

    def __init__(
        self,
        pool_size: IntOrPair = (2, 2),
        strides: IntOrPair | None = None,
        padding: str = "valid",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pair("MaxPooling2D", "pool_size", pool_size)
        self.strides = self.pool_size if strides is None else pair("MaxPooling2D", "strides", strides)
        self.padding = one_of("MaxPooling2D", "padding", padding, ("valid", "same"))

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.window = Window(self.pool_size, self.strides, self.padding, (input_shape[0], input_shape[1]))

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        height, width, channels = image_shape(f"layer {self.name!r}", input_shape)
        window = Window(self.pool_size, self.strides, self.padding, (height, width))
        return (*output_positions(f"layer {self.name!r}", window), channels)

    def _entries(self) -> list[tuple[int, int]]:
        """Return the entries (i, j) of the window, row by row."""
        return [(i, j) for i in range(self.pool_size[0]) for j in range(self.pool_size[1])]

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        # The largest over the window's entries, one whole image of entries at a time: h * w passes over
        # contiguous channels beat one pass over a six-axis view.
        padded = self.window.pad(x, value=-np.inf)
        first, *rest = self._entries()
        y = self.window.seen_from(padded, *first).copy()
        for i, j in rest:
            np.maximum(y, self.window.seen_from(padded, i, j), out=y)
        return y, (padded, y)

    def backward(self, dy: Array, cache: Cache) -> Array:
        padded, y = cache
        dx = np.zeros_like(padded)
        waiting = np.ones(y.shape, dtype=bool)
        for i, j in self._entries():
            here = waiting & (self.window.seen_from(padded, i, j) == y)
            self.window.seen_from(dx, i, j)[...] += dy * here
            waiting &= ~here
        return self.window.crop(dx)
