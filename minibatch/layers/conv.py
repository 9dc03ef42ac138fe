"""Convolution of images: the same small dense layer at every position."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch import initializers, regularizers
from minibatch.layers.layer import ActivatedLayer, Cache, one_of, pair, positive
from minibatch.layers.window import Window, image_shape, output_positions
from minibatch.typing import Array, IntOrPair


class Conv2D(ActivatedLayer):
    """y = f(patches(x) W + b), a patch of the image at a time.

    Axes: N samples, H height, W width, C channels in, F filters; h, w the kernel's; OH, OW positions.
    x (N, H, W, C), kernel (h, w, C, F), bias (F,), y (N, OH, OW, F). Like every deep-learning library's it is a
    cross-correlation: the kernel is not flipped.

    Parameters
    ----------
    filters : int
        F.
    kernel_size : int or (int, int)
        (h, w).
    strides : int or (int, int), default (1, 1)
    padding : {"valid", "same"}
    activation, use_bias, kernel_initializer, bias_initializer, name
        As for ``Dense``.

    Raises
    ------
    ValueError
        For sizes that are not positive integers, samples that are not images, and windows that do not fit.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> layer = mb.layers.Conv2D(4, 3, padding="same")
    >>> layer(np.zeros((2, 8, 8, 1))).shape
    (2, 8, 8, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: IntOrPair,
        strides: IntOrPair = (1, 1),
        padding: str = "valid",
        *,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, **kwargs)
        self.filters = positive("Conv2D", "filters", filters)
        self.kernel_size = pair("Conv2D", "kernel_size", kernel_size)
        self.strides = pair("Conv2D", "strides", strides)
        self.padding = one_of("Conv2D", "padding", padding, ("valid", "same"))
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def build(self, input_shape: tuple[int, ...]) -> None:
        channels = input_shape[-1]
        self.window = Window(self.kernel_size, self.strides, self.padding, (input_shape[0], input_shape[1]))
        self.kernel = self.add_weight(
            "kernel", (*self.kernel_size, channels, self.filters), self.kernel_initializer
        )
        if self.use_bias:
            self.bias = self.add_weight("bias", (self.filters,), self.bias_initializer)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        height, width, _ = image_shape(f"layer {self.name!r}", input_shape)
        window = Window(self.kernel_size, self.strides, self.padding, (height, width))
        return (*output_positions(f"layer {self.name!r}", window), self.filters)

    def _patches(self, x: Array) -> Array:
        """Return the patches of x as rows: (N, OH * OW, h * w * C)."""
        patches = self.window.patches(self.window.pad(x))
        n, oh, ow = patches.shape[:3]
        return patches.reshape(n, oh * ow, -1)

    def linear(self, x: Array, training: bool) -> tuple[Array, Cache]:
        W = self.kernel.value.reshape(-1, self.filters)
        z = self._patches(x).reshape(-1, len(W)) @ W
        if self.use_bias:
            z += self.bias.value
        return z.reshape(len(x), *self.window.positions, self.filters), x

    def linear_backward(self, dz: Array, cache: Cache) -> Array:
        # The patches are made again: they are h * w times the size of x, and making them costs less than
        # keeping them.
        x = cache
        d = dz.reshape(-1, self.filters)
        A = self._patches(x).reshape(len(d), -1)
        np.matmul(A.T, d, out=self.kernel.gradient.reshape(-1, self.filters))
        if self.use_bias:
            d.sum(axis=0, out=self.bias.gradient)
        return self._input_gradient(dz)

    def _input_gradient(self, dz: Array) -> Array:
        """Return dx: each kernel entry (i, j) sends dz back to the pixels that it saw."""
        window = self.window
        (top, bottom), (left, right) = window.pads
        (height, width), channels = window.image, self.kernel.shape[2]
        dx = np.zeros((len(dz), height + top + bottom, width + left + right, channels), dtype=dz.dtype)
        for i in range(self.kernel_size[0]):
            for j in range(self.kernel_size[1]):
                window.seen_from(dx, i, j)[...] += dz @ self.kernel.value[i, j].T
        return window.crop(dx)

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array]:
        # g_i = A_i' D_i: the dense rule, summed over positions.
        x = cache
        D = dy.reshape(len(dy), -1, self.filters)
        kernel = self._patches(x).transpose(0, 2, 1) @ D
        kernel = kernel.reshape(len(dy), *self.kernel.shape)
        return [kernel, D.sum(axis=1)] if self.use_bias else [kernel]
