"""Noise on purpose: layers that draw random numbers in training, and none outside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.layers.layer import Cache, Layer
from minibatch.typing import Array
from minibatch.utils.random import next_seed


class RandomLayer(Layer):
    """A layer with a stream of random numbers of its own: drawing more of another's never changes this one's.

    Parameters
    ----------
    seed : int, optional
        By default drawn from the stream that ``set_random_seed`` restarts.
    name : str, optional

    Attributes
    ----------
    generator : numpy.random.Generator
    """

    def __init__(self, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = np.random.default_rng(next_seed() if seed is None else seed)


def fraction(kind: str, argument: str, value: Any) -> float:
    """Return ``value`` as a float if it is a number from 0 to 1; raise a ValueError if not."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        raise ValueError(f"{kind}: {argument} must be a number from 0 to 1; got {value!r}.")
    return float(value)


class GaussianNoise(RandomLayer):
    """In training y = x + e, e normal with mean 0 and standard deviation ``stddev``, one draw per entry.

    Outside training y = x.

    Parameters
    ----------
    stddev : float
        From 0 to 1, as in Keras.
    seed : int, optional
        By default drawn from the stream that ``set_random_seed`` restarts.
    name : str, optional

    Raises
    ------
    ValueError
        If ``stddev`` is not such a number.

    Examples
    --------
    >>> import minibatch as mb
    >>> layer = mb.layers.GaussianNoise(0.5)
    >>> layer([[1.0, 2.0]])
    array([[1., 2.]], dtype=float32)
    >>> bool((layer([[1.0, 2.0]], training=True) == [[1.0, 2.0]]).any())
    False
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.stddev = fraction("GaussianNoise", "stddev", stddev)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        if not training or self.stddev == 0:
            return x, None
        # float32 numbers for float32 data: half the work, and nothing to cast.
        kind = np.float32 if x.dtype == np.float32 else np.float64
        return x + self.stddev * self.generator.standard_normal(x.shape, dtype=kind), None

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy
