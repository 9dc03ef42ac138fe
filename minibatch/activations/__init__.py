"""Activation functions, each beside its gradient (``keras.activations``).

An activation maps z to y, elementwise or over an axis. Its gradient maps dy = dL/dy to dz = dL/dz, and may use z or
y, whichever makes it shorter. The names, settings and defaults are Keras's.
"""

from __future__ import annotations

from typing import Any

from minibatch.activations.activation import ACTIVATIONS, Activation
from minibatch.activations.distributions import log_softmax, softmax, sparsemax
from minibatch.activations.rectifiers import (
    celu,
    elu,
    exponential,
    gelu,
    hard_silu,
    leaky_relu,
    linear,
    mish,
    relu,
    relu6,
    selu,
    silu,
    softplus,
    sparse_plus,
    squareplus,
)
from minibatch.activations.shrinking import hard_shrink, soft_shrink, tanh_shrink, threshold
from minibatch.activations.squashing import (
    hard_sigmoid,
    hard_tanh,
    log_sigmoid,
    sigmoid,
    softsign,
    sparse_sigmoid,
    tanh,
)
from minibatch.utils import serialization
from minibatch.utils.names import NotHere, find

swish, hard_swish = silu, hard_silu

_BY_NAME: dict[str, Activation] = {**ACTIVATIONS, "swish": silu, "hard_swish": hard_silu}

NOT_HERE = NotHere(
    "activations",
    {
        "glu": "'silu'; glu halves its axis, which an activation of a layer here cannot do",
        "threshold": (
            "activations.threshold.with_settings(threshold=..., default_value=...); it has no defaults, so a layer "
            "cannot take it by name"
        ),
    },
)


def get(identifier: Any) -> Activation:
    """Return an activation from a name, from None (linear), from an ``Activation`` or from a dict of ``serialize``.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the near misses.
    TypeError
        For a plain function: its gradient is needed too (see ``Activation``).
    """
    if identifier is None:
        return linear
    if isinstance(identifier, Activation):
        return identifier
    if isinstance(identifier, str):
        return find("activation", identifier, _BY_NAME, NOT_HERE)
    if isinstance(identifier, dict):
        return deserialize(identifier)
    raise TypeError(
        f"an activation is a name, None, or a minibatch.activations.Activation (a function with its "
        f"gradient); got {identifier!r}."
    )


def serialize(activation: Activation) -> Any:
    """Return the name of an activation; for one of a user's own, a dict in Keras's format.

    Raises
    ------
    ValueError
        For an activation with settings: as in Keras a layer keeps them, not the function.
    """
    if ACTIVATIONS.get(activation.name) is activation:
        return activation.name
    if activation.settings:
        raise ValueError(
            f"an activation with settings, {activation.name}, has no name to be written by; write a function of "
            "your own, or use a layer that has these settings (ReLU, LeakyReLU, ELU, Softmax)."
        )
    return serialization.function_config(activation.name, activation.function.__module__)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Activation:
    """Return the activation that ``serialize``, here or in Keras, made ``config`` of.

    Raises
    ------
    ValueError
        If its name is unknown.
    TypeError
        If ``config`` is not of that format.
    """
    return get(serialization.deserialize("activation", config, _BY_NAME, custom_objects, NOT_HERE))


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "Activation",
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]
