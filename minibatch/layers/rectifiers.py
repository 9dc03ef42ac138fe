"""Rectifiers as layers: activations whose settings are arguments of the layer.

The formulas and their gradients are in ``minibatch.activations``.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minibatch import activations, initializers, regularizers
from minibatch.layers.activation import WithSettings
from minibatch.layers.layer import Cache, Layer
from minibatch.typing import Array
from minibatch.utils.names import old_argument


class ReLU(WithSettings):
    """y = x for threshold < x <= max_value, max_value above, negative_slope (x - threshold) below.

    By default y = max(x, 0). The slopes at the corners are Keras's, but at ``threshold`` itself where
    ``negative_slope`` meets another setting: negative_slope here, 0 there.

    Parameters
    ----------
    max_value : float, optional
        By default there is no upper limit.
    negative_slope, threshold : float, default 0
    name : str, optional

    Raises
    ------
    ValueError
        If one of them is negative.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.ReLU(max_value=2, negative_slope=0.5)([[-1.0, 1.0, 3.0]])
    array([[-0.5,  1. ,  2. ]], dtype=float32)
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if max_value is not None:
            max_value = _not_negative("ReLU", "max_value", max_value)
        negative_slope = _not_negative("ReLU", "negative_slope", negative_slope)
        threshold = _not_negative("ReLU", "threshold", threshold)
        if max_value is None and threshold == 0 and negative_slope:
            # Keras's own case; it differs from the general one by the slope at 0.
            function = activations.leaky_relu.with_settings(negative_slope=negative_slope)
        elif max_value == 6 and threshold == 0 and not negative_slope:
            function = activations.relu6
        else:
            settings = {"negative_slope": negative_slope, "max_value": max_value, "threshold": threshold}
            function = activations.relu.with_settings(**settings)
        super().__init__(function, **kwargs)
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold


class LeakyReLU(WithSettings):
    """y = x for x > 0, negative_slope x below.

    Parameters
    ----------
    negative_slope : float, default 0.3
        Not the default of ``activations.leaky_relu``, which is 0.2: so it is in Keras.
    name : str, optional

    Raises
    ------
    ValueError
        If it is negative.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.LeakyReLU(0.5)([[-2.0, 2.0]])
    array([[-1.,  2.]], dtype=float32)
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = old_argument(self, kwargs, "alpha", "negative_slope", negative_slope)
        negative_slope = _not_negative("LeakyReLU", "negative_slope", negative_slope)
        super().__init__(activations.leaky_relu.with_settings(negative_slope=negative_slope), **kwargs)
        self.negative_slope = negative_slope


class ELU(WithSettings):
    """y = x for x > 0, alpha (exp(x) - 1) below.

    Parameters
    ----------
    alpha : float, default 1
    name : str, optional

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.ELU(0.5)([[-100.0, 2.0]])
    array([[-0.5,  2. ]], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(activations.elu.with_settings(alpha=alpha), **kwargs)
        self.alpha = alpha


class PReLU(Layer):
    """y = x for x > 0, alpha x below, with alpha learned (He et al. 2015, eq. 1).

    x (N, ...), alpha (...), one for each entry of a sample.

    Parameters
    ----------
    alpha_initializer : str or Initializer, default "Zeros"
    alpha_regularizer : str, Regularizer or None
    shared_axes : int or list of int, optional
        Axes along which all entries share one alpha, counted with the batch axis, as in Keras: [1, 2] for one alpha
        per channel of images.
    name : str, optional

    Raises
    ------
    ValueError
        If samples have no such axis.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.PReLU(alpha_initializer="ones")([[-2.0, 2.0]])
    array([[-2.,  2.]], dtype=float32)
    """

    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {"alpha_constraint": ()}

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        *,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        axes = shared_axes if isinstance(shared_axes, list | tuple | None) else [shared_axes]
        self.shared_axes = None if axes is None else [int(axis) for axis in axes]

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        for axis in self.shared_axes or ():
            if not 1 <= axis <= len(input_shape):
                raise ValueError(
                    f"layer {self.name!r}: shared_axes must be of 1 to {len(input_shape)} for samples of shape "
                    f"{input_shape}; got {self.shared_axes}."
                )
        return input_shape

    def build(self, input_shape: tuple[int, ...]) -> None:
        shared = self.shared_axes or ()
        alpha = (
            tuple(1 if axis in shared else n for axis, n in enumerate(input_shape, start=1)),
            self.alpha_initializer,
        )
        self.alpha = self.add_weight(*alpha, regularizer=self.alpha_regularizer, name="alpha")

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        return np.where(x > 0, x, self.alpha.value * x), x

    def backward(self, dy: Array, cache: Cache) -> Array:
        x = cache
        self.alpha.gradient[...] = self.per_sample_gradients(dy, cache)[0].sum(axis=0)
        # At 0 the slope is 0, as in Keras.
        dx: Array = dy * ((x > 0) + self.alpha.value * (x < 0))
        return dx

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array]:
        gradient: Array = dy * np.minimum(cache, 0)
        return [gradient.sum(axis=tuple(self.shared_axes), keepdims=True) if self.shared_axes else gradient]


def _not_negative(kind: str, argument: str, value: Any) -> float:
    """Return ``value`` as a float if it is a number from 0 on; raise a ValueError if not."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < math.inf:
        raise ValueError(f"{kind}: {argument} must be a number, 0 or above; got {value!r}.")
    return float(value)
