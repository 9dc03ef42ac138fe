"""Merging: several inputs become one. Each layer takes a list, and gives back a list of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from minibatch.layers.layer import Cache, Layer
from minibatch.typing import Array

Shapes = Sequence[tuple[int, ...]]


class Merge(Layer):
    """y = a function of several inputs, entry by entry: what these layers share.

    Samples of different shapes are spread over each other as NumPy does it: shapes are lined up at the right, and
    an extent of 1 serves any other. Subclasses define ``merge`` and ``parts``.
    """

    def merge(self, xs: list[Array]) -> Array:
        """Return y for inputs that NumPy spreads by itself."""
        raise TypeError(f"{type(self).__name__} must define merge(xs).")

    def parts(self, dy: Array, xs: list[Array], y: Array) -> list[Array]:
        """Return, for each input, dy times the slope of y by it, in the shape of y."""
        raise TypeError(f"{type(self).__name__} must define parts(dy, xs, y).")

    def output_shape_for(self, input_shape: Any) -> tuple[int, ...]:
        shapes = several(self, input_shape)
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise ValueError(
                f"layer {self.name!r}: {type(self).__name__} needs inputs of one shape (or of extents 1, which are "
                f"spread); got samples of shapes {' and '.join(map(str, shapes))}."
            ) from None

    def forward(self, x: Any, training: bool = False) -> tuple[Array, Cache]:
        ndim = max(part.ndim for part in x)
        xs = [part.reshape(len(part), *(1,) * (ndim - part.ndim), *part.shape[1:]) for part in x]
        y = self.merge(xs)
        return y, (xs, y, [part.shape for part in x])

    def backward(self, dy: Array, cache: Cache) -> list[Array]:
        xs, y, shapes = cache
        gradients = []
        for part, x, shape in zip(self.parts(dy, xs, y), xs, shapes, strict=True):
            # What was spread comes back as a sum.
            spread = tuple(k for k, (n, extent) in enumerate(zip(part.shape, x.shape, strict=True)) if n != extent)
            gradients.append((part.sum(axis=spread) if spread else part).reshape(shape))
        return gradients


def several(layer: Layer, input_shape: Any) -> Shapes:
    """Return the sample shapes of a list of inputs; raise a ValueError if it is no list, or an empty one."""
    if not isinstance(input_shape, list) or not input_shape:
        raise ValueError(
            f"layer {layer.name!r}: {type(layer).__name__} takes a list of inputs; got one of shape {input_shape}."
        )
    return input_shape


class Add(Merge):
    """y = x_1 + x_2 + ...

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Add()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])])
    array([[11., 22.]], dtype=float32)
    """

    def merge(self, xs: list[Array]) -> Array:
        return reduce(np.add, xs)

    def parts(self, dy: Array, xs: list[Array], y: Array) -> list[Array]:
        return [dy for _ in xs]


class Subtract(Merge):
    """y = x_1 - x_2, of exactly two inputs.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Subtract()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])])
    array([[ -9., -18.]], dtype=float32)
    """

    def output_shape_for(self, input_shape: Any) -> tuple[int, ...]:
        if len(several(self, input_shape)) != 2:
            raise ValueError(f"layer {self.name!r}: Subtract takes exactly 2 inputs; got {len(input_shape)}.")
        return super().output_shape_for(input_shape)

    def merge(self, xs: list[Array]) -> Array:
        y: Array = xs[0] - xs[1]
        return y

    def parts(self, dy: Array, xs: list[Array], y: Array) -> list[Array]:
        return [dy, -dy]


class Multiply(Merge):
    """y = x_1 x_2 ...

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Multiply()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])])
    array([[10., 40.]], dtype=float32)
    """

    def merge(self, xs: list[Array]) -> Array:
        return reduce(np.multiply, xs)

    def parts(self, dy: Array, xs: list[Array], y: Array) -> list[Array]:
        # The product of the others, not y / x_i: x_i may be 0.
        return [reduce(np.multiply, xs[:i] + xs[i + 1 :], dy) for i in range(len(xs))]


class Average(Merge):
    """y = (x_1 + ... + x_k) / k.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Average()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])])
    array([[ 5.5, 11. ]], dtype=float32)
    """

    def merge(self, xs: list[Array]) -> Array:
        return reduce(np.add, xs) / len(xs)

    def parts(self, dy: Array, xs: list[Array], y: Array) -> list[Array]:
        return [dy / len(xs) for _ in xs]


class Maximum(Merge):
    """y = the largest of x_1, x_2, ..., entry by entry.

    The gradient goes to the input that was the largest; of several equal ones, to the first, as in TensorFlow.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Maximum()([np.array([[1.0, 20.0]]), np.array([[10.0, 2.0]])])
    array([[10., 20.]], dtype=float32)
    """

    def merge(self, xs: list[Array]) -> Array:
        return reduce(np.maximum, xs)

    def parts(self, dy: Array, xs: list[Array], y: Array) -> list[Array]:
        return _to_the_first(dy, xs, y)


class Minimum(Merge):
    """y = the smallest of x_1, x_2, ..., entry by entry; its gradient as that of ``Maximum``.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Minimum()([np.array([[1.0, 20.0]]), np.array([[10.0, 2.0]])])
    array([[1., 2.]], dtype=float32)
    """

    def merge(self, xs: list[Array]) -> Array:
        return reduce(np.minimum, xs)

    def parts(self, dy: Array, xs: list[Array], y: Array) -> list[Array]:
        return _to_the_first(dy, xs, y)


def _to_the_first(dy: Array, xs: list[Array], y: Array) -> list[Array]:
    """Return dy where an input is y, for the first of which that is so, and 0 elsewhere."""
    waiting = np.ones(y.shape, dtype=bool)
    parts = []
    for x in xs:
        here = waiting & (x == y)
        parts.append(dy * here)
        waiting &= ~here
    return parts


class Concatenate(Layer):
    """y = the inputs, one behind the other along an axis.

    Parameters
    ----------
    axis : int, default -1
        Counted with the batch axis, as in Keras: 1 is the first axis of a sample. Not 0, which would change the
        number of samples.
    name : str, optional

    Raises
    ------
    ValueError
        If samples have no such axis, or differ along another one.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Concatenate()([np.array([[1.0, 2.0]]), np.array([[10.0]])])
    array([[ 1.,  2., 10.]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = int(axis)

    def output_shape_for(self, input_shape: Any) -> tuple[int, ...]:
        shapes = several(self, input_shape)
        ndim = len(shapes[0]) + 1
        axis = self.axis + ndim if self.axis < 0 else self.axis
        if not 1 <= axis < ndim:
            raise ValueError(
                f"layer {self.name!r}: axis must be an axis of a sample, 1 to {ndim - 1} or -1 to {1 - ndim}, for "
                f"samples of shape {shapes[0]}; got {self.axis}."
            )
        others = {(*shape[: axis - 1], *shape[axis:]) for shape in shapes}
        if len(others) > 1 or any(len(shape) != ndim - 1 for shape in shapes):
            raise ValueError(
                f"layer {self.name!r}: Concatenate needs inputs that differ along axis {self.axis} only; got "
                f"samples of shapes {' and '.join(map(str, shapes))}."
            )
        whole = sum(shape[axis - 1] for shape in shapes)
        return (*shapes[0][: axis - 1], whole, *shapes[0][axis:])

    def forward(self, x: Any, training: bool = False) -> tuple[Array, Cache]:
        return np.concatenate(x, axis=self.axis), [part.shape[self.axis] for part in x]

    def backward(self, dy: Array, cache: Cache) -> list[Array]:
        return np.split(dy, np.cumsum(cache)[:-1], axis=self.axis)


def add(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Add(**kwargs)(inputs)``."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Subtract(**kwargs)(inputs)``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Multiply(**kwargs)(inputs)``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Average(**kwargs)(inputs)``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Maximum(**kwargs)(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Minimum(**kwargs)(inputs)``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Return ``Concatenate(axis, **kwargs)(inputs)``."""
    return Concatenate(axis, **kwargs)(inputs)
