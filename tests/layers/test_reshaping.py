from __future__ import annotations

import numpy as np
import pytest
from gradient_check import check_layer

import minibatch as mb


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (2, 3, 2, 2), (3,)])
def test_flatten(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.normal(size=shape)
    layer = mb.layers.Flatten()
    check_layer(layer, x)
    np.testing.assert_array_equal(layer(x), x.reshape(shape[0], -1))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("activation", ["relu", "softmax", "tanh", None])
def test_activation_as_a_layer(activation: str | None, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 2, 4))
    layer = mb.layers.Activation(activation)
    check_layer(layer, x)
    np.testing.assert_array_equal(layer(x), mb.activations.get(activation)(x))
