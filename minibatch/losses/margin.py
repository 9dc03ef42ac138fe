"""Hinge losses: nothing to pay beyond a margin of 1, and the more the further on the wrong side."""

from __future__ import annotations

import numpy as np

from minibatch.losses.loss import NamedLoss
from minibatch.typing import Array


def signs(y_true: Array) -> Array:
    """Return targets as -1 and 1: if all of them are 0 or 1, as 2 y - 1; otherwise as they are."""
    return 2 * y_true - 1 if ((y_true == 0) | (y_true == 1)).all() else y_true


class Hinge(NamedLoss):
    """l = mean of max(1 - y_true y_pred, 0) over the last axis, y_true being -1 or 1.

    The source is Cortes and Vapnik 1995. If all targets of a batch are 0 or 1 they are taken as -1 and 1;
    outside [-1, 1] they are an error (``check``). At the margin itself the slope is that of the wrong side, as in
    Keras.
    """

    limits = -1, 1

    def call(self, y_true: Array, y_pred: Array) -> Array:
        losses: Array = np.maximum(1 - signs(y_true) * y_pred, 0).mean(axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        y = signs(y_true)
        gradient: Array = -y * (y * y_pred <= 1) / y_pred.shape[-1]
        return gradient.astype(y_pred.dtype, copy=False)


class SquaredHinge(NamedLoss):
    """l = mean of max(1 - y_true y_pred, 0)^2 over the last axis, with targets as for ``Hinge``.

    The source is Rosasco et al. 2004, section 2.
    """

    limits = -1, 1

    def call(self, y_true: Array, y_pred: Array) -> Array:
        losses: Array = (np.maximum(1 - signs(y_true) * y_pred, 0) ** 2).mean(axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        y = signs(y_true)
        gradient: Array = -y * np.maximum(1 - y * y_pred, 0) * (2 / y_pred.shape[-1])
        return gradient


class CategoricalHinge(NamedLoss):
    """l = max(1 + max_k (1 - y_k) y_pred_k - sum_k y_k y_pred_k, 0), for one-hot targets y.

    The best wrong class must stay 1 below the right one (Weston and Watkins 1999, with the maximum of Crammer and
    Singer 2001). As in Keras the right class takes part in the maximum with the value 0, and the slope of a maximum
    that several attain is shared among them.
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        losses: Array = np.maximum(self._lead(y_true, y_pred)[0], 0)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        lead, best = self._lead(y_true, y_pred)
        share = best / best.sum(axis=-1, keepdims=True)
        gradient: Array = (lead >= 0)[..., None] * ((1 - y_true) * share - y_true)
        return gradient.astype(y_pred.dtype, copy=False)

    @staticmethod
    def _lead(y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Return (what is paid before the cut at 0, where the wrong classes' best is)."""
        wrong = (1 - y_true) * y_pred
        most = wrong.max(axis=-1, keepdims=True)
        return most[..., 0] - (y_true * y_pred).sum(axis=-1) + 1, wrong == most
