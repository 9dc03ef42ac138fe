"""Where a model says what one sample looks like."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from minibatch import config
from minibatch.layers.layer import Cache, Layer
from minibatch.layers.symbol import Symbol
from minibatch.typing import Array, Shape

#: Arguments of Keras's that ask for nothing with these values.
_KERAS_ONLY = ("batch_size", "dtype", "sparse", "ragged", "batch_shape", "tensor", "optional")


def Input(shape: Any = None, *, name: str | None = None, **unknown: Any) -> Symbol:
    """Say what shape one sample has (no batch axis).

    It begins a ``Sequential``, or a graph of layers called on it (see ``Model``).

    Parameters
    ----------
    shape : tuple of int
        (8, 8, 1) for an image of 8 x 8 and one channel; (20,) for 20 numbers.
    name : str, optional

    Raises
    ------
    ValueError
        If the shape is missing or is not a tuple of positive integers.
    TypeError
        For another argument.

    Examples
    --------
    >>> import minibatch as mb
    >>> model = mb.Sequential([mb.Input(shape=(20,)), mb.layers.Dense(3)])
    >>> model.output_shape
    (None, 3)
    """
    return InputLayer(_checked("Input", shape, unknown), name=name).output


class InputLayer(Layer):
    """The shape of one sample, as a layer: what ``Input`` makes, and what begins a model's ``layers``.

    It passes on what it is given.

    Parameters
    ----------
    shape : tuple of int
    name : str, optional

    Attributes
    ----------
    batch_shape : tuple
        (None, ...), None for the batch axis.
    """

    def __init__(self, shape: Any = None, *, name: str | None = None, **unknown: Any) -> None:
        of_sample = _checked("InputLayer", shape, unknown)
        super().__init__(name=name)
        self.input_shape = self.output_shape = of_sample
        self.batch_shape: Shape = (None, *of_sample)

    @property
    def output(self) -> Symbol:
        """The symbol that stands for a batch."""
        if self.first_call is None:
            self.first_call = Symbol(self.batch_shape, self)
        return self.first_call

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        return x, None

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": config.floatx(),
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": False,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if not shape or any(extent is None for extent in shape[1:]):
            raise ValueError(
                f"the input {config.get('name')!r} has shape {shape}; all but the batch axis must be known."
            )
        return cls([int(extent) for extent in shape[1:]], name=config.get("name"))


def _checked(kind: str, shape: Any, unknown: dict[str, Any]) -> tuple[int, ...]:
    for argument, value in unknown.items():
        if argument not in _KERAS_ONLY:
            raise TypeError(f"{kind}() has no argument {argument!r}.")
        if value not in (None, False, "float32"):
            raise TypeError(f"{kind}(): the argument {argument!r} of Keras is not here.")
    if isinstance(shape, tuple | list) and None in shape:
        raise ValueError(
            f"{kind}: shape {tuple(shape)} leaves an extent open (None), as Keras's may; here all samples of a "
            "model have one shape: give the number. The batch axis is no part of it."
        )
    if not isinstance(shape, tuple | list) or any(
        isinstance(extent, bool) or not isinstance(extent, int | np.integer) or extent < 1 for extent in shape
    ):
        raise ValueError(f"{kind}: shape must be a tuple of positive integers, such as (20,); got {shape!r}.")
    return tuple(map(int, shape))
