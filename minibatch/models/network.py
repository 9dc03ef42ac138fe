"""Layers over one parameter vector, run forward and backward: a model before it learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minibatch.layers import ActivatedLayer, Layer, Weight
from minibatch.layers.layer import Cache
from minibatch.models.parameters import Parameters
from minibatch.typing import Array, Shape
from minibatch.utils.names import unique_name

#: Called in a backward pass for each layer, last first, with (layer, dy, cache): for a layer that ends in an
#: activation dy is the gradient by its input z, and the cache is that of its linear half.
Watch = Callable[[Layer, Array, Cache], None]


class Network:
    """Layers run one after the other, with their parameters in one vector.

    Parameters
    ----------
    layers : sequence of Layer
    name : str, optional

    Attributes
    ----------
    layers : list of Layer
    parameters : Parameters
        Once built: ``parameters.theta`` and ``parameters.gradient``.
    """

    def __init__(self, layers: Sequence[Layer] = (), name: str | None = None) -> None:
        self.name = name or unique_name(type(self).__name__.lower())
        self.layers: list[Layer] = list(layers)
        self._parameters: Parameters | None = None

    # Shapes and parameters ----------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether the shapes are known and the parameters exist."""
        return self._parameters is not None

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
        for layer in self.layers:
            shape = layer.ensure_built(shape)
            for weight in layer.weights:
                weight.path = f"{self.name}/{layer.name}/{weight.name}"
        self._parameters = Parameters(self.weights)

    @property
    def parameters(self) -> Parameters:
        """The parameter vector and its gradient.

        Raises
        ------
        ValueError
            If the model is not built.
        """
        if self._parameters is None:
            raise ValueError(
                f"model {self.name!r} has no parameters yet, since the shape of its input is not known: begin it "
                "with minibatch.Input(shape), or call build((None, ...)) or fit."
            )
        return self._parameters

    @property
    def input_shape(self) -> Shape:
        """(None, ...), None for the batch axis."""
        return (None, *self.sample_shape("input_shape"))

    @property
    def output_shape(self) -> Shape:
        """(None, ...), None for the batch axis."""
        return (None, *self.sample_shape("output_shape"))

    def sample_shape(self, which: str) -> tuple[int, ...]:
        """Return the "input_shape" or the "output_shape" without the batch axis."""
        _ = self.parameters  # raises where the shapes are not known
        layer = self.layers[0] if which == "input_shape" else self.layers[-1]
        shape: tuple[int, ...] = getattr(layer, which)
        return shape

    @property
    def weights(self) -> list[Weight]:
        """The weights of all layers, in order."""
        return [weight for layer in self.layers for weight in layer.weights]

    @property
    def trainable_weights(self) -> list[Weight]:
        """The weights that training moves."""
        return self.weights

    def get_weights(self) -> list[Array]:
        """Return copies of all weights' numbers, in order."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights' numbers.

        Raises
        ------
        ValueError
            If the count or a shape differs; nothing is changed then.
        """
        mine, arrays = self.weights, [np.asarray(w) for w in weights]
        if len(arrays) != len(mine):
            raise ValueError(f"model {self.name!r} has {len(mine)} weights; got {len(arrays)} arrays.")
        for weight, array in zip(mine, arrays, strict=True):
            if weight.shape != array.shape:
                raise ValueError(
                    f"weight {weight.path!r} has shape {weight.shape}; got an array of shape {array.shape}."
                )
        for weight, array in zip(mine, arrays, strict=True):
            weight.assign(array)

    def count_params(self) -> int:
        """Return D, the number of parameters."""
        return int(self.parameters.theta.size)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by its name or by its place.

        Raises
        ------
        ValueError
            If there is no such layer, or not exactly one of the two was given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer: give a name or an index.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"get_layer: there are {len(self.layers)} layers; got index {index}.")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"no layer {name!r}; there are {', '.join(layer.name for layer in self.layers)}.")

    # The two passes -----------------------------------------------------------------------------------------

    def forward(self, x: Array, training: bool = False) -> tuple[Array, list[Cache]]:
        """Return (y, caches) for a batch x (N, ...): the output and what ``backward`` needs."""
        caches = []
        for layer in self.layers:
            x, cache = layer.forward(x, training)
            caches.append(cache)
        return x, caches

    def infer(self, x: Array) -> Array:
        """Return the output for a batch in inference mode, keeping no cache."""
        for layer in self.layers:
            x = layer.forward(x, training=False)[0]
        return x

    def logits(self, caches: list[Cache]) -> Array:
        """Return the input of the last layer's activation; only for a model that ends in one."""
        _, z, _ = caches[-1]
        logits: Array = z
        return logits

    def backward(
        self, dy: Array, caches: list[Cache], at_logits: bool = False, watch: Watch | None = None
    ) -> Array:
        """Write the gradient of the loss into ``parameters.gradient``; return dx.

        Parameters
        ----------
        dy : ndarray
            dL/dy of the batch; or dL/dz by the ``logits`` with ``at_logits``.
        caches : list
            From ``forward``.
        watch : callable, optional
            See ``Watch``: what gradient statistics are computed with.
        """
        for layer, cache in zip(reversed(self.layers), reversed(caches), strict=True):
            step: Callable[[Array, Cache], Array] = layer.backward
            if isinstance(layer, ActivatedLayer):
                cache, z, y = cache
                if not at_logits:
                    dy = layer.activation.backward(dy, z, y)
                step = layer.linear_backward
            at_logits = False
            if watch is not None:
                watch(layer, dy, cache)
            dy = step(dy, cache)
        return dy

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, {len(self.layers)} layers>"
