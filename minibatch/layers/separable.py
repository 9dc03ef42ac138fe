"""Convolutions in which the channels do not meet, or meet only afterwards."""

from __future__ import annotations

from typing import Any, ClassVar

from minibatch import initializers, regularizers
from minibatch.layers.conv import Convolution
from minibatch.layers.depthwise import (
    depthwise,
    depthwise_input_gradient,
    depthwise_kernel_gradient,
    depthwise_kernel_gradient_of_each,
)
from minibatch.layers.layer import Cache, positive
from minibatch.layers.product import affine, product
from minibatch.typing import Array, IntOrPair


class DepthwiseConv2D(Convolution):
    """Each channel convolved by kernels of its own; channels never meet.

    Axes: N samples, H height, W width, C channels, M the ``depth_multiplier``; h, w the kernel's; OH, OW positions.
    x (N, H, W, C), kernel (h, w, C, M), bias (C M,), y (N, OH, OW, C M): channel c makes the outputs c M to
    c M + M - 1.

    Parameters
    ----------
    kernel_size : int or (int, int)
        (h, w).
    strides : int or (int, int), default (1, 1)
        May differ by axis, and be above 1 together with ``dilation_rate``.
    padding : {"valid", "same"}
    depth_multiplier : int, default 1
        M, the outputs made of one channel.
    data_format, dilation_rate, activation, use_bias, bias_initializer, bias_regularizer, name
        As for ``Conv2D``.
    depthwise_initializer, depthwise_regularizer
        The kernel's.

    Raises
    ------
    ValueError
        For sizes that are not positive integers, samples that are not images, and windows that do not fit.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> layer = mb.layers.DepthwiseConv2D(3, depth_multiplier=2)
    >>> layer(np.zeros((1, 8, 8, 3))).shape, layer.kernel.shape
    ((1, 6, 6, 6), (3, 3, 3, 2))
    """

    owns_z = True
    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {"depthwise_constraint": ()}

    def __init__(
        self,
        kernel_size: IntOrPair,
        strides: IntOrPair = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: IntOrPair = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        geometry = (kernel_size, strides, padding, data_format, dilation_rate)
        super().__init__(*geometry, activation, use_bias, bias_initializer, bias_regularizer, **kwargs)
        self.depth_multiplier = positive(type(self).__name__, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.window = self.window_over(input_shape)
        shape = (*self.kernel_size, input_shape[-1], self.depth_multiplier)
        regularizer = self.depthwise_regularizer
        self.kernel = self.add_weight(shape, self.depthwise_initializer, regularizer=regularizer, name="kernel")
        self.bias = self.add_bias(input_shape[-1] * self.depth_multiplier)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*self.window_over(input_shape).positions, input_shape[-1] * self.depth_multiplier)

    def linear(self, x: Array, training: bool) -> tuple[Array, Cache]:
        return self.with_bias(depthwise(x, self.kernel.value, self.window)), x

    def linear_backward(self, dz: Array, cache: Cache) -> Array:
        self.weights_backward(dz, cache)
        return depthwise_input_gradient(dz, self.kernel.value, self.window)

    def weights_backward(self, dy: Array, cache: Cache) -> None:
        x, dz = cache, dy
        self.kernel.gradient[...] = depthwise_kernel_gradient(x, dz, self.window)
        self.bias_backward(dz)

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array]:
        x = cache
        return [depthwise_kernel_gradient_of_each(x, dy, self.window), *self.bias_gradient_of_each(dy)]


class SeparableConv2D(Convolution):
    """A depthwise convolution, then a dense layer over the channels at each position.

    Axes as for ``DepthwiseConv2D``, and F filters. x (N, H, W, C), depthwise kernel (h, w, C, M), pointwise kernel
    (1, 1, C M, F), bias (F,), y (N, OH, OW, F). With h w C M + C M F weights it does the work for which ``Conv2D``
    takes h w C F.

    Parameters
    ----------
    filters : int
        F.
    kernel_size : int or (int, int)
        (h, w), of the depthwise kernel.
    strides, padding, data_format, dilation_rate, depth_multiplier
        Of the depthwise convolution, as for ``DepthwiseConv2D``.
    activation, use_bias, bias_initializer, bias_regularizer, name
        As for ``Conv2D``.
    depthwise_initializer, pointwise_initializer, depthwise_regularizer, pointwise_regularizer
        The kernels'.

    Raises
    ------
    ValueError
        As for ``DepthwiseConv2D``.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> layer = mb.layers.SeparableConv2D(16, 3)
    >>> layer(np.zeros((1, 8, 8, 8))).shape
    (1, 6, 6, 16)
    >>> [weight.shape for weight in layer.weights]
    [(3, 3, 8, 1), (1, 1, 8, 16), (16,)]
    """

    owns_z = True
    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {"depthwise_constraint": (), "pointwise_constraint": ()}

    def __init__(
        self,
        filters: int,
        kernel_size: IntOrPair,
        strides: IntOrPair = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: IntOrPair = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        geometry = (kernel_size, strides, padding, data_format, dilation_rate)
        super().__init__(*geometry, activation, use_bias, bias_initializer, bias_regularizer, **kwargs)
        self.filters = positive(type(self).__name__, "filters", filters)
        self.depth_multiplier = positive(type(self).__name__, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.window = self.window_over(input_shape)
        channels, M = input_shape[-1], self.depth_multiplier
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, channels, M),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            name="depthwise_kernel",
        )
        self.pointwise_kernel = self.add_weight(
            (1, 1, channels * M, self.filters),
            self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            name="pointwise_kernel",
        )
        self.bias = self.add_bias(self.filters)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*self.window_over(input_shape).positions, self.filters)

    def linear(self, x: Array, training: bool) -> tuple[Array, Cache]:
        a = depthwise(x, self.depthwise_kernel.value, self.window)
        bias = None if self.bias is None else self.bias.value
        z = affine(a.reshape(-1, a.shape[-1]), self.pointwise_kernel.value[0, 0], bias)
        return self.as_output(z.reshape(*a.shape[:3], self.filters)), (x, a)

    def linear_backward(self, dz: Array, cache: Cache) -> Array:
        x, a = cache
        rows, drows = a.reshape(-1, a.shape[-1]), dz.reshape(-1, self.filters)
        product(rows.T, drows, out=self.pointwise_kernel.gradient[0, 0])
        self.bias_backward(dz)
        da = product(drows, self.pointwise_kernel.value[0, 0].T).reshape(a.shape)
        self.depthwise_kernel.gradient[...] = depthwise_kernel_gradient(x, da, self.window)
        return depthwise_input_gradient(da, self.depthwise_kernel.value, self.window)

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array]:
        x, a = cache
        A, D = a.reshape(len(a), -1, a.shape[-1]), dy.reshape(len(dy), -1, self.filters)
        pointwise = (A.transpose(0, 2, 1) @ D)[:, None, None]
        da = dy @ self.pointwise_kernel.value[0, 0].T
        depthwise_kernel = depthwise_kernel_gradient_of_each(x, da, self.window)
        return [depthwise_kernel, pointwise, *self.bias_gradient_of_each(dy)]


#: Keras's other name for the same.
SeparableConvolution2D = SeparableConv2D
