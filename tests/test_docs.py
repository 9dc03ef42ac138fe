"""Every public name explains itself, and importing the library stays cheap."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import minibatch as mb


def rooms() -> list[ModuleType]:
    """Return the package and everything directly inside it, but the command line."""
    names = [info.name for info in pkgutil.iter_modules(mb.__path__) if info.name not in ("__main__", "cli")]
    return [mb, *(importlib.import_module(f"minibatch.{name}") for name in names)]


def public(room: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the names in ``__all__``; without one, what the module defines and does not hide."""
    names = getattr(room, "__all__", None) or [
        name
        for name, item in vars(room).items()
        if not name.startswith("_") and getattr(item, "__module__", None) == room.__name__
    ]
    for name in names:
        item = getattr(room, name)
        if inspect.ismodule(item) or inspect.isclass(item) or callable(item):
            yield f"{room.__name__}.{name}", item
        if inspect.isclass(item):
            for member in dir(item):
                value = inspect.getattr_static(item, member)
                ours = any(member in vars(c) for c in item.__mro__ if c.__module__.startswith("minibatch"))
                described = inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod)
                if ours and described and not member.startswith("_"):
                    yield f"{room.__name__}.{name}.{member}", getattr(item, member)


@pytest.mark.parametrize("room", rooms(), ids=lambda room: room.__name__)
def test_every_public_name_has_a_docstring(room: ModuleType) -> None:
    assert inspect.getdoc(room), f"{room.__name__} has no docstring"
    bare = [name for name, item in public(room) if not (inspect.getdoc(item) or "").strip()]
    assert not bare, f"no docstring: {', '.join(bare)}"


ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_every_link_and_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = {page.parent / place for place in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)}
    lost = [str(place) for place in linked if not place.exists()]
    if page.name != "design.md":  # which names what it learned from other projects
        named = re.findall(r"`((?:\w+/)+\w+\.py)`", text)
        lost += [place for place in named if not any((top / place).exists() for top in (ROOT, ROOT / "minibatch"))]
    assert not lost


def test_the_search_for_public_names_finds_them() -> None:
    found = {name for room in rooms() for name, _ in public(room)}
    assert {
        "minibatch.losses.MeanSquaredError.gradient",
        "minibatch.models.Sequential.fit",
        "minibatch.layers.Dense",
        "minibatch.optimizers.Optimizer.learning_rate",
        "minibatch.utils.to_categorical",
    } <= found


def test_importing_the_library_imports_nothing_heavy() -> None:
    heavy = ["numba", "matplotlib", "h5py", "joblib", "tqdm", "tensorflow", "keras", "scipy"]
    code = f"import sys, minibatch; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
