"""Where rows come from: one small class per kind of data, all with ``len``, ``shape``, ``dtype``, ``take``.

Arrays in memory are gathered by `gather`; data on disk (h5py, zarr, anything with ``__len__`` and
``__getitem__`` on integer arrays) is asked for sorted, unique rows, which is the one request that all
of them serve.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minibatch.batching.order import Indices


class Source(Protocol):
    """N samples, of which some can be taken by their indices."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int: ...

    def take(self, rows: Indices, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the samples ``rows`` (B,) as a fresh array (B, ...), or written into ``out``."""
        ...


class ArraySource:
    """Samples in an array (N, ...), of any dtype and strides."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = np.asarray(array)
        self.shape = self.array.shape[1:]
        self.dtype = self.array.dtype

    def __len__(self) -> int:
        return len(self.array)

    def take(self, rows: Indices, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return ``array[rows]``."""
        # mode="clip" skips a second copy that "raise" makes with out=; our rows are always in range.
        taken: NDArray[Any] = self.array.take(rows, axis=0, out=out, mode="raise" if out is None else "clip")
        return taken


class IndexedSource:
    """Samples behind ``__len__`` and ``__getitem__``: an h5py dataset, a zarr array, a class of yours."""

    def __init__(self, data: Any, name: str) -> None:
        self.data, self.name = data, name
        probe = np.asarray(data[np.zeros(1, np.intp)])
        self.shape, self.dtype = probe.shape[1:], probe.dtype

    def __len__(self) -> int:
        return len(self.data)

    def take(self, rows: Indices, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read the rows once each, in increasing order, and put them in the order asked for."""
        unique, inverse = np.unique(rows, return_inverse=True)
        read = np.asarray(self.data[unique])
        if read.shape != (len(unique), *self.shape):
            raise ValueError(
                f"{self.name}[rows] must have shape {(len(unique), *self.shape)} for {len(unique)} rows; "
                f"got {read.shape}."
            )
        taken: NDArray[Any] = read.take(inverse, axis=0, out=out, mode="raise" if out is None else "clip")
        return taken


def as_source(data: Any, name: str) -> Source:
    """Wrap one component of the data; ``name`` is for its errors.

    Raises
    ------
    TypeError
        If ``data`` is a generator, or nothing that rows can be taken from.
    ValueError
        If it has no sample axis.
    """
    if isinstance(data, np.ndarray):
        array = data
    elif hasattr(data, "__next__"):
        raise TypeError(
            f"{name} is a {type(data).__name__}: it has no length and no order that could be shuffled. "
            f"Pass arrays, or use Dataset.from_generator; fit also takes a generator with steps_per_epoch."
        )
    elif hasattr(data, "chunks") or not hasattr(data, "__array__"):
        if isinstance(data, (list, tuple, int, float, complex)):
            array = np.asarray(data)
        elif hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, (str, bytes)):
            return IndexedSource(data, name)
        else:
            raise TypeError(
                f"{name} must be an array, or have __len__ and __getitem__ on integer arrays; "
                f"got {type(data).__name__}."
            )
    else:
        array = np.asarray(data)
    if array.ndim == 0:
        raise ValueError(f"{name} must have a sample axis, shape (N, ...); got a scalar.")
    return ArraySource(array)
