"""Data that ship with the library, loaded as Keras loads its own (``keras.datasets``)."""

from __future__ import annotations

from typing import Any

from minibatch.datasets import digits
from minibatch.utils.names import NotHere, each

_NUMBERS = "digits, or arrays of your own; nothing is downloaded"

NOT_HERE = NotHere(
    "datasets",
    {
        **each("mnist fashion_mnist cifar10 cifar100", "digits, 1,797 images of 8 x 8; nothing is downloaded"),
        **each("boston_housing california_housing imdb reuters", _NUMBERS),
    },
)


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = ["digits"]
