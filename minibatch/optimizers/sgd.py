"""Stochastic gradient descent, plain, with momentum, and with Nesterov's."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from minibatch import passes
from minibatch.optimizers.optimizer import Optimizer
from minibatch.optimizers.stretches import PIECE
from minibatch.parallel import together
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

    def _step(self, gradient: Array, theta: Array) -> None:
        # Of a small network's step what leads to the update costs ten times the update.
        options = self.momentum or self.weight_decay or self.clipnorm or self.clipvalue or self.global_clipnorm
        other = options or type(self) is not SGD or getattr(self.update, "__func__", None) is not _UPDATE
        loop = None if other else _loop_for_few(theta, gradient)
        if loop is None:
            super()._step(gradient, theta)
            return
        self.rate = self.rate_now()
        for run in self._plan:
            loop(theta, gradient, self.rate, run.place.start, run.place.stop)

    def sweep(self, theta: Array, g: Array, *slots: Array) -> bool:
        if not passes.take(theta, g, *slots):
            return False
        from minibatch.optimizers import update_kernels as loops

        real, cut = theta.dtype.type, (theta.size, PIECE)
        if slots:
            numbers = real(self.rate), real(self.momentum), self.nesterov
            together(loops.shared_momentum, cut, theta, g, *slots, *numbers)
        else:
            together(loops.shared_sgd, cut, theta, g, real(self.rate))
        return True


#: The rule that the compiled loops are; what a user puts in its place is another one.
_UPDATE = SGD.update


def _loop_for_few(theta: Array, g: Array) -> Any:
    """Return plain SGD's compiled loop for vectors too short to be shared; None if they are not for it.

    It gives the same bits as ``SGD.update``; so Numba, if it is not there, is not loaded for this.
    """
    fits = theta.nbytes < passes.LARGE and theta.dtype == g.dtype and theta.dtype.char in "fd"
    fits = fits and theta.flags.carray and g.flags.carray and theta.shape == g.shape
    return _loop() if fits and "numba" in sys.modules else None


@functools.cache
def _loop() -> Any:
    """Return the compiled loop; None where Numba's compiler is off."""
    from minibatch.compiling import PLAIN
    from minibatch.optimizers.update_kernels import sgd

    return None if PLAIN else sgd
