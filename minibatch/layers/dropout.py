"""Dropout: noise that only training sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch import memory
from minibatch.layers.layer import Cache
from minibatch.layers.noise import RandomLayer, fraction
from minibatch.typing import Array


class Dropout(RandomLayer):
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

    Examples
    --------
    >>> import minibatch as mb
    >>> layer = mb.layers.Dropout(0.5, seed=0)
    >>> layer([[1.0, 1.0, 1.0, 1.0]]), layer([[1.0, 1.0, 1.0, 1.0]], training=True)
    (array([[1., 1., 1., 1.]], dtype=float32), array([[2., 2., 2., 0.]], dtype=float32))
    """

    def __init__(self, rate: float, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = fraction("Dropout", "rate", rate)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        if not training or self.rate == 0:
            return x, None
        draws = memory.scratch("draws", x.shape, np.float32)
        self.generator.random(dtype=np.float32, out=draws)
        kept = draws >= self.rate
        return self._of_kept(x, kept), kept

    def backward(self, dy: Array, cache: Cache) -> Array:
        kept = cache
        return dy if kept is None else self._of_kept(dy, kept)

    def _of_kept(self, x: Array, kept: Array) -> Array:
        """Return x where it is kept, scaled up, and 0 elsewhere."""
        y: Array = np.multiply(x, kept, out=memory.like(x))
        if self.rate < 1:
            y *= 1 / (1 - self.rate)
        return y
