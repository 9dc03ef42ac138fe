"""The arguments of compile, fit, evaluate and predict: what is refused, and why."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from minibatch.utils.names import near_misses

#: What a caller may want to say of the batches; Keras's signatures have no room for it.
_OF_BATCHES = ("remainder", "seed", "buffer_size", "scale", "reuse_buffer")


def refuse(method: Callable[..., Any], unknown: Mapping[str, Any]) -> None:
    """Raise a TypeError for what the method's signature did not catch, naming the near misses."""
    for argument in unknown:
        if argument in _OF_BATCHES:
            raise TypeError(
                f"{method.__name__}() has no argument {argument!r}: it belongs to Batches, which may be x: "
                f"{method.__name__}(Batches(x, y, batch_size=..., {argument}=...))."
            )
        known = [name for name in inspect.signature(method).parameters if name != "unknown"]
        raise TypeError(f"{method.__name__}() has no argument {argument!r}.{near_misses(argument, known)}")


def listed(callbacks: Any) -> list[Any]:
    """Return callbacks as a list: from any iterable of them, from a single one, or from None."""
    return list(callbacks or ()) if isinstance(callbacks, Iterable | None) else [callbacks]


def check_count(name: str, value: Any) -> None:
    """Raise a ValueError unless the value is a positive integer."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{name} must be a positive integer; got {value!r}.")


def check_verbose(verbose: Any) -> None:
    """Raise a ValueError unless it is "auto" (which acts as 1), 0, 1 or 2."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2; got {verbose!r}.")


def validation_due(freq: int | Iterable[int]) -> Callable[[int], bool]:
    """Return the rule that says after which epochs, counted from 0, to validate.

    An int k means every k-th epoch; a list holds epochs counted from 1.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(freq, Iterable) and not isinstance(freq, str):
        epochs = frozenset(freq)
        return lambda epoch: epoch + 1 in epochs
    check_count("validation_freq", freq)
    every = int(freq)
    return lambda epoch: (epoch + 1) % every == 0


def per_output(what: str, given: Any, names: Sequence[str], default: Any = None, nested: bool = False) -> list[Any]:
    """Return one entry for each output, from a list in their order, a dict by their names, or one for all.

    Parameters
    ----------
    what : str
        For messages.
    given : object
    names : sequence of str
        Of the outputs.
    default : object
        For outputs that a dict leaves out, and where nothing is given.
    nested : bool
        Whether an entry is a list itself.

    Raises
    ------
    ValueError
        If a list has another length, or a dict names an output that is not there.
    """
    if given is None:
        return [default] * len(names)
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise ValueError(f"{what}: there is no output {name!r}.{near_misses(str(name), names)}")
        return [_entry(given.get(name, default), nested) for name in names]
    if nested and not isinstance(given, list | tuple):
        raise TypeError(f"{what} must be a list, such as ['accuracy']; got {given!r}.")
    if len(names) == 1:
        entry = given[0] if isinstance(given, list | tuple) and not nested and len(given) == 1 else given
        return [entry]
    if not isinstance(given, list | tuple) or len(given) != len(names):
        raise ValueError(
            f"{what}: the model has the outputs {', '.join(names)}: give a list of {len(names)}, or a dict."
        )
    return [_entry(entry, nested) for entry in given]


def _entry(entry: Any, nested: bool) -> Any:
    if not nested:
        return entry
    if entry is None:
        return ()
    return entry if isinstance(entry, list | tuple) else [entry]
