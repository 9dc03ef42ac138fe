"""What a weight is before the first step (``keras.initializers``)."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from minibatch.initializers.drawn import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    Random,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    fans,
)
from minibatch.initializers.fixed import Constant, GivenArray, GivenFunction, Identity, Ones, Zeros
from minibatch.initializers.initializer import Initializer
from minibatch.utils import serialization
from minibatch.utils.names import NotHere, find

constant, zeros, ones, identity = Constant, Zeros, Ones, Identity
random_uniform, random_normal, truncated_normal = RandomUniform, RandomNormal, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal, lecun_uniform, lecun_normal = HeUniform, HeNormal, LecunUniform, LecunNormal
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal

INITIALIZERS: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "identity": Identity,
    "random_uniform": RandomUniform,
    "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "orthogonal": Orthogonal,
}
_BY_NAME: dict[str, type[Initializer]] = {
    **INITIALIZERS,
    **{c.__name__: c for c in INITIALIZERS.values()},
    "zero": Zeros,
    "one": Ones,
    "uniform": RandomUniform,
    "normal": RandomNormal,
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
}

_NO_STFT = "Constant, with the array that you want; the layers that take a Fourier transform are not here"
NOT_HERE = NotHere("initializers", {"STFT": _NO_STFT, "STFTInitializer": _NO_STFT})


@overload
def get(identifier: None) -> None: ...
@overload
def get(identifier: Any) -> Initializer: ...
def get(identifier: Any) -> Initializer | None:
    """Return an initializer from a name, a class, an instance, an array, a function, a dict, or None.

    Parameters
    ----------
    identifier : str, type, Initializer, ndarray, callable, dict or None
        An array is copied into a weight of its very shape; a function is called with (shape, dtype=...); a dict is
        one of ``serialize``; None is returned as it is, as in Keras.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the near misses.
    TypeError
        For anything else.
    """
    if identifier is None or isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if isinstance(identifier, str):
        return find("initializer", identifier, _BY_NAME, NOT_HERE)()
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, np.ndarray | np.generic):
        return GivenArray(np.asarray(identifier))
    if callable(identifier):
        return GivenFunction(identifier)
    raise TypeError(
        "an initializer is a name or a minibatch.initializers.Initializer, an array or a function of (shape, "
        f"dtype); got {identifier!r}."
    )


def serialize(initializer: Initializer) -> dict[str, Any]:
    """Return an initializer as a dict in Keras's format (see ``minibatch.utils.serialization``).

    Raises
    ------
    TypeError
        For an array or a function given as initializer: ``Constant`` can be written, and a class of your own.
    """
    if isinstance(initializer, GivenArray | GivenFunction):
        raise TypeError(f"{initializer!r} cannot be written: use Constant(array), or a class with get_config().")
    return serialization.serialize(initializer, "initializers")


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Initializer:
    """Return the initializer that ``serialize``, here or in Keras, made a dict of.

    Raises
    ------
    ValueError
        If its name is unknown.
    TypeError
        If the dict is not of that format.
    """
    found: Initializer = get(serialization.deserialize("initializer", config, _BY_NAME, custom_objects, NOT_HERE))
    return found


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "Constant",
    "GivenArray",
    "GivenFunction",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "Random",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "fans",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]
