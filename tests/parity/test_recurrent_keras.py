from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras
from parity.layer_twins import same_config, same_layer

import minibatch as mb


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize(
    "arguments", [{}, {"use_bias": False}, {"activation": "relu"}, {"activation": None}], ids=str
)
@pytest.mark.parametrize("shape", [(3, 4, 2), (1, 1, 3)], ids=str)
def test_simple_rnn(
    return_sequences: bool,
    go_backwards: bool,
    arguments: dict[str, Any],
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> None:
    arguments = {**arguments, "return_sequences": return_sequences, "go_backwards": go_backwards}
    same_layer(*(lib.layers.SimpleRNN(3, **arguments) for lib in (keras, mb)), rng.normal(size=shape))


def test_the_recurrent_kernel_begins_orthogonal() -> None:
    for lib in (keras, mb):
        layer = lib.layers.SimpleRNN(5)
        layer(np.zeros((1, 2, 3), "float32"))
        U = layer.get_weights()[1]
        np.testing.assert_allclose(U @ U.T, np.eye(5), atol=1e-5)


def test_configurations() -> None:
    for arguments in (
        {},
        {"activation": "relu", "use_bias": False, "return_sequences": True, "go_backwards": True},
        {"recurrent_initializer": "zeros", "kernel_regularizer": "l2", "recurrent_regularizer": "l1"},
        {"kernel_initializer": "he_normal", "bias_initializer": "ones", "bias_regularizer": "L1L2"},
    ):
        same_config(*(lib.layers.SimpleRNN(4, **arguments) for lib in (keras, mb)))
