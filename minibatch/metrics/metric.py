"""What every metric is: a running number over the batches of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.typing import Array
from minibatch.utils.names import refuse, snake_case


class Metric:
    """A number gathered over batches: ``update_state`` for each, ``result`` at any time, ``reset_state``.

    Parameters
    ----------
    name : str, optional
        Its key in logs and ``History``; by default the class's name in snake case.
    """

    def __init__(self, name: str | None = None, **unknown: Any) -> None:
        refuse(self, unknown, {"dtype": ()})
        self.name = name or snake_case(type(self).__name__)
        self.reset_state()

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in a batch: ``update_state(y_true, y_pred, sample_weight=None)``, or values for ``Mean``."""
        raise TypeError(f"{type(self).__name__} must define update_state(y_true, y_pred, sample_weight).")

    def result(self) -> float:
        """Return the number so far."""
        raise TypeError(f"{type(self).__name__} must define result().")

    def reset_state(self) -> None:
        """Forget all batches."""
        raise TypeError(f"{type(self).__name__} must define reset_state().")


class Average(Metric):
    """A weighted mean, gathered: what ``Mean`` and most metrics are. 0 before the first value."""

    total: float
    count: float

    def add(self, values: Any, weights: Any = None) -> None:
        """Take in numbers, each with its weight (by default 1)."""
        values = np.asarray(values)
        if weights is None:
            self.total += float(values.sum())
            self.count += values.size
        else:
            self.total += float((values * weights).sum())
            self.count += float(np.broadcast_to(weights, values.shape).sum())

    def result(self) -> float:
        return self.total / self.count if self.count else 0.0

    def reset_state(self) -> None:
        self.total = self.count = 0.0


class Mean(Average):
    """The (weighted) mean of everything it was given.

    Given one number with a weight, it is the running mean of an epoch's loss: sum B_k L_k / sum B_k.

    Examples
    --------
    Ten batches of 100 with loss 1 and one of 50 with loss 3 have the mean loss of their samples, not of their
    batches:

    >>> import minibatch as mb
    >>> mean = mb.metrics.Mean()
    >>> for _ in range(10):
    ...     mean.update_state(1.0, sample_weight=100)
    >>> mean.update_state(3.0, sample_weight=50)
    >>> round(mean.result(), 4)
    1.0952
    """

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in a number or an array, with a weight or an array of weights."""
        if isinstance(values, float) and isinstance(sample_weight, int | float):
            # The loss of a batch, at every step: no array is made for it.
            self.total += values * sample_weight
            self.count += sample_weight
        else:
            self.add(values, sample_weight)


class MeanOverSamples(Average):
    """The mean over samples of a function of each: the shape that most metrics have.

    Subclasses define ``call(y_true, y_pred)``, which returns one number (or truth value) for each sample.
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return the value for each sample, shape (N,) or (N, positions)."""
        raise TypeError(f"{type(self).__name__} must define call(y_true, y_pred).")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        values = self.call(np.asarray(y_true), np.asarray(y_pred))
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight).reshape(-1, *[1] * (values.ndim - 1))
        self.add(values, sample_weight)
