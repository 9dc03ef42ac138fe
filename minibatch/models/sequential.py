"""A stack of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from minibatch.layers import InputLayer, Layer
from minibatch.layers.symbol import Symbol
from minibatch.models.construction import (
    batch_shapes,
    input_config,
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

    def __init__(self, layers: Iterable[Any] | None = None, *, name: str | None = None) -> None:
        Trainer.__init__(self, Graph.chain([]), name)
        self._outputs: list[Symbol] = []
        if isinstance(layers, Layer):
            raise TypeError(f"Sequential takes a list of layers: Sequential([{type(layers).__name__}(...)]).")
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Append a layer; if it does not fit, the model stays as it was."""
        if isinstance(layer, InputLayer | Symbol):
            self._begin(layer)
            return
        if isinstance(layer, Model):
            raise TypeError(
                f"model {self.name!r}: a model as a layer of another is not here. Take its layers, "
                "Sequential([*inner.layers, ...]), or call it on a symbol, inner(x): the layers are shared."
            )
        if not isinstance(layer, Layer):
            hint = " (a class: call it)" if isinstance(layer, type) else ""
            raise TypeError(f"model {self.name!r}: expected a layer; got {layer!r}{hint}.")
        layers = self.layers
        if any(layer is other for other in layers):
            raise ValueError(f"model {self.name!r}: the layer {layer.name!r} is there twice.")
        if any(layer.name == other.name for other in layers):
            raise ValueError(f"model {self.name!r}: two layers are named {layer.name!r}; names must differ.")
        first, outputs = self._first, self._outputs
        if not layers and first is None and layer.given_shape is not None:
            first = InputLayer(layer.given_shape)
            outputs = [first.output]
        self._outputs = [layer(symbol) for symbol in outputs]
        self.graph = Graph.chain([*layers, layer], first)
        self.gather()

    @property
    def _first(self) -> InputLayer | None:
        """The layer of the input, once its shape is known."""
        return next(iter(self.graph.input_layers), None)

    def _begin(self, layer: InputLayer | Symbol) -> None:
        first = layer.layer if isinstance(layer, Symbol) else layer
        if not isinstance(first, InputLayer):
            raise TypeError(f"model {self.name!r}: expected a layer; got the output of one, {layer!r}.")
        if self.layers or self._first is not None:
            raise ValueError(f"model {self.name!r}: Input must come first, and once.")
        self.graph, self._outputs = Graph.chain([], first), [first.output]

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
        self.graph = Graph.chain(layers[:-1], self._first)
        self._outputs = [symbol.inputs[0] for symbol in self._outputs]
        if layers[:-1]:
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
        first = self._first if self._first is not None and self._first.output_shape == shape else InputLayer(shape)
        self._outputs = self._called_on([first.output])
        self.graph = Graph.chain(self.layers, first)
        self.gather()

    def get_config(self) -> dict[str, Any]:
        """Return how to make this model again, without weights, in Keras's format."""
        entries = [layer_config(layer) for layer in self.layers]
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": policy()}
        if self._first is not None:
            entries.insert(0, input_config(self._first))
            config["build_input_shape"] = batch_shapes(self._first.output_shape)
        return {**config, "layers": entries}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Return a new model from what ``get_config`` returned."""
        model = cls(name=config.get("name"))
        for entry in config["layers"]:
            is_input = entry.get("class_name") == "InputLayer"
            maker = (
                InputLayer.from_config(entry["config"]) if is_input else layer_from_config(entry, custom_objects)
            )
            model.add(maker)
        if not model.built and model.layers and config.get("build_input_shape"):
            model.build(tuple(config["build_input_shape"]))
        return model

    def _fits(self, shape: tuple[int, ...]) -> None:
        """Raise a ValueError if a layer cannot take what the layer before gives; nothing is built by asking."""
        for layer in self.layers:
            if layer.built:
                return
            shape = layer.output_shape_for(shape)
