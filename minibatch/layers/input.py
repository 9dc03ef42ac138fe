"""Where a model says what one sample looks like."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch.layers.symbol import Symbol
from minibatch.typing import Shape


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
    return Symbol(_batch_shape("Input", shape, unknown), name=name)


class InputLayer:
    """The shape of one sample, as the first entry of a ``Sequential``: what ``Input`` does.

    Parameters
    ----------
    shape : tuple of int
    name : str, optional
    """

    def __init__(self, shape: Any = None, *, name: str | None = None, **unknown: Any) -> None:
        self.shape = _batch_shape("InputLayer", shape, unknown)
        self.name = name


def _batch_shape(kind: str, shape: Any, unknown: dict[str, Any]) -> Shape:
    for argument, value in unknown.items():
        if argument not in ("batch_size", "dtype", "sparse", "ragged", "batch_shape", "tensor", "optional"):
            raise TypeError(f"{kind}() has no argument {argument!r}.")
        if value not in (None, False, "float32"):
            raise TypeError(f"{kind}(): the argument {argument!r} of Keras is not here.")
    if not isinstance(shape, tuple | list) or any(
        isinstance(extent, bool) or not isinstance(extent, int | np.integer) or extent < 1 for extent in shape
    ):
        raise ValueError(f"{kind}: shape must be a tuple of positive integers, such as (20,); got {shape!r}.")
    return (None, *map(int, shape))
