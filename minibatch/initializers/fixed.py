"""Initializers without chance: constants, the identity, and what the caller gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch import config
from minibatch.initializers.initializer import Initializer
from minibatch.typing import Array


class Constant(Initializer):
    """Every entry the same, or those of an array that can be stretched to the shape."""

    def __init__(self, value: npt.ArrayLike = 0.0) -> None:
        self.value = value

    def draw(self, shape: tuple[int, ...]) -> Array:
        return np.full(shape, self.value, dtype=np.float64)


class Zeros(Initializer):
    """Every entry 0."""

    def draw(self, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape)


class Ones(Initializer):
    """Every entry 1."""

    def draw(self, shape: tuple[int, ...]) -> Array:
        return np.ones(shape)


class Identity(Initializer):
    """``gain`` on the diagonal of a matrix, 0 elsewhere."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def draw(self, shape: tuple[int, ...]) -> Array:
        if len(shape) != 2:
            raise ValueError(f"Identity is for matrices; got shape {shape}.")
        return self.gain * np.eye(*shape)


class GivenArray(Initializer):
    """The numbers of an array, for a weight of its very shape: what an array given as initializer becomes."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def draw(self, shape: tuple[int, ...]) -> Array:
        if shape != self.array.shape:
            raise ValueError(
                f"the array given as initializer has shape {self.array.shape}; the weight has {shape}."
            )
        return self.array


class GivenFunction(Initializer):
    """What a function of (shape, dtype) returns: what a function given as initializer becomes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Array:
        drawn = np.asarray(self.function(tuple(shape), dtype=dtype or config.floatx()), dtype or config.floatx())
        if drawn.shape != tuple(shape):
            raise ValueError(f"the initializer {self.function!r} was asked for shape {shape}; gave {drawn.shape}.")
        return drawn
