"""An activation as a layer of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch import activations
from minibatch.layers.activated import ActivatedLayer
from minibatch.layers.layer import Cache
from minibatch.typing import Array


class Activation(ActivatedLayer):
    """y = f(x).

    Parameters
    ----------
    activation : str or minibatch.activations.Activation
        f, by its Keras name ("relu", "softmax") or as a function with its gradient.
    name : str, optional

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.Activation("relu")([[-1.0, 2.0]])
    array([[0., 2.]], dtype=float32)
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(activation, **kwargs)

    def linear(self, x: Array, training: bool) -> tuple[Array, Cache]:
        return x, None

    def linear_backward(self, dz: Array, cache: Cache) -> Array:
        return dz


class WithSettings(Activation):
    """A layer that is one activation; the settings of that are the layer's arguments."""

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activation"]  # it is made of the other arguments
        return config


class Softmax(WithSettings):
    """y_k = exp(x_k) / sum_j exp(x_j), over ``axis``.

    As the last layer, over the last axis, it is absorbed by a cross-entropy, which is then computed from x.

    Parameters
    ----------
    axis : int or list of int, default -1
        Counted with the batch axis, as in Keras: 1 is the first axis of a sample. Several axes make one
        distribution together.
    name : str, optional

    Raises
    ------
    ValueError
        If samples have no such axis.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.Softmax()([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]], dtype=float32)
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__("softmax", **kwargs)
        several = isinstance(axis, list | tuple)
        axes = axis if several else [axis]
        if not axes or any(isinstance(a, bool) or not isinstance(a, int | np.integer) for a in axes):
            raise ValueError(f"Softmax: axis must be an integer or a list of them; got {axis!r}.")
        self.axis = [int(a) for a in axes] if several else int(axis)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        ndim = len(input_shape) + 1
        axes = self._axes(ndim)
        if not set(axes) <= set(range(1, ndim)):
            raise ValueError(
                f"layer {self.name!r}: axis must be of 1 to {ndim - 1} or -1 to {1 - ndim} for samples of shape "
                f"{input_shape}; got {self.axis}."
            )
        return input_shape

    def build(self, input_shape: tuple[int, ...]) -> None:
        axes = self._axes(len(input_shape) + 1)
        if axes != (len(input_shape),):
            self.activation = activations.softmax.with_settings(axis=axes)

    def _axes(self, ndim: int) -> tuple[int, ...]:
        """Return the axes of a batch of so many, each from 0 on."""
        given = self.axis if isinstance(self.axis, list) else [self.axis]
        return tuple(sorted({axis + ndim if axis < 0 else axis for axis in given}))
