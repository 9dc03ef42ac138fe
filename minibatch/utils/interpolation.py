"""Images made larger or smaller, one axis at a time.

A pixel i of the new image has its centre at (i + 1/2) n_old / n_new in the old one. Its value is a weighted mean of
the old pixels around that point, and the weights are a function of their distance from it: so resizing an axis is a
product with a matrix of weights, (new, old), of which each row sums to 1.

The numbers are TensorFlow's, from whose ``tf.image.resize`` Keras has them: the function is as wide in a small
image as in a large one (``antialias=False``), and outside the image there are no pixels, so that at an edge the
others share the weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minibatch.utils.names import near_misses

Weights = NDArray[np.float64]


def _triangle(d: Weights) -> Weights:
    return np.maximum(1 - d, 0)


def _cubic(d: Weights, b: float, c: float) -> Weights:
    """Mitchell and Netravali, "Reconstruction filters in computer graphics" (1988), equation 8."""
    near = (12 - 9 * b - 6 * c) * d**3 + (-18 + 12 * b + 6 * c) * d**2 + (6 - 2 * b)
    far = (-b - 6 * c) * d**3 + (6 * b + 30 * c) * d**2 + (-12 * b - 48 * c) * d + (8 * b + 24 * c)
    return np.where(d < 1, near, np.where(d < 2, far, 0)) / 6


def _lanczos(d: Weights, radius: int) -> Weights:
    return np.where(d < radius, np.sinc(d) * np.sinc(d / radius), 0)


#: Each a function of the distance, in pixels of the old image. "bicubic" is Keys's, with a = -1/2.
_KERNELS: dict[str, Callable[[Weights], Weights]] = {
    "bilinear": _triangle,
    "bicubic": lambda d: _cubic(d, 0, 0.5),
    "mitchellcubic": lambda d: _cubic(d, 1 / 3, 1 / 3),
    "lanczos3": lambda d: _lanczos(d, 3),
    "lanczos5": lambda d: _lanczos(d, 5),
    "gaussian": lambda d: np.where(d < 1.5, np.exp(-2 * d**2), 0),
}

INTERPOLATIONS = ("nearest", "area", *_KERNELS)


def resize(image: NDArray[Any], size: tuple[int, int], interpolation: str = "bilinear") -> NDArray[np.float32]:
    """Return an image in another size.

    Parameters
    ----------
    image : ndarray, shape (H, W, C)
    size : tuple of int
        The new (H, W).
    interpolation : str
        One of INTERPOLATIONS.

    Returns
    -------
    ndarray of float32, shape (new H, new W, C)

    Examples
    --------
    >>> resize(np.array([[[0.0], [10.0]]]), (1, 4))[0, :, 0]
    array([ 0. ,  2.5,  7.5, 10. ], dtype=float32)
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"Unknown interpolation {interpolation!r}.{near_misses(interpolation, INTERPOLATIONS)}")
    height, width, _ = image.shape
    if interpolation == "nearest":
        rows, columns = (
            np.floor(_centres(old, new)).astype(int) for old, new in zip((height, width), size, strict=True)
        )
        nearest: NDArray[np.float32] = image[rows[:, None], columns].astype(np.float32)
        return nearest
    down, across = (weights(old, new, interpolation) for old, new in zip((height, width), size, strict=True))
    wide = across @ image.astype(np.float64)  # (H, new W, C)
    resized: NDArray[np.float32] = np.tensordot(down, wide, axes=1).astype(np.float32)
    return resized


def weights(old: int, new: int, interpolation: str) -> Weights:
    """Return how much each pixel of the old axis counts in each of the new one.

    Returns
    -------
    ndarray of float64, shape (new, old)
        Rows sum to 1.
    """
    pixels = np.arange(old)
    if interpolation == "area":  # how much of each old pixel the new one covers
        edges = np.arange(new + 1)[:, None] * old / new
        w = np.clip(np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels), 0, None)
    else:
        w = _KERNELS[interpolation](np.abs(pixels + 0.5 - _centres(old, new)[:, None]))
    normalized: Weights = w / w.sum(axis=1, keepdims=True)
    return normalized


def _centres(old: int, new: int) -> Weights:
    centres: Weights = (np.arange(new) + 0.5) * old / new
    return centres
