"""Tuples and dicts of arrays: take them apart into named components, and put batches together alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any


def is_structure(data: Any) -> bool:
    """Say whether ``data`` is a tuple, a dict, or a list of arrays, and not itself a component."""
    if isinstance(data, list):
        # A list of numbers, or of lists of numbers, is an array; a list of arrays is several inputs.
        return bool(data) and all(hasattr(item, "shape") and len(item.shape) > 0 for item in data)
    return isinstance(data, (tuple, Mapping))


def components(data: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every component as (name, data), depth first: ``("x['image']", array)``."""
    if not is_structure(data):
        yield name, data
        return
    for key, item in data.items() if isinstance(data, Mapping) else enumerate(data):
        yield from components(item, f"{name}[{key!r}]")


def rebuilder(data: Any) -> Callable[[Sequence[Any]], Any]:
    """Return the function from a list of components, in the order of `components`, to data's structure."""

    def rebuild(template: Any, leaves: Iterator[Any]) -> Any:
        if not is_structure(template):
            return next(leaves)
        if isinstance(template, Mapping):
            return {key: rebuild(item, leaves) for key, item in template.items()}
        items = [rebuild(item, leaves) for item in template]
        return type(template)(*items) if hasattr(template, "_fields") else type(template)(items)

    return lambda leaves: rebuild(data, iter(leaves))
