"""Losses of numbers: squared, absolute, relative, logarithmic, and those that are square only near 0.

In all, e = y_pred - y_true, and l is the mean over the last axis, of length K.
"""

from __future__ import annotations

import numpy as np

from minibatch import config
from minibatch.losses.loss import NamedLoss
from minibatch.typing import Array


class MeanSquaredError(NamedLoss):
    """l = mean e^2 (Legendre 1805; twice the negative logarithm of a normal likelihood, up to a constant).

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.losses.MeanSquaredError()([[0.0, 0.0]], [[1.0, 3.0]])
    5.0
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        losses: Array = np.mean((y_pred - y_true) ** 2, axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        gradient: Array = (y_pred - y_true) * y_pred.dtype.type(2 / y_pred.shape[-1])
        return gradient


class MeanAbsoluteError(NamedLoss):
    """l = mean |e| (Laplace 1774). The slope at e = 0 is taken as 0, as in Keras."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        losses: Array = np.abs(y_pred - y_true).mean(axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        gradient: Array = np.sign(y_pred - y_true) / y_pred.shape[-1]
        return gradient


class MeanAbsolutePercentageError(NamedLoss):
    """l = 100 mean |e| / max(|y_true|, 1e-7), in percent of the target (``keras.losses``)."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        losses: Array = 100 * np.abs((y_pred - y_true) / self._size(y_true)).mean(axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        gradient: Array = np.sign(y_pred - y_true) / self._size(y_true) * (100 / y_pred.shape[-1])
        return gradient

    @staticmethod
    def _size(y_true: Array) -> Array:
        return np.maximum(np.abs(y_true), config.epsilon())


class MeanSquaredLogarithmicError(NamedLoss):
    """l = mean (log(1 + y_pred) - log(1 + y_true))^2, each y first raised to 1e-7 (``keras.losses``)."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        losses: Array = np.mean(self._difference(y_true, y_pred) ** 2, axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        above = y_pred >= config.epsilon()
        slope = above / (np.maximum(y_pred, config.epsilon()) + 1)
        gradient: Array = self._difference(y_true, y_pred) * slope * (2 / y_pred.shape[-1])
        return gradient

    @staticmethod
    def _difference(y_true: Array, y_pred: Array) -> Array:
        epsilon = config.epsilon()
        difference: Array = np.log(np.maximum(y_pred, epsilon) + 1) - np.log(np.maximum(y_true, epsilon) + 1)
        return difference


class Huber(NamedLoss):
    """l = mean of e^2 / 2 where |e| <= delta, and of delta |e| - delta^2 / 2 beyond (Huber 1964, section 4).

    Parameters
    ----------
    delta : float, default 1
        Where the parabola becomes a straight line.
    reduction, name, dtype
        As for ``Loss``. The name is "huber_loss", as in Keras.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: str | None = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.delta = delta

    def call(self, y_true: Array, y_pred: Array) -> Array:
        size = np.abs(y_pred - y_true)
        losses: Array = np.where(size <= self.delta, size**2 / 2, self.delta * size - self.delta**2 / 2).mean(
            axis=-1
        )
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        gradient: Array = np.clip(y_pred - y_true, -self.delta, self.delta) / y_pred.shape[-1]
        return gradient


class LogCosh(NamedLoss):
    """l = mean log cosh e (``keras.losses``): near 0 e^2 / 2, far off |e| - log 2.

    It is computed as |e| + log(1 + exp(-2 |e|)) - log 2, which never overflows.
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        size = np.abs(y_pred - y_true)
        losses: Array = (size + np.log1p(np.exp(-2 * size)) - float(np.log(2))).mean(axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        gradient: Array = np.tanh(y_pred - y_true) / y_pred.shape[-1]
        return gradient
