"""Layers that move the numbers of a sample into another shape, and change none of them."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minibatch.layers.layer import Cache, Layer
from minibatch.layers.window import channels_last, check_axes, integers
from minibatch.typing import Array


class Flatten(Layer):
    """Each sample as one row: (N, ...) to (N, I), I the product of the rest.

    Parameters
    ----------
    data_format : {"channels_last"}, optional
    name : str, optional

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Flatten()(np.zeros((5, 8, 8, 3))).shape
    (5, 192)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = channels_last("Flatten", data_format)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(input_shape),)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy.reshape(cache)


class Reshape(Layer):
    """Each sample in another shape of as many numbers: (N, ...) to (N, *target_shape).

    Parameters
    ----------
    target_shape : sequence of int
        The shape of one sample, without the batch axis. One entry may be -1: what is left for it.
    name : str, optional

    Raises
    ------
    ValueError
        If an entry is not such a number, or a sample has more or fewer numbers than the shape.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.Reshape((4, -1))(np.zeros((5, 12))).shape
    (5, 4, 3)
    """

    def __init__(self, target_shape: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = tuple(target_shape) if isinstance(target_shape, tuple | list) else (target_shape,)
        if any(isinstance(n, bool) or not isinstance(n, int | np.integer) or n < -1 for n in given):
            raise ValueError(f"Reshape: target_shape must hold integers from 0 up, or -1; got {target_shape!r}.")
        if given.count(-1) > 1:
            raise ValueError(f"Reshape: target_shape may hold one -1; got {target_shape!r}.")
        self.target_shape = tuple(int(n) for n in given)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        size, known = math.prod(input_shape), math.prod(n for n in self.target_shape if n != -1)
        rest = size // known if known else 0
        shape = tuple(rest if n == -1 else n for n in self.target_shape)
        if math.prod(shape) != size or (-1 in self.target_shape and not known):
            raise ValueError(
                f"layer {self.name!r}: samples of shape {input_shape} hold {size} numbers and do not fill "
                f"target_shape={self.target_shape}."
            )
        return shape

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        return x.reshape(len(x), *self.output_shape_for(x.shape[1:])), x.shape

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy.reshape(cache)


class ZeroPadding(Layer):
    """What the paddings share: zeros before and after along each axis between the batch's and the channels'."""

    rank: ClassVar[int] = 2

    def __init__(self, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = channels_last(type(self).__name__, data_format)

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """(before, after) for each axis."""
        raise TypeError(f"{type(self).__name__} must define pads.")

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        check_axes(f"layer {self.name!r}", input_shape, self.rank)
        around = (before + after for before, after in self.pads)
        return (*(n + more for n, more in zip(input_shape[:-1], around, strict=True)), input_shape[-1])

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        return np.pad(x, ((0, 0), *self.pads, (0, 0))), x.shape

    def backward(self, dy: Array, cache: Cache) -> Array:
        shape = cache
        inside = (slice(before, before + n) for (before, _), n in zip(self.pads, shape[1:-1], strict=True))
        return dy[(slice(None), *inside)]


class ZeroPadding1D(ZeroPadding):
    """Zeros before and after a sequence: (N, L, C) to (N, before + L + after, C).

    Parameters
    ----------
    padding : int or (int, int), default 1
        One number for both, or (before, after).
    data_format : {"channels_last"}, optional
    name : str, optional

    Raises
    ------
    ValueError
        For numbers that are not integers from 0 up, and samples that are not (L, C).

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.ZeroPadding1D((2, 0))([[[7.0]]]).ravel()
    array([0., 0., 7.], dtype=float32)
    """

    rank = 1

    def __init__(self, padding: int | tuple[int, int] = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = integers("ZeroPadding1D", "padding", padding, 2, least=0)

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """((before, after),)."""
        return ((self.padding[0], self.padding[1]),)


class ZeroPadding2D(ZeroPadding):
    """Zeros around an image: (N, H, W, C) to (N, top + H + bottom, left + W + right, C).

    Parameters
    ----------
    padding : int, (int, int) or ((int, int), (int, int)), default (1, 1)
        One number for every side; or (above and below, left and right); or ((top, bottom), (left, right)). Kept as
        the last.
    data_format : {"channels_last"}, optional
    name : str, optional

    Raises
    ------
    ValueError
        For numbers that are not integers from 0 up, and samples that are not images.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.ZeroPadding2D(((1, 0), (0, 2)))([[[[7.0]]]])[0, :, :, 0]
    array([[0., 0., 0.],
           [7., 0., 0.]], dtype=float32)
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        sides = (padding, padding) if isinstance(padding, int | np.integer) else padding
        if not isinstance(sides, tuple | list) or len(sides) != 2:
            raise ValueError(
                "ZeroPadding2D: padding must be one integer, two, or ((top, bottom), (left, right)); "
                f"got {padding!r}."
            )
        self.padding = tuple(integers("ZeroPadding2D", "padding", side, 2, least=0) for side in sides)

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """((top, bottom), (left, right))."""
        return tuple((before, after) for before, after in self.padding)
