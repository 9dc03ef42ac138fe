"""What a call by hand returns: the numbers and arrays of NumPy and Python, which also answer to Keras's ``numpy``.

A model, a layer, a loss or a metric that a script calls gives such a result, and a loop over a ``Dataset`` gets
such arrays. What fit, evaluate and predict return is plain, here as in Keras; and the library itself computes with
plain ones, but where a layer of one's own calculates with its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from minibatch import config
from minibatch.typing import Array

R = TypeVar("R")


class Number(float):
    """A float that knows ``numpy``.

    Examples
    --------
    >>> import minibatch as mb
    >>> loss = mb.losses.MeanSquaredError()([[0.0]], [[2.0]])
    >>> loss, loss.numpy().dtype
    (4.0, dtype('float32'))
    """

    dtype = property(lambda self: np.dtype(config.floatx()), doc="The library's float type.")
    shape = property(lambda self: (), doc="That of a number.")

    def numpy(self) -> Any:
        """Return the number as NumPy's, of the library's float type, as Keras does."""
        return self.dtype.type(self)

    def item(self) -> float:
        """Return the number as Python's."""
        return float(self)

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


class Count(int):
    """An int that knows ``numpy``."""

    def numpy(self) -> np.int64:
        """Return the number as NumPy's."""
        return np.int64(self)

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


class Result(np.ndarray):
    """An array that knows ``numpy``, and is NumPy's own in every other way: in print, in a file, in a sum.

    Examples
    --------
    >>> import minibatch as mb
    >>> y = mb.layers.Rescaling(2.0)([[1.0, 2.0]])
    >>> y, y[0].numpy(), y.sum()
    (array([[2., 4.]], dtype=float32), array([2., 4.], dtype=float32), np.float32(6.0))
    """

    def numpy(self) -> Array:
        """Return the array as NumPy's own."""
        return self.view(np.ndarray)

    def __array_wrap__(self, array: Array, context: Any = None, return_scalar: bool = False) -> Any:
        # A number that comes of a computation is one, as of any array; NumPy leaves other classes an array of it.
        if array is self:  # written in place
            return self
        return array.view(Result) if array.ndim else array[()]

    def __repr__(self) -> str:
        return repr(self.numpy())

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.numpy().__reduce_ex__(protocol)


def result(value: R) -> R:
    """Return a value as a caller by hand is to have it; what is no float and no array, as it is."""
    found: Any = value
    if type(value) is np.ndarray:  # others, such as masked arrays, are more than their numbers
        found = found.view(Result)
    elif isinstance(value, float | np.floating):
        found = Number(value)
    return found  # type: ignore[no-any-return]  # a float for a float, an array for an array


def plain(value: R) -> R:
    """Return a value for the library to compute with: of a ``Result`` its array; anything else as it is."""
    return value.numpy() if isinstance(value, Result) else value  # type: ignore[return-value]  # an array for one


def by_hand(method: Callable[..., R]) -> Callable[..., R]:
    """Decorator of a method that scripts call: it returns a ``result``."""

    @wraps(method)
    def called(*args: Any, **kwargs: Any) -> R:
        return result(method(*args, **kwargs))

    called.is_by_hand = called  # type: ignore[attr-defined]  # itself: what others wrap around it is not it
    return called


def is_by_hand(method: Callable[..., Any]) -> bool:
    """Return whether a method was decorated so."""
    return getattr(method, "is_by_hand", None) is method


def from_inside(method: Callable[[], R]) -> R:
    """Call a bound method that scripts call, too, for the library: it wants what was written, not a ``result``."""
    function: Any = getattr(method, "__func__", method)
    if is_by_hand(function):
        return function.__wrapped__(method.__self__)  # type: ignore[no-any-return, attr-defined]  # it is bound
    return method()
