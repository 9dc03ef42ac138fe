"""Names: finding a thing by its Keras name, and giving a new thing a name of its own."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

_counts: Counter[str] = Counter()


def near_misses(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the names that ``name`` may have been meant for, and all there are."""
    names = sorted(set(known))
    close = difflib.get_close_matches(str(name).lower(), names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    return f"{hint} Known: {', '.join(names)}."


def find(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Return ``table[name]``, or raise a ValueError that names the near misses.

    Parameters
    ----------
    kind : str
        What the table holds, for the message: "loss", "optimizer".
    name : str
        A name as Keras spells it.
    table : mapping of str
        What this library has.
    """
    if name in table:
        return table[name]
    raise ValueError(f"Unknown {kind} {name!r}.{near_misses(name, table)}")


def snake_case(name: str) -> str:
    """Turn a class's name into a layer's, as Keras does.

    >>> snake_case("MaxPooling2D"), snake_case("Dense")
    ('max_pooling2d', 'dense')
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(prefix: str) -> str:
    """Return "dense", then "dense_1", "dense_2", ..., as Keras names layers."""
    count = _counts[prefix]
    _counts[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def clear_names() -> None:
    """Start counting again at the bare prefix (``keras.utils.clear_session``)."""
    _counts.clear()
