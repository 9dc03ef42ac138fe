"""Compiling a function with Numba. Importing this module imports Numba: rooms do so where they first need it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from numba import config, njit

P = ParamSpec("P")
T = TypeVar("T")

#: Whether Numba compiles nothing, and a compiled function is the Python function that it was: NUMBA_DISABLE_JIT=1.
# (Numba fills its config in from the environment as it loads, which a type checker cannot see.)
PLAIN: bool = bool(vars(config)["DISABLE_JIT"])

#: Files of which something is compiled into the functions of other files.
PARTS = (
    "atomics.py",
    "batching/order.py",
    "board.py",
    "layers/convolution_kernels.py",
    "layers/pooling.py",
    "layers/registers.py",
    "layers/rooms.py",
    "layers/transforms.py",
    "layers/turning.py",
    "layers/winograd.py",
    "losses/crossentropy.py",
    "noise/training/sums_kernels.py",
    "noise/training/tiles.py",
)


def _stamp() -> str:
    here = Path(__file__).parent
    try:
        return hashlib.sha256(b"".join((here / part).read_bytes() for part in PARTS)).hexdigest()
    except OSError:  # there are no files: in a zip, or without sources; nothing is kept for them either
        return ""


#: What these files say, in short.
STAMP = _stamp()


def compiled(function: Callable[P, T], **options: Any) -> Callable[P, T]:
    """Compile ``function``, with more of ``numba.njit``'s options, and keep the machine code on disk if it can be.

    It lets go of Python's lock while it runs.
    """
    try:
        made = njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:
        # "cannot cache function ...: no locator available": no writable cache directory. That may
        # cost the compile time in each process; it must not cost the program.
        made = njit(nogil=True, **options)(function)
    # Numba takes what it kept for out of date when the function's own file has changed. Here it must also be when
    # one of those has that went into it, after an upgrade: two halves of different versions would disagree.
    with contextlib.suppress(AttributeError):  # nothing is kept
        kept = made._cache._cache_file
        kept._source_stamp = kept._source_stamp, STAMP
    return cast("Callable[P, T]", made)
