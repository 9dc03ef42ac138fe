"""The samples of a source, one by one, as a `Dataset` hands them out: read-only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from minibatch.batching.sources import ArraySource, MappedSource, Source
from minibatch.batching.structure import like
from minibatch.results import result


def elements_of(source: Source) -> Iterable[Any]:
    """Return an iterable of a source's samples, read-only: views of an array, or read in parts."""
    if isinstance(source, ArraySource) and not isinstance(source, MappedSource):
        samples: Iterable[Any] = frozen(source.array)
        return samples
    return _read_in_parts(source)


def _read_in_parts(source: Source, part: int = 256) -> Iterator[Any]:
    for low in range(0, len(source), part):
        rows = np.arange(low, min(low + part, len(source)))
        samples = np.empty((len(rows), *source.shape), source.dtype)
        source.read(rows, samples)
        yield from frozen(samples)


def frozen(element: Any) -> Any:
    """Return an element with its arrays as read-only views."""
    if isinstance(element, Mapping):
        return {key: frozen(item) for key, item in element.items()}
    if isinstance(element, tuple):
        return like(element, map(frozen, element))
    if isinstance(element, np.ndarray):
        element = element.view()
        element.flags.writeable = False
    return element


def shown(element: Any) -> Any:
    """Return an element as a loop over a dataset is to have it: its arrays know ``numpy``."""
    if isinstance(element, np.ndarray):
        return result(element)
    if isinstance(element, tuple):
        return like(element, map(shown, element))
    if isinstance(element, Mapping):
        return {key: shown(item) for key, item in element.items()}
    return element
