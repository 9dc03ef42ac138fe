"""Penalties on weights, each beside its gradient (``keras.regularizers``).

A penalty is added whole to the loss of every step: it is not divided by the batch size, nor by the number of samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.typing import Array
from minibatch.utils.names import find


class Regularizer:
    """A penalty: a function of a weight, with its gradient."""

    def __call__(self, w: Array) -> float:
        """Return the penalty of a weight."""
        raise TypeError(f"{type(self).__name__} must define __call__(w).")

    def gradient(self, w: Array) -> Array:
        """Return d(penalty)/dw, of the shape of w."""
        raise TypeError(f"{type(self).__name__} must define gradient(w).")


class L1L2(Regularizer):
    """l1 sum |w| + l2 sum w^2."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = l1, l2

    def __call__(self, w: Array) -> float:
        return float(self.l1 * np.abs(w).sum() + self.l2 * np.square(w).sum())

    def gradient(self, w: Array) -> Array:
        gradient: Array = self.l1 * np.sign(w) + 2 * self.l2 * w
        return gradient


class L1(L1L2):
    """l1 sum |w|."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(L1L2):
    """l2 sum w^2."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


REGULARIZERS: dict[str, type[Regularizer]] = {"l1": L1, "l2": L2, "l1_l2": L1L2}


def get(identifier: Any) -> Regularizer | None:
    """Return a regularizer from a name, an instance, or None."""
    if identifier is None or isinstance(identifier, Regularizer):
        return identifier
    if isinstance(identifier, str):
        return find("regularizer", identifier, REGULARIZERS)()
    raise TypeError(f"a regularizer is a name, None, or a minibatch.regularizers.Regularizer; got {identifier!r}.")
