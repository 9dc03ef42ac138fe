"""Layer normalization: each sample brought to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minibatch.layers.layer import Cache
from minibatch.layers.normalization import Axes, Normalizing, moments, standardized_backward
from minibatch.typing import Array


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

    def xhat(self, cache: Cache) -> Array:
        xhat: Array = cache[0]
        return xhat

    def backward(self, dy: Array, cache: Cache) -> Array:
        xhat, inverse = cache
        return standardized_backward(self.scaled_backward(dy, xhat), xhat, inverse, self.axes)
