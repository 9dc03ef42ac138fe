"""Where a model says what one sample looks like."""

from __future__ import annotations

from typing import Any

from minibatch.layers.layer import Cache, Layer
from minibatch.typing import Array


class InputLayer(Layer):
    """The shape of one sample; it changes nothing."""

    def __init__(self, shape: tuple[int, ...], name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.ensure_built(shape)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        return x, None

    def backward(self, dy: Array, cache: Cache) -> Array:
        return dy


def Input(shape: Any = None, name: str | None = None, **kwargs: Any) -> InputLayer:
    """Say what shape one sample has (no batch axis): the first thing in a ``Sequential``.

    Parameters
    ----------
    shape : tuple of int
        (8, 8, 1) for an image of 8 x 8 and one channel; (20,) for 20 numbers.
    name : str, optional

    Raises
    ------
    ValueError
        If the shape is missing or is not a tuple of positive integers.

    Examples
    --------
    >>> import minibatch as mb
    >>> model = mb.Sequential([mb.Input(shape=(20,)), mb.layers.Dense(3)])
    >>> model.output_shape
    (None, 3)
    """
    if not isinstance(shape, tuple | list) or any(
        isinstance(extent, bool) or not isinstance(extent, int) or extent < 1 for extent in shape
    ):
        raise ValueError(f"Input: shape must be a tuple of positive integers, such as (20,); got {shape!r}.")
    return InputLayer(tuple(shape), name=name, **kwargs)
