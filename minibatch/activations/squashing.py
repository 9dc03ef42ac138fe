"""Activations that squash z into an interval, sharply or smoothly; and the logarithm of one."""

from __future__ import annotations

import numpy as np

from minibatch.activations.activation import activation
from minibatch.typing import Array


@activation
def sigmoid(z: Array) -> Array:
    """y = 1 / (1 + exp(-z)), in a form that never overflows (Verhulst 1845)."""
    e = np.exp(-np.abs(z))
    y: Array = np.where(z >= 0, 1, e) / (1 + e)
    return y


@sigmoid.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    dz: Array = dy * y * (1 - y)
    return dz


@activation
def hard_sigmoid(z: Array) -> Array:
    """y = min(max(z + 3, 0), 6) / 6: straight from (-3, 0) to (3, 1) (``keras.activations``)."""
    y: Array = np.clip(z + 3, 0, 6) / 6
    return y


@hard_sigmoid.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * (np.abs(z) < 3) / 6


@activation
def sparse_sigmoid(z: Array) -> Array:
    """y = (z + 1) / 2 between -1 and 1, 0 below, 1 above (``keras.activations``)."""
    y: Array = np.clip((z + 1) / 2, 0, 1)
    return y


@sparse_sigmoid.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * (np.abs(z) < 1) / 2


@activation
def log_sigmoid(z: Array) -> Array:
    """y = log(sigmoid(z)) = -log(1 + exp(-z))."""
    return -np.logaddexp(-z, 0).astype(z.dtype, copy=False)


@log_sigmoid.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * sigmoid.function(-z)


@activation
def tanh(z: Array) -> Array:
    """y = tanh(z)."""
    return np.tanh(z)


@tanh.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    dz: Array = dy * (1 - y * y)
    return dz


@activation
def hard_tanh(z: Array) -> Array:
    """y = min(max(z, -1), 1) (Collobert 2004)."""
    return np.clip(z, -1, 1)


@hard_tanh.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    return dy * (np.abs(z) <= 1)


@activation
def softsign(z: Array) -> Array:
    """y = z / (1 + |z|) (Bergstra et al. 2009)."""
    y: Array = z / (1 + np.abs(z))
    return y


@softsign.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    dz: Array = dy / (1 + np.abs(z)) ** 2
    return dz
