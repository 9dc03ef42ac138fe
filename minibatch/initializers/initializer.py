"""What every initializer is: a function of a shape."""

from __future__ import annotations

from typing import Self

import numpy as np

from minibatch import config
from minibatch.typing import Array
from minibatch.utils.serialization import Configurable


class Initializer(Configurable):
    """A function of a shape. Subclasses write ``draw``.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> class Checkerboard(mb.initializers.Initializer):
    ...     def draw(self, shape):
    ...         return np.indices(shape).sum(axis=0) % 2
    >>> Checkerboard()((2, 3))
    array([[0., 1., 0.],
           [1., 0., 1.]], dtype=float32)
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Array:
        """Return a new array of this shape, in ``dtype`` (default: floatx)."""
        return np.asarray(self.draw(tuple(shape)), dtype=dtype or config.floatx())

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return an array of this shape in float64."""
        raise TypeError(f"{type(self).__name__} must define draw(shape).")

    def clone(self) -> Self:
        """Return another one with the same arguments; without a seed of its own it draws other numbers."""
        return type(self).from_config(self.get_config())
