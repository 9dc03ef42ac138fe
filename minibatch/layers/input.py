"""Where a model says what one sample looks like."""

from __future__ import annotations

import re
from typing import Any, Self

import numpy as np

from minibatch.layers.layer import Cache, Layer
from minibatch.layers.symbol import Symbol
from minibatch.typing import Array, Shape
from minibatch.utils.names import old_argument

#: Arguments of Keras's that ask for nothing with these values.
#: The names of whole-number types.
WHOLE = r"u?int(8|16|32|64)"
_KERAS_ONLY = ("batch_size", "sparse", "ragged", "batch_shape", "tensor", "optional")


def Input(shape: Any = None, *, dtype: Any = None, name: str | None = None, **unknown: Any) -> Symbol:
    """Say what shape one sample has (no batch axis).

    It begins a ``Sequential``, or a graph of layers called on it (see ``Model``).

    Parameters
    ----------
    shape : tuple of int
        (8, 8, 1) for an image of 8 x 8 and one channel; (20,) for 20 numbers.
    dtype : str or dtype, optional
        Of whole numbers, such as "int32" for an ``Embedding``: then the model takes no other numbers. By default,
        and for "float32" and "float64", any; layers compute in the library's float type (``config.floatx``).
    name : str, optional

    Raises
    ------
    ValueError
        If the shape is missing or is not a tuple of positive integers, or for another dtype.
    TypeError
        For another argument.

    Examples
    --------
    >>> import minibatch as mb
    >>> model = mb.Sequential([mb.Input(shape=(20,)), mb.layers.Dense(3)])
    >>> model.output_shape
    (None, 3)
    """
    return InputLayer(_checked("Input", shape, unknown), dtype=dtype, name=name).output


class InputLayer(Layer):
    """The shape of one sample, as a layer: what ``Input`` makes, and what begins a model's ``layers``.

    It passes on what it is given.

    Parameters
    ----------
    shape : tuple of int
    dtype : str or dtype, optional
        As for ``Input``.
    name : str, optional

    Attributes
    ----------
    batch_shape : tuple
        (None, ...), None for the batch axis.
    whole : numpy.dtype or None
        That of whole numbers, if the input is to be such.
    """

    def __init__(self, shape: Any = None, *, dtype: Any = None, name: str | None = None, **unknown: Any) -> None:
        shape = old_argument(self, unknown, "input_shape", "shape", shape)
        of_sample = _checked("InputLayer", shape, unknown)
        super().__init__(name=name)
        self.whole = _whole(dtype)
        self.input_shape = self.output_shape = of_sample
        self.batch_shape: Shape = (None, *of_sample)

    @property
    def dtype(self) -> str:
        """What the input is to be: the name of the float type, or of one of whole numbers."""
        return super().dtype if self.whole is None else self.whole.name

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
            "dtype": self.dtype,
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
        # Of other types, as in Keras's files ("bool", "float16"), the numbers are taken as any are.
        dtype = config.get("dtype")
        whole = isinstance(dtype, str) and re.fullmatch(WHOLE, dtype)
        extents = [int(extent) for extent in shape[1:]]
        return cls(extents, dtype=dtype if whole else None, name=config.get("name"))


def _whole(dtype: Any) -> np.dtype[Any] | None:
    """Return a dtype if it is one of whole numbers; None for what the library computes in."""
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype)
    if name in (None, "float32", "float64"):
        return None
    if isinstance(name, str) and re.fullmatch(WHOLE, name):
        return np.dtype(name)
    raise ValueError(
        f"Input: dtype must be one of whole numbers, such as 'int32', or 'float32' or 'float64'; got {dtype!r}."
    )


def _checked(kind: str, shape: Any, unknown: dict[str, Any]) -> tuple[int, ...]:
    for argument, value in unknown.items():
        if argument not in _KERAS_ONLY:
            raise TypeError(f"{kind}() has no argument {argument!r}.")
        if value not in (None, False):
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
