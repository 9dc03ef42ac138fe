"""Windows that slide over images: where they sit, and what they see.

Convolution and pooling share this one geometry. Axes: N samples, H height, W width, C channels; h, w the
window's own; OH, OW the positions it takes. A sequence (L, C) is an image one pixel high: (1, L, C).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch import memory
from minibatch.typing import Array

#: Bytes that one turn over a few samples may make, so that they are in the processor's cache when they are used.
BLOCK = 2**19

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A window of ``size`` (h, w) that moves by ``strides`` over images of one shape.

    Parameters
    ----------
    image : (int, int)
        (H, W).
    size : (int, int)
        (h, w), the entries of the window.
    strides : (int, int)
    pads : ((int, int), (int, int))
        ((top, bottom), (left, right)) rows and columns to add.
    dilation : (int, int)
        The distance between neighbouring entries; 1 is a window without gaps.

    Examples
    --------
    >>> window = Window.over((5, 5), (3, 3), strides=(2, 2), padding="same")
    >>> window.pads, window.positions
    (((1, 1), (1, 1)), (3, 3))
    """

    image: Pair
    size: Pair
    strides: Pair = (1, 1)
    pads: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)

    @classmethod
    def over(cls, image: Pair, size: Pair, strides: Pair, padding: str, dilation: Pair = (1, 1)) -> Window:
        """Return the window with Keras's ``padding``.

        "valid" keeps the window inside the image: OH = floor((H - reach) / s) + 1. "same" pads so that
        OH = ceil(H / s); an odd number of padded rows puts the extra one at the bottom, and an odd column at the
        right. "causal" pads before only, so that an output sees nothing that comes after it.
        """
        rows, columns = (
            _pads(padding, image[axis], reach(size[axis], dilation[axis]), strides[axis]) for axis in (0, 1)
        )
        return cls(image, size, strides, (rows, columns), dilation)

    @cached_property
    def reach(self) -> Pair:
        """(rows, columns) from the first entry of the window to its last, both counted."""
        return reach(self.size[0], self.dilation[0]), reach(self.size[1], self.dilation[1])

    @cached_property
    def padded(self) -> Pair:
        """(H, W) with the padding."""
        (top, bottom), (left, right) = self.pads
        return self.image[0] + top + bottom, self.image[1] + left + right

    @cached_property
    def positions(self) -> Pair:
        """(OH, OW), the number of positions down and across; below 1 where the window does not fit."""
        down, across = (
            (extent - reach) // stride + 1
            for extent, reach, stride in zip(self.padded, self.reach, self.strides, strict=True)
        )
        return down, across

    @property
    def entries(self) -> Iterator[Pair]:
        """The entries (i, j) of the window, row by row."""
        return ((i, j) for i in range(self.size[0]) for j in range(self.size[1]))

    @cached_property
    def backward(self) -> Window:
        """The window over the positions that has one position for each pixel, for a window of stride 1.

        Pixel p is seen from the positions p - i by the entries i; so from the pixel, too, a window of the same size
        looks at the positions, its entries in reverse order. (No padding that ``over`` gives reaches as far as the
        window; a wider one would have positions that no pixel sees.)
        """
        if self.strides != (1, 1):
            raise ValueError(f"a window of strides {self.strides} has no single window backward.")
        before = [self.reach[axis] - 1 - self.pads[axis][0] for axis in (0, 1)]
        after = [self.reach[axis] - 1 - self.pads[axis][1] for axis in (0, 1)]
        pads = ((before[0], after[0]), (before[1], after[1]))
        return Window(self.positions, self.size, (1, 1), pads, self.dilation)

    @cached_property
    def apart(self) -> bool:
        """Whether no pixel is seen from two positions."""
        return self.strides[0] >= self.reach[0] and self.strides[1] >= self.reach[1]

    @cached_property
    def covers(self) -> bool:
        """Whether every pixel is seen, the padding counted, and from one position only."""
        ends = tuple(n * s for n, s in zip(self.positions, self.strides, strict=True))
        return self.strides == self.size == self.reach and ends == self.padded

    def pad(self, x: Array, value: float = 0.0) -> Array:
        """Return x (N, H, W, C) with the padding around it; x itself when there is none."""
        if self.padded == self.image:
            return x
        around = np.full((len(x), *self.padded, x.shape[-1]), value, dtype=x.dtype)
        self.crop(around)[...] = x
        return around

    def rows_seen(self, x: Array, band: slice) -> Array:
        """Return the rows of the padded images (N, H, W, C) that a band of positions sees, in scratch memory."""
        top = band.start * self.strides[0]
        height = (band.stop - band.start - 1) * self.strides[0] + self.reach[0]
        if self.padded == self.image:
            return x[:, top : top + height]
        (above, _), (left, _) = self.pads
        seen = memory.scratch("padded", (len(x), height, self.padded[1], x.shape[-1]), x.dtype)
        seen.fill(0)
        first = max(top - above, 0)
        last = max(first, min(top - above + height, self.image[0]))
        offset = above - top
        seen[:, first + offset : last + offset, left : left + self.image[1]] = x[:, first:last]
        return seen

    def crop(self, padded: Array) -> Array:
        """Undo ``pad``: return the image inside, a view."""
        (top, _), (left, _) = self.pads
        return padded[:, top : top + self.image[0], left : left + self.image[1]]

    def patches(self, padded: Array, rows: int | None = None) -> Array:
        """Return what the window sees at each position: (N, OH, OW, h, w, C), a view of the padded images.

        ``rows`` is for a part of the padded images: how many rows of positions they have, in place of OH.
        """
        (sy, sx), (dy, dx) = self.strides, self.dilation
        sample, row, column, channel = padded.strides
        shape = (len(padded), rows or self.positions[0], self.positions[1], *self.size, padded.shape[-1])
        strides = (sample, row * sy, column * sx, row * dy, column * dx, channel)
        return np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)

    def seen_from(self, padded: Array, i: int, j: int) -> Array:
        """Return the pixels that window entry (i, j) sees over all positions: (N, OH, OW, C), a view."""
        (oh, ow), (sy, sx) = self.positions, self.strides
        top, left = i * self.dilation[0], j * self.dilation[1]
        return padded[:, top : top + (oh - 1) * sy + 1 : sy, left : left + (ow - 1) * sx + 1 : sx]


def reach(size: int, dilation: int) -> int:
    """Return over how many pixels a window of so many entries goes: 3 at distance 2 reach over 5."""
    return (size - 1) * dilation + 1


def _pads(padding: str, extent: int, reach: int, stride: int) -> Pair:
    """Return the pixels to add (before, after) along one axis."""
    if padding == "same":
        positions = -(-extent // stride)
        total = max((positions - 1) * stride + reach - extent, 0)
        return total // 2, total - total // 2
    return (reach - 1, 0) if padding == "causal" else (0, 0)


@cache
def layout(window: Window, C: int) -> tuple[tuple[int, int, int], npt.NDArray[np.intp]]:
    """Return, for padded images of C channels as one row of numbers, where a window's entries are.

    How far it is from one image's window to the next one's, one down, one across; and from a window's beginning to
    each of its entries.

    Examples
    --------
    >>> layout(Window.over((4, 6), (2, 2), (2, 2), "valid"), C=10)
    ((240, 120, 20), array([ 0, 10, 60, 70]))
    """
    (H, W), (h, w), (sy, sx), (dy, dx) = window.padded, window.size, window.strides, window.dilation
    offsets = (np.arange(h)[:, None] * dy * W + np.arange(w) * dx) * C
    return (H * W * C, sy * W * C, sx * C), offsets.ravel()


def blocks(samples: int, bytes_each: int, block: int | None = None) -> Iterator[slice]:
    """Return slices of a few samples at a time, each of about ``block`` bytes and at least one sample.

    >>> [(few.start, few.stop) for few in blocks(5, bytes_each=2, block=4)]
    [(0, 2), (2, 4), (4, 6)]
    """
    few = max(1, (block or BLOCK) // max(1, bytes_each))
    return (slice(start, start + few) for start in range(0, samples, few))


# What layers ask of their arguments and inputs ------------------------------------------------------------------


def window_over(
    layer: str,
    input_shape: tuple[int, ...],
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: str,
    dilation: tuple[int, ...] | None = None,
) -> Window:
    """Return the window of a layer over samples (H, W, C), or (L, C) where ``size`` is of one axis.

    Raises
    ------
    ValueError
        If a sample is not of that many axes, or the window does not fit into it.
    """
    rank = len(size)
    check_axes(layer, input_shape, rank)
    image, window_size, steps = _two(input_shape[:-1]), _two(size), _two(strides)
    window = Window.over(image, window_size, steps, padding, _two(dilation or (1,) * rank))
    if min(window.positions) < 1:
        what, shape = ("an image", image) if rank == 2 else ("a sequence", image[1:])
        spread = f" with dilation_rate={dilation}" if dilation and max(dilation) > 1 else ""
        raise ValueError(
            f"{layer}: a window of {_by(size)}{spread} does not fit into {what} of {_by(shape)} "
            f"with padding={padding!r}."
        )
    return window


def check_axes(layer: str, input_shape: tuple[int, ...], rank: int) -> None:
    """Raise a ValueError if one sample is not (H, W, C), or (L, C) for a rank of 1."""
    if len(input_shape) != rank + 1:
        hint = " Add the channel axis: x[..., None]." if len(input_shape) == rank else ""
        expected = "(H, W, C)" if rank == 2 else "(L, C)"
        raise ValueError(f"{layer}: expected samples of shape {expected}; got {input_shape}.{hint}")


def integers(kind: str, argument: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """Return ``count`` integers from one or from so many; raise a ValueError where one is below ``least``."""
    values = (value,) * count if isinstance(value, int | np.integer) else value
    ok = isinstance(values, tuple | list) and len(values) == count
    if not ok or any(isinstance(v, bool) or not isinstance(v, int | np.integer) or v < least for v in values):
        of_one = "a positive integer" + (" or two of them" if count == 2 else "")
        expected = of_one if least == 1 else f"integers from {least} up: one or {'two' if count == 2 else count}"
        raise ValueError(f"{kind}: {argument} must be {expected}; got {value!r}.")
    return tuple(int(v) for v in values)


def channels_last(kind: str, data_format: Any) -> str:
    """Return "channels_last" for it or None; raise for the other layout, which is not here.

    Raises
    ------
    ValueError
        For "channels_first" and for what is no layout.
    """
    if data_format == "channels_first":
        raise ValueError(
            f"{kind}: data_format='channels_first' of Keras is not here; move the channels to the end: "
            "np.moveaxis(x, 1, -1), with data_format='channels_last'."
        )
    if data_format not in (None, "channels_last"):
        raise ValueError(f"{kind}: data_format must be 'channels_last'; got {data_format!r}.")
    return "channels_last"


def _two(values: tuple[int, ...]) -> Pair:
    """Return (1, value) for one value: a sequence is an image one pixel high."""
    return (1, values[0]) if len(values) == 1 else (values[0], values[1])


def _by(values: tuple[int, ...]) -> str:
    """Return "3 x 4" for (3, 4)."""
    return " x ".join(str(value) for value in values)
