"""The library that multiplies NumPy's matrices: which it is, and on how many threads it works."""

from __future__ import annotations

import ctypes
import functools
import threading
from pathlib import Path
from typing import Any

import numpy as np

#: The names that OpenBLAS's functions go by: NumPy's own build has a prefix and a suffix, a system's has none.
_SPELLINGS = ("scipy_{}64_", "scipy_{}", "{}64_", "{}")


@functools.cache
def _openblas() -> tuple[Any, str] | None:
    """Return the OpenBLAS that NumPy was loaded with, and how its functions are spelt; None if it has another."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for spelling in _SPELLINGS:
            if hasattr(library, spelling.format("openblas_set_num_threads")):
                return library, spelling
    return None


def _candidates() -> list[str]:
    """Return the libraries of this process in which NumPy's BLAS may be."""
    maps = Path("/proc/self/maps")
    if maps.exists():  # the libraries that are loaded already, so that none is loaded by asking
        paths = {line.split()[-1] for line in maps.read_text().splitlines() if "openblas" in line.lower()}
        return sorted(paths)
    beside = Path(np.__file__).parents[1] / "numpy.libs"
    inside = Path(np.__file__).parent / ".dylibs"
    names = ("*openblas*.dll", "*openblas*.dylib", "*openblas*.so*")
    return [str(path) for folder in (beside, inside) for name in names for path in sorted(folder.glob(name))]


@functools.cache
def _function(name: str) -> Any:
    found = _openblas()
    return None if found is None else getattr(found[0], found[1].format(name), None)


def blas_threads() -> int | None:
    """Return on how many threads NumPy's matrix products run; None where that cannot be asked."""
    ask = _function("openblas_get_num_threads")
    return None if ask is None else int(ask())


def set_blas_threads(threads: int) -> None:
    """Let NumPy's matrix products run on so many threads, in the whole process, where that can be set."""
    tell = _function("openblas_set_num_threads")
    if tell is not None:
        tell(int(threads))


class _OneThread:
    """BLAS on one thread while anyone is inside; then on as many as before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = blas_threads()
                if self._before not in (None, 1):
                    set_blas_threads(1)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._before not in (None, 1):
                set_blas_threads(self._before or 1)


_one_thread = _OneThread()


def one_blas_thread() -> _OneThread:
    """Return a context in which NumPy's matrix products run on one thread, in the whole process.

    On several, BLAS makes its threads wait for one another by spinning, at every product: beside another busy
    process that makes a step of a small network ten times as long (docs/speed.md). On how many it runs also
    decides the last bits of a product; so what is computed in this context is the same on every number of
    processors. It may be entered again, and by several threads; when the last has left, BLAS has its threads back.
    """
    return _one_thread


def blas_name() -> str:
    """Return the BLAS, the kind of processor it takes this one for, and its threads, in words."""
    ask = _function("openblas_get_corename")
    if ask is None:
        return "a BLAS that cannot be asked for its name"
    ask.restype = ctypes.c_char_p
    return f"OpenBLAS for {ask().decode()}, threads: {blas_threads()}"


__all__ = ["blas_name", "blas_threads", "one_blas_thread", "set_blas_threads"]
