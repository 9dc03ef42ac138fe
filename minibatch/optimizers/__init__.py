"""Optimizers: rules that move the parameter vector (``keras.optimizers``)."""

from __future__ import annotations

from typing import Any

from minibatch.optimizers.adam import Adam
from minibatch.optimizers.optimizer import Optimizer
from minibatch.optimizers.rmsprop import RMSprop
from minibatch.optimizers.sgd import SGD
from minibatch.utils.names import find

OPTIMIZERS: dict[str, type[SGD] | type[Adam] | type[RMSprop]] = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}


def get(identifier: Any) -> Optimizer:
    """Return an optimizer from a name ("adam", "SGD"), a class or an instance.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the near misses.
    TypeError
        For anything else.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()  # type: ignore[call-arg]  # a user's class has defaults of its own, or says so
    if isinstance(identifier, str):
        # Keras takes "Adam" and "adam" alike.
        name = identifier.lower() if identifier.lower() in OPTIMIZERS else identifier
        return find("optimizer", name, OPTIMIZERS)()
    raise TypeError(f"an optimizer is a name or a minibatch.optimizers.Optimizer; got {identifier!r}.")


__all__ = ["SGD", "Adam", "Optimizer", "RMSprop", "get"]
