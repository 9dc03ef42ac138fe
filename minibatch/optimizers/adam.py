"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.optimizers.optimizer import Optimizer
from minibatch.typing import Array


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), in the form of their section 2 that Keras uses.

    m <- m + (g - m)(1 - beta_1), v <- v + (g^2 - v)(1 - beta_2), and at step t
    theta <- theta - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon).
    The paper's algorithm 1 adds epsilon after the correction of v, so there it is larger by sqrt(1 - beta_2^t).

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
    epsilon : float, default 1e-7
    name : str, optional

    Raises
    ------
    ValueError
        If a beta lies outside [0, 1), or ``learning_rate`` is not a number from 0 up.

    Examples
    --------
    The first step of Adam has the length of the learning rate, whatever the gradient:

    >>> import minibatch as mb
    >>> import numpy as np
    >>> theta = np.array([1.0, 2.0])
    >>> mb.optimizers.Adam(learning_rate=0.5).apply(np.array([1e-3, 1e3]), theta)
    >>> theta.round(3)
    array([0.502, 1.5  ])
    """

    slots = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(learning_rate, name, **unknown)
        for argument, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ValueError(f"Adam: {argument} must lie in [0, 1); got {beta!r}.")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update(self, theta: Array, g: Array, *slots_and_scratch: Array) -> None:
        m, v, scratch = slots_and_scratch
        # In theta's own float type, as in Keras: in float32 the first 1 - beta_2^t is 1e-5 of itself off, and a
        # hundred steps of a convolutional network make of that a difference in the third digit of the loss.
        real = theta.dtype.type
        one, t = real(1), real(self.iterations)
        alpha = real(self.learning_rate) * np.sqrt(one - real(self.beta_2) ** t) / (one - real(self.beta_1) ** t)
        np.subtract(g, m, out=scratch)
        scratch *= 1 - self.beta_1
        m += scratch
        np.multiply(g, g, out=scratch)
        scratch -= v
        scratch *= 1 - self.beta_2
        v += scratch
        np.sqrt(v, out=scratch)
        scratch += self.epsilon
        np.divide(m, scratch, out=scratch)
        scratch *= alpha
        theta -= scratch
