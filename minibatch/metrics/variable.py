"""Numbers that a metric gathers in place, as Keras's variables are: ``assign``, ``assign_add``."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from minibatch.typing import Array


class Variable(np.ndarray):
    """An array that is changed in place; what is computed from it is a plain number or array.

    Examples
    --------
    >>> import minibatch as mb
    >>> class Positives(mb.metrics.Metric):
    ...     def __init__(self, name="positives"):
    ...         super().__init__(name=name)
    ...         self.count = self.add_weight(name="count", initializer="zeros")
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.count.assign_add(sum(p > 0.5 for p in y_pred))
    ...     def result(self):
    ...         return self.count.value
    >>> Positives()([1, 1, 0], [0.9, 0.2, 0.8])
    2.0
    """

    def assign(self, value: Any) -> Self:
        """Take on these numbers."""
        self[...] = value
        return self

    def assign_add(self, value: Any) -> Self:
        """Add these numbers."""
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> Self:
        """Take these numbers away."""
        return self.assign(self - value)

    def numpy(self) -> Any:
        """Return the numbers as they are now, and stay: a float, or an array."""
        return np.array(self).tolist() if self.ndim == 0 else np.array(self)

    @property
    def value(self) -> Any:
        """What ``numpy`` returns."""
        return self.numpy()

    def __array_wrap__(self, array: Array, context: Any = None, return_scalar: bool = False) -> Any:
        # What comes of a computation is no variable; but += leaves one.
        return array if array is self else np.asarray(array)[()]
