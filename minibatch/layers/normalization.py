"""Normalization: numbers brought to mean 0 and variance 1, over the batch or within each sample."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minibatch import initializers, regularizers
from minibatch.layers.layer import Cache, Layer
from minibatch.typing import Array

Axes = tuple[int, ...]


def summed(a: Array, axes: Axes) -> Array:
    """Return the sum over some axes, which stay with length 1."""
    total: Array
    if axes != tuple(range(a.ndim - 1)):
        total = a.sum(axis=axes, keepdims=True)
        return total
    # Down the rows: a product with ones takes a twentieth of the time of adding row by row, and rounds less.
    rows = a.reshape(-1, a.shape[-1])
    total = (np.ones(len(rows), dtype=a.dtype) @ rows).reshape(*(1 for _ in axes), -1)
    return total


def moments(x: Array, axes: Axes) -> tuple[Array, Array]:
    """Return (mean, variance) over some axes, which stay with length 1. The variance divides by the count."""
    count = int(np.prod([x.shape[axis] for axis in axes]))
    mean = summed(x, axes) / count
    return mean, summed(np.square(x - mean), axes) / count


def standardized_backward(dxhat: Array, xhat: Array, inverse: Array, axes: Axes) -> Array:
    """Return dx for xhat = (x - mean) inverse, with x's own mean, inverse = (variance of x + epsilon)^(-1/2).

    Ioffe and Szegedy 2015, section 3, with its six lines put into one: dx = inverse (dxhat - a - xhat b), where
    a = mean(dxhat) and b = mean(dxhat xhat). Moving all of x moves its mean alike, and stretching x its variance:
    a and b are the parts of dxhat that so have no effect.
    """
    count = int(np.prod([xhat.shape[axis] for axis in axes]))
    dx: Array = (dxhat - summed(dxhat, axes) / count - xhat * (summed(dxhat * xhat, axes) / count)) * inverse
    return dx


class Normalizing(Layer):
    """y = gamma xhat + beta, with gamma and beta learned: what the two normalizations share."""

    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {"beta_constraint": (), "gamma_constraint": ()}

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)

    def add_gamma_and_beta(self, shape: tuple[int, ...], along: tuple[int, ...]) -> None:
        """Make gamma and beta; ``along`` is their shape as a sample's, with 1 where entries share one."""
        self.along = along
        if self.scale:
            gamma = ("gamma", shape, self.gamma_initializer)
            self.gamma = self.add_weight(*gamma, regularizer=self.gamma_regularizer)
        if self.center:
            self.beta = self.add_weight("beta", shape, self.beta_initializer, regularizer=self.beta_regularizer)

    def scaled(self, xhat: Array) -> Array:
        """Return y = gamma xhat + beta."""
        y = xhat * self.gamma.value.reshape(self.along) if self.scale else xhat
        return y + self.beta.value.reshape(self.along) if self.center else y

    def scaled_backward(self, dy: Array, xhat: Array) -> Array:
        """Write the gradients of gamma and beta; return dxhat."""
        shared = (0, *(axis for axis, extent in enumerate(self.along, start=1) if extent == 1))
        if self.scale:
            self.gamma.gradient[...] = summed(dy * xhat, shared).reshape(self.gamma.shape)
        if self.center:
            self.beta.gradient[...] = summed(dy, shared).reshape(self.beta.shape)
        return dy * self.gamma.value.reshape(self.along) if self.scale else dy

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array]:
        # The sums of scaled_backward, but for the one over samples.
        xhat = cache[0]
        shared = tuple(axis for axis, extent in enumerate(self.along, start=1) if extent == 1)
        gradients = []
        if self.scale:
            gradients.append(summed(dy * xhat, shared).reshape(len(dy), *self.gamma.shape))
        if self.center:
            gradients.append(summed(dy, shared).reshape(len(dy), *self.beta.shape))
        return gradients


class BatchNormalization(Normalizing):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, each channel by itself.

    Ioffe and Szegedy 2015, algorithms 1 and 2.

    Axes: N samples, C channels (the last axis). x (N, ..., C), gamma, beta, moving_mean, moving_variance (C,).
    In training mean and variance are the batch's, over all axes but the last, so samples meet: what one does
    to the loss depends on the others, and the noise on the batch size. Each such pass moves the moving averages:
    moving = momentum moving + (1 - momentum) batch's; they take over outside training, and in a layer whose
    ``trainable`` is False. The variance is divided by the count and not by one less, as in Keras; so a batch of one
    sample (1, C) comes out as beta.

    Parameters
    ----------
    axis : int, default -1
        The channels; only the last axis.
    momentum : float, default 0.99
        How much of the moving averages stays from one batch to the next.
    epsilon : float, default 1e-3
        Keeps the division away from zero.
    center, scale : bool, default True
        Whether there is a beta; a gamma.
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer : str or Initializer
        Zeros, ones, zeros and ones, as in Keras.
    beta_regularizer, gamma_regularizer : str, Regularizer or None
    name : str, optional

    Raises
    ------
    ValueError
        If ``axis`` is not the last one.

    Examples
    --------
    >>> import minibatch as mb
    >>> layer = mb.layers.BatchNormalization(epsilon=0)
    >>> layer([[1.0, 10.0], [3.0, 30.0]], training=True)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> layer.moving_mean.numpy().round(3)  # 0.99 times 0, and 0.01 times the batch's mean
    array([0.02, 0.2 ], dtype=float32)
    """

    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {
        **Normalizing.keras_only,
        "renorm": (False,),
        "renorm_clipping": (),
        "renorm_momentum": (0.99,),
        "synchronized": (False,),
    }

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **kwargs,
        )
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape or self.axis not in (-1, len(input_shape)):
            raise ValueError(
                f"layer {self.name!r}: BatchNormalization here normalizes the last axis, axis=-1, of samples "
                f"(..., C); got axis={self.axis} for samples of shape {input_shape}."
            )
        return input_shape

    def build(self, input_shape: tuple[int, ...]) -> None:
        channels = input_shape[-1:]
        self.add_gamma_and_beta(channels, (*(1 for _ in input_shape[:-1]), *channels))
        moving_variance = ("moving_variance", channels, self.moving_variance_initializer)
        self.moving_mean = self.add_weight("moving_mean", channels, self.moving_mean_initializer, trainable=False)
        self.moving_variance = self.add_weight(*moving_variance, trainable=False)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        of_batch = training and self.trainable
        if of_batch:
            mean, variance = moments(x, tuple(range(x.ndim - 1)))
            for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.value *= self.momentum
                moving.value += (1 - self.momentum) * now.reshape(-1)
        else:
            mean, variance = self.moving_mean.value, self.moving_variance.value
        inverse = 1 / np.sqrt(variance + self.epsilon)
        xhat = (x - mean) * inverse
        return self.scaled(xhat), (xhat, inverse, of_batch)

    def backward(self, dy: Array, cache: Cache) -> Array:
        xhat, inverse, of_batch = cache
        dxhat = self.scaled_backward(dy, xhat)
        if of_batch:
            return standardized_backward(dxhat, xhat, inverse, tuple(range(xhat.ndim - 1)))
        dx: Array = dxhat * inverse
        return dx

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array]:
        if cache[2]:
            raise TypeError(
                f"layer {self.name!r} (BatchNormalization): in training its samples meet in the mean and the "
                "variance of the batch, so no sample has a gradient of its own; in inference mode they do."
            )
        return super().per_sample_gradients(dy, cache)


class LayerNormalization(Normalizing):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, each sample by itself.

    Ba, Kiros and Hinton 2016, eq. 4. x (N, ...); mean and variance are over ``axis`` of one sample (of each
    position of it, if there are other axes); gamma and beta have the shape of those axes. Samples do not meet:
    training and inference are alike.

    Parameters
    ----------
    axis : int or sequence of int, default -1
        Counted with the batch axis, as in Keras: 1 is the first axis of a sample.
    epsilon : float, default 1e-3
    center, scale : bool, default True
        Whether there is a beta; a gamma.
    beta_initializer, gamma_initializer : str or Initializer
        Zeros and ones, as in Keras.
    beta_regularizer, gamma_regularizer : str, Regularizer or None
    name : str, optional

    Raises
    ------
    TypeError
        If ``axis`` is not an integer or several.
    ValueError
        If samples have no such axis.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.LayerNormalization(epsilon=0)([[1.0, 3.0], [10.0, 20.0]])
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {**Normalizing.keras_only, "rms_scaling": (False,)}

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **kwargs,
        )
        axes = axis if isinstance(axis, list | tuple) else [axis]
        if not axes or any(isinstance(a, bool) or not isinstance(a, int | np.integer) for a in axes):
            raise TypeError(f"LayerNormalization: axis must be an integer or a list of them; got {axis!r}.")
        self.axis = [int(a) for a in axes] if isinstance(axis, list | tuple) else int(axis)

    def _axes(self, input_shape: tuple[int, ...]) -> Axes:
        """Return the axes of a batch to be normalized, each from 1 on, in order."""
        given = self.axis if isinstance(self.axis, list) else [self.axis]
        ndim = len(input_shape) + 1
        axes = {a + ndim if a < 0 else a for a in given}
        if len(axes) < len(given) or not axes <= set(range(1, ndim)):
            raise ValueError(
                f"layer {self.name!r}: axis must name axes of a sample, once each, of 1 to {ndim - 1} or -1 to "
                f"{1 - ndim}, for samples of shape {input_shape}; got {self.axis}."
            )
        return tuple(sorted(axes))

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self._axes(input_shape)
        return input_shape

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.axes = self._axes(input_shape)
        # Keras sorts the axes as they were given, so that of [1, -1] the last axis comes first in gamma's shape.
        given = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]
        shape = tuple((0, *input_shape)[axis] for axis in given)
        along = tuple(n if axis in self.axes else 1 for axis, n in enumerate(input_shape, start=1))
        self.add_gamma_and_beta(shape, along)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        mean, variance = moments(x, self.axes)
        inverse = 1 / np.sqrt(variance + self.epsilon)
        xhat = (x - mean) * inverse
        return self.scaled(xhat), (xhat, inverse)

    def backward(self, dy: Array, cache: Cache) -> Array:
        xhat, inverse = cache
        return standardized_backward(self.scaled_backward(dy, xhat), xhat, inverse, self.axes)
