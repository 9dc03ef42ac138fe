"""Dropout: noise that only training sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.layers.layer import Cache, Layer
from minibatch.typing import Array
from minibatch.utils.random import next_seed


class Dropout(Layer):
    """In training, set a fraction of the inputs to 0 and scale the rest up, so that the mean stays.

    y = x m / (1 - rate), m one independent coin per entry. Outside training y = x. Srivastava et al. 2014,
    in the scaled-up ("inverted") form of Keras.

    Parameters
    ----------
    rate : float
        The fraction set to 0, from 0 to 1.
    seed : int, optional
        By default drawn from the stream that ``set_random_seed`` restarts.
    name : str, optional

    Raises
    ------
    ValueError
        If ``rate`` is not such a number.
    """

    def __init__(self, rate: float, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not 0 <= rate <= 1:
            raise ValueError(f"Dropout: rate must be a number from 0 to 1; got {rate!r}.")
        self.rate = float(rate)
        self.seed = next_seed() if seed is None else seed
        self.generator = np.random.default_rng(self.seed)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        if not training or self.rate == 0:
            return x, None
        mask = (self.generator.random(x.shape, dtype=np.float32) >= self.rate).astype(x.dtype)
        if self.rate < 1:
            mask *= 1 / (1 - self.rate)
        return x * mask, mask

    def backward(self, dy: Array, cache: Cache) -> Array:
        mask = cache
        return dy if mask is None else dy * mask
