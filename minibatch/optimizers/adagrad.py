"""Adagrad: steps scaled by all the gradients so far."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.optimizers.optimizer import Optimizer
from minibatch.typing import Array


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011, figure 1, the diagonal case), in Keras's arrangement.

    s <- s + g^2, then theta <- theta - lr g / sqrt(s + epsilon): what is rarely moved, is moved far. The paper
    starts from s = 0 and adds its small number outside the root.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        Small for this rule: its steps only shrink. The paper's experiments have 1.
    initial_accumulator_value : float, 0 or more, default 0.1
        The first s.
    epsilon : float, default 1e-7
    **shared
        See ``Optimizer``.

    Raises
    ------
    ValueError
        If ``initial_accumulator_value`` is negative, or ``learning_rate`` is not a number from 0 up.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> theta, rule = np.array([1.0]), mb.optimizers.Adagrad(learning_rate=1.0, initial_accumulator_value=0.0)
    >>> rule.apply(np.array([3.0]), theta)  # 3 / sqrt(9)
    >>> rule.apply(np.array([4.0]), theta)  # 4 / sqrt(9 + 16)
    >>> theta.round(3)
    array([-0.8])
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **shared: Any,
    ) -> None:
        super().__init__(learning_rate, **shared)
        if not initial_accumulator_value >= 0:
            raise ValueError(
                f"Adagrad: initial_accumulator_value must be 0 or more; got {initial_accumulator_value!r}."
            )
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    @property
    def slots(self) -> tuple[str, ...]:
        return ("accumulator",)

    def initial(self, slot: str) -> float:
        return self.initial_accumulator_value if slot == "accumulator" else 0.0

    def update(self, theta: Array, g: Array, *slots_and_scratch: Array) -> None:
        s, scratch = slots_and_scratch
        np.multiply(g, g, out=scratch)
        s += scratch
        np.add(s, self.epsilon, out=scratch)
        np.sqrt(scratch, out=scratch)
        np.divide(g, scratch, out=scratch)
        scratch *= self.rate
        theta -= scratch
