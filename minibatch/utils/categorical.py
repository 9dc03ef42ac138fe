"""Class numbers to one-hot rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minibatch import config
from minibatch.typing import Array


def to_categorical(x: npt.ArrayLike, num_classes: int | None = None) -> Array:
    """Turn class numbers into one-hot rows.

    Parameters
    ----------
    x : array_like of int, shape (N,) or (..., 1)
        Class numbers from 0; a last axis of length 1 is dropped, as in Keras.
    num_classes : int, optional
        The length K of a row; by default the largest class number plus one.

    Returns
    -------
    ndarray of floatx, shape (..., K)

    Raises
    ------
    ValueError
        If a class number is negative, not below ``num_classes``, or not an integer. (Keras wraps a negative
        number around silently.)

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.utils.to_categorical([0, 2, 1], num_classes=3)
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    """
    given = np.asarray(x)
    with np.errstate(invalid="ignore"):
        labels = given.astype(np.int64)
    if not np.array_equal(labels, given):
        raise ValueError(f"class numbers must be integers; got an array of {given.dtype} with fractions.")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if labels.size == 0 and num_classes is None:
        raise ValueError("num_classes cannot be told from an empty array; give it.")
    classes = int(labels.max()) + 1 if num_classes is None else int(num_classes)
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        worst = int(labels.min()) if labels.min() < 0 else int(labels.max())
        raise ValueError(f"class numbers must lie in 0..{classes - 1} (num_classes={classes}); got {worst}.")
    one_hot = np.zeros((*labels.shape, classes), dtype=config.floatx())
    np.put_along_axis(one_hot, labels[..., None], 1, axis=-1)
    return one_hot
