"""An activation as a layer of its own."""

from __future__ import annotations

from typing import Any

from minibatch.layers.layer import ActivatedLayer, Cache
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
