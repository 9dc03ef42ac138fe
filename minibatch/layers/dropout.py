"""Dropout: noise that only training sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch import memory, passes
from minibatch.layers.layer import Cache
from minibatch.layers.noise import RandomLayer, fraction
from minibatch.parallel import together
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
    >>> layer = mb.layers.Dropout(0.5, seed=1)
    >>> layer([[1.0, 1.0, 1.0, 1.0]]), layer([[1.0, 1.0, 1.0, 1.0]], training=True)
    (array([[1., 1., 1., 1.]], dtype=float32), array([[2., 2., 0., 0.]], dtype=float32))
    """

    def __init__(self, rate: float, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = fraction("Dropout", "rate", rate)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        if not training or self.rate == 0:
            return x, None
        kept = self._toss(x.size).reshape(x.shape)
        return self._of_kept(x, kept), kept

    def backward(self, dy: Array, cache: Cache) -> Array:
        kept = cache
        return dy if kept is None else self._of_kept(dy, kept)

    def _toss(self, n: int) -> npt.NDArray[np.bool_]:
        """Return n coins: whether to keep an entry, each with a probability of 1 - rate.

        Sixteen random bits are a number below 65,536 and decide, if it is not just the one that 65,536 rate is a
        part of the way to; if it is, another draw does. So four coins come of one draw of 64 bits, and the
        probability is the same as if each had one of its own. For a rate of 1/2 or 1/4, a whole number of 256ths,
        eight bits decide as well, and eight coins come of a draw.
        """
        kind = np.dtype(np.uint8 if (256 * self.rate).is_integer() else np.uint16)
        sides = 1 << 8 * kind.itemsize
        coins = self.generator.integers(0, 1 << 64, -(-n * kind.itemsize // 8), np.uint64).view(kind)[:n]
        whole = int(self.rate * sides)
        rest = self.rate * sides - whole
        if not rest:
            return coins >= whole
        kept: npt.NDArray[np.bool_] = coins > whole
        undecided = np.flatnonzero(coins == whole)
        kept[undecided] = self.generator.random(len(undecided)) >= rest
        return kept

    def _of_kept(self, x: Array, kept: Array) -> Array:
        """Return x where it is kept, scaled up, and 0 elsewhere."""
        if x.shape == kept.shape and passes.take(x):
            from minibatch.layers.dropout_kernels import of_kept

            y = memory.empty(x.shape, x.dtype)
            cut = x.size, passes.PIECE
            together(of_kept, cut, x.reshape(-1), kept.reshape(-1), self._scale(x), y.reshape(-1))
            return y
        y = np.multiply(x, kept, out=memory.like(x))
        if self.rate < 1:
            y *= 1 / (1 - self.rate)
        return y

    def _scale(self, x: Array) -> Any:
        """Return 1 / (1 - rate) in the float type of x, or 1 where nothing is kept."""
        return x.dtype.type(1 / (1 - self.rate) if self.rate < 1 else 1)
