"""RMSprop: steps scaled by a running size of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.optimizers.optimizer import Optimizer
from minibatch.typing import Array


class RMSprop(Optimizer):
    """RMSprop (Hinton's lecture 6e, 2012), in Keras's arrangement.

    v <- rho v + (1 - rho) g^2, then theta <- theta - lr g / sqrt(v + epsilon). ``centered`` takes the square of
    the running mean of g off v first; with momentum mu the step runs through m <- mu m + step.

    Parameters
    ----------
    learning_rate : float, default 0.001
    rho : float in [0, 1), default 0.9
    momentum : float in [0, 1], default 0
    epsilon : float, default 1e-7
    centered : bool, default False
    name : str, optional

    Raises
    ------
    ValueError
        If a number lies outside its range.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *,
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(learning_rate, name, **unknown)
        if not 0 <= rho < 1:
            raise ValueError(f"RMSprop: rho must lie in [0, 1); got {rho!r}.")
        if not 0 <= momentum <= 1:
            raise ValueError(f"RMSprop: momentum must lie in [0, 1]; got {momentum!r}.")
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered
        self.slots = (
            "velocity",
            *(["momentum"] if momentum else []),
            *(["average_gradient"] if centered else []),
        )

    def update(self, theta: Array, g: Array, *slots_and_scratch: Array) -> None:
        *slots, scratch = slots_and_scratch
        vectors = dict(zip(self.slots, slots, strict=True))
        v = vectors["velocity"]
        np.multiply(g, g, out=scratch)
        scratch *= 1 - self.rho
        v *= self.rho
        v += scratch
        np.copyto(scratch, v)
        if self.centered:
            mean = vectors["average_gradient"]
            mean += (1 - self.rho) * (g - mean)
            scratch -= mean * mean
        scratch += self.epsilon
        np.sqrt(scratch, out=scratch)
        np.divide(g, scratch, out=scratch)
        scratch *= self.learning_rate
        if self.momentum:
            m = vectors["momentum"]
            m *= self.momentum
            m += scratch
            theta -= m
        else:
            theta -= scratch
