"""Numbers as JSON can hold them."""

from __future__ import annotations

import math
from typing import Any


def for_json(value: Any) -> Any:
    """Return plain numbers, in lists and dicts, with None for what is infinite or undefined.

    Examples
    --------
    >>> for_json({"mean": 0.5, "ends": [float("nan"), 1.0]})
    {'mean': 0.5, 'ends': [None, 1.0]}
    """
    if isinstance(value, dict):
        return {name: for_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
