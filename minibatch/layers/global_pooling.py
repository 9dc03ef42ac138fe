"""Global pooling: one number for each channel of a whole sequence or image."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minibatch.layers.layer import Cache, Layer
from minibatch.layers.window import channels_last, check_axes
from minibatch.typing import Array


class GlobalPooling(Layer):
    """What the global poolings share: x (N, ..., C) to y (N, C), or (N, 1, ..., C) with ``keepdims``."""

    rank: ClassVar[int] = 2

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = channels_last(type(self).__name__, data_format)
        self.keepdims = keepdims

    @property
    def places(self) -> tuple[int, ...]:
        """The axes of a batch that are pooled."""
        return tuple(range(1, self.rank + 1))

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        check_axes(f"layer {self.name!r}", input_shape, self.rank)
        if 0 in input_shape:
            raise ValueError(f"layer {self.name!r}: nothing to pool in samples of shape {input_shape}.")
        return (*(1,) * (self.rank if self.keepdims else 0), input_shape[-1])

    def _spread(self, y: Array) -> Array:
        """Return y, or its gradient, with an axis of length 1 for each that was pooled."""
        return y.reshape(len(y), *(1,) * self.rank, y.shape[-1])


class GlobalMaxPooling(GlobalPooling):
    """The largest value of each channel. Of several equal ones each takes an equal share of the gradient.

    So it is in TensorFlow, too; its ``MaxPooling``, and this library's, gives all to the first.
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        y = x.max(axis=self.places, keepdims=self.keepdims)
        return y, (x, y)

    def backward(self, dy: Array, cache: Cache) -> Array:
        x, y = cache
        largest = x == self._spread(y)
        share = self._spread(dy) / largest.sum(axis=self.places, keepdims=True, dtype=x.dtype)
        dx: Array = largest * share
        return dx


class GlobalAveragePooling(GlobalPooling):
    """The mean of each channel."""

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        return x.mean(axis=self.places, keepdims=self.keepdims), x.shape

    def backward(self, dy: Array, cache: Cache) -> Array:
        shape = cache
        share = self._spread(dy) / math.prod(shape[1:-1])
        return np.broadcast_to(share, shape).copy()


class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest value of each channel of a sequence: x (N, L, C) to y (N, C).

    Of several equal largest steps each takes an equal share of the gradient, as in TensorFlow (where the windows of
    ``MaxPooling1D`` give all of it to the first).

    Parameters
    ----------
    data_format : {"channels_last"}, optional
    keepdims : bool, default False
        Whether y keeps an axis of length 1: (N, 1, C).
    name : str, optional

    Raises
    ------
    ValueError
        For samples that are not (L, C).

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.GlobalMaxPooling1D()([[[1.0, -1.0], [5.0, -2.0]]])
    array([[ 5., -1.]], dtype=float32)
    """

    rank = 1


class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest value of each channel of an image: x (N, H, W, C) to y (N, C).

    Of several equal largest pixels each takes an equal share of the gradient, as in TensorFlow.

    Parameters
    ----------
    data_format : {"channels_last"}, optional
    keepdims : bool, default False
        Whether y keeps axes of length 1: (N, 1, 1, C).
    name : str, optional

    Raises
    ------
    ValueError
        For samples that are not images.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.GlobalMaxPooling2D(keepdims=True)(np.arange(12.0).reshape(1, 2, 3, 2))
    array([[[[10., 11.]]]], dtype=float32)
    """


class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean of each channel of a sequence: x (N, L, C) to y (N, C).

    Parameters
    ----------
    data_format, keepdims, name
        As for ``GlobalMaxPooling1D``, which raises for the same reasons.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.GlobalAveragePooling1D()([[[1.0, -1.0], [5.0, -2.0]]])
    array([[ 3. , -1.5]], dtype=float32)
    """

    rank = 1


class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean of each channel of an image: x (N, H, W, C) to y (N, C).

    Parameters
    ----------
    data_format, keepdims, name
        As for ``GlobalMaxPooling2D``, which raises for the same reasons.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> mb.layers.GlobalAveragePooling2D()(np.arange(12.0).reshape(1, 2, 3, 2))
    array([[5., 6.]], dtype=float32)
    """


#: Keras's other names for the same.
GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
