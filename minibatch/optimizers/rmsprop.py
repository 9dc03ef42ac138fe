"""RMSprop: steps scaled by a running size of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.optimizers.optimizer import Optimizer
from minibatch.typing import Array


class RMSprop(Optimizer):
    """RMSprop (Hinton's lecture 6e, 2012), in Keras's arrangement.

    v <- rho v + (1 - rho) g^2, then theta <- theta - lr g / sqrt(v + epsilon). ``centered`` takes the square of
    the running mean of g off v first (Graves 2013, eq. 38-41, whose epsilon is 1e-4); with momentum mu the step
    runs through m <- mu m + step.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
    rho : float in [0, 1), default 0.9
    momentum : float in [0, 1], default 0
    epsilon : float, default 1e-7
    centered : bool, default False
    **shared
        See ``Optimizer``.

    Raises
    ------
    ValueError
        If a number lies outside its range.

    Examples
    --------
    The first step is lr / sqrt(1 - rho) long, whatever the gradient:

    >>> import minibatch as mb
    >>> import numpy as np
    >>> theta = np.array([1.0, 2.0])
    >>> mb.optimizers.RMSprop(learning_rate=0.5, rho=0.75).apply(np.array([-1.0, 1e3]), theta)
    >>> theta.round(3)
    array([2., 1.])
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(learning_rate, **shared)
        if not 0 <= rho < 1:
            raise ValueError(f"RMSprop: rho must lie in [0, 1); got {rho!r}.")
        if not 0 <= momentum <= 1:
            raise ValueError(f"RMSprop: momentum must lie in [0, 1]; got {momentum!r}.")
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    @property
    def slots(self) -> tuple[str, ...]:
        return (
            "velocity",
            *(["momentum"] if self.momentum else []),
            *(["average_gradient"] if self.centered else []),
        )

    def update(self, theta: Array, g: Array, *slots_and_scratch: Array) -> None:
        v, *others, scratch = slots_and_scratch
        np.multiply(g, g, out=scratch)
        scratch *= 1 - self.rho
        v *= self.rho
        v += scratch
        if self.centered:
            mean = others[-1]
            np.multiply(g, 1 - self.rho, out=scratch)
            mean *= self.rho
            mean += scratch
            np.multiply(mean, mean, out=scratch)
            np.subtract(v, scratch, out=scratch)
            scratch += self.epsilon
        else:
            np.add(v, self.epsilon, out=scratch)
        np.sqrt(scratch, out=scratch)
        np.divide(g, scratch, out=scratch)
        scratch *= self.rate
        if self.momentum:
            m = others[0]
            m *= self.momentum
            m += scratch
            theta -= m
        else:
            theta -= scratch
