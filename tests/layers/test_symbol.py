from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minibatch as mb

L = mb.layers

ARITHMETIC: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a + b": (lambda x: x + x, r"Add\(\)"),
    "1 + x": (lambda x: 1 + x, "Rescaling"),
    "a - b": (lambda x: x - x, r"Subtract\(\)"),
    "2 * x": (lambda x: 2 * x, "Rescaling"),
    "array * x": (lambda x: np.ones(4) * x, r"Multiply\(\)"),
    "float32 * x": (lambda x: np.float32(2) * x, "Rescaling"),
    "x / 255": (lambda x: x / 255, "Rescaling"),
    "-x": (operator.neg, "Rescaling"),
    "x @ W": (lambda x: x @ np.ones((4, 2)), "Dense"),
    "x ** 2": (lambda x: x**2, "Multiply"),
    "x[:, 0]": (lambda x: x[:, 0], "Reshape"),
    "a, b = x": (list, "Reshape"),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_names_the_layer_that_does_it(name: str) -> None:
    does, nearest = ARITHMETIC[name]
    with pytest.raises(TypeError, match=f"<Symbol 'given', shape=.*has no arithmetic here.*{nearest}"):
        does(mb.Input((4,), name="given"))


def test_symbols_are_told_apart_by_identity() -> None:
    a, b = mb.Input((4,)), mb.Input((4,))
    assert a == a
    assert a != b
    assert len({a, b, a}) == 2


@pytest.mark.parametrize("dtype", ["bool", "float16", "bfloat16", "string"])
def test_an_input_of_a_file_takes_numbers_whatever_type_it_names(dtype: str) -> None:
    config = {**L.InputLayer((3,)).get_config(), "dtype": dtype}
    assert L.InputLayer.from_config(config).whole is None
    with pytest.raises(ValueError, match="dtype must be one of whole numbers"):
        L.Input((3,), dtype=dtype)


def test_an_input_is_a_layer_that_passes_on_what_it_is_given() -> None:
    x = mb.Input((4, 2), name="image")
    layer = x.layer
    assert isinstance(layer, L.InputLayer)
    assert layer.output is x
    assert x.is_input
    assert layer.batch_shape == x.shape == (None, 4, 2)
    assert (layer.name, layer.built, layer.weights, layer.count_params()) == ("image", True, [], 0)
    batch = np.ones((3, 4, 2), np.float32)
    assert layer.forward(batch)[0] is batch
    assert layer.backward(batch, None) is batch
    again = L.InputLayer.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_a_copy_of_a_layer_does_not_copy_the_layers_before_it() -> None:
    layers = [L.Dense(2) for _ in range(300)]  # as a chain of references this is deeper than Python lets one go
    symbol = mb.Input((2,))
    for layer in layers:
        symbol = layer(symbol)
    alone = copy.deepcopy(layers[-1])
    with pytest.raises(AttributeError, match="has not been called on symbols"):
        _ = alone.output
