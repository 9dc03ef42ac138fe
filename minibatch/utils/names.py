"""Names: finding a thing by its Keras name, and giving a new thing a name of its own."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from opcode import opmap
from typing import Any, TypeVar

T = TypeVar("T")

_counts: Counter[str] = Counter()


def near_misses(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the names that ``name`` may have been meant for, and all there are."""
    names = sorted(set(known))
    close = difflib.get_close_matches(str(name).lower(), names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    return f"{hint} Known: {', '.join(names)}."


def each(names: str, nearest: str) -> dict[str, str]:
    """Return the names, words of one string, each with the same nearest thing (see ``NotHere``)."""
    return dict.fromkeys(names.split(), nearest)


@dataclass(frozen=True)
class NotHere:
    """What Keras has in one of its rooms and this library has not.

    Parameters
    ----------
    room : str
        "losses"; "" for ``keras`` itself.
    nearest : mapping of str to str
        Keras's names, each with the nearest thing here (or why there is none). "Dice" stands for "dice", too.
    renamed : mapping of str to str
        Spellings of Keras 2, each with today's.
    """

    room: str
    nearest: Mapping[str, str]
    renamed: Mapping[str, str] = field(default_factory=dict)

    def explain(self, name: str) -> str | None:
        """Return the message for a name that was asked for, or None if Keras does not have it either."""
        if name in self.renamed:
            return f"{name!r} is a spelling of Keras 2; today it is {self.renamed[name]}."
        plain = name.replace("_", "").lower()
        for theirs, nearest in self.nearest.items():
            if theirs.replace("_", "").lower() == plain:
                where = f"keras.{self.room}".rstrip(".")
                return f"Keras has {name!r} in {where}; this library has not. The nearest here: {nearest}."
        return None

    def attribute_error(self, name: str, known: Iterable[str]) -> AttributeError | ImportError:
        """Return the error for a module's attribute that is not there; to be called by its ``__getattr__``.

        An ImportError for ``from minibatch.layers import LSTM``, which would put its own words for the other.
        """
        explained = self.explain(name)
        if explained is None:
            explained = f"module {f'minibatch.{self.room}'.rstrip('.')!r} has no attribute {name!r}."
            explained += near_misses(name, known) if not name.startswith("_") else ""
        asking = sys._getframe(2)
        is_import = asking.f_code.co_code[asking.f_lasti] == opmap["IMPORT_FROM"]
        return (ImportError if is_import else AttributeError)(explained)


def find(kind: str, name: str, table: Mapping[str, T], elsewhere: NotHere | None = None) -> T:
    """Return ``table[name]``, or raise a ValueError that names the near misses.

    Parameters
    ----------
    kind : str
        What the table holds, for the message: "loss", "optimizer".
    name : str
        A name as Keras spells it.
    table : mapping of str
        What this library has.
    elsewhere : NotHere, optional
        What Keras has and this library has not.
    """
    if name in table:
        return table[name]
    explained = elsewhere.explain(name) if elsewhere else None
    if explained:
        raise ValueError(f"Unknown {kind} {name!r}: {explained}")
    raise ValueError(f"Unknown {kind} {name!r}.{near_misses(name, table)}")


def argument_names(cls: type) -> list[str]:
    """Return the names of the arguments that making an object of this class takes, its base classes' among them."""
    makers = [vars(c)["__init__"] for c in cls.__mro__ if c is not object and "__init__" in vars(c)]
    return [name for name in dict.fromkeys(n for maker in makers for n in _arguments(maker)) if name != "self"]


def _arguments(function: Callable[..., Any]) -> list[str]:
    rest = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind not in rest]


def refuse(owner: object, given: Mapping[str, Any], keras_only: Mapping[str, tuple[Any, ...]]) -> None:
    """Raise a TypeError for arguments that Keras has and this library lacks, or that nobody has.

    Parameters
    ----------
    owner : object
        What is being made; or the method that is called.
    given : mapping
        What its signature did not catch.
    keras_only : mapping of str to tuple
        Keras's arguments, each with the values that ask for nothing (None always does): Keras's defaults.
    """
    called: Any = owner if inspect.isroutine(owner) else type(owner)
    kind = called.__name__
    for argument, value in given.items():
        if argument not in keras_only:
            known = argument_names(called) if isinstance(called, type) else _arguments(called)
            raise TypeError(f"{kind}() has no argument {argument!r}.{near_misses(argument, known)}")
        if value is not None and value not in keras_only[argument]:
            raise TypeError(f"{kind}(): the argument {argument!r} of Keras is not here.")


def old_argument(owner: object, given: dict[str, Any], argument: str, today: str, value: Any = None) -> Any:
    """Take an argument of Keras 2 out of a constructor's ``given``; warn, and return what it was.

    Keras 3 takes a few of them so, too.

    Parameters
    ----------
    owner : object
        What is being made.
    given : dict
        What the constructor's signature did not catch.
    argument : str
    today : str
        What it is by now, to end a sentence with.
    value : object
        What to return if it is not there.
    """
    if given.get(argument) is not None:
        kind = type(owner).__name__
        warnings.warn(f"{kind}(): {argument!r} is an argument of Keras 2; today it is {today}.", stacklevel=3)
    return given.pop(argument, value)


def snake_case(name: str) -> str:
    """Turn a class's name into a layer's, as Keras does.

    >>> snake_case("MaxPooling2D"), snake_case("Dense")
    ('max_pooling2d', 'dense')
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(prefix: str) -> str:
    """Return "dense", then "dense_1", "dense_2", ..., as Keras names layers."""
    count = uid(prefix) - 1
    return f"{prefix}_{count}" if count else prefix


def uid(prefix: str = "") -> int:
    """Return 1, 2, 3, ...: how many names of this prefix there have been, with this one (``backend.get_uid``)."""
    _counts[prefix] += 1
    return _counts[prefix]


def clear_names() -> None:
    """Start counting again at the bare prefix (``keras.utils.clear_session``)."""
    _counts.clear()
