"""Windows that slide over images: where they sit, and what they see.

Convolution and pooling share this one geometry. Axes: N samples, H height, W width, C channels; h, w the
window's own; OH, OW the positions it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minibatch.typing import Array


@dataclass(frozen=True)
class Window:
    """A window of ``size`` (h, w) that moves by ``strides`` over images of one shape.

    ``padding`` "valid" keeps the window inside the image: OH = floor((H - h) / s) + 1. "same" pads so that
    OH = ceil(H / s); an odd number of padded rows puts the extra one at the bottom, and an odd column at the
    right (TensorFlow's convention, and so Keras's).
    """

    size: tuple[int, int]
    strides: tuple[int, int]
    padding: str
    image: tuple[int, int]

    @property
    def pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((top, bottom), (left, right)) rows and columns to add."""
        if self.padding == "valid":
            return (0, 0), (0, 0)
        total = [
            max((-(-extent // stride) - 1) * stride + size - extent, 0)
            for extent, stride, size in zip(self.image, self.strides, self.size, strict=True)
        ]
        return (total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2)

    @property
    def positions(self) -> tuple[int, int]:
        """(OH, OW), the number of positions down and across; below 1 where the window does not fit."""
        (top, bottom), (left, right) = self.pads
        height, width = self.image[0] + top + bottom, self.image[1] + left + right
        return (height - self.size[0]) // self.strides[0] + 1, (width - self.size[1]) // self.strides[1] + 1

    def pad(self, x: Array, value: float = 0.0) -> Array:
        """Return x (N, H, W, C) with the padding around it; x itself when there is none."""
        (top, bottom), (left, right) = self.pads
        if not (top or bottom or left or right):
            return x
        return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)

    def crop(self, padded: Array) -> Array:
        """Undo ``pad``: return the image inside."""
        (top, _), (left, _) = self.pads
        return padded[:, top : top + self.image[0], left : left + self.image[1]]

    def patches(self, padded: Array) -> Array:
        """Return what the window sees at each position: (N, OH, OW, h, w, C), a view of the padded images."""
        sy, sx = self.strides
        views = np.lib.stride_tricks.sliding_window_view(padded, self.size, axis=(1, 2))
        return views[:, ::sy, ::sx].transpose(0, 1, 2, 4, 5, 3)

    def seen_from(self, padded: Array, i: int, j: int) -> Array:
        """Return the pixels that window entry (i, j) sees over all positions: (N, OH, OW, C), a view."""
        (oh, ow), (sy, sx) = self.positions, self.strides
        return padded[:, i : i + (oh - 1) * sy + 1 : sy, j : j + (ow - 1) * sx + 1 : sx]


def output_positions(kind: str, window: Window) -> tuple[int, int]:
    """Return (OH, OW), or raise a ValueError where the window is larger than the image."""
    oh, ow = window.positions
    if oh < 1 or ow < 1:
        raise ValueError(
            f"{kind}: a window of {window.size[0]} x {window.size[1]} does not fit into an image of "
            f"{window.image[0]} x {window.image[1]} with padding='valid'."
        )
    return oh, ow


def image_shape(kind: str, input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (H, W, C), or raise a ValueError if one sample is not an image."""
    if len(input_shape) != 3:
        hint = " Add the channel axis: x[..., None]." if len(input_shape) == 2 else ""
        raise ValueError(f"{kind}: expected samples of shape (H, W, C); got {input_shape}.{hint}")
    return input_shape[0], input_shape[1], input_shape[2]
