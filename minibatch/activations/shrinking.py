"""Activations that set small z to 0, or to another value."""

from __future__ import annotations

import numpy as np

from minibatch.activations.activation import Activation, activation
from minibatch.typing import Array


@activation
def soft_shrink(z: Array, threshold: float = 0.5) -> Array:
    """y = z moved towards 0 by ``threshold``, and 0 within it (Donoho 1995, eq. 1.4)."""
    y: Array = z - np.clip(z, -threshold, threshold)
    return y


@soft_shrink.gradient
def _(dy: Array, z: Array, y: Array, threshold: float = 0.5) -> Array:
    return dy * (np.abs(z) > threshold)


@activation
def hard_shrink(z: Array, threshold: float = 0.5) -> Array:
    """y = z where |z| > threshold, 0 elsewhere (Donoho and Johnstone 1994, section 2)."""
    return np.where(np.abs(z) > threshold, z, 0)


@hard_shrink.gradient
def _(dy: Array, z: Array, y: Array, threshold: float = 0.5) -> Array:
    return dy * (np.abs(z) > threshold)


@activation
def tanh_shrink(z: Array) -> Array:
    """y = z - tanh(z) (``keras.activations``)."""
    y: Array = z - np.tanh(z)
    return y


@tanh_shrink.gradient
def _(dy: Array, z: Array, y: Array) -> Array:
    dz: Array = dy * np.tanh(z) ** 2
    return dz


@Activation
def threshold(z: Array, threshold: float, default_value: float) -> Array:
    """y = z where z > threshold, ``default_value`` elsewhere (``keras.activations``).

    It has no defaults, so a layer cannot take it by name:
    ``threshold.with_settings(threshold=0.1, default_value=0.0)`` is what a layer takes.
    """
    return np.where(z > threshold, z, z.dtype.type(default_value))


threshold.by_entry = True


@threshold.gradient
def _(dy: Array, z: Array, y: Array, threshold: float, default_value: float) -> Array:
    return dy * (z > threshold)
