"""How ``build`` gets into another process: by its file and name, or pickled with its code."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

#: ``build(K)``: a compiled model in terms of the package it is given.
Build = Callable[[Any], Any]


def pack(build: Build | str, path: Path) -> None:
    """Write a build where another process finds it.

    A function that another process can import is sent by its name; one of ``__main__``, a notebook or a lambda is
    sent with its code and what it refers to (by cloudpickle, which joblib brings along).

    Parameters
    ----------
    build : callable or str
        A function of one argument, or ``"FILE.py:name"``, or ``"module:name"``.
    path : Path
        Of the file to write.

    Raises
    ------
    TypeError, ValueError
        If it is neither, cannot be found, or holds on to something that cannot be sent (an open file, a lock).
    """
    cloudpickle = _cloudpickle()
    if isinstance(build, str):
        find(build)  # what cannot be loaded is better known now
        payload: Any = absolute(build)
    elif callable(build):
        payload = build
    else:
        raise TypeError(f"build must be a function build(K), or 'FILE.py:name'; got {build!r}.")
    module = None if isinstance(build, str) else _module_out_of_reach(build)
    if module is not None:
        cloudpickle.register_pickle_by_value(module)
    try:
        path.write_bytes(cloudpickle.dumps(payload))
    except Exception as error:
        raise ValueError(
            f"build cannot be sent to another process: {error}. Put it in a file of its own and give "
            "'FILE.py:name', or make in it what it now refers to."
        ) from error
    finally:
        if module is not None:
            cloudpickle.unregister_pickle_by_value(module)


def unpack(path: Path) -> Build:
    """Return the build that ``pack`` wrote."""
    build: Build | str = _cloudpickle().loads(path.read_bytes())
    return find(build) if isinstance(build, str) else build


def _cloudpickle() -> Any:
    """Return cloudpickle, which joblib needs: since 1.6 as a package, before that as a part of itself."""
    try:
        return importlib.import_module("cloudpickle")
    except ModuleNotFoundError:
        return importlib.import_module("joblib.externals.cloudpickle")


def find(name: str) -> Build:
    """Return the function that ``"FILE.py:name"`` or ``"module:name"`` names.

    Raises
    ------
    ValueError
        If the text is no such name, or there is no such file, module or function, or the file cannot be loaded.

    Examples
    --------
    >>> find("minibatch.compare.models:mlp").__name__
    'mlp'
    """
    where, colon, what = name.rpartition(":")
    if not (colon and where and what):
        raise ValueError(f"expected 'FILE.py:name' or 'module:name'; got {name!r}.")
    found: Any = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    for part in what.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{where} has no {what!r}.")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"{name} must be a function build(K); it is {found!r}.")
    build: Build = found
    return build


def absolute(name: str) -> str:
    """Return the name with the file's path from the root: the other process may start elsewhere."""
    where, _, what = name.rpartition(":")
    return f"{Path(where).resolve()}:{what}" if where.endswith(".py") else name


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}.")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # the file's neighbours are importable, as when it is run
    spec = importlib.util.spec_from_file_location(f"_minibatch_compare_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def _load_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"there is no module {name!r} ({error}).") from error


def _module_out_of_reach(build: Any) -> ModuleType | None:
    """Return the build's module if another process could not import it by its name, and it is not ``__main__``.

    (``__main__`` cloudpickle sends with its code anyhow.)
    """
    while isinstance(build, functools.partial):
        build = build.func
    module = sys.modules.get(getattr(build, "__module__", None) or type(build).__module__)
    if module is None or module.__name__ == "__main__":
        return None
    try:
        spec = importlib.util.find_spec(module.__name__)
    except (ImportError, ValueError, AttributeError):
        spec = None
    same = spec is not None and spec.origin == getattr(module, "__file__", None)
    return None if same else module
