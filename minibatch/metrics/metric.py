"""What every metric is: a running number over the batches of an epoch."""

from __future__ import annotations

import copy
from typing import Any, Literal

import numpy as np

from minibatch import config
from minibatch.losses.loss import check_dtype
from minibatch.typing import Array
from minibatch.utils.names import snake_case, unique_name
from minibatch.utils.serialization import Configurable


class Metric(Configurable):
    """A number gathered over batches: ``update_state`` for each, ``result`` at any time, ``reset_state``.

    Parameters
    ----------
    dtype : str, optional
        As in Keras the float type of the numbers gathered. Only the library's own, ``config.floatx()``, is taken;
        they are gathered in float64 whatever it is.
    name : str, optional
        Its key in logs and ``History``; by default the class's name in snake case, numbered from the second on.

    Examples
    --------
    A metric of your own defines the three. What ``reset_state`` sets is its state; it is called by
    ``super().__init__``, so set what it needs before that.

    >>> import minibatch as mb
    >>> import numpy as np
    >>> class LargestError(mb.metrics.Metric):
    ...     def reset_state(self):
    ...         self.largest = 0.0
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.largest = max(self.largest, float(np.abs(np.subtract(y_true, y_pred)).max()))
    ...     def result(self):
    ...         return self.largest
    >>> LargestError()([1.0, 2.0], [1.5, 0.0])
    2.0
    """

    #: Which way is better, for callbacks that watch the metric; None if it does not say.
    _direction: Literal["up", "down"] | None = None

    def __init__(self, dtype: str | None = None, name: str | None = None) -> None:
        check_dtype(self, dtype)
        self.name = name or unique_name(snake_case(type(self).__name__))
        settings = set(vars(self))
        self.reset_state()
        self._state = tuple(key for key in vars(self) if key not in settings)

    @property
    def dtype(self) -> str:
        """The float type that Keras would gather in."""
        return config.floatx()

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in a batch: ``update_state(y_true, y_pred, sample_weight=None)``, or values for ``Mean``."""
        raise TypeError(f"{type(self).__name__} must define update_state(y_true, y_pred, sample_weight).")

    def joins(self, y_true: Array, sample_weight: Any = None) -> bool:
        """Return whether it is the same, to the last bit, to take in batches of such targets as one."""
        return False

    def result(self) -> Any:
        """Return the number so far; an array where there are several (one for each threshold or class)."""
        raise TypeError(f"{type(self).__name__} must define result().")

    def reset_state(self) -> None:
        """Forget all batches."""
        raise TypeError(f"{type(self).__name__} must define reset_state().")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch, and return the number so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of what was gathered so far, for a checkpoint."""
        return {key: copy.deepcopy(getattr(self, key)) for key in self._state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned.

        Raises
        ------
        ValueError
            If it is not the state of such a metric.
        """
        if set(state) != set(self._state):
            raise ValueError(f"metric {self.name!r} has the state {sorted(self._state)}; got {sorted(state)}.")
        for key, value in state.items():
            setattr(self, key, copy.deepcopy(value))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def same_rank(a: Array, b: Array, expand: bool = True) -> tuple[Array, Array]:
    """Return two arrays with as many axes, where one of them has a last axis of length 1 too many.

    That axis is dropped; or, with ``expand`` and where the other has one axis only, the other gets one, too. This
    is Keras's rule (``squeeze_or_expand_to_same_rank``).
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[..., None]) if b.ndim == 1 and expand else (a[..., 0], b)
    if b.ndim == a.ndim + 1:
        return same_rank(b, a, expand)[::-1]
    return a, b


def paired(what: str, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """Return targets and predictions with as many axes (see ``same_rank``), if each target has its prediction.

    Raises
    ------
    ValueError
        If they do not pair up.
    """
    y, p = same_rank(y_true, y_pred)
    if y.shape != p.shape and not _stretches(y.shape, p.shape):
        raise ValueError(
            f"{what} compares numbers in pairs; got targets of shape {y_true.shape} and predictions of shape "
            f"{y_pred.shape}. Class numbers become rows by minibatch.utils.to_categorical."
        )
    return y, p


def _stretches(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return bool(np.broadcast_shapes(shape, target) == target)
    except ValueError:
        return False
