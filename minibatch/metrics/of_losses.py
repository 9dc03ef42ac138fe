"""The losses as metrics: the mean over samples of what a loss of the same name gives each of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch import config, losses
from minibatch.losses import Loss
from minibatch.metrics.metric import paired
from minibatch.metrics.reduction import Average
from minibatch.utils.names import snake_case


class OfLoss(Average):
    """The mean of a loss over samples, without its gradient."""

    _direction = "down"

    #: The loss; its reduction plays no part.
    loss: Loss

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(dtype, name or snake_case(type(self).__name__))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        y, p = self.loss.arrays(y_true, y_pred)
        counts = self.loss.mask(y)
        if sample_weight is not None and counts is not None:
            w = np.asarray(sample_weight)
            sample_weight = w.reshape(w.shape + (1,) * (counts.ndim - w.ndim)) * counts
        self.add(self.loss.call(y, p), sample_weight)


class MeanSquaredError(OfLoss):
    """The mean of ``losses.MeanSquaredError`` over samples."""

    loss = losses.MeanSquaredError()


class RootMeanSquaredError(Average):
    """The square root of the mean of (y_pred - y_true)^2 over everything seen so far, not over each batch.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.metrics.RootMeanSquaredError()([0.0, 0.0], [3.0, 4.0])  # sqrt((9 + 16) / 2)
    3.5355339059327378
    """

    _direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(dtype, name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        y, p = paired(self.name, np.asarray(y_true, config.floatx()), np.asarray(y_pred, config.floatx()))
        self.add((p - y) ** 2, sample_weight)

    def result(self) -> float:
        return float(np.sqrt(super().result()))


class MeanAbsoluteError(OfLoss):
    """The mean of ``losses.MeanAbsoluteError`` over samples."""

    loss = losses.MeanAbsoluteError()


class MeanAbsolutePercentageError(OfLoss):
    """The mean of ``losses.MeanAbsolutePercentageError`` over samples."""

    loss = losses.MeanAbsolutePercentageError()


class MeanSquaredLogarithmicError(OfLoss):
    """The mean of ``losses.MeanSquaredLogarithmicError`` over samples."""

    loss = losses.MeanSquaredLogarithmicError()


class LogCoshError(OfLoss):
    """The mean of ``losses.LogCosh`` over samples. Its name is "logcosh", as in Keras."""

    loss = losses.LogCosh()

    def __init__(self, name: str | None = "logcosh", dtype: str | None = None) -> None:
        super().__init__(name, dtype)


class Hinge(OfLoss):
    """The mean of ``losses.Hinge`` over samples."""

    loss = losses.Hinge()


class SquaredHinge(OfLoss):
    """The mean of ``losses.SquaredHinge`` over samples."""

    loss = losses.SquaredHinge()


class CategoricalHinge(OfLoss):
    """The mean of ``losses.CategoricalHinge`` over samples."""

    loss = losses.CategoricalHinge()


class KLDivergence(OfLoss):
    """The mean of ``losses.KLDivergence`` over samples."""

    loss = losses.KLDivergence()


class Poisson(OfLoss):
    """The mean of ``losses.Poisson`` over samples."""

    loss = losses.Poisson()


class BinaryCrossentropy(OfLoss):
    """The mean of ``losses.BinaryCrossentropy`` over samples; arguments as there."""

    def __init__(
        self,
        name: str | None = None,
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing
        self.loss = losses.BinaryCrossentropy(from_logits, label_smoothing)


class CategoricalCrossentropy(OfLoss):
    """The mean of ``losses.CategoricalCrossentropy`` over samples; arguments as there."""

    def __init__(
        self,
        name: str | None = None,
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis
        self.loss = losses.CategoricalCrossentropy(from_logits, label_smoothing, axis)


class SparseCategoricalCrossentropy(OfLoss):
    """The mean of ``losses.SparseCategoricalCrossentropy`` over samples; arguments as there.

    As in Keras, without sample weights what ``ignore_class`` ignores counts as a loss of 0; with them, not at all.
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: str | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis
        self.loss = losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis)
