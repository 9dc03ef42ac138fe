"""Batch normalization: each channel brought to mean 0 and variance 1; and what layer normalization shares."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minibatch import initializers, passes, regularizers
from minibatch.layers import channels
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
    if axes == tuple(range(x.ndim - 1)) and passes.take(x):
        of_channels = channels.moments(x)
        return of_channels[0].reshape(*(1 for _ in axes), -1), of_channels[1].reshape(*(1 for _ in axes), -1)
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

    def xhat(self, cache: Cache) -> Array:
        """Return xhat of a forward pass."""
        raise TypeError(f"{type(self).__name__} must define xhat(cache).")

    def add_gamma_and_beta(self, shape: tuple[int, ...], along: tuple[int, ...]) -> None:
        """Make gamma and beta; ``along`` is their shape as a sample's, with 1 where entries share one."""
        self.along = along
        if self.scale:
            gamma = (shape, self.gamma_initializer)
            self.gamma = self.add_weight(*gamma, regularizer=self.gamma_regularizer, name="gamma")
        if self.center:
            beta = (shape, self.beta_initializer)
            self.beta = self.add_weight(*beta, regularizer=self.beta_regularizer, name="beta")

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
        xhat = self.xhat(cache)
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
        mean, variance = (channels, self.moving_mean_initializer), (channels, self.moving_variance_initializer)
        self.moving_mean = self.add_weight(*mean, trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(*variance, trainable=False, name="moving_variance")

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
        cache = x, mean, inverse, of_batch
        if passes.take(x):
            return channels.normalized(x, mean, inverse, *self._gamma_and_beta(inverse)), cache
        return self.scaled(self.xhat(cache)), cache

    def xhat(self, cache: Cache) -> Array:
        x, mean, inverse, _ = cache
        xhat: Array = (x - mean) * inverse
        return xhat

    def backward(self, dy: Array, cache: Cache) -> Array:
        x, mean, inverse, of_batch = cache
        if of_batch and passes.take(dy, x):
            return self._backward_in_passes(dy, x, mean, inverse)
        xhat = self.xhat(cache)
        dxhat = self.scaled_backward(dy, xhat)
        if of_batch:
            return standardized_backward(dxhat, xhat, inverse, tuple(range(xhat.ndim - 1)))
        dx: Array = dxhat * inverse
        return dx

    def _backward_in_passes(self, dy: Array, x: Array, mean: Array, inverse: Array) -> Array:
        """Write the gradients of gamma and beta and return dx: ``standardized_backward`` for dxhat = dy gamma."""
        of_beta, of_gamma = channels.gradients(dy, x, mean, inverse)
        if self.scale:
            self.gamma.gradient[...] = of_gamma
        if self.center:
            self.beta.gradient[...] = of_beta
        gamma, count = self._gamma_and_beta(inverse)[0], x.size // x.shape[-1]
        return channels.backward(dy, x, mean, inverse, gamma, gamma * of_beta / count, gamma * of_gamma / count)

    def _gamma_and_beta(self, like: Array) -> tuple[Array, Array]:
        """Return gamma and beta, (C,), or ones and zeros where there are none."""
        flat = like.reshape(-1)
        gamma = self.gamma.value if self.scale else np.ones_like(flat)
        return gamma, self.beta.value if self.center else np.zeros_like(flat)

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array]:
        if cache[-1]:
            raise TypeError(
                f"layer {self.name!r} (BatchNormalization): in training its samples meet in the mean and the "
                "variance of the batch, so no sample has a gradient of its own; in inference mode they do."
            )
        return super().per_sample_gradients(dy, cache)
