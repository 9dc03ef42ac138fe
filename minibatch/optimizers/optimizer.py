"""What every optimizer is: a step on flat vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minibatch.typing import Array
from minibatch.utils.names import refuse

#: How many parameters are updated at a time. A rule reads and writes each of its vectors several times; a piece
#: this size (128 KiB of float32 with its neighbours) stays in the processor's cache between them.
BLOCK = 8192

#: Arguments that Keras's optimizers take and these do not, with what they may say: see ``utils.names.refuse``.
_KERAS_ONLY: dict[str, tuple[Any, ...]] = {
    "weight_decay": (),
    "clipnorm": (),
    "clipvalue": (),
    "global_clipnorm": (),
    "use_ema": (False,),
    "ema_momentum": (0.99,),
    "ema_overwrite_frequency": (),
    "loss_scale_factor": (),
    "gradient_accumulation_steps": (),
    "amsgrad": (False,),
}


class Optimizer:
    """A rule that moves the parameter vector theta against a gradient.

    Subclasses name their ``slots`` (vectors like theta that they keep between steps, such as a momentum) and
    define ``update``, which works in place on a piece of the vectors at a time.

    Parameters
    ----------
    learning_rate : float
        The length of a step per unit of gradient; readable and settable at any time.
    name : str, optional

    Attributes
    ----------
    iterations : int
        How many steps have been made.
    """

    slots: tuple[str, ...] = ()

    def __init__(self, learning_rate: float, name: str | None = None, **unknown: Any) -> None:
        kind = type(self).__name__
        if "lr" in unknown:
            raise TypeError(f"{kind}(): 'lr' is today 'learning_rate'.")
        refuse(self, unknown, _KERAS_ONLY)
        self.name = name or kind
        self.learning_rate = learning_rate
        self.iterations = 0
        self.state: dict[str, Array] = {}
        self._scratch: Array = np.empty(0)

    @property
    def learning_rate(self) -> float:
        """The length of a step per unit of gradient."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise ValueError(f"{type(self).__name__}: learning_rate must be a number, 0 or more; got {value!r}.")
        self._learning_rate = float(value)

    def build(self, theta: Array) -> None:
        """Make the slots for this parameter vector, all zero, unless they fit already."""
        if any(slot not in self.state or self.state[slot].shape != theta.shape for slot in self.slots):
            self.state = {slot: np.zeros_like(theta) for slot in self.slots}
            self.iterations = 0
        if self._scratch.dtype != theta.dtype or not self._scratch.size:
            self._scratch = np.empty(BLOCK, dtype=theta.dtype)

    def apply(self, gradient: Array, theta: Array) -> None:
        """Make one step: move ``theta`` (D,) in place by the rule, given ``gradient`` (D,)."""
        self.build(theta)
        self.iterations += 1
        for piece in _pieces(theta.size):
            g = gradient[piece]
            self.update(theta[piece], g, *(self.state[s][piece] for s in self.slots), self._scratch[: g.size])

    def update(self, theta: Array, g: Array, *slots_and_scratch: Array) -> None:
        """Move a piece of theta in place; ``iterations`` already counts this step.

        Takes the piece of theta, of the gradient, and of each slot in order, then a scratch array of the same
        length. The gradient must be left as it is.
        """
        raise TypeError(f"{type(self).__name__} must define update(theta, g, *slots, scratch).")


def _pieces(size: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, size, BLOCK))
