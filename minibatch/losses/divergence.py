"""Losses of distributions and of counts."""

from __future__ import annotations

import numpy as np

from minibatch import config
from minibatch.losses.loss import NamedLoss
from minibatch.typing import Array


class KLDivergence(NamedLoss):
    """l = sum_k y_k log(y_k / p_k), over the last axis, y and p first kept in [1e-7, 1].

    The source is Kullback and Leibler 1951, eq. 2.4.
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        y, p = self._clip(y_true), self._clip(y_pred)
        losses: Array = (y * np.log(y / p)).sum(axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        inside = (y_pred >= config.epsilon()) & (y_pred <= 1)
        gradient: Array = -self._clip(y_true) / self._clip(y_pred) * inside
        return gradient

    @staticmethod
    def _clip(p: Array) -> Array:
        return np.clip(p, config.epsilon(), 1)


class Poisson(NamedLoss):
    """l = mean of y_pred - y_true log(y_pred + 1e-7) over the last axis.

    It is the negative logarithm of a Poisson likelihood of mean y_pred, without its log(y!) (``keras.losses``).
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        losses: Array = (y_pred - y_true * np.log(y_pred + config.epsilon())).mean(axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        gradient: Array = (1 - y_true / (y_pred + config.epsilon())) / y_pred.shape[-1]
        return gradient
