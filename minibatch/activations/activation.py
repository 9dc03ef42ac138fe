"""What every activation is: a function and its gradient, with settings that can be fixed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch import config, memory
from minibatch.parallel import each
from minibatch.typing import Array
from minibatch.utils.names import near_misses

#: (z, settings) -> y
Function = Callable[..., Array]
#: (dy, z, y, settings) -> dz
Gradient = Callable[..., Array]

#: Of so many entries and more, an activation is computed of so few at a time: NumPy goes over its array several
#: times, and these stay in the processor's cache meanwhile.
MANY, FEW = 1 << 18, 1 << 16
#: What a setting may be for that.
PLAIN = (bool, int, float, type(None))

#: This library's own, by name.
ACTIVATIONS: dict[str, Activation] = {}


class Activation:
    """A function y = f(z) with its gradient.

    Parameters
    ----------
    function : callable
        Takes z, returns y of the same shape and dtype. Further arguments are settings, with defaults.

    Examples
    --------
    A new activation is two functions, written side by side:

    >>> import numpy as np
    >>> @Activation
    ... def square(z):
    ...     return z * z
    >>> @square.gradient
    ... def _(dy, z, y):
    ...     return dy * 2 * z
    >>> square(np.array([3.0])), square.backward(np.ones(1), np.array([3.0]), np.array([9.0]))
    (array([9.]), array([6.]))
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.name = self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__signature__ = inspect.signature(function)
        #: The settings that ``with_settings`` fixed.
        self.settings: dict[str, Any] = {}
        self._gradient: Gradient | None = None
        self._in_place: Function | None = None
        #: c, where y is max(z, c) and nothing else, and the gradient the same when it is given y for z.
        self.floor: float | None = None
        #: Whether it is known that each entry of y and of dz depends on one of z alone: then those of a large z are
        #: computed a few at a time, several pieces side by side.
        self.by_entry = False

    def __call__(self, x: npt.ArrayLike, *args: Any, **settings: Any) -> Array:
        z = np.asarray(x)
        return self.function(z if z.dtype.kind == "f" else z.astype(config.floatx()), *args, **settings)

    def gradient(self, gradient: Gradient) -> Gradient:
        """Decorator: attach the function that takes (dy, z, y), and the settings, and returns dz."""
        self._gradient = gradient
        self.floor = None  # which says something of the gradient, too
        return gradient

    def in_place(self, function: Function) -> Function:
        """Decorator: attach the function that writes y over z, and returns it.

        Only for an activation whose gradient is the same when it is given y for z.
        """
        self._in_place = function
        return function

    def of(self, z: Array) -> Array:
        """Return y, an array of z's float type."""
        return self._in_pieces(self.function, z)

    def over(self, z: Array) -> Array:
        """Return y for a z that nobody else will look at: where there is a way, written over it."""
        return self.of(z) if self._in_place is None else self._in_place(z)

    def backward(self, dy: Array, z: Array, y: Array) -> Array:
        """Return dz = dL/dz, of the shape of z, from dy = dL/dy."""
        if self._gradient is None:
            raise TypeError(f"activation {self.name!r} has no gradient: attach one with @{self.name}.gradient.")
        return self._in_pieces(self._gradient, dy, z, y)

    def _in_pieces(self, function: Function, *arrays: Array) -> Array:
        """Return what a function returns of these arrays; see ``by_entry``."""
        first = arrays[0]
        alike = first.size >= MANY and all(a.shape == first.shape and a.flags.c_contiguous for a in arrays)
        if not (self.by_entry and alike and all(a.dtype == first.dtype for a in arrays)):
            return function(*arrays)
        out, rows = memory.empty(first.shape, first.dtype), [a.reshape(-1) for a in arrays]
        of_all = out.reshape(-1)

        def do(start: int) -> None:
            of_all[start : start + FEW] = function(*(row[start : start + FEW] for row in rows))

        each(do, range(0, first.size, FEW))
        return out

    def with_settings(self, **settings: Any) -> Activation:
        """Return this activation with other settings than its defaults, as a layer takes it.

        >>> import minibatch as mb
        >>> mb.layers.Activation(mb.activations.relu.with_settings(max_value=1.0))([[-1.0, 0.5, 2.0]])
        array([[0. , 0.5, 1. ]], dtype=float32)
        """
        known = list(self.__signature__.parameters)[1:]
        for name in settings.keys() - set(known):
            raise TypeError(f"activation {self.name!r} has no argument {name!r}.{near_misses(name, known)}")
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.function = partial(self.function, **settings)
        other._gradient = self._gradient and partial(self._gradient, **settings)
        other._in_place = other.floor = None
        other.settings = {**self.settings, **settings}
        # An array, or a number of a float type of its own, is not for a piece of z alone.
        other.by_entry = self.by_entry and all(type(v) in PLAIN for v in other.settings.values())
        # Another name, so that a loss which absorbs "softmax" does not take this for it.
        base = self.name.partition("(")[0]
        other.name = f"{base}({', '.join(f'{k}={v!r}' for k, v in other.settings.items())})"
        return other

    def __reduce__(self) -> Any:
        # One of this library's own is pickled and copied by its name, so it stays the one there is.
        base = self.name.partition("(")[0]
        if ACTIVATIONS.get(self.name) is self or (self.settings and base in ACTIVATIONS):
            return _again, (base, self.settings)
        return super().__reduce__()

    def __repr__(self) -> str:
        return f"<activation {self.name}>"


def _again(name: str, settings: dict[str, Any]) -> Activation:
    return ACTIVATIONS[name].with_settings(**settings) if settings else ACTIVATIONS[name]


def distribution(function: Function) -> Activation:
    """Decorator: make an ``Activation`` that is found by its name."""
    made = Activation(function)
    ACTIVATIONS[made.name] = made
    return made


def activation(function: Function) -> Activation:
    """Decorator: make one that is found by its name, and each entry of which depends on one of z alone."""
    made = distribution(function)
    made.by_entry = True
    return made
