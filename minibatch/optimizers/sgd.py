"""Stochastic gradient descent, plain, with momentum, and with Nesterov's."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.optimizers.optimizer import Optimizer
from minibatch.typing import Array


class SGD(Optimizer):
    """Gradient descent.

    Plain: theta <- theta - lr g. With momentum mu: m <- mu m - lr g, then theta <- theta + m. Nesterov's:
    theta <- theta + mu m - lr g with that new m (Sutskever et al. 2013, eq. 3-4, in Keras's arrangement).

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.01
    momentum : float in [0, 1], default 0
    nesterov : bool, default False
    **shared
        See ``Optimizer``.

    Raises
    ------
    ValueError
        If ``momentum`` lies outside [0, 1], or ``learning_rate`` is not a number from 0 up.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> theta = np.array([1.0, 2.0])
    >>> mb.optimizers.SGD(learning_rate=0.5).apply(np.array([1.0, 0.0]), theta)
    >>> theta
    array([0.5, 2. ])
    """

    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **shared: Any
    ) -> None:
        super().__init__(learning_rate, **shared)
        if not 0 <= momentum <= 1:
            raise ValueError(f"SGD: momentum must lie in [0, 1]; got {momentum!r}.")
        self.momentum, self.nesterov = momentum, nesterov

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()

    def update(self, theta: Array, g: Array, *slots_and_scratch: Array) -> None:
        scratch = slots_and_scratch[-1]
        np.multiply(g, self.rate, out=scratch)
        if not self.momentum:
            theta -= scratch
            return
        m = slots_and_scratch[0]
        m *= self.momentum
        m -= scratch
        if not self.nesterov:
            theta += m
            return
        theta -= scratch
        np.multiply(m, self.momentum, out=scratch)
        theta += scratch
