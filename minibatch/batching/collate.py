"""Stack elements into a batch, and cut a stream of elements into batches by any remainder policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minibatch.batching import arithmetic
from minibatch.batching.structure import like


def collate(elements: list[Any], where: str = "element") -> Any:
    """Stack elements of one structure (tuples, dicts, arrays, numbers) into one of arrays (B, ...).

    Raises
    ------
    ValueError
        If shapes, dtypes or structures differ; it names the component and both.

    Examples
    --------
    >>> collate([(1.0, 2), (3.0, 4)])
    (array([1., 3.]), array([2, 4]))
    """
    first = elements[0]
    if isinstance(first, (Mapping, tuple)):
        for i, element in enumerate(elements):
            if type(element) is not type(first) or len(element) != len(first):
                raise ValueError(
                    f"{where} {i} of a batch is {_shape_of(element)}; the first is {_shape_of(first)}."
                )
    if isinstance(first, Mapping):
        return {key: collate([element[key] for element in elements], f"{where}[{key!r}]") for key in first}
    if isinstance(first, tuple):
        parts = [collate(list(part), f"{where}[{i}]") for i, part in enumerate(zip(*elements, strict=True))]
        return like(first, parts)
    example = np.asarray(first)
    batch: NDArray[Any] = np.empty((len(elements), *example.shape), example.dtype)
    for i, element in enumerate(elements):
        row = np.asarray(element)
        if row.shape != example.shape or row.dtype != example.dtype:
            raise ValueError(
                f"A batch needs elements of one shape and dtype: {where} {i} is {_shape_of(row)}; the first "
                f"of its batch is {_shape_of(example)}. Does a map change the shape?"
            )
        batch[i] = row
    return batch


def layout(batch: Any) -> Any:
    """Return the structure of a batch with each array's (shape of a sample, dtype)."""
    if isinstance(batch, Mapping):
        return {key: layout(item) for key, item in batch.items()}
    if isinstance(batch, tuple):
        return tuple(layout(item) for item in batch)
    return (batch.shape[1:], str(batch.dtype))


def cut(
    elements: Iterable[Any], batch_size: int, remainder: str, n_elements: int | None, carried: list[Any]
) -> Iterator[list[Any]]:
    """Cut a stream of elements into lists, the batches of one epoch.

    Parameters
    ----------
    n_elements : int or None
        How many there will be, if known; ``"balance"`` needs it, and checks it.
    carried : list
        What the last epoch left over, replaced by what this one leaves, once it has ended (``"carry"``).
    """
    stream = iter(elements)
    if remainder == "balance":
        yield from _balanced(stream, batch_size, n_elements)
        return
    batch = list(carried) if remainder == "carry" else []
    opening: list[Any] = []  # the epoch's first elements, for "wrap"
    waiting: list[Any] | None = None  # the last full batch, for "merge"
    while True:
        batch += islice(stream, batch_size - len(batch))
        if len(batch) < batch_size:
            break
        opening = opening or batch
        if remainder != "merge":
            yield batch
        else:
            if waiting is not None:
                yield waiting
            waiting = batch
        batch = []
    match remainder:
        case "keep" | "weight":
            rest = batch
        case "merge":
            rest = (waiting or []) + batch
        case "wrap" if batch:
            rest = batch + list(islice(cycle(opening or batch), batch_size - len(batch)))
        case _:
            rest = []
    if remainder == "carry":
        carried[:] = batch
    if rest:
        yield rest


def _balanced(stream: Iterator[Any], batch_size: int, n_elements: int | None) -> Iterator[list[Any]]:
    if n_elements is None:
        raise ValueError('remainder="balance" needs to know how many elements there are; cardinality() does not.')
    sizes = arithmetic.batch_sizes(n_elements, batch_size, "balance") if n_elements else []
    for size in sizes:
        batch = list(islice(stream, size))
        if len(batch) < size:
            raise ValueError(f"The dataset ended before the {n_elements} elements that cardinality() promised.")
        yield batch


def _shape_of(element: Any) -> str:
    if isinstance(element, Mapping):
        return f"a dict of {', '.join(map(str, element))}"
    if isinstance(element, tuple):
        return f"a tuple of {len(element)}"
    array = np.asarray(element)
    return f"shape {array.shape}, {array.dtype}"


def weighted(batch: Any, size: int, batch_size: int) -> tuple[Any, Any, Any]:
    """Return a batch (x, y) with sample weights: size / batch_size for each, which a short batch needs.

    Raises
    ------
    ValueError
        If the batch is no pair.
    """
    if not isinstance(batch, tuple) or len(batch) != 2:
        raise ValueError('remainder="weight" needs elements (x, y), to make batches (x, y, sample_weight).')
    weight = np.full(size, min(size / batch_size, 1.0), np.float32)
    return batch[0], batch[1], weight
