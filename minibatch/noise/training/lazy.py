"""What is loaded only when it is first used: Numba takes a second."""

from __future__ import annotations

import functools
import importlib
from typing import Any


@functools.cache
def kernels() -> Any:
    """Return the module of the compiled loops."""
    return importlib.import_module("minibatch.noise.training.sums_kernels")


@functools.cache
def pieces() -> Any:
    """Return the module of the pieces that the compiled loops' work is cut into."""
    return importlib.import_module("minibatch.noise.training.pieces")
