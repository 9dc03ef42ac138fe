"""What comes into fit, evaluate and predict: checked once, before the first step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minibatch.batching.sources import array_of, on_disk
from minibatch.typing import Array
from minibatch.utils.names import near_misses


def entries(what: str, given: Any, names: Sequence[str]) -> list[Any]:
    """Return one entry for each name: from a list or tuple in their order, a dict, or the only one.

    What makes an array of itself (a frame, a tensor) is asked for it here, and nowhere else.

    Parameters
    ----------
    what : str
        "x", "y", for messages.
    given : object
    names : sequence of str
        Of the model's inputs or outputs.

    Raises
    ------
    ValueError
        If there are too few or too many, or a dict names another.
    """
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown or len(given) != len(names):
            raise ValueError(
                f"{what} must hold {', '.join(map(repr, names))}; got {', '.join(map(repr, given))}."
                + (near_misses(str(unknown[0]), names) if unknown else "")
            )
        return [settled(given[name]) for name in names]
    if len(names) == 1:
        # A list of one array is that array; a list of numbers is an array itself.
        alone = isinstance(given, list | tuple) and len(given) == 1 and hasattr(given[0], "__array__")
        return [settled(given[0] if alone and np.ndim(given[0]) else given)]
    if not isinstance(given, list | tuple) or len(given) != len(names):
        raise ValueError(
            f"{what}: the model has {len(names)} ({', '.join(names)}), so a list of {len(names)} arrays or a dict "
            f"is expected; got {type(given).__name__}"
            + (f" of {len(given)}." if hasattr(given, "__len__") else ".")
        )
    return [settled(entry) for entry in given]


def settled(entry: Any) -> Any:
    """Return what makes an array of itself as that array; anything else, and what lies on disk, as it is."""
    if isinstance(entry, np.ndarray) or not hasattr(entry, "__array__") or on_disk(entry):
        return entry
    return array_of(entry)


def check_samples(x: Any, sample_shape: tuple[int, ...], what: str = "x") -> Array:
    """Return x as an array, if its samples have this shape.

    Raises
    ------
    ValueError
        If x is empty, is no array of numbers, or has samples of another shape.

    Warns
    -----
    UserWarning
        If x holds a NaN or an infinity: names the first such row. (Training goes on, as in Keras.)
    """
    array = as_array(x, what)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{what} must be an array of numbers; got dtype {array.dtype}.")
    if array.ndim == 1 and sample_shape == (1,):
        array = np.asarray(array)[:, None]  # Keras's rule: N numbers are N samples of one number
    if array.ndim == 0 or array.shape[1:] != tuple(sample_shape):
        expected = f"(N, {', '.join(map(str, sample_shape))})" if sample_shape else "(N,)"
        near = len(sample_shape) == array.ndim and sample_shape[-1] == 1 and array.shape[1:] == sample_shape[:-1]
        hint = " Add the channel axis: x[..., None]." if near else ""
        raise ValueError(f"{what}: the model takes inputs of shape {expected}; got {tuple(array.shape)}.{hint}")
    if len(array) == 0:
        raise ValueError(f"{what} holds no samples: its shape is {tuple(array.shape)}.")
    warn_if_not_finite(array, what)
    return array


def check_whole(array: Array, dtype: np.dtype[Any] | None, what: str) -> None:
    """Raise a ValueError if an input of whole numbers (see ``Input``) is given one that is not of its dtype.

    What lies on disk is not read through for this.
    """
    if dtype is None or isinstance(array, np.memmap) or not isinstance(array, np.ndarray):
        return
    if np.can_cast(array.dtype, dtype):
        return
    with np.errstate(invalid="ignore"):
        other = array[array.astype(dtype) != array]
    if other.size:
        raise ValueError(f"{what}: the model takes whole numbers, of dtype {dtype.name}; got {other.flat[0]}.")


def as_array(x: Any, what: str) -> Array:
    """Return x as an array; what lies on disk with a shape and a type (h5py, zarr) stays there.

    Raises
    ------
    ValueError
        If x is no array, such as rows of several lengths.
    """
    if hasattr(x, "shape") and hasattr(x, "dtype") and on_disk(x):
        return x  # type: ignore[no-any-return]  # not an ndarray, but read like one, a batch at a time
    if isinstance(x, np.ma.MaskedArray):
        raise ValueError(f"{what} is a masked array; what is masked would be trained on. Fill it or leave it out.")
    try:
        return array_of(x)
    except ValueError as error:
        raise ValueError(
            f"{what} must be an array of numbers, rows of one length; got {type(x).__name__}."
        ) from error


def check_same_length(arrays: Mapping[str, Any]) -> None:
    """Raise a ValueError if the arrays, by name, do not hold equally many samples."""
    for name, array in arrays.items():
        if np.ndim(array) == 0:
            raise ValueError(f"{name} must have a sample axis, shape (N, ...); got {array!r}.")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"All arrays must hold the same number of samples: {counts}.")


def warn_if_not_finite(array: Array, what: str) -> None:
    """Warn, naming the first row, if the array holds a NaN or an infinity.

    What lies on disk is not read through for this.
    """
    if array.dtype.kind != "f" or isinstance(array, np.memmap) or not isinstance(array, np.ndarray):
        return
    with np.errstate(all="ignore"):
        # One pass at the speed of memory. Where large numbers overflow, the search finds nothing.
        if np.isfinite(array.sum(dtype=np.result_type(array.dtype, np.float32))):
            return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        rows = len(np.unique(bad[:, 0]))
        warnings.warn(
            f"{what} holds values that are not finite: the first is {array[place]} in row {place[0]}, and "
            f"{rows} of {len(array)} rows have one. What is computed from them will not be numbers.",
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
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight must be an array of numbers; got {sample_weight!r}.") from error
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight for each sample; got {weights.shape}."
        )
    return weights


def class_weights(class_weight: Mapping[int, float], y: Array) -> Array:
    """Return each sample's weight by its class: that of ``class_weight``, or 1 for a class that is not in it.

    Parameters
    ----------
    class_weight : mapping of int to float
    y : ndarray
        Class numbers (N,) or (N, 1), or one-hot rows (N, K).
    """
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be a dict from class number to weight; got {class_weight!r}.")
    labels = y.argmax(axis=-1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(len(y)).astype(np.intp)
    weights = np.ones(len(y))
    for label, weight in class_weight.items():
        integer = isinstance(label, int | np.integer) and not isinstance(label, bool) and label >= 0
        if not integer or not isinstance(weight, int | float | np.number):
            raise ValueError(f"class_weight maps class numbers to weights; got {label!r}: {weight!r}.")
        weights[labels == label] = weight
    return weights


def split(x: Any, y: Any, sample_weight: Any, fraction: float) -> tuple[Any, Any, Any, tuple[Any, ...]]:
    """Return (x, y, sample_weight) for training, and the tuple of validation data split off their end.

    The validation samples are the last ones, from floor(N (1 - f)) on, before any shuffling. Each argument may be
    an array, or a list, tuple or dict of arrays.

    Raises
    ------
    ValueError
        If f does not lie in (0, 1), or leaves one side empty, or the data are no arrays of one length.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, int | float | np.number) or not 0 < fraction < 1:
        raise ValueError(f"validation_split must lie between 0 and 1; got {fraction!r}.")
    for name, given in (("x", x), ("y", y)):
        if given is None:
            raise ValueError(f"{name} is missing: validation_split needs x and y as arrays.")
    leaves = {f"{name}": part for name, whole in (("x", x), ("y", y)) for part in _leaves(whole)[:1]}
    check_same_length(leaves)
    n = len(leaves["x"])
    at = math.floor(n * (1 - fraction))
    if at in (0, n):
        raise ValueError(
            f"validation_split={fraction} of {n} samples leaves {at} for training and {n - at} for validation; "
            "both need at least one."
        )
    if sample_weight is None:
        return _cut(x, slice(at)), _cut(y, slice(at)), None, (_cut(x, slice(at, n)), _cut(y, slice(at, n)))
    first, last = ([_cut(part, piece) for part in (x, y, sample_weight)] for piece in (slice(at), slice(at, n)))
    return first[0], first[1], first[2], tuple(last)


def _is_nested(value: Any) -> bool:
    """Return whether a list holds arrays, rather than being one."""
    return isinstance(value, list | tuple) and bool(value) and all(getattr(part, "ndim", 0) for part in value)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if _is_nested(value) else [value]


def _cut(value: Any, piece: slice) -> Any:
    if isinstance(value, Mapping):
        return {name: _cut(part, piece) for name, part in value.items()}
    if _is_nested(value):
        return [_cut(part, piece) for part in value]
    return array_of(value)[piece]


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
