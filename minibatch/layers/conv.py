"""Convolution of sequences and images: the same small dense layer at every position."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minibatch import initializers, regularizers
from minibatch.layers.activated import ActivatedLayer
from minibatch.layers.correlation import correlate, input_gradient, kernel_gradient, kernel_gradient_of_each
from minibatch.layers.layer import Cache, one_of, positive
from minibatch.layers.outer import Outer
from minibatch.layers.product import sum_of_rows
from minibatch.layers.weight import Weight
from minibatch.layers.window import Window, channels_last, integers, window_over
from minibatch.typing import Array, IntOrPair


class Convolution(ActivatedLayer):
    """What every convolution has: a window that slides, and a bias.

    Subclasses add their kernels. ``rank`` 1 is for sequences (N, L, C), 2 for images (N, H, W, C); inside, a
    sequence is an image one pixel high.
    """

    rank: ClassVar[int] = 2
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    window: Window
    bias: Weight | None

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, **kwargs)
        kind = type(self).__name__
        self.kernel_size = integers(kind, "kernel_size", kernel_size, self.rank)
        self.strides = integers(kind, "strides", strides, self.rank)
        self.padding = one_of(kind, "padding", padding, self.paddings)
        self.data_format = channels_last(kind, data_format)
        self.dilation_rate = integers(kind, "dilation_rate", dilation_rate, self.rank)
        self.use_bias = use_bias
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def window_over(self, input_shape: tuple[int, ...]) -> Window:
        """Return the window over samples of this shape, or raise a ValueError where it does not fit."""
        layer = f"layer {self.name!r}"
        return window_over(layer, input_shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def add_bias(self, filters: int) -> Weight | None:
        """Make the bias, one number for each filter, if there is to be one."""
        if not self.use_bias:
            return None
        return self.add_weight((filters,), self.bias_initializer, regularizer=self.bias_regularizer, name="bias")

    def as_images(self, x: Array) -> Array:
        """Return a batch of samples as (N, H, W, C)."""
        return x.reshape(len(x), *self.window.image, x.shape[-1])

    def as_maps(self, dz: Array) -> Array:
        """Return the output's gradient as (N, OH, OW, F)."""
        return dz.reshape(len(dz), *self.window.positions, dz.shape[-1])

    def with_bias(self, z: Array) -> Array:
        """Add the bias to the images z, in place; return them in the shape of the output."""
        if self.bias is not None:
            z += self.bias.value
        return self.as_output(z)

    def as_output(self, z: Array) -> Array:
        """Return the images z in the shape of the output: without the one row of a sequence."""
        return z.reshape(len(z), *self.window.positions[2 - self.rank :], z.shape[-1])

    def bias_backward(self, dz: Array) -> None:
        """Write the bias's gradient."""
        if self.bias is not None:
            sum_of_rows(dz.reshape(-1, dz.shape[-1]), out=self.bias.gradient)

    def bias_gradient_of_each(self, dz: Array) -> list[Array]:
        """Return [the bias's gradient for each sample alone, (N, F)], or [] without a bias."""
        return [] if self.bias is None else [dz.reshape(len(dz), -1, dz.shape[-1]).sum(axis=1)]


class Conv(Convolution):
    """y = f(patches(x) W + b): what ``Conv1D`` and ``Conv2D`` share.

    With ``groups`` G it is G convolutions side by side, each from its own C / G channels to its own F / G filters.
    """

    owns_z = has_floor = True

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        groups: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        **kwargs: Any,
    ) -> None:
        geometry = (kernel_size, strides, padding, data_format, dilation_rate)
        super().__init__(*geometry, activation, use_bias, bias_initializer, bias_regularizer, **kwargs)
        kind = type(self).__name__
        self.filters, self.groups = positive(kind, "filters", filters), positive(kind, "groups", groups)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        if self.filters % self.groups:
            raise ValueError(f"{kind}: filters must be a multiple of groups; got {filters} and {groups}.")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{kind}: strides and dilation_rate cannot both be above 1; got {strides} and {dilation_rate}."
            )

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.window = self.window_over(input_shape)
        W = ((*self.kernel_size, input_shape[-1] // self.groups, self.filters), self.kernel_initializer)
        self.kernel = self.add_weight(*W, regularizer=self.kernel_regularizer, name="kernel")
        self.bias = self.add_bias(self.filters)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        positions = self.window_over(input_shape).positions
        if input_shape[-1] % self.groups:
            raise ValueError(
                f"layer {self.name!r}: the channels must be a multiple of groups={self.groups}; "
                f"got {input_shape[-1]} in samples of shape {input_shape}."
            )
        return (*positions[2 - self.rank :], self.filters)

    def linear(self, x: Array, training: bool) -> tuple[Array, Cache]:
        return self.linear_above(x, None)

    def linear_above(self, x: Array, least: float | None) -> tuple[Array, Cache]:
        images, W, window = self.as_images(x), self._kernel(), self.window
        bias = None if self.bias is None else self.bias.value
        z = _beside(
            [
                correlate(images[..., c], W[..., f], window, None if bias is None else bias[f], least)
                for c, f in self._groups()
            ]
        )
        return self.as_output(z), x

    def linear_backward(self, dz: Array, cache: Cache) -> Array:
        return self.backward_above(dz, cache, None)

    def backward_above(self, dy: Array, cache: Cache, least: float | None) -> Array:
        self.weights_backward(dy, cache)
        images, maps, W = self.as_images(cache), self.as_maps(dy), self._kernel()
        dx = []
        for c, f in self._groups():
            seen = () if least is None else (images[..., c], least)
            dx.append(input_gradient(maps[..., f], W[..., f], self.window, *seen))
        return _beside(dx).reshape(cache.shape)

    def weights_backward(self, dy: Array, cache: Cache) -> None:
        images, maps = self.as_images(cache), self.as_maps(dy)
        # Errors are added up where they are read for the kernel, unless somebody has another way of doing that.
        own = getattr(self.bias_backward, "__func__", None) is not Convolution.bias_backward
        parts = []
        for c, f in self._groups():
            db = None if self.bias is None or own else self.bias.gradient[f]
            parts.append(kernel_gradient(images[..., c], maps[..., f], self.window, db))
        self.kernel.gradient[...] = _beside(parts).reshape(self.kernel.shape)
        if own:
            self.bias_backward(dy)

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array | Outer]:
        images, maps, window = self.as_images(cache), self.as_maps(dy), self.window
        N, P, F = len(dy), math.prod(window.positions), self.filters
        I = math.prod(self.kernel.shape[:-1])  # noqa: E741 - the maths' letter
        if self.groups == 1 and P * (I + F) < I * F:
            # Few positions, many filters: the patches and the maps' gradients are less than their products.
            A = window.patches(window.pad(images)).reshape(N, P, I)
            return [Outer(A, maps.reshape(N, P, F), self.kernel.shape), *self.bias_gradient_of_each(dy)]
        dW = _beside([kernel_gradient_of_each(images[..., c], maps[..., f], window) for c, f in self._groups()])
        return [dW.reshape(len(dy), *self.kernel.shape), *self.bias_gradient_of_each(dy)]

    def _kernel(self) -> Array:
        """Return the kernel as (h, w, C / G, F)."""
        return self.kernel.value.reshape(*self.window.size, *self.kernel.shape[-2:])

    def _groups(self) -> list[tuple[slice, slice]]:
        """Return, for each group, its channels and its filters."""
        channels, filters = self.kernel.shape[-2], self.filters // self.groups
        return [
            (slice(g * channels, (g + 1) * channels), slice(g * filters, (g + 1) * filters))
            for g in range(self.groups)
        ]


class Conv1D(Conv):
    """y = f(patches(x) W + b): the same dense layer at every step of a sequence.

    Axes: N samples, L steps, C channels in, F filters; k the kernel's steps; OL positions. x (N, L, C), kernel
    (k, C / groups, F), bias (F,), y (N, OL, F). The kernel is not flipped.

    Parameters
    ----------
    filters : int
        F.
    kernel_size : int
        k.
    strides : int, default 1
    padding : {"valid", "same", "causal"}
        "valid": OL = floor((L - reach) / s) + 1, where reach = (k - 1) dilation_rate + 1. "same": OL = ceil(L / s),
        zeros on both sides. "causal": OL = ceil(L / s), zeros before the sequence only, so that output t depends on
        the steps up to t.
    data_format : {"channels_last"}, optional
    dilation_rate : int, default 1
        The distance between the steps that the kernel sees.
    groups : int, default 1
        Splits the channels and the filters into so many convolutions side by side.
    activation : str, Activation or None
        f; None is the identity.
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        Glorot uniform and zeros.
    kernel_regularizer, bias_regularizer : str, Regularizer or None
        Penalties added to the loss.
    name : str, optional

    Raises
    ------
    ValueError
        For sizes that are not positive integers, filters or channels that ``groups`` does not divide, strides
        together with a dilation, samples that are not (L, C), and windows that do not fit.

    Examples
    --------
    A running difference that never looks ahead:

    >>> import minibatch as mb
    >>> layer = mb.layers.Conv1D(1, 2, padding="causal")
    >>> layer.ensure_built((4, 1))
    (4, 1)
    >>> layer.set_weights([[[[-1.0]], [[1.0]]], [0.0]])
    >>> layer([[[1.0], [2.0], [4.0], [8.0]]]).ravel()
    array([1., 1., 2., 4.], dtype=float32)
    """

    rank = 1
    paddings = ("valid", "same", "causal")

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int],
        strides: int | tuple[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int] = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        geometry = (kernel_size, strides, padding, data_format, dilation_rate, groups)
        makers = (kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer)
        super().__init__(filters, *geometry, activation, use_bias, *makers, **kwargs)


class Conv2D(Conv):
    """y = f(patches(x) W + b): the same dense layer at every position of an image.

    Axes: N samples, H height, W width, C channels in, F filters; h, w the kernel's; OH, OW positions.
    x (N, H, W, C), kernel (h, w, C / groups, F), bias (F,), y (N, OH, OW, F). Like every deep-learning library's
    it is a cross-correlation: the kernel is not flipped.

    Parameters
    ----------
    filters : int
        F.
    kernel_size : int or (int, int)
        (h, w).
    strides : int or (int, int), default (1, 1)
    padding : {"valid", "same"}
        "valid": OH = floor((H - reach) / s) + 1, where reach = (h - 1) dilation_rate + 1. "same": OH = ceil(H / s),
        with zeros around; of an odd number of rows or columns the extra one is below, or right.
    data_format, groups, activation, use_bias, name
        As for ``Conv1D``; likewise the initializers and regularizers.
    dilation_rate : int or (int, int), default (1, 1)
        The distance between the pixels that the kernel sees.

    Raises
    ------
    ValueError
        As for ``Conv1D``; samples must be images (H, W, C).

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
        data_format: str | None = None,
        dilation_rate: IntOrPair = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        geometry = (kernel_size, strides, padding, data_format, dilation_rate, groups)
        makers = (kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer)
        super().__init__(filters, *geometry, activation, use_bias, *makers, **kwargs)


def _beside(parts: list[Array]) -> Array:
    """Return the groups' parts as one array, beside each other on the last axis."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


#: Keras's other names for the same.
Convolution1D, Convolution2D = Conv1D, Conv2D
