"""Activations that turn the numbers along an axis into a distribution, or its logarithm."""

from __future__ import annotations

import numpy as np

from minibatch.activations.activation import distribution
from minibatch.typing import Array

#: One axis, or several that make one distribution together.
Axis = int | tuple[int, ...]


@distribution
def softmax(z: Array, axis: Axis = -1) -> Array:
    """y_k = exp(z_k) / sum_j exp(z_j), over ``axis`` (Bridle 1990)."""
    y: Array = z - np.maximum.reduce(z, axis=axis, keepdims=True)
    np.exp(y, out=y)
    y /= np.add.reduce(y, axis=axis, keepdims=True)
    return y


@softmax.gradient
def _(dy: Array, z: Array, y: Array, axis: Axis = -1) -> Array:
    # The Jacobian is diag(y) - y y'.
    dz: Array = y * (dy - (dy * y).sum(axis=axis, keepdims=True))
    return dz


@distribution
def log_softmax(z: Array, axis: Axis = -1) -> Array:
    """y_k = z_k - log sum_j exp(z_j), over ``axis``: exact where log(softmax(z)) is not."""
    y: Array = z - z.max(axis=axis, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=axis, keepdims=True))
    return y


@log_softmax.gradient
def _(dy: Array, z: Array, y: Array, axis: Axis = -1) -> Array:
    dz: Array = dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)
    return dz


@distribution
def sparsemax(z: Array, axis: int = -1) -> Array:
    """y = the point of the simplex nearest to z: y_k = max(z_k - tau, 0), tau such that they sum to 1.

    The source is Martins and Astudillo 2016, algorithm 1. (Keras 3.15 takes another tau as soon as two of the y_k
    are positive, by adding up the running sums in place of their last; there y does not sum to 1.)
    """
    # Moved by its maximum, which changes y in nothing but rounding.
    z = np.moveaxis(z - z.max(axis=axis, keepdims=True), axis, -1)
    falling = -np.sort(-z, axis=-1)
    sums = falling.cumsum(axis=-1)
    ranks = np.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    # The support is the first k for which 1 + k z_(k) > z_(1) + ... + z_(k).
    size = (1 + ranks * falling > sums).sum(axis=-1, keepdims=True)
    tau = (np.take_along_axis(sums, size - 1, axis=-1) - 1) / size.astype(z.dtype)
    return np.moveaxis(np.maximum(z - tau, 0), -1, axis)


@sparsemax.gradient
def _(dy: Array, z: Array, y: Array, axis: int = -1) -> Array:
    # Proposition 2: on the support dz is dy less its mean there; elsewhere it is 0.
    support = y > 0
    mean = (dy * support).sum(axis=axis, keepdims=True) / support.sum(axis=axis, keepdims=True, dtype=dy.dtype)
    dz: Array = support * (dy - mean)
    return dz
