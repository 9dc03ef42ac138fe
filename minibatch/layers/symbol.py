"""A value that is not computed yet: what ``Input`` returns, and a layer called on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minibatch.typing import Shape
from minibatch.utils.names import unique_name

if TYPE_CHECKING:
    from minibatch.layers.layer import Layer


class Symbol:
    """The output of a layer for inputs that are symbols themselves: a node of the graph of a model.

    Attributes
    ----------
    shape : tuple
        (None, ...), None for the batch axis.
    layer : Layer or None
        What computes it; None for an ``Input``.
    inputs : tuple of Symbol
        What it is computed from.
    takes_list : bool
        Whether the layer is given a list of inputs, even of one.
    name : str
        An input's, else its layer's.
    """

    def __init__(
        self,
        shape: Shape,
        layer: Layer | None = None,
        inputs: tuple[Symbol, ...] = (),
        takes_list: bool = False,
        name: str | None = None,
    ) -> None:
        self.shape = shape
        self.layer = layer
        self.inputs = inputs
        self.takes_list = takes_list
        self.name = name or (layer.name if layer is not None else unique_name("input_layer"))

    def __repr__(self) -> str:
        return f"<Symbol {self.name!r}, shape={self.shape}>"


def symbols_in(x: Any) -> tuple[Symbol, ...]:
    """Return the symbols that x is or holds; an empty tuple if it is no symbol, nor a list of them.

    Raises
    ------
    TypeError
        If a list holds symbols and other things.
    """
    if isinstance(x, Symbol):
        return (x,)
    if not isinstance(x, list | tuple) or not any(isinstance(part, Symbol) for part in x):
        return ()
    if not all(isinstance(part, Symbol) for part in x):
        raise TypeError("a layer is called on symbols or on numbers; got a list of both.")
    return tuple(x)
