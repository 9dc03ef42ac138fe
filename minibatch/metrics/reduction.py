"""Sums and means over everything that was given; most metrics are a mean of something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minibatch.losses.functions import LossFunction
from minibatch.losses.loss import Loss
from minibatch.metrics.metric import Metric, same_rank
from minibatch.typing import Array
from minibatch.utils.names import snake_case
from minibatch.utils.serialization import function_config


def by_sample(values: Any, sample_weight: Any, reduce: Callable[..., Any]) -> tuple[Array, Array | None]:
    """Return (w v, w), one of each for a sample: what Keras makes of values with positions, and their weights.

    Parameters
    ----------
    values : array_like, shape (N, ...) or ()
    sample_weight : array_like, optional
        Of shape (N,), that of ``values``, or one that can be stretched to it.
    reduce : callable
        ``np.mean`` or ``np.sum``: what is done over the positions of a sample.
    """
    v: Array = np.asarray(values, np.float64)
    w = None
    if sample_weight is not None:
        v, w = same_rank(v, np.asarray(sample_weight, np.float64))
        if v.ndim > w.ndim:
            v = np.asarray(reduce(v, axis=tuple(range(w.ndim, v.ndim))))
        w = np.broadcast_to(w, v.shape)
        v = v * w
        if w.ndim > 1:
            w = reduce(w, axis=tuple(range(1, w.ndim)))
    return (reduce(v, axis=tuple(range(1, v.ndim))) if v.ndim > 1 else v), w


class Sum(Metric):
    """The (weighted) sum of everything it was given.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.metrics.Sum()([1.0, 2.0, 3.0], sample_weight=[1, 0, 2])
    7.0
    """

    total: float

    def __init__(self, name: str | None = "sum", dtype: str | None = None) -> None:
        super().__init__(dtype, name)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in a number or an array, with a weight or an array of weights."""
        self.total += float(by_sample(values, sample_weight, np.sum)[0].sum())

    def result(self) -> float:
        return self.total

    def reset_state(self) -> None:
        self.total = 0.0


class Average(Metric):
    """A weighted mean, gathered: what ``Mean`` and most metrics are. 0 before the first value."""

    total: float
    count: float

    def add(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values, each with its weight (by default 1); see ``by_sample``."""
        v, w = by_sample(values, sample_weight, np.mean)
        self.total += float(v.sum())
        self.count += float(v.size if w is None else w.sum())

    def result(self) -> float:
        return self.total / self.count if self.count else 0.0

    def reset_state(self) -> None:
        self.total = self.count = 0.0


#: Made once: ``int | float`` makes a union anew wherever it stands.
_NUMBERS = (int, float)


class Mean(Average):
    """The (weighted) mean of everything it was given: sum w v / sum w; 0 before the first value.

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

    def __init__(self, name: str | None = "mean", dtype: str | None = None) -> None:
        super().__init__(dtype, name)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in a number or an array, with a weight or an array of weights."""
        if isinstance(values, float) and isinstance(sample_weight, _NUMBERS):
            # The loss of a batch, at every step: no array is made for it.
            self.total += values * sample_weight
            self.count += sample_weight
        else:
            self.add(values, sample_weight)


#: Functions that return ones and zeros, each with the one that counts them: it returns how many samples are right,
#: and of how many; or None, where samples have positions.
COUNTS: list[tuple[Callable[..., Any], Callable[[Any, Any], tuple[int, int] | None]]] = []


class MeanMetricWrapper(Average):
    """The mean over samples of a function of (y_true, y_pred): the shape that most metrics have.

    Parameters
    ----------
    fn : callable
        Returns one number, or truth value, for each sample or position. It needs no gradient.
    name, dtype
        As for ``Metric``.
    **kwargs
        Further arguments of ``fn``.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> def off_by(y_true, y_pred):
    ...     return np.abs(y_pred - y_true)
    >>> mb.metrics.MeanMetricWrapper(off_by)(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    0.5
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: str | None = None, **kwargs: Any
    ) -> None:
        self.fn = fn
        self._settings = kwargs
        self._count_right = None if kwargs else next((count for known, count in COUNTS if known is fn), None)
        if isinstance(fn, Loss | LossFunction):
            self._direction = "down"
        super().__init__(dtype, name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        if self._count_right is not None and sample_weight is None:
            counted = self._count_right(y_true, y_pred)
            if counted is not None:
                self.total += counted[0]
                self.count += counted[1]
                return
        self.add(self.fn(np.asarray(y_true), np.asarray(y_pred), **self._settings), sample_weight)

    def joins(self, y_true: Array, sample_weight: Any = None) -> bool:
        # Counts are whole numbers, which are added up without rounding.
        own = getattr(self.update_state, "__func__", None) is not MeanMetricWrapper.update_state
        counts = self._count_right is not None and not own
        return counts and sample_weight is None and y_true.ndim == 1

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if "fn" in config:
            config |= {"fn": described(self.fn)} | self._settings
        return config


def described(fn: Callable[..., Any]) -> dict[str, Any]:
    """Return a function of (y_true, y_pred) in Keras's format: by its name, whoever wrote it.

    Raises
    ------
    TypeError
        If it has none, as an object that can be called.
    """
    if not hasattr(fn, "__name__"):
        raise TypeError(f"a metric that is a function is written by its name, and this one has none: {fn!r}.")
    return function_config(fn.__name__)


def wrapped(fn: Callable[..., Any]) -> MeanMetricWrapper:
    """Return a user's function as a metric, under its name (or "lambda"), as Keras's ``compile`` takes it."""
    name = getattr(fn, "__name__", type(fn).__name__).strip("<>")
    return MeanMetricWrapper(fn, getattr(fn, "name", None) or snake_case(name))
