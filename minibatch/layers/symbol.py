"""A value that is not computed yet: what ``Input`` returns, and a layer called on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from minibatch.typing import Shape

if TYPE_CHECKING:
    from minibatch.layers.layer import Layer


def _refused(operator: str, nearest: str) -> Callable[..., Any]:
    """Return the method of an operator that is not there: it raises a TypeError that says what is."""

    def refuse(self: Symbol, *others: Any) -> Any:
        raise TypeError(
            f"{operator} of {self!r}: what Input and layers return has no arithmetic here. The nearest: "
            f"{nearest}; or a layer of your own (docs/extending.md)."
        )

    return refuse


class Symbol:
    """The output of a layer for inputs that are symbols themselves: a node of the graph of a model.

    Attributes
    ----------
    shape : tuple
        (None, ...), None for the batch axis.
    layer : Layer
        What computes it; an ``InputLayer`` for an ``Input``.
    inputs : tuple of Symbol
        What it is computed from; nothing for an ``Input``.
    takes_list : bool
        Whether the layer is given a list of inputs, even of one.
    name : str
        Its layer's.
    """

    def __init__(
        self,
        shape: Shape,
        layer: Layer,
        inputs: tuple[Symbol, ...] = (),
        takes_list: bool = False,
    ) -> None:
        self.shape = shape
        self.layer = layer
        self.inputs = inputs
        self.takes_list = takes_list

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def dtype(self) -> str:
        """The name of the type of its numbers."""
        return self.layer.dtype

    @property
    def is_input(self) -> bool:
        """Whether it is what ``Input`` returned."""
        return not self.inputs

    # What Keras's symbols can be calculated with. Here every step is a layer, whose gradient is written down.
    __array_ufunc__ = None  # so that NumPy's arrays leave it to the methods below
    __add__ = __radd__ = _refused("+", "layers.Add()([a, b]), or Rescaling(1, offset=c)(x) for a number c")
    __sub__ = __rsub__ = _refused("-", "layers.Subtract()([a, b]), or Rescaling(1, offset=-c)(x) for a number c")
    __mul__ = __rmul__ = _refused("*", "layers.Multiply()([a, b]), or Rescaling(c)(x) for a number c")
    __truediv__ = __rtruediv__ = _refused("/", "layers.Rescaling(1 / c)(x) for a number c")
    __neg__ = _refused("-", "layers.Rescaling(-1)(x)")
    __matmul__ = __rmatmul__ = _refused("@", "layers.Dense(units)(x), whose kernel is the other factor")
    __pow__ = __rpow__ = _refused("**", "layers.Multiply()([x, x]) for a square")
    __getitem__ = _refused("[...]", "layers.Reshape or Flatten; or slices of the data, before training")

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


def one_or_all(entries: Sequence[Any]) -> Any:
    """Return the only entry, or a list of all: how Keras speaks of a model's inputs and outputs."""
    return entries[0] if len(entries) == 1 else list(entries)
