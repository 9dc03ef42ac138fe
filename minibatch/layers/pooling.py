"""Pooling: one number for each window of each channel."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minibatch import memory, passes
from minibatch.activations.rectifiers import where_above
from minibatch.layers.layer import Cache, Layer, one_of
from minibatch.layers.window import Window, blocks, channels_last, integers, layout, window_over
from minibatch.parallel import PARTS, each, together
from minibatch.typing import Array, IntOrPair

#: The winner of a window in which an entry is no number: none. Windows of so many entries are left to NumPy.
NOBODY = 255


class Pooling(Layer):
    """What max and average pooling share: a window that slides over sequences (rank 1) or images (rank 2).

    Inside, a sequence is an image one pixel high. Subclasses define ``pool`` and ``pool_backward`` for images.
    """

    rank: ClassVar[int] = 2
    window: Window

    def __init__(self, pool_size: Any, strides: Any, padding: str, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.pool_size = integers(kind, "pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else integers(kind, "strides", strides, self.rank)
        self.padding = one_of(kind, "padding", padding, ("valid", "same"))
        self.data_format = channels_last(kind, data_format)

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.window = self.window_over(input_shape)

    def window_over(self, input_shape: tuple[int, ...]) -> Window:
        """Return the window over samples of this shape, or raise a ValueError where it does not fit."""
        return window_over(f"layer {self.name!r}", input_shape, self.pool_size, self.strides, self.padding)

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*self.window_over(input_shape).positions[2 - self.rank :], input_shape[-1])

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        y, cache = self.pool(x.reshape(len(x), *self.window.image, x.shape[-1]))
        return y.reshape(len(x), *self.window.positions[2 - self.rank :], x.shape[-1]), cache

    def backward(self, dy: Array, cache: Cache) -> Array:
        channels = dy.shape[-1]
        dx = self.pool_backward(dy.reshape(len(dy), *self.window.positions, channels), cache)
        return dx.reshape(len(dy), *self.window.image[2 - self.rank :], channels)

    def pool(self, x: Array) -> tuple[Array, Cache]:
        """Return (y, cache): y (N, OH, OW, C) for x (N, H, W, C)."""
        raise TypeError(f"{type(self).__name__} must define pool(x).")

    def pool_backward(self, dy: Array, cache: Cache) -> Array:
        """Return dx (N, H, W, C) for dy (N, OH, OW, C)."""
        raise TypeError(f"{type(self).__name__} must define pool_backward(dy, cache).")


class MaxPooling(Pooling):
    """The largest value in each window of each channel.

    The gradient goes to the entry that was the largest; of several equal ones, to the first (row by row), as in
    TensorFlow.
    """

    def pool(self, x: Array) -> tuple[Array, Cache]:
        window = self.window
        padded = window.pad(x, value=-np.inf)
        y = memory.empty((len(x), *window.positions, x.shape[-1]), x.dtype)
        if math.prod(window.size) < NOBODY and passes.take(padded):
            return y, (padded, y, self._pool_in_one_pass(padded, y))
        # The largest over the window's entries, one whole image of entries at a time: h * w passes over
        # contiguous channels beat one pass over a six-axis view.
        first, *rest = window.entries

        def largest(few: slice) -> None:
            most = y[few]
            np.copyto(most, window.seen_from(padded[few], *first))
            for i, j in rest:
                np.maximum(most, window.seen_from(padded[few], i, j), out=most)

        each(largest, blocks(len(x), padded[:1].nbytes))
        return y, (padded, y, None)

    def pool_backward(self, dy: Array, cache: Cache) -> Array:
        padded, y, winners = cache
        window = self.window
        dx = memory.empty(padded.shape, dy.dtype)
        if winners is not None and dy.shape == y.shape and dy.dtype == y.dtype and dy.flags.carray:
            self._send_back_in_one_pass(dy, winners, dx)
            return window.crop(dx)

        def send_back(few: slice) -> None:
            here, waiting = (memory.scratch(name, y[few].shape, bool) for name in ("here", "waiting"))
            waiting.fill(True)
            dx[few] = 0
            for i, j in window.entries:
                np.equal(window.seen_from(padded[few], i, j), y[few], out=here)
                np.logical_and(here, waiting, out=here)
                np.logical_xor(waiting, here, out=waiting)
                sent = window.seen_from(dx[few], i, j)
                if window.apart:
                    np.multiply(dy[few], here, out=sent)
                else:
                    sent += dy[few] * here

        each(send_back, blocks(len(y), padded[:1].nbytes))
        return window.crop(dx)

    def backward_above(self, dy: Array, cache: Cache, least: float) -> Array:
        # An entry that is passed on is its window's largest: whether it is above shows in y, which is smaller.
        above = where_above(dy, cache[1].reshape(dy.shape), least, memory.empty(dy.shape, dy.dtype))
        return self.backward(above, cache)

    def _pool_in_one_pass(self, padded: Array, y: Array) -> Array:
        """Write y; return which of its window's entries each was, (N, OH, OW, C)."""
        from minibatch.layers.pooling_kernels import largest

        winners = memory.empty(y.shape, np.uint8)
        rows = len(y) * y.shape[1]
        together(largest, (rows, _few(rows)), padded, *layout(self.window, y.shape[-1]), y, winners)
        return winners

    def _send_back_in_one_pass(self, dy: Array, winners: Array, dx: Array) -> None:
        """Write dx for dy and what ``_pool_in_one_pass`` returned."""
        from minibatch.layers.pooling_kernels import to_the_largest

        window, cut = self.window, (len(dy), _few(len(dy)))
        how = *layout(window, dy.shape[-1]), window.covers, window.apart
        together(to_the_largest, cut, dy, winners, *how, dx)


def _few(N: int) -> int:
    """Return how many of N images, or rows, a piece has."""
    return max(1, -(-N // PARTS))


class AveragePooling(Pooling):
    """The mean of the pixels in each window of each channel; the padding is not counted."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        super().build(input_shape)
        ones = self.window.pad(np.ones((1, *self.window.image, 1)))
        #: How many pixels of the image each position sees: (OH, OW, 1).
        self.seen = self.window.patches(ones).sum(axis=(3, 4))[0]

    def pool(self, x: Array) -> tuple[Array, Cache]:
        window = self.window
        padded = window.pad(x)
        y = memory.empty((len(x), *window.positions, x.shape[-1]), x.dtype)

        def average(few: slice) -> None:
            total = y[few]
            total.fill(0)
            for i, j in window.entries:
                total += window.seen_from(padded[few], i, j)
            total /= self.seen

        each(average, blocks(len(x), padded[:1].nbytes))
        return y, None

    def pool_backward(self, dy: Array, cache: Cache) -> Array:
        window = self.window
        dx = memory.empty((len(dy), *window.padded, dy.shape[-1]), dy.dtype)

        def send_back(few: slice) -> None:
            share = (dy[few] / self.seen).astype(dy.dtype, copy=False)
            dx[few] = 0
            for i, j in window.entries:
                window.seen_from(dx[few], i, j)[...] += share

        each(send_back, blocks(len(dy), dx[:1].nbytes))
        return window.crop(dx)


class MaxPooling1D(MaxPooling):
    """The largest value in each window of each channel of a sequence.

    x (N, L, C) to y (N, OL, C). The gradient goes to the step that was the largest; of several equal ones, to the
    first.

    Parameters
    ----------
    pool_size : int, default 2
    strides : int, optional
        By default the pool size: windows side by side.
    padding : {"valid", "same"}
        "valid" leaves out what does not fill a window; "same" makes OL = ceil(L / strides).
    data_format : {"channels_last"}, optional
    name : str, optional

    Raises
    ------
    ValueError
        For sizes that are not positive integers, samples that are not (L, C), and windows that do not fit.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.MaxPooling1D(3, strides=1)([[[1.0], [5.0], [2.0], [4.0]]]).ravel()
    array([5., 5.], dtype=float32)
    """

    rank = 1

    def __init__(
        self,
        pool_size: int | tuple[int] = 2,
        strides: int | tuple[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class MaxPooling2D(MaxPooling):
    """The largest value in each window of each channel of an image.

    x (N, H, W, C) to y (N, OH, OW, C). The gradient goes to the pixel that was the largest; of several equal ones,
    to the first (row by row), as in TensorFlow.

    Parameters
    ----------
    pool_size : int or (int, int), default (2, 2)
    strides : int or (int, int), optional
        By default the pool size: windows side by side.
    padding : {"valid", "same"}
        "valid" leaves out what does not fill a window; "same" makes OH = ceil(H / strides).
    data_format, name
        As for ``MaxPooling1D``.

    Raises
    ------
    ValueError
        For sizes that are not positive integers, samples that are not images, and windows that do not fit.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> mb.layers.MaxPooling2D()(x)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """

    def __init__(
        self,
        pool_size: IntOrPair = (2, 2),
        strides: IntOrPair | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class AveragePooling1D(AveragePooling):
    """The mean of each window of each channel of a sequence.

    x (N, L, C) to y (N, OL, C). With ``padding="same"`` a window at an end takes the mean of the steps that are
    there, as in Keras.

    Parameters
    ----------
    pool_size : int
    strides, padding, data_format, name
        As for ``MaxPooling1D``, which raises for the same reasons.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.AveragePooling1D(2, padding="same")([[[1.0], [3.0], [5.0]]]).ravel()
    array([2., 5.], dtype=float32)
    """

    rank = 1

    def __init__(
        self,
        pool_size: int | tuple[int],
        strides: int | tuple[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class AveragePooling2D(AveragePooling):
    """The mean of each window of each channel of an image.

    x (N, H, W, C) to y (N, OH, OW, C). With ``padding="same"`` a window at an edge takes the mean of the pixels
    that are there, as in Keras.

    Parameters
    ----------
    pool_size : int or (int, int)
    strides, padding, data_format, name
        As for ``MaxPooling2D``, which raises for the same reasons.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> mb.layers.AveragePooling2D(2)(x)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]], dtype=float32)
    """

    def __init__(
        self,
        pool_size: IntOrPair,
        strides: IntOrPair | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


#: Keras's other names for the same.
MaxPool1D, MaxPool2D = MaxPooling1D, MaxPooling2D
AvgPool1D, AvgPool2D = AveragePooling1D, AveragePooling2D
