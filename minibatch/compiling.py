"""Compiling a function with Numba. Importing this module imports Numba: rooms do so where they first need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from numba import config, njit

P = ParamSpec("P")
T = TypeVar("T")

#: Whether Numba compiles nothing, and a compiled function is the Python function that it was: NUMBA_DISABLE_JIT=1.
# (Numba fills its config in from the environment as it loads, which a type checker cannot see.)
PLAIN: bool = bool(vars(config)["DISABLE_JIT"])


def compiled(function: Callable[P, T], **options: Any) -> Callable[P, T]:
    """Compile ``function``, with more of ``numba.njit``'s options, and keep the machine code on disk if it can be.

    It lets go of Python's lock while it runs.
    """
    try:
        return cast("Callable[P, T]", njit(cache=True, nogil=True, **options)(function))
    except RuntimeError:
        # "cannot cache function ...: no locator available": no writable cache directory. That may
        # cost the compile time in each process; it must not cost the program.
        return cast("Callable[P, T]", njit(nogil=True, **options)(function))
