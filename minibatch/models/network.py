"""Layers over one parameter vector, run forward and backward: a model before it learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from minibatch.layers import ActivatedLayer, Layer, Weight
from minibatch.layers.layer import Cache
from minibatch.layers.symbol import one_or_all
from minibatch.layers.weighted import Weighted
from minibatch.models.graph import Graph
from minibatch.models.not_here import NOT_HERE
from minibatch.models.parameters import Division, Parameters
from minibatch.typing import Array
from minibatch.utils.names import unique_name

#: Called in a backward pass for each visit of a layer that it goes through, last first, with (layer, dy, cache):
#: for a layer that ends in an activation dy is the gradient by its input z, and the cache is that of its linear
#: half.
Watch = Callable[[Layer, Array, Cache], None]


class Network(Weighted):
    """A graph of layers, with their parameters in one vector.

    Parameters
    ----------
    graph : Graph
    name : str, optional

    Attributes
    ----------
    parameters : Parameters
        Once built: ``parameters.theta`` and ``parameters.gradient``.
    """

    kind = "model"

    def __init__(self, graph: Graph, name: str | None = None) -> None:
        self.name = name or unique_name(type(self).__name__.lower())
        self.graph = graph
        self._parameters: Parameters | None = None

    # Layers and parameters ----------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers, each once, in order; those of a graph's inputs are among them, as in Keras."""
        return list(self.graph.listed)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by its name or by its place.

        Raises
        ------
        ValueError
            If there is no such layer, or not exactly one of the two was given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer: give a name or an index.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"get_layer: there are {len(layers)} layers; got index {index}.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"no layer {name!r}; there are {', '.join(layer.name for layer in layers)}.")

    @property
    def built(self) -> bool:
        """Whether the shapes are known and the parameters exist."""
        return self._parameters is not None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put the weights' views back, which copying and pickling make arrays of their own."""
        self.__dict__.update(state)
        if self._parameters is not None:
            self.gather()

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

    def gather(self) -> None:
        """Move the weights' numbers into one vector, once there are some, unless they are there (still)."""
        weights, known = self.weights, bool(self.graph.input_layers)
        if known and (self._parameters is None or not self._parameters.holds(weights)):
            self._parameters = Parameters(weights)
            for layer in self.graph.layers_once:
                for weight in layer.weights:
                    own = f"{layer.name}/{weight.name}"
                    # A shared layer's weights keep the name of the model that had them first, as in Keras.
                    weight.path = f"{self.name}/{own}" if weight.path == own else weight.path

    @property
    def weights(self) -> list[Weight]:
        """The weights of all layers, in order."""
        return [weight for layer in self.graph.listed for weight in layer.weights]

    @property
    def trainable_weights(self) -> list[Weight]:
        """The weights that an optimizer moves: not those of layers with ``trainable=False``."""
        return [weight for layer in self.layers for weight in layer.trainable_weights]

    @property
    def trainable(self) -> bool:
        """Whether any layer is; setting it sets all of them."""
        return any(layer.trainable for layer in self.layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.layers:
            layer.trainable = value

    def active_slices(self) -> dict[Weight, slice]:
        """Return where the weights lie that training moves, in ``parameters.theta``."""
        return self.division().active

    def division(self) -> Division:
        """Return which of the parameters training moves, and which not: those of frozen layers."""
        return Division.of(self.parameters, set(self.trainable_weights))

    def count_params(self) -> int:
        """Return the number of scalars in the weights."""
        _ = self.parameters  # raises where there are none yet
        return sum(weight.value.size for weight in self.weights)

    # Shapes -------------------------------------------------------------------------------------------------

    @property
    def input_shape(self) -> Any:
        """(None, ...), None for the batch axis; a list of shapes for several inputs."""
        return one_or_all([(None, *shape) for shape in self.input_shapes])

    @property
    def output_shape(self) -> Any:
        """(None, ...), None for the batch axis; a list of shapes for several outputs."""
        return one_or_all([(None, *shape) for shape in self.output_shapes])

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of one sample of each input."""
        _ = self.parameters  # raises where the shapes are not known
        return [layer.input_shape for layer in self.graph.input_layers]

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """The shape of one sample of each output."""
        known: dict[int, Any] = dict(zip(self.graph.inputs, self.input_shapes, strict=True))
        known |= {visit.target: visit.layer.output_shape for visit in self.graph.visits}
        return [known[place] for place in self.graph.outputs]

    # The two passes -----------------------------------------------------------------------------------------

    def forward(self, inputs: Sequence[Array], training: bool = False) -> tuple[list[Array], list[Cache]]:
        """Return (outputs, caches) for a batch of each input: what comes out, and what ``backward`` needs."""
        graph = self.graph
        _as_many("inputs", inputs, graph.inputs)
        values: list[Any] = [None] * graph.size
        # By number, here and in the steps' other loops: zip(strict=True) takes as long as a small layer's bias.
        for i, place in enumerate(graph.inputs):
            values[place] = inputs[i]
        caches = []
        for visit in graph.visits:
            x: Any = [values[i] for i in visit.sources] if visit.takes_list else values[visit.sources[0]]
            values[visit.target], cache = visit.layer.forward(x, training)
            caches.append(cache)
        return [values[place] for place in graph.outputs], caches

    def infer(self, inputs: Sequence[Array]) -> list[Array]:
        """Return the outputs for a batch in inference mode."""
        return self.forward_only(inputs)[0]

    def forward_only(self, inputs: Sequence[Array]) -> tuple[list[Array], list[Cache]]:
        """Return (outputs, caches) for a batch in inference mode, if no ``backward`` is to follow.

        No value is kept longer than needed, and of the caches those alone that belong to outputs; the others are
        None. The first layers may take the batch a few samples at a time (``Opening``).
        """
        if getattr(self.forward, "__func__", None) is not Network.forward:  # somebody has another way
            return self.forward(inputs)
        graph = self.graph
        _as_many("inputs", inputs, graph.inputs)
        values: list[Any] = [None] * graph.size
        for i, place in enumerate(graph.inputs):
            values[place] = inputs[i]
        caches: list[Cache] = [None] * len(graph.visits)
        opening, begun = graph.opening, 0
        if few := opening.few(inputs[0]):
            begun = len(opening.layers)
            values[graph.visits[begun - 1].target] = opening.forward(inputs[0], few)
        for k in range(begun, len(caches)):
            visit = graph.visits[k]
            x: Any = [values[i] for i in visit.sources] if visit.takes_list else values[visit.sources[0]]
            values[visit.target], cache = visit.layer.forward(x, training=False)
            if k in graph.giving_outputs:
                caches[k] = cache
            del cache, x  # nor are they to be held while the next layer is at work
            for i in graph.last_uses[k]:
                values[i] = None
        return [values[place] for place in graph.outputs], caches

    def last_activation(self, output: int) -> str | None:
        """Return the name of the activation that an output ends in, if its layer ends in one."""
        k = self.graph.giving_outputs[output]
        layer = self.graph.visits[k].layer if k >= 0 else None
        return layer.activation.name if isinstance(layer, ActivatedLayer) else None

    def logits(self, output: int, activation: str, caches: list[Cache]) -> Array | None:
        """Return the input of the activation that an output ends in, if it is this one."""
        graph = self.graph
        k = graph.giving_outputs[output]
        layer = graph.visits[k].layer if k >= 0 else None
        if not isinstance(layer, ActivatedLayer) or layer.activation.name != activation:
            return None
        _, z, _ = caches[k]
        logits: Array = z
        return logits

    def backward(
        self,
        gradients: Sequence[Array | None],
        caches: list[Cache],
        at_logits: Sequence[bool],
        watch: Watch | None = None,
        by_inputs: bool = True,
    ) -> list[Array | None]:
        """Write the gradient of the loss into ``parameters.gradient``; return its gradient by each input.

        Parameters
        ----------
        gradients : sequence of ndarray
            For each output dL/dy of the batch; or dL/dz by its ``logits``, where ``at_logits`` says so; or None, if
            the loss does not depend on it.
        caches : list
            From ``forward``.
        at_logits : sequence of bool
        watch : callable, optional
            See ``Watch``: what gradient statistics are computed with.
        by_inputs : bool, default True
            Without the gradients by the inputs (all None then), the layers in front of the first weights need not
            be gone through, and the first layer with weights need not compute its dx.
        """
        graph = self.graph
        _as_many("gradients", gradients, graph.outputs)
        _as_many("caches", caches, graph.visits)
        dvalues: list[Any] = [None] * graph.size
        dlogits = dvalues.copy()
        for i, place in enumerate(graph.outputs):
            _add(dlogits if at_logits[i] else dvalues, place, gradients[i])
        visited: set[Layer] = set()
        for k, visit, leads_to_weights, can_spare_dx, below in graph.way_back:
            layer, cache, dy = visit.layer, caches[k], dvalues[visit.target]
            step: Callable[[Array, Cache], Any] = layer.backward
            if isinstance(layer, ActivatedLayer):
                cache, z, y = cache
                dz = dlogits[visit.target]
                if dy is not None:
                    through = layer.activation_backward(dy, z, y)
                    dz = through if dz is None else dz + through
                dy, step = dz, layer.linear_backward
            if dy is None:
                # An output that no loss asks about, or a layer in front of all weights.
                continue
            if watch is not None:
                watch(layer, dy, cache)
            # A layer used twice writes its gradient twice: the sum is what counts.
            before = [w.gradient.copy() for w in layer.weights] if layer in visited else None
            dx: Any = None
            # The gradient by the layer's input; or, where it goes through the ReLU below at once, by that one's z.
            least = None if below is None else below.least
            if leads_to_weights or by_inputs:
                dx = step(dy, cache) if least is None else layer.backward_above(dy, cache, least)
            elif can_spare_dx:
                layer.weights_backward(dy, cache)
            else:
                step(dy, cache)
            if before is not None:
                for weight, gradient in zip(layer.weights, before, strict=True):
                    weight.gradient += gradient
            visited.add(layer)
            if not visit.takes_list:
                _add(dvalues if least is None else dlogits, visit.sources[0], dx)
            elif dx is not None:
                for place, part in zip(visit.sources, dx, strict=True):
                    _add(dvalues, place, part)
        for layer in graph.layers_once:
            if layer not in visited:
                for weight in layer.weights:
                    weight.gradient[...] = 0
        for still in self.division().still.values():
            self.parameters.gradient[still] = 0
        return [dvalues[place] for place in graph.inputs]

    if not TYPE_CHECKING:  # a checker is to know the attributes that there are

        def __getattr__(self, name: str) -> Any:
            kind = type(self).__name__
            explained = None if name.startswith("_") else NOT_HERE.explain(name)
            raise AttributeError(explained or f"{kind!r} object has no attribute {name!r}", name=name, obj=self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, {len(self.layers)} layers>"


def _as_many(what: str, given: Sequence[Any], wanted: Sequence[Any]) -> None:
    if len(given) != len(wanted):
        raise ValueError(f"expected {len(wanted)} {what}, in a list; got {len(given)}.")


def _add(values: list[Any], place: int, part: Array | None) -> None:
    if part is None:  # from a layer whose input has no gradient, such as the class numbers of an Embedding
        return
    values[place] = part if values[place] is None else values[place] + part
