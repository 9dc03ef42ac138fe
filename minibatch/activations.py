"""Activation functions, each beside its gradient.

An activation maps z to y, elementwise or over the last axis. Its gradient maps dy = dL/dy to dz = dL/dz, and
may use z or y, whichever makes it shorter. The names and defaults are Keras's (``keras.activations``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch import config
from minibatch.typing import Array
from minibatch.utils.names import find

Function = Callable[[Array], Array]
Gradient = Callable[[Array, Array, Array], Array]


class Activation:
    """A function y = f(z) with its gradient.

    Parameters
    ----------
    function : callable
        Takes z, returns y of the same shape and dtype.

    Examples
    --------
    A new activation is two functions, written side by side:

    >>> import numpy as np
    >>> @Activation
    ... def square(z):
    ...     return z * z
    >>> @square.gradient
    ... def _(dy, z, y):
    ...     return dy * 2 * z
    >>> square(np.array([3.0])), square.backward(np.ones(1), np.array([3.0]), np.array([9.0]))
    (array([9.]), array([6.]))
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__
        self._gradient: Gradient | None = None

    def __call__(self, x: npt.ArrayLike) -> Array:
        z = np.asarray(x)
        return self.function(z if z.dtype.kind == "f" else z.astype(config.floatx()))

    def __reduce__(self) -> Any:
        # One of this module's own is pickled and copied by its name, so it stays the one there is.
        return (get, (self.name,)) if ACTIVATIONS.get(self.name) is self else super().__reduce__()

    def gradient(self, gradient: Gradient) -> Gradient:
        """Decorator: attach the function that takes (dy, z, y) and returns dz."""
        self._gradient = gradient
        return gradient

    def backward(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dz = dL/dz, of the shape of z, from dy = dL/dy."""
        if self._gradient is None:
            raise TypeError(f"activation {self.name!r} has no gradient: attach one with @{self.name}.gradient.")
        return self._gradient(dy, z, y)

    def __repr__(self) -> str:
        return f"<activation {self.name}>"


@Activation
def linear(z: Array) -> Array:
    """y = z."""
    return z


@linear.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy


@Activation
def relu(z: Array) -> Array:
    """y = max(z, 0)."""
    return np.maximum(z, 0)


@relu.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    # The slope at z = 0 is taken as 0, as in Keras.
    return dy * (y > 0)


@Activation
def leaky_relu(z: Array) -> Array:
    """y = z for z > 0, 0.2 z below."""
    return np.where(z > 0, z, z * z.dtype.type(0.2))


@leaky_relu.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return np.where(z > 0, dy, dy * dy.dtype.type(0.2))


@Activation
def elu(z: Array) -> Array:
    """y = z for z > 0, exp(z) - 1 below."""
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


@elu.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return np.where(z > 0, dy, dy * (y + 1))


@Activation
def sigmoid(z: Array) -> Array:
    """y = 1 / (1 + exp(-z)), in a form that never overflows."""
    e = np.exp(-np.abs(z))
    y: Array = np.where(z >= 0, 1, e) / (1 + e)
    return y


@sigmoid.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    dz: Array = dy * y * (1 - y)
    return dz


@Activation
def tanh(z: Array) -> Array:
    """y = tanh(z)."""
    return np.tanh(z)


@tanh.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    dz: Array = dy * (1 - y * y)
    return dz


@Activation
def softplus(z: Array) -> Array:
    """y = log(1 + exp(z))."""
    return np.logaddexp(z, 0).astype(z.dtype, copy=False)


@softplus.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * sigmoid(z)


@Activation
def softmax(z: Array) -> Array:
    """y_k = exp(z_k) / sum_j exp(z_j), over the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    y: Array = e / e.sum(axis=-1, keepdims=True)
    return y


@softmax.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    # The Jacobian is diag(y) - y y'.
    dz: Array = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
    return dz


ACTIVATIONS: dict[str, Activation] = {
    a.name: a for a in (linear, relu, leaky_relu, elu, sigmoid, tanh, softplus, softmax)
}


def get(identifier: Any) -> Activation:
    """Return an activation from a name, from None (linear), or from an ``Activation``.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the near misses.
    TypeError
        For a plain function: its gradient is needed too (see ``Activation``).
    """
    if identifier is None:
        return linear
    if isinstance(identifier, Activation):
        return identifier
    if isinstance(identifier, str):
        return find("activation", identifier, ACTIVATIONS)
    raise TypeError(
        f"an activation is a name, None, or a minibatch.activations.Activation (a function with its "
        f"gradient); got {identifier!r}."
    )
