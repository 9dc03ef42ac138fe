"""Tuples and dicts of arrays: take them apart into named components, and put batches together alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any


def is_structure(data: Any) -> bool:
    """Say whether ``data`` is a tuple, a dict, or a list of arrays, and not itself a component."""
    if isinstance(data, list):
        # A list of numbers, or of lists of numbers, is an array; a list of arrays is several inputs.
        return bool(data) and all(len(getattr(item, "shape", ())) > 0 for item in data)
    return isinstance(data, (tuple, Mapping))


def components(data: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every component as (name, data), depth first; None has none.

    Examples
    --------
    >>> list(components({"image": 1, "text": (2, 3)}, "x"))
    [("x['image']", 1), ("x['text'][0]", 2), ("x['text'][1]", 3)]
    """
    if is_structure(data):
        for key, item in data.items() if isinstance(data, Mapping) else enumerate(data):
            yield from components(item, f"{name}[{key!r}]")
    elif data is not None:
        yield name, data


def rebuild(template: Any, leaves: Iterator[Any]) -> Any:
    """Put ``leaves``, in the order of `components`, into the structure of ``template``.

    Examples
    --------
    >>> rebuild({"image": 1, "text": (2, None)}, iter("ab"))
    {'image': 'a', 'text': ('b', None)}
    """
    if not is_structure(template):
        return None if template is None else next(leaves)
    if isinstance(template, Mapping):
        return {key: rebuild(item, leaves) for key, item in template.items()}
    return like(template, [rebuild(item, leaves) for item in template])


def like(template: Sequence[Any], items: Iterable[Any]) -> Any:
    """Return ``items`` as a tuple (a named one, a list) of template's type."""
    make: Callable[..., Any] = type(template)
    return make(*items) if hasattr(template, "_fields") else make(items)


def batch_maker(template: Any) -> Callable[[Sequence[Iterable[Any]]], Iterable[Any]]:
    """Return the function from one series of arrays per component to one series of structured batches."""
    if not is_structure(template):
        return lambda series: series[0]
    if type(template) is tuple and not any(item is None or is_structure(item) for item in template):
        return lambda series: zip(*series, strict=True)  # (x, y): what nearly every batch is, and free
    return lambda series: (rebuild(template, iter(leaves)) for leaves in zip(*series, strict=True))
