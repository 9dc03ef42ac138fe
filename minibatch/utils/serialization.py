"""Objects to dictionaries and back, in Keras's own format, so that each library reads what the other wrote.

An object is ``{"module": "keras.losses", "class_name": "Huber", "config": {...}, "registered_name": None}``, where
``config`` holds the arguments that make it again. Reading looks names up in tables that it is handed; nothing is
imported by a name from the dictionary, and nothing is run.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from minibatch.utils.names import NotHere, find, near_misses

#: Whose classes a dictionary may name without being handed them.
_LIBRARIES = ("keras", "minibatch", "builtins")
#: What an array in a dictionary may hold.
_NUMBERS = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")


class Configurable:
    """What can be made again from the arguments of its constructor, kept as attributes of the same names."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # help() and inspect would otherwise show the arguments of __new__ below.
        of_init = inspect.signature(cls.__init__)
        own = [] if cls.__init__ is object.__init__ else list(of_init.parameters.values())[1:]
        cls.__signature__ = of_init.replace(parameters=own)  # type: ignore[attr-defined]  # inspect's own protocol

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make an instance; an argument that the constructor has not is a TypeError with the near misses."""
        if kwargs:
            known = inspect.signature(cls).parameters
            takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
            for name in () if takes_any else kwargs.keys() - known.keys():
                raise TypeError(f"{cls.__name__}() has no argument {name!r}.{near_misses(name, known)}")
        return super().__new__(cls)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this again: numbers, strings, lists and None.

        Raises
        ------
        TypeError
            If an argument of the constructor is not kept under its own name.
        """
        parameters = inspect.signature(type(self)).parameters.values()
        names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        lost = [name for name in names if not hasattr(self, name)]
        if lost:
            raise TypeError(
                f"{type(self).__name__} keeps no attribute {lost[0]!r} for the argument of that name: keep it, or "
                "define get_config()."
            )
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a new one, made with these arguments."""
        return cls(**config)


def plain(value: Any) -> Any:
    """Return a value in the words of JSON: arrays as lists, NumPy's scalars as Python's, tuples kept."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return value


def serialize(item: Any, room: str) -> dict[str, Any]:
    """Return an object in Keras's format.

    Parameters
    ----------
    item : object with ``get_config``
    room : str
        Where Keras keeps such things: "losses". A class that is not this library's is written with its own module,
        and can be read again by who hands it over as one of ``custom_objects``.

    Returns
    -------
    dict
    """
    kind = type(item)
    ours = kind.__module__.split(".")[0] == "minibatch"
    return {
        "module": f"keras.{room}" if ours else kind.__module__,
        "class_name": kind.__name__,
        "config": plain(item.get_config()),
        "registered_name": None if ours else kind.__name__,
    }


def function_config(name: str, module: str | None = None) -> dict[str, Any]:
    """Return a function in Keras's format: one of Keras's by its name, or a user's, of the module given."""
    registered = "function" if module is None else name
    return {"module": module or "builtins", "class_name": "function", "config": name, "registered_name": registered}


def deserialize(
    kind: str,
    config: Any,
    table: Mapping[str, Any],
    custom_objects: Mapping[str, Any] | None = None,
    elsewhere: NotHere | None = None,
    functions: Mapping[str, Any] | None = None,
) -> Any:
    """Return what a dictionary in Keras's format, or a name, stands for.

    Parameters
    ----------
    kind : str
        What is looked for, for messages: "loss".
    config : dict or str
        A class is made with its ``config``; a function, or a name alone, is returned as the table has it.
    table : mapping
        This library's classes and functions by name.
    custom_objects : mapping, optional
        The caller's own, which come first.
    elsewhere : NotHere, optional
        What Keras has and the table has not.
    functions : mapping, optional
        What a function's name means where it is not what the table has.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If ``config`` is not of this format, or the arguments do not fit.
    """
    custom = custom_objects or {}
    if isinstance(config, str):
        return custom[config] if config in custom else find(kind, config, table, elsewhere)
    if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
        raise TypeError(f"a {kind} is read from a name or a dict with a 'class_name'; got {config!r}.")
    name, inner = config["class_name"], config.get("config")
    if name == "function":
        named = inner if isinstance(inner, str) else None
        try:
            return deserialize(kind, named, functions or table, custom, elsewhere)
        except ValueError as error:
            own = f"One of your own is handed over as custom_objects={{{named!r}: ...}}."
            raise ValueError(f"{error} {own}") from None
    registered = config.get("registered_name")
    for key in (registered, name):
        if isinstance(key, str) and key in custom:
            cls = custom[key]
            break
    else:
        if (config.get("module") or "keras").split(".")[0] not in _LIBRARIES:
            raise ValueError(
                f"the {kind} {name!r} is a class of {config['module']!r}: hand it over as "
                f"custom_objects={{{name!r}: {name}}}."
            )
        cls = find(kind, name, table, elsewhere)
    if not isinstance(inner, Mapping | None):
        raise TypeError(f"{kind} {name!r}: its 'config' should be a dict; got {inner!r}.")
    return cls.from_config({key: _value(item, functions or table, custom) for key, item in (inner or {}).items()})


def _value(value: Any, table: Mapping[str, Any], custom: Mapping[str, Any]) -> Any:
    """Return an argument as it was before it was written: Keras writes arrays and functions as dictionaries."""
    if not isinstance(value, Mapping) or "class_name" not in value:
        return value
    name, inner = value["class_name"], value.get("config")
    if name in ("__numpy__", "__tensor__") and isinstance(inner, Mapping):
        if inner.get("dtype") not in _NUMBERS:
            raise ValueError(f"an array's dtype must be one of {', '.join(_NUMBERS)}; got {inner.get('dtype')!r}.")
        return np.asarray(inner["value"], dtype=inner["dtype"])
    if name == "function":
        return deserialize("function", value, table, custom)
    return value
