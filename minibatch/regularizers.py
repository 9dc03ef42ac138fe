"""Penalties on weights, each beside its gradient (``keras.regularizers``).

A penalty is added whole to the loss of every step: it is not divided by the batch size, nor by the number of
samples.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from minibatch import config
from minibatch.typing import Array
from minibatch.utils import serialization
from minibatch.utils.names import NotHere, find, near_misses
from minibatch.utils.serialization import Configurable


class Regularizer(Configurable):
    """A penalty: a function of a weight, with its gradient.

    Examples
    --------
    A penalty of your own is two functions:

    >>> import minibatch as mb
    >>> import numpy as np
    >>> class Mean(mb.regularizers.Regularizer):
    ...     def __call__(self, w):
    ...         return float(w.mean() ** 2)
    ...     def gradient(self, w):
    ...         return np.full_like(w, 2 * w.mean() / w.size)
    >>> Mean()(np.array([1.0, 3.0])), Mean().gradient(np.array([1.0, 3.0]))
    (4.0, array([2., 2.]))
    """

    def __call__(self, w: Array) -> float:
        """Return the penalty of a weight."""
        raise TypeError(f"{type(self).__name__} must define __call__(w).")

    def gradient(self, w: Array) -> Array:
        """Return d(penalty)/dw, of the shape of w."""
        raise TypeError(f"{type(self).__name__} must define gradient(w).")


class L1L2(Regularizer):
    """l1 sum |w| + l2 sum w^2 (the elastic net: Zou and Hastie 2005, eq. 3). The slope of |w| at 0 is taken as 0.

    Parameters
    ----------
    l1, l2 : float, default 0
        Not negative.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _factor("l1", l1), _factor("l2", l2)

    def __call__(self, w: Array) -> float:
        return float(self.l1 * np.abs(w).sum() + self.l2 * np.square(w).sum())

    def gradient(self, w: Array) -> Array:
        gradient: Array = self.l1 * np.sign(w) + 2 * self.l2 * w
        return gradient


class L1(Regularizer):
    """l1 sum |w| (the lasso: Tibshirani 1996). The slope at 0 is taken as 0.

    Parameters
    ----------
    l1 : float, default 0.01
        Not negative.
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor("l1", l1)

    def __call__(self, w: Array) -> float:
        return float(self.l1 * np.abs(w).sum())

    def gradient(self, w: Array) -> Array:
        gradient: Array = self.l1 * np.sign(w)
        return gradient


class L2(Regularizer):
    """l2 sum w^2 (ridge: Hoerl and Kennard 1970); without the 1/2 that some put before it.

    Parameters
    ----------
    l2 : float, default 0.01
        Not negative.
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor("l2", l2)

    def __call__(self, w: Array) -> float:
        return float(self.l2 * np.square(w).sum())

    def gradient(self, w: Array) -> Array:
        gradient: Array = 2 * self.l2 * w
        return gradient


class OrthogonalRegularizer(Regularizer):
    """``factor`` times the mean over pairs of rows of |cos| of the angle between them (``keras.regularizers``).

    Parameters
    ----------
    factor : float, default 0.01
        Not negative.
    mode : {"rows", "columns"}
        Which of a matrix are to be orthogonal.

    Notes
    -----
    With u_i = w_i / |w_i| and P pairs, the penalty is factor / P sum_{i<j} |u_i . u_j|. A single row has no pair
    and no penalty (in Keras: not a number).

    Raises
    ------
    ValueError
        If an argument is out of its range, or the weight is not a matrix.
    """

    def __init__(self, factor: float = 0.01, mode: Literal["rows", "columns"] = "rows") -> None:
        self.factor = _factor("factor", factor)
        if mode not in ("rows", "columns"):
            known = near_misses(mode, ("rows", "columns"))
            raise ValueError(f"OrthogonalRegularizer: unknown mode {mode!r}.{known}")
        self.mode = mode

    def __call__(self, w: Array) -> float:
        u, _, pairs = self._directions(w)
        cosines = u @ u.T
        np.fill_diagonal(cosines, 0)
        return float(self.factor * np.abs(cosines).sum() / (2 * pairs))

    def gradient(self, w: Array) -> Array:
        u, length, pairs = self._directions(w)
        signs = np.sign(u @ u.T)
        np.fill_diagonal(signs, 0)
        du = self.factor / pairs * (signs @ u)
        # Backwards through u = w / |w|: what of du lies along u changes no direction.
        dw: Array = (du - u * (du * u).sum(axis=1, keepdims=True)) / length
        return dw if self.mode == "rows" else dw.T

    def _directions(self, w: Array) -> tuple[Array, Array, float]:
        """Return (u, |w|, P), of the rows of w or of its transpose."""
        if w.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer is for matrices; got a weight of shape {w.shape}.")
        rows = w if self.mode == "rows" else w.T
        length = np.maximum(np.sqrt((rows * rows).sum(axis=1, keepdims=True)), config.epsilon())
        return rows / length, length, max(1.0, len(rows) * (len(rows) - 1) / 2)


def _factor(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number that is not negative; got {value!r}.")
    return float(value)


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

REGULARIZERS: dict[str, type[Regularizer]] = {
    "l1": L1,
    "l2": L2,
    "l1_l2": L1L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}
_BY_NAME: dict[str, type[Regularizer]] = {
    **REGULARIZERS,
    **{c.__name__: c for c in REGULARIZERS.values()},
    "l1l2": L1L2,
}

NOT_HERE = NotHere("regularizers", {}, {"activity_l1": "L1", "activity_l2": "L2", "WeightRegularizer": "L1L2"})


def get(identifier: Any) -> Regularizer | None:
    """Return a regularizer from a name ("l2"), a class, an instance, a dict of ``serialize``, or None.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the near misses.
    TypeError
        For anything else. A plain function is not enough: its gradient is needed too (see ``Regularizer``).
    """
    if identifier is None or isinstance(identifier, Regularizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Regularizer):
        return identifier()
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        kind: type[Regularizer] = find("regularizer", identifier, _BY_NAME, NOT_HERE)
        return kind()
    raise TypeError(
        "a regularizer is a name, None, or a minibatch.regularizers.Regularizer (a function with its gradient); "
        f"got {identifier!r}."
    )


def serialize(regularizer: Regularizer) -> dict[str, Any]:
    """Return a regularizer as a dict in Keras's format (see ``minibatch.utils.serialization``)."""
    return serialization.serialize(regularizer, "regularizers")


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Regularizer:
    """Return the regularizer that ``serialize``, here or in Keras, made a dict of.

    Raises
    ------
    ValueError
        If its name is unknown.
    TypeError
        If the dict is not of that format.
    """
    found = get(serialization.deserialize("regularizer", config, _BY_NAME, custom_objects, NOT_HERE))
    assert found is not None
    return found


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]
