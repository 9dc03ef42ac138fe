"""A stack of layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minibatch.layers import InputLayer, Layer
from minibatch.models.model import Model


class Sequential(Model):
    """A model whose layers follow one another.

    Parameters
    ----------
    layers : iterable of Layer, optional
        ``minibatch.Input`` first makes the parameters at once; without it they are made when the first batch
        shows the shape.
    name : str, optional

    Raises
    ------
    TypeError
        If an entry is not a layer.
    ValueError
        If a layer cannot take the shape that the layer before it gives, or two layers share a name.

    Examples
    --------
    >>> import minibatch as mb
    >>> model = mb.Sequential([mb.Input((64,)), mb.layers.Dense(32, "relu"), mb.layers.Dense(10, "softmax")])
    >>> model.count_params()
    2410
    """

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None) -> None:
        super().__init__(name=name)
        self._input: InputLayer | None = None
        for layer in layers or ():
            self._append(layer)
        self._build_if_known()

    def add(self, layer: Any) -> None:
        """Append a layer."""
        self._append(layer)
        self._build_if_known()

    def _append(self, layer: Any) -> None:
        if isinstance(layer, InputLayer):
            if self.layers or self._input is not None:
                raise ValueError(f"model {self.name!r}: Input must come first, and once.")
            self._input = layer
            return
        if not isinstance(layer, Layer):
            hint = " (a class: call it)" if isinstance(layer, type) else ""
            raise TypeError(f"model {self.name!r}: expected a layer; got {layer!r}{hint}.")
        if any(layer is other for other in self.layers):
            raise ValueError(f"model {self.name!r}: the layer {layer.name!r} is there twice.")
        if any(layer.name == other.name for other in self.layers):
            raise ValueError(f"model {self.name!r}: two layers are named {layer.name!r}; names must differ.")
        self.layers.append(layer)

    def _build_if_known(self) -> None:
        shape = self._input.output_shape if self._input else None
        if self.built:
            shape = self.layers[0].input_shape
        if shape is not None and self.layers:
            self.build((None, *shape))
