"""Layers and graphs as dictionaries in Keras's format, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minibatch import config as settings
from minibatch import layers as layers_room
from minibatch.layers import InputLayer, Layer
from minibatch.layers.not_here import NOT_HERE
from minibatch.layers.symbol import Symbol
from minibatch.models.graph import Graph
from minibatch.utils.names import near_misses
from minibatch.utils.serialization import plain

Config = dict[str, Any]


def layer_config(layer: Layer) -> Config:
    """Return a layer as Keras writes it: class, arguments, and the shape it was built for."""
    ours = type(layer).__module__.split(".")[0] == "minibatch"
    shape = layer.input_shape
    build = {} if shape is None else {"build_config": {"input_shape": batch_shapes(shape)}}
    return {
        "module": "keras.layers" if ours else type(layer).__module__,
        "class_name": type(layer).__name__,
        "config": {**plain(layer.get_config()), "dtype": policy()},
        "registered_name": None if ours else type(layer).__name__,
        **build,
    }


def graph_config(graph: Graph, input_shapes: Sequence[tuple[int, ...]]) -> Config:
    """Return a graph as Keras writes it: its layers, each with the calls that were made of it.

    Parameters
    ----------
    graph : Graph
        Of built layers.
    input_shapes : sequence of tuple of int
        The shape of one sample of each input.
    """
    # Keras names a value by its layer, by which of that layer's calls it came from, and by which of its outputs.
    history = {place: [name, call, 0] for place, (name, call) in graph.history().items()}
    shapes: dict[int, Any] = {
        place: batch_shapes(shape) for place, shape in zip(graph.inputs, input_shapes, strict=True)
    }
    dtypes = {place: layer.dtype for place, layer in zip(graph.inputs, graph.input_layers, strict=True)}
    nodes: dict[Layer, list[Config]] = {}
    for visit in graph.visits:
        calls = nodes.setdefault(visit.layer, [])
        tensors = [
            {
                "class_name": "__keras_tensor__",
                "config": {
                    "shape": shapes[i],
                    "dtype": dtypes[i],
                    "keras_history": history[i],
                },
            }
            for i in visit.sources
        ]
        calls.append({"args": [tensors] if visit.takes_list else tensors, "kwargs": {}})
        shapes[visit.target], dtypes[visit.target] = batch_shapes(visit.layer.output_shape), visit.layer.dtype
    entries = [{**input_config(layer), "name": layer.name, "inbound_nodes": []} for layer in graph.input_layers]
    entries += [
        {**layer_config(layer), "name": layer.name, "inbound_nodes": calls} for layer, calls in nodes.items()
    ]
    inputs = [history[place] for place in graph.inputs]
    outputs = [history[place] for place in graph.outputs]
    return {
        "layers": entries,
        "input_layers": inputs[0] if len(inputs) == 1 else inputs,
        "output_layers": outputs[0] if len(outputs) == 1 else outputs,
    }


def symbols_from_config(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> tuple[list[Symbol], list[Symbol]]:
    """Return (inputs, outputs) of the graph that ``graph_config`` or Keras wrote; its layers are new.

    Raises
    ------
    ValueError
        If a class is not here, or calls have inputs that come from nowhere.
    """
    values: dict[tuple[str, int], Symbol] = {}
    waiting: list[tuple[str, Layer, int, Any]] = []
    for entry in config["layers"]:
        name = entry.get("name") or entry["config"]["name"]
        if entry.get("class_name") == "InputLayer":
            values[name, 0] = InputLayer.from_config(entry["config"]).output
            continue
        layer = layer_from_config(entry, custom_objects)
        waiting += [(name, layer, k, node) for k, node in enumerate(entry.get("inbound_nodes", []))]
    while waiting:
        # Calls whose inputs are all there; a round without one means that some never will be.
        ready = [call for call in waiting if all(key in values for key in _sources(call[3]))]
        if not ready:
            raise ValueError("the dictionary of a Functional model has calls whose inputs come from nowhere.")
        for name, layer, k, node in ready:
            tensors = [values[key] for key in _sources(node)]
            takes_list = isinstance(_arguments(node)[0], list)
            values[name, k] = layer(tensors if takes_list else tensors[0])
        waiting = [call for call in waiting if call not in ready]
    inputs, outputs = (
        [values[str(name), int(call)] for name, call, _ in _triples(config[end])]
        for end in ("input_layers", "output_layers")
    )
    return inputs, outputs


def layer_from_config(entry: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """Return a new layer from Keras's dictionary of one.

    Raises
    ------
    ValueError
        If its class is not here.
    """
    name, custom = str(entry.get("class_name")), custom_objects or {}
    registered = entry.get("registered_name")
    cls = custom.get(str(registered)) or custom.get(name)
    if cls is None:
        cls = getattr(layers_room, name, None) if name in layers_room.__all__ else None
        if not (isinstance(cls, type) and issubclass(cls, Layer)):
            if name in ("Sequential", "Functional", "Model"):
                raise ValueError(
                    f"the model has a {name} model as a layer, which is not here: save one that has the layers "
                    "themselves, Sequential([*inner.layers, ...])."
                )
            explained = NOT_HERE.explain(name)
            if explained:
                raise ValueError(f"the model has a layer of class {name!r}. {explained}")
            raise ValueError(
                f"the model has a layer of class {name!r}, which is not here. If it is yours, hand it over: "
                f"custom_objects={{{name!r}: {name}}}.{near_misses(name, layers_room.__all__)}"
            )
    arguments = dict(entry["config"])
    dtype = arguments.pop("dtype", None)
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    if dtype not in (None, "float32", "float64"):
        raise ValueError(
            f"layer {arguments.get('name')!r} is of dtype {dtype!r}; here layers are float32 or float64."
        )
    layer: Layer = cls.from_config(arguments)
    return layer


def _arguments(node: Any) -> list[Any]:
    if not isinstance(node, Mapping) or not node.get("args"):
        raise ValueError("a call without inputs, or in the format of Keras 2, cannot be read.")
    return list(node["args"])


def _sources(node: Any) -> list[tuple[str, int]]:
    first = _arguments(node)[0]
    tensors = first if isinstance(first, list) else [first]
    return [(str(t["config"]["keras_history"][0]), int(t["config"]["keras_history"][1])) for t in tensors]


def _triples(ends: Any) -> list[Any]:
    return [ends] if ends and not isinstance(ends[0], list) else list(ends)


def input_config(layer: InputLayer) -> Config:
    """Return an input as Keras writes it."""
    config = layer.get_config()
    return {"module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None}


def batch_shapes(shape: Any) -> Any:
    """Return sample shapes with the batch axis, as lists."""
    if isinstance(shape, list):
        return [batch_shapes(part) for part in shape]
    return [None, *shape]


def policy() -> Config:
    """Return the float type as Keras writes it."""
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": settings.floatx()},
        "registered_name": None,
    }
