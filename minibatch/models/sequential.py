"""A stack of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from minibatch.layers import InputLayer, Layer
from minibatch.layers.symbol import Symbol
from minibatch.models.construction import (
    batch_shapes,
    input_config,
    input_from_config,
    layer_config,
    layer_from_config,
    policy,
)
from minibatch.models.graph import Graph
from minibatch.models.model import Model
from minibatch.models.trainer import Trainer
from minibatch.typing import Shape


class Sequential(Model):
    """A model whose layers follow one another.

    Parameters
    ----------
    layers : iterable of Layer, optional
        ``minibatch.Input`` first (or a first layer with ``input_shape=``) makes the parameters at once; without it
        they are made when the first batch shows the shape.
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

    _inputs_have_rows = False

    def __init__(self, layers: Iterable[Any] | None = None, *, name: str | None = None) -> None:
        Trainer.__init__(self, Graph.chain([]), name)
        self._shape: tuple[int, ...] | None = None
        if isinstance(layers, Layer):
            raise TypeError(f"Sequential takes a list of layers: Sequential([{type(layers).__name__}(...)]).")
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Append a layer; if it does not fit, the model stays as it was."""
        if isinstance(layer, InputLayer | Symbol):
            self._begin(layer)
            return
        if not isinstance(layer, Layer):
            hint = " (a class: call it)" if isinstance(layer, type) else ""
            raise TypeError(f"model {self.name!r}: expected a layer; got {layer!r}{hint}.")
        layers = self.layers
        if any(layer is other for other in layers):
            raise ValueError(f"model {self.name!r}: the layer {layer.name!r} is there twice.")
        if any(layer.name == other.name for other in layers):
            raise ValueError(f"model {self.name!r}: two layers are named {layer.name!r}; names must differ.")
        if not layers and self._shape is None:
            self._shape = layer.given_shape
        if self._shape is not None:
            layer.ensure_built(layers[-1].output_shape if layers else self._shape)
        self.graph = Graph.chain([*layers, layer])
        if self._shape is not None:
            self.gather()

    def _begin(self, layer: InputLayer | Symbol) -> None:
        if isinstance(layer, Symbol) and layer.layer is not None:
            raise TypeError(f"model {self.name!r}: expected a layer; got the output of one, {layer!r}.")
        if self.layers or self._shape is not None:
            raise ValueError(f"model {self.name!r}: Input must come first, and once.")
        self._shape = tuple(extent for extent in layer.shape[1:] if extent is not None)

    def pop(self) -> Layer:
        """Take the last layer off, and return it.

        Raises
        ------
        ValueError
            If there is none.
        """
        layers = self.layers
        if not layers:
            raise ValueError(f"model {self.name!r} has no layers.")
        self.graph = Graph.chain(layers[:-1])
        if self._shape is not None and layers[:-1]:
            self.gather()
        else:
            self._parameters = None
        return layers[-1]

    def build(self, input_shape: Shape) -> None:
        """Make the parameters, for inputs of this shape: (None, 20) for 20 numbers a sample, as in Keras.

        Raises
        ------
        ValueError
            If a layer cannot take the shape that the layer before it gives.
        """
        shape = tuple(int(extent) for extent in input_shape[1:] if extent is not None)
        if len(shape) != len(input_shape) - 1:
            raise ValueError(f"build: every axis but the first must be known; got {input_shape}.")
        if not self.layers:
            raise ValueError(f"model {self.name!r} has no layers.")
        self._fits(shape)
        self._shape = shape
        for layer in self.layers:
            shape = layer.ensure_built(shape)
        self.gather()

    def get_config(self) -> dict[str, Any]:
        """Return how to make this model again, without weights, in Keras's format."""
        entries = [layer_config(layer) for layer in self.layers]
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": policy()}
        if self._shape is not None:
            shape = batch_shapes(self._shape)
            entries.insert(0, input_config("input_layer", shape))
            config["build_input_shape"] = shape
        return {**config, "layers": entries}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Return a new model from what ``get_config`` returned."""
        model = cls(name=config.get("name"))
        for entry in config["layers"]:
            is_input = entry.get("class_name") == "InputLayer"
            model.add(input_from_config(entry) if is_input else layer_from_config(entry, custom_objects))
        if not model.built and model.layers and config.get("build_input_shape"):
            model.build(tuple(config["build_input_shape"]))
        return model

    def _fits(self, shape: tuple[int, ...]) -> None:
        """Raise a ValueError if a layer cannot take what the layer before gives; nothing is built by asking."""
        for layer in self.layers:
            if layer.built:
                return
            shape = layer.output_shape_for(shape)
