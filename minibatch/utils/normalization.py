"""Vectors divided by their length."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch import config
from minibatch.typing import Array


def normalize(x: npt.ArrayLike, axis: int | tuple[int, int] | None = -1, order: float = 2) -> Array:
    """Divide the vectors along an axis by their norms; a vector of zeros stays as it is.

    Parameters
    ----------
    x : array_like
        An array keeps its dtype (integers become float64); anything else becomes floatx.
    axis : int or tuple of two int, default -1
        As in ``numpy.linalg.norm``: of two axes, and of all (None), the norm is a matrix's.
    order : float, default 2
        1 for the sum of absolute values, ``numpy.inf`` for the largest.

    Returns
    -------
    ndarray, of the shape of ``x``

    Notes
    -----
    For NumPy arrays, Keras 3.15 takes ``axis=0`` for "not given" and divides by the wrong norms, and makes a vector
    a matrix of one row. Here every axis is the one that was named, and every shape stays.

    Examples
    --------
    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    array: Any = x if isinstance(x, np.ndarray) else np.asarray(x, dtype=config.floatx())
    if array.dtype.kind not in "biuf":
        raise TypeError(f"normalize takes real numbers; got an array of {array.dtype}.")
    norm = np.linalg.norm(array, order, axis, keepdims=True)
    normalized: Array = array / np.where(norm == 0, 1, norm)
    return normalized
