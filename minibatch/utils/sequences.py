"""Sequences of different lengths as one array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch.typing import Array

_SIDES = ("pre", "post")


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: npt.DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Array:
    """Fill sequences up, or cut them off, to one length.

    Parameters
    ----------
    sequences : list of N sequences
        Each of entries of one shape, such as numbers.
    maxlen : int, optional
        The length L; by default that of the longest.
    dtype : dtype, default "int32"
        Of the result; ``object`` for strings of different lengths.
    padding : {"pre", "post"}
        Whether a short sequence is filled up before its first entry or after its last.
    truncating : {"pre", "post"}
        Whether a long sequence loses its first entries or its last.
    value : number or str, default 0
        What to fill up with.

    Returns
    -------
    ndarray, shape (N, L, ...)

    Raises
    ------
    ValueError
        If ``sequences`` is no list of sequences, their entries differ in shape, an argument is out of its range, or
        ``value`` is a string and ``dtype`` none of strings.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.utils.pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2)
    array([[0, 1],
           [2, 3],
           [5, 6]], dtype=int32)
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"sequences must be a list of sequences; got {type(sequences).__name__}.")
    for i, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__") or not np.ndim(sequence):
            raise ValueError(f"sequences must be a list of sequences; its entry {i} is {sequence!r}.")
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in _SIDES:
            raise ValueError(f"{name} must be 'pre' or 'post'; got {side!r}.")
    if maxlen is None:
        if not len(sequences):
            raise ValueError("there are no sequences, so no longest: give maxlen.")
        maxlen = max(map(len, sequences))
    elif isinstance(maxlen, bool) or not isinstance(maxlen, int | np.integer) or maxlen < 1:
        raise ValueError(f"maxlen must be a positive integer or None; got {maxlen!r}.")
    if isinstance(value, str) and np.dtype(dtype).kind not in "OSU":
        raise ValueError(f"value {value!r} is a string; dtype {dtype!r} is not. For strings set dtype=object.")

    first: Any = next((sequence for sequence in sequences if len(sequence)), [])
    shape = np.asarray(first).shape[1:]
    padded = np.full((len(sequences), maxlen, *shape), value, dtype)
    for i, sequence in enumerate(sequences):
        if not len(sequence):
            continue
        kept = np.asarray(sequence[-maxlen:] if truncating == "pre" else sequence[:maxlen], dtype)
        if kept.shape[1:] != shape:
            raise ValueError(f"sequences[{i}] has entries of shape {kept.shape[1:]}; those before it have {shape}.")
        padded[i, slice(len(kept)) if padding == "post" else slice(-len(kept), None)] = kept
    return padded
