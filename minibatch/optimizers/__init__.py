"""Optimizers: rules that move the parameter vector (``keras.optimizers``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minibatch.optimizers import schedules
from minibatch.optimizers.adagrad import Adagrad
from minibatch.optimizers.adam import Adam, AdamW
from minibatch.optimizers.optimizer import Optimizer
from minibatch.optimizers.rmsprop import RMSprop
from minibatch.optimizers.sgd import SGD
from minibatch.utils import serialization
from minibatch.utils.names import NotHere, find

# Each takes a learning rate as its first argument, with a default.
OPTIMIZERS: dict[str, Any] = {cls.__name__.lower(): cls for cls in (SGD, Adam, AdamW, RMSprop, Adagrad)}

NOT_HERE = NotHere(
    "optimizers",
    {
        "Adadelta": "RMSprop",
        "Adafactor": "Adam",
        "Adamax": "Adam",
        "Ftrl": "Adagrad",
        "Lamb": "AdamW",
        "Lion": "SGD with momentum",
        "LossScaleOptimizer": "the optimizer itself, for nothing is trained in float16",
        "MultiOptimizer": "one optimizer for all weights",
        "Muon": "SGD with momentum and nesterov=True",
        "Nadam": "Adam",
        "OptimizerMap": "one optimizer for all weights",
        "ScheduleFreeAdamW": "AdamW with use_ema=True",
    },
    {
        **{name: f"minibatch.optimizers.{cls.__name__}" for name, cls in OPTIMIZERS.items()},
        "legacy": "minibatch.optimizers itself: optimizers.Adam for optimizers.legacy.Adam",
    },
)

# A module of that name would answer to optimizers.adam, a spelling of Keras 2, with "a module cannot be called".
for _module in ("adagrad", "adam", "rmsprop", "sgd"):
    globals().pop(_module, None)


def get(identifier: Any) -> Optimizer:
    """Return an optimizer from a name ("adam", "SGD"), a class, an instance or a dict of ``serialize``.

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
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        # Keras takes "Adam" and "adam" alike.
        name = identifier.lower() if identifier.lower() in OPTIMIZERS else identifier
        made: Optimizer = find("optimizer", name, OPTIMIZERS, NOT_HERE)()
        return made
    raise TypeError(f"an optimizer is a name or a minibatch.optimizers.Optimizer; got {identifier!r}.")


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimizer, without its state, as a dict in Keras's format (see ``utils.serialization``)."""
    return serialization.serialize(optimizer, "optimizers")


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """Return a new optimizer from a dict of ``serialize``, here or in Keras.

    Parameters
    ----------
    config : mapping
    custom_objects : mapping of str, optional
        Optimizers, schedules and functions of one's own by name.

    Raises
    ------
    ValueError
        If its name is unknown.
    TypeError
        If the dict is not of that format.
    """
    # The schedule first: what from_config is handed knows nothing of custom_objects.
    inner = config.get("config") if isinstance(config, Mapping) else None
    if isinstance(inner, Mapping) and isinstance(inner.get("learning_rate"), Mapping):
        rate = schedules.deserialize(inner["learning_rate"], custom_objects)
        config = {**config, "config": {**inner, "learning_rate": rate}}
    if isinstance(config, Mapping) and str(config.get("class_name")).lower() in OPTIMIZERS:
        config = {**config, "class_name": config["class_name"].lower()}
    return get(serialization.deserialize("optimizer", config, OPTIMIZERS, custom_objects, NOT_HERE))


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
