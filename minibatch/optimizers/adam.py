"""Adam: steps scaled by running moments of the gradient; and AdamW, whose weights decay beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch import passes
from minibatch.optimizers.optimizer import Optimizer
from minibatch.optimizers.stretches import PIECE
from minibatch.parallel import together
from minibatch.typing import Array


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), in the form of their section 2 that Keras uses.

    m <- m + (g - m)(1 - beta_1), v <- v + (g^2 - v)(1 - beta_2), and at step t
    theta <- theta - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon).
    The paper's algorithm 1 adds epsilon after the correction of v, so there it is larger by sqrt(1 - beta_2^t).
    With ``amsgrad`` the largest v so far takes the place of v in the step, which so can only shrink (Reddi, Kale
    and Kumar 2018, algorithm 2; they correct no bias, Keras does).

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
    epsilon : float, default 1e-7
    amsgrad : bool, default False
    **shared
        See ``Optimizer``.

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

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(learning_rate, **shared)
        for argument, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{type(self).__name__}: {argument} must lie in [0, 1); got {beta!r}.")
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad
        self._alpha: Any = 0.0

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity", "velocity_hat") if self.amsgrad else ("momentum", "velocity")

    def keras_layout(self) -> list[tuple[str, ...]]:
        layout = super().keras_layout()
        first = layout.index(("momentum",))
        layout[first : first + 2] = [("momentum", "velocity")]
        return layout

    def prepare(self, dtype: np.dtype[Any]) -> None:
        # In theta's own float type, as in Keras: in float32 the first 1 - beta_2^t is 1e-5 of itself off, and a
        # hundred steps of a convolutional network make of that a difference in the third digit of the loss.
        real = dtype.type
        one, t = real(1), real(self.steps_made + 1)
        self._alpha = real(self.rate) * np.sqrt(one - real(self.beta_2) ** t) / (one - real(self.beta_1) ** t)

    def update(self, theta: Array, g: Array, *slots_and_scratch: Array) -> None:
        m, v, *largest, scratch = slots_and_scratch
        if not largest and theta.shape == g.shape and passes.take(theta, g, m, v):
            from minibatch.optimizers.update_kernels import adam

            adam(theta, g, m, v, *self._numbers(theta.dtype.type))
            return
        np.subtract(g, m, out=scratch)
        scratch *= 1 - self.beta_1
        m += scratch
        np.multiply(g, g, out=scratch)
        scratch -= v
        scratch *= 1 - self.beta_2
        v += scratch
        if largest:
            v = np.maximum(largest[0], v, out=largest[0])
        np.sqrt(v, out=scratch)
        scratch += self.epsilon
        np.divide(m, scratch, out=scratch)
        scratch *= self._alpha
        theta -= scratch

    def sweep(self, theta: Array, g: Array, *slots: Array) -> bool:
        if len(slots) > 2 or not passes.take(theta, g, *slots):
            return False
        from minibatch.optimizers.update_kernels import shared_adam

        together(shared_adam, (theta.size, PIECE), theta, g, *slots, *self._numbers(theta.dtype.type))
        return True

    def _numbers(self, real: Any) -> tuple[Any, ...]:
        return real(1 - self.beta_1), real(1 - self.beta_2), real(self.epsilon), real(self._alpha)


class AdamW(Adam):
    """Adam with weight decay (Loshchilov and Hutter 2019, algorithm 2), Keras's ``weight_decay`` on by default.

    theta <- theta - lr weight_decay theta, then Adam's step. Added to the loss instead, as a penalty, the decay
    would be scaled by 1 / sqrt(v) like every gradient: least where gradients are largest.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
    weight_decay : float, default 0.004
    beta_1, beta_2, epsilon, amsgrad
        See ``Adam``.
    **shared
        See ``Optimizer``.

    Raises
    ------
    ValueError
        If ``weight_decay`` is None, or as ``Adam``.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **shared: Any,
    ) -> None:
        if weight_decay is None:
            raise ValueError("AdamW: weight_decay must be a number; got None. Without it, it is Adam.")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **shared)
