"""What comes into fit, evaluate and predict: checked once, before the first step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from minibatch.typing import Array, Shape


def check_samples(x: Any, input_shape: Shape, what: str = "x") -> Array:
    """Return x as an array, if its samples have the model's shape.

    Raises
    ------
    ValueError
        If x is empty, is no array of numbers, or has samples of another shape.

    Warns
    -----
    UserWarning
        If x holds a NaN or an infinity: names the first such row. (Training goes on, as in Keras.)
    """
    array: Array = np.asanyarray(x)
    expected = f"(N, {', '.join(map(str, input_shape[1:]))})" if input_shape[1:] else "(N,)"
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{what} must be an array of numbers; got dtype {array.dtype}.")
    if array.ndim == 0 or array.shape[1:] != tuple(input_shape[1:]):
        raise ValueError(f"{what}: the model takes inputs of shape {expected}; got {_shape(array)}.")
    if len(array) == 0:
        raise ValueError(f"{what} holds no samples: its shape is {_shape(array)}.")
    warn_if_not_finite(array, what)
    return array


def check_same_length(arrays: Mapping[str, Any]) -> None:
    """Raise a ValueError if the arrays, by name, do not hold equally many samples."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"All arrays must hold the same number of samples: {counts}.")


def warn_if_not_finite(array: Array, what: str) -> None:
    """Warn, naming the first row, if the array holds a NaN or an infinity.

    A memory map is not read through for this.
    """
    if array.dtype.kind != "f" or isinstance(array, np.memmap):
        return
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        rows = len(np.unique(bad[:, 0]))
        warnings.warn(
            f"{what} holds values that are not finite: the first is {array[place]} in row {place[0]}, and "
            f"{rows} of {len(array)} rows have one. Training goes on, but the loss will not stay a number.",
            stacklevel=4,
        )


def check_sample_weight(sample_weight: Any, n_samples: int) -> Array | None:
    """Return the weights as floats of shape (N,), or None.

    Raises
    ------
    ValueError
        If the shape is not (N,).
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight for each sample; got {weights.shape}."
        )
    return weights


def split(x: Any, y: Any, sample_weight: Any, fraction: float) -> tuple[Any, Any, Any, tuple[Any, ...]]:
    """Return (x, y, sample_weight) for training, and the tuple of validation data split off their end.

    The validation samples are the last ones, from floor(N (1 - f)) on, before any shuffling.

    Raises
    ------
    ValueError
        If f does not lie in (0, 1), or leaves one side empty, or the data are no arrays of one length.
    """
    if isinstance(fraction, bool) or not 0 < fraction < 1:
        raise ValueError(f"validation_split must lie between 0 and 1; got {fraction!r}.")
    if y is None:
        raise ValueError("validation_split needs x and y as arrays.")
    x, y = np.asanyarray(x), np.asanyarray(y)
    check_same_length({"x": x, "y": y})
    n = len(x)
    at = math.floor(n * (1 - fraction))
    if at in (0, n):
        raise ValueError(
            f"validation_split={fraction} of {n} samples leaves {at} for training and {n - at} for validation; "
            "both need at least one."
        )
    weights = check_sample_weight(sample_weight, n)
    if weights is None:
        return x[:at], y[:at], None, (x[at:], y[at:])
    return x[:at], y[:at], weights[:at], (x[at:], y[at:], weights[at:])


def validation_arrays(validation_data: Any) -> tuple[Any, Any, Any]:
    """Return (x, y, sample_weight) from a tuple of two or three.

    Raises
    ------
    ValueError
        For anything else.
    """
    if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
        raise ValueError(
            "validation_data must be a tuple (x, y) or (x, y, sample_weight); got "
            f"{type(validation_data).__name__}"
            + (f" of {len(validation_data)}." if hasattr(validation_data, "__len__") else ".")
        )
    x, y, *rest = validation_data
    return x, y, rest[0] if rest else None


def _shape(array: Array) -> str:
    return str(tuple(array.shape))
