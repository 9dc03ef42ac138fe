"""Where rows come from: one small class per kind of data, each with ``len``, ``shape``, ``dtype``, ``read``.

Arrays in memory are gathered by `gather`. Data on disk (h5py, zarr, anything with ``__len__`` and
``__getitem__`` on integer arrays) is asked for sorted, unique rows, which is the one request that all
of them serve. Memory-mapped files are gathered like arrays, and their pages given back as they go.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minibatch.batching.gather import Gatherer, gatherer, scale_into, scaled_gatherer
from minibatch.batching.order import Indices
from minibatch.batching.structure import components

# A mapped file's pages are given back each time so many bytes of them may have been touched; the system
# maps up to 64 KiB around each page that is read (fault-around).
RESIDENT_BYTES, FAULT_BYTES = 1 << 27, 1 << 16


class Source(Protocol):
    """N samples, of which some can be read by their indices."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int: ...

    def read(self, rows: Indices, out: NDArray[Any]) -> None:
        """Write the samples ``rows[:B]``, all of them in range, into the C-contiguous ``out`` (B, ...).

        Rows after the first B are only a hint of what will be wanted next.
        """
        ...


class ArraySource:
    """Samples in an array (N, ...), of any dtype and strides."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = np.asarray(array)
        self.shape = self.array.shape[1:]
        self.dtype = self.array.dtype
        self._gather: Gatherer | None = None

    def __len__(self) -> int:
        return len(self.array)

    def read(self, rows: Indices, out: NDArray[Any]) -> None:
        """Write ``array[rows[:B]]`` into ``out`` (B, ...)."""
        if self._gather is None:  # chosen when first needed: it may import Numba
            self._gather = gatherer(self.array)
        self._gather(rows, out)


class MappedSource(ArraySource):
    """Samples in a memory-mapped file, with the memory they occupy bounded.

    Pages of a mapped file that were read stay in the process's resident memory until someone needs the
    room. This gives them back by itself (``madvise(MADV_DONTNEED)``), so that an epoch over a file of any
    size stays within about 128 MiB; the system's file cache still has them.
    """

    def __init__(self, array: NDArray[Any], mapping: mmap.mmap) -> None:
        super().__init__(array)
        self.mapping = mapping
        row_bytes = self.array.nbytes // max(len(self.array), 1)
        self._touched, self._touches_per_row = 0, row_bytes + FAULT_BYTES

    def read(self, rows: Indices, out: NDArray[Any]) -> None:
        """Write ``array[rows[:B]]`` into ``out``, and give pages back when enough have been touched."""
        # In parts: many rows at once could touch any number of pages.
        part = max(1, RESIDENT_BYTES // self._touches_per_row)
        for low in range(0, len(out), part):
            piece = out[low : low + part]
            super().read(rows[low : low + len(piece)], piece)
            self._touched += len(piece) * self._touches_per_row
            if self._touched >= RESIDENT_BYTES:
                self.mapping.madvise(mmap.MADV_DONTNEED)
                self._touched = 0


class IndexedSource:
    """Samples behind ``__len__`` and ``__getitem__``: an h5py dataset, a zarr array, a class of yours."""

    def __init__(self, data: Any, name: str) -> None:
        self.data, self.name = data, name
        if hasattr(data, "shape") and hasattr(data, "dtype"):
            self.shape, self.dtype = tuple(data.shape[1:]), np.dtype(data.dtype)
        else:
            first = np.asarray(data[np.zeros(min(len(data), 1), np.intp)])
            self.shape, self.dtype = first.shape[1:], first.dtype

    def __len__(self) -> int:
        return len(self.data)

    def read(self, rows: Indices, out: NDArray[Any]) -> None:
        """Read the rows once each, in increasing order, and put them in the order asked for."""
        unique, inverse = np.unique(rows[: len(out)], return_inverse=True)
        data = np.asarray(self.data[unique])
        expected = (len(unique), *self.shape)
        if data.shape != expected or data.dtype != self.dtype:
            raise ValueError(
                f"{self.name}[rows] must have shape {expected} and dtype {self.dtype} for {len(unique)} rows; "
                f"got shape {data.shape}, dtype {data.dtype}."
            )
        data.take(inverse.reshape(-1), axis=0, out=out, mode="clip")


class ScaledSource:
    """uint8 samples of another source as float32, multiplied by ``scale`` on the way."""

    def __init__(self, source: Source, scale: float) -> None:
        self.source, self.scale = source, np.float32(scale)
        self.shape, self.dtype = source.shape, np.dtype(np.float32)
        if isinstance(source, ArraySource):
            # The array's own class stays in charge of its pages; it only writes floats instead of bytes.
            source._gather = scaled_gatherer(source.array, scale)

    def __len__(self) -> int:
        return len(self.source)

    def read(self, rows: Indices, out: NDArray[Any]) -> None:
        """Write ``float32(samples) * scale`` into ``out``."""
        if isinstance(self.source, ArraySource):
            self.source.read(rows, out)
        else:
            samples = np.empty(out.shape, np.uint8)
            self.source.read(rows, samples)
            scale_into(samples, self.scale, out)


def open_sources(x: Any, y: Any, sample_weight: Any, scale: float | None) -> tuple[dict[str, Source], int]:
    """Return a source for each component of the data, by its name, and the number of samples in each.

    Raises
    ------
    TypeError, ValueError
        As `as_source`; and if lengths differ, there are no samples, or ``scale`` finds nothing to scale.
    """
    parts = (("x", x), ("y", y), ("sample_weight", sample_weight))
    inputs = [name for name, _ in components(x, "x")]
    if not inputs:
        raise ValueError("x has no components: pass an array, or a tuple or dict of arrays.")
    sources = {name: as_source(data, name) for part, whole in parts for name, data in components(whole, part)}
    lengths = {name: len(source) for name, source in sources.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise ValueError(f"All components need the same number of samples; {listed}.")
    n_samples = lengths[inputs[0]]
    if n_samples == 0:
        raise ValueError("There is nothing to make batches of: x has 0 samples.")
    if scale is not None:
        scaled = [name for name in inputs if sources[name].dtype == np.uint8]
        if not scaled:
            found = ", ".join(f"{name} is {sources[name].dtype}" for name in inputs)
            raise TypeError(f"scale is for the uint8 components of x; {found}.")
        sources |= {name: ScaledSource(sources[name], scale) for name in scaled}
    return sources, n_samples


def as_source(data: Any, name: str) -> Source:
    """Wrap one component of the data; ``name`` is for its errors.

    Raises
    ------
    TypeError
        If ``data`` has no order that rows could be taken in (a generator, a set), or is no data at all.
    ValueError
        If it has no sample axis.
    """
    if isinstance(data, np.ndarray):
        array = data
    elif on_disk(data):
        return IndexedSource(data, name)
    elif hasattr(data, "__array__") or isinstance(data, (list, int, float, complex)):
        array = array_of(data)
    elif hasattr(data, "__iter__") and not isinstance(data, (str, bytes)):
        raise TypeError(
            f"{name} is a {type(data).__name__}: it can be iterated over but not indexed, so it has no order to "
            f"shuffle. Pass arrays; or give fit the iterator itself with steps_per_epoch; or use "
            f"Dataset.from_generator."
        )
    else:
        raise TypeError(
            f"{name} must be an array, or have __len__ and __getitem__ on integer arrays; "
            f"got {type(data).__name__}."
        )
    if array.ndim == 0:
        raise ValueError(f"{name} must have a sample axis, shape (N, ...); got a scalar.")
    mapping = next(_shared_mappings(array), None)
    return ArraySource(array) if mapping is None else MappedSource(array, mapping)


def array_of(data: Any) -> NDArray[Any]:
    """Return what makes an array of itself as that array; a frame's truth values and numbers as numbers.

    Together they would make an array of objects, as strings do.
    """
    array: NDArray[Any] = np.asanyarray(data)
    if array.dtype == object and hasattr(data, "dtypes"):
        columns = np.atleast_1d(data.dtypes)  # a frame has one for each column
        if all(isinstance(column, np.dtype) and column.kind in "fiub" for column in columns):
            return np.asarray(data, dtype=np.float64)
    return array


def on_disk(data: Any) -> bool:
    """Say whether rows must be asked for: h5py and zarr have ``__array__`` too, but it reads everything."""
    if isinstance(data, (list, str, bytes)) or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        return False
    return hasattr(data, "chunks") or not hasattr(data, "__array__")


def _shared_mappings(array: Any) -> Iterator[mmap.mmap]:
    """Yield the file mapping under an array, if its pages can be given back without losing data."""
    while isinstance(array, np.ndarray):
        # Mode "c" keeps changes in memory alone: giving its pages back would undo them.
        mapping = getattr(array, "_mmap", None)
        if isinstance(array, np.memmap) and isinstance(mapping, mmap.mmap) and array.mode in ("r", "r+", "w+"):
            if hasattr(mmap, "MADV_DONTNEED"):
                yield mapping
            return
        array = array.base
