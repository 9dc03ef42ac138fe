"""Weights as an HDF5 file, in the places where Keras looks for them (``.weights.h5``)."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minibatch.layers import Layer
from minibatch.layers.weight import Weight
from minibatch.typing import Array
from minibatch.utils.names import snake_case

if TYPE_CHECKING:
    from minibatch.models.model import Model


def write_weights(model: Model, file: Any, optimizer: bool = True) -> None:
    """Write a model's weights, and its optimizer's state if it has made a step, into an open ``h5py.File``."""
    model.gather()
    file.create_group("vars").attrs["name"] = model.name
    for path, layer in _layer_paths(model):
        group = file.create_group(path)
        group.attrs["name"] = layer.name
        _write(group, [weight.value for weight in layer.weights])
    if optimizer and model.compiled and model.optimizer.micro_steps:
        group = file.create_group("optimizer/vars")
        group.attrs["name"] = model.optimizer.name
        _write(group, _optimizer_arrays(model))


def read_weights(model: Model, file: Any, optimizer: bool = True) -> None:
    """Read what ``write_weights`` or Keras wrote; nothing is changed if a layer's weights do not fit.

    The state of another optimizer, or of one for other weights, is left out with a warning, as in Keras: a network
    that goes on with another rule, or with layers frozen, still takes its weights from the file.

    Raises
    ------
    ValueError
        If a layer's weights are missing, or are more, or of another shape. Shapes are compared before a number is
        read.
    """
    if "layer_names" in file.attrs or "model_weights" in file:
        read_legacy(model, file.get("model_weights", file))
        return
    pairs: list[tuple[Weight, Any]] = []
    for path, layer in _layer_paths(model):
        stored = _stored(file, path)
        _check(f"layer {layer.name!r}", [weight.shape for weight in layer.weights], stored)
        pairs += zip(layer.weights, stored, strict=True)
    state = _stored(file, "optimizer/vars") if optimizer and model.compiled else []
    if state and not _fits_optimizer(model, state):
        state = []
    numbers = [(weight, np.asarray(dataset[()])) for weight, dataset in pairs]
    slots = [np.asarray(dataset[()]) for dataset in state]
    for weight, value in numbers:
        weight.assign(value)
    if slots:
        _set_optimizer_arrays(model, slots)


def read_legacy(model: Model, group: Any) -> None:
    """Read the weights of a whole-model ``.h5`` file: by layer, in order, each with a list of its weights' names.

    Raises
    ------
    ValueError
        If layers or weights do not fit.
    """
    names = [_text(name) for name in group.attrs["layer_names"]]
    stored = {}
    for name in names:
        arrays = [_dataset(group[name], _text(path)) for path in group[name].attrs["weight_names"]]
        if arrays:
            stored[name] = arrays
    layers = [layer for layer in model.layers if layer.weights]
    if len(layers) != len(stored):
        raise ValueError(f"the file holds {len(stored)} layers with weights, the model has {len(layers)}.")
    pairs: list[tuple[Weight, Any]] = []
    for layer, (name, arrays) in zip(layers, stored.items(), strict=True):
        _check(f"layer {layer.name!r} (in the file {name!r})", [w.shape for w in layer.weights], arrays)
        pairs += zip(layer.weights, arrays, strict=True)
    numbers = [(weight, np.asarray(dataset[()])) for weight, dataset in pairs]
    for weight, value in numbers:
        weight.assign(value)


def _layer_paths(model: Model) -> Iterator[tuple[str, Layer]]:
    """Give every layer with its group: named by class and count, since names differ between two same models."""
    count: Counter[str] = Counter()
    for layer in model.layers:
        kind = snake_case(type(layer).__name__)
        number = count[kind]
        count[kind] += 1
        inner = getattr(layer, "weights_path", "vars")
        yield f"layers/{kind}{f'_{number}' if number else ''}/{inner}", layer


def _write(group: Any, arrays: Sequence[Any]) -> None:
    for i, array in enumerate(arrays):
        group.create_dataset(str(i), data=array)


def _stored(file: Any, path: str) -> list[Any]:
    """Return the datasets 0, 1, 2, ... of a group; nothing if there is none."""
    if path not in file:
        return []
    group = file[path]
    return [_dataset(group, str(i)) for i in range(len(group))]


def _dataset(group: Any, name: str) -> Any:
    """Return a dataset that lies in this file itself, of plain numbers."""
    import h5py

    link = group.get(name, getlink=True)
    dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset) or not isinstance(link, h5py.HardLink):
        raise ValueError(f"the file has no array {group.name}/{name}.")
    if dataset.external or dataset.is_virtual or dataset.dtype.kind not in "fiu":
        raise ValueError(f"{dataset.name} is not an array of numbers in this file.")
    return dataset


def _check(what: str, shapes: Sequence[tuple[int, ...]], stored: Sequence[Any]) -> None:
    found = [tuple(dataset.shape) for dataset in stored]
    if found != list(shapes):
        raise ValueError(f"{what} has weights of shapes {list(shapes)}; the file holds {found}.")


# The optimizer's variables, in Keras's order: the step, the learning rate, then the slots weight by weight.


def _slot_order(model: Model) -> list[tuple[str, Weight]]:
    trainable = list(model.active_slices())
    order: list[tuple[str, Weight]] = []
    for slots in model.optimizer.keras_layout():
        order += [(slot, weight) for weight in trainable for slot in slots]
    return order


def _optimizer_arrays(model: Model) -> list[Any]:
    optimizer, slices = model.optimizer, model.parameters.slices
    scalars: list[Any] = [np.int64(optimizer.micro_steps)]
    if not optimizer.learning_rate_is_scheduled:
        scalars.append(np.float32(optimizer.learning_rate))
    slots = _slot_order(model)
    return scalars + [optimizer.state[slot][slices[weight]].reshape(weight.shape) for slot, weight in slots]


def _fits_optimizer(model: Model, stored: Sequence[Any]) -> bool:
    """Return whether this is the state of the model's optimizer; warn if it is not."""
    scalars: list[tuple[int, ...]] = [()] if model.optimizer.learning_rate_is_scheduled else [(), ()]
    expected = scalars + [weight.shape for _, weight in _slot_order(model)]
    try:
        _check(f"the optimizer {model.optimizer.name!r}", expected, stored)
    except ValueError as error:
        warnings.warn(f"the optimizer's state is left out: {error}", stacklevel=4)
        return False
    return True


def _set_optimizer_arrays(model: Model, arrays: list[Array]) -> None:
    optimizer, slices = model.optimizer, model.parameters.slices
    optimizer.build(model.parameters.theta, model.active_slices())
    optimizer.micro_steps = int(arrays.pop(0))
    if not optimizer.learning_rate_is_scheduled:
        optimizer.learning_rate = float(arrays.pop(0))
    for (slot, weight), array in zip(_slot_order(model), arrays, strict=True):
        optimizer.state[slot][slices[weight]] = array.reshape(-1)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
