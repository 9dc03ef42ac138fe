from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_check import check_layer, check_model, check_per_sample_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize(
    "arguments", [{}, {"use_bias": False}, {"activation": None}, {"activation": "softmax"}], ids=str
)
@pytest.mark.parametrize("steps", [1, 4])
def test_gradients(
    return_sequences: bool, go_backwards: bool, arguments: dict[str, Any], steps: int, rng: np.random.Generator
) -> None:
    layer = mb.layers.SimpleRNN(3, return_sequences=return_sequences, go_backwards=go_backwards, **arguments)
    x = rng.normal(size=(3, steps, 2))
    check_layer(layer, x)
    check_per_sample_gradients(layer, x)


@pytest.mark.usefixtures("float64")
def test_gradients_of_a_model(rng: np.random.Generator) -> None:
    layers = [mb.layers.SimpleRNN(3, return_sequences=True), mb.layers.SimpleRNN(2), mb.layers.Dense(2, "softmax")]
    model = mb.Sequential([mb.Input((4, 2)), *layers])
    model.compile("sgd", "sparse_categorical_crossentropy")
    check_model(model, rng.normal(size=(3, 4, 2)), rng.integers(2, size=3))


def test_steps_by_hand() -> None:
    """W = 2, U = 1, b = 1, f = linear: h_1 = 2 + 1, h_2 = 4 + 3 + 1, h_3 = 6 + 8 + 1."""
    layer = mb.layers.SimpleRNN(1, activation=None, return_sequences=True)
    layer.ensure_built((3, 1))
    layer.set_weights([[[2.0]], [[1.0]], [1.0]])
    assert layer([[[1.0], [2.0], [3.0]]]).ravel().tolist() == [3, 8, 15]
    # The last number first: 6 + 1, 4 + 7 + 1, 2 + 12 + 1.
    layer.go_backwards = True
    assert layer([[[1.0], [2.0], [3.0]]]).ravel().tolist() == [7, 12, 15]


@given(st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_the_last_output_is_the_last_of_all_and_sequences_do_not_meet(n: int, steps: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, steps, 2)).astype(np.float32)
    every = mb.layers.SimpleRNN(3, return_sequences=True)
    last = mb.layers.SimpleRNN(3)
    hs = every(x)
    last(x)
    last.set_weights(every.get_weights())
    np.testing.assert_array_equal(last(x), hs[:, -1])
    # Not bit for bit: a product of matrices may add up in another order for another number of rows.
    np.testing.assert_allclose(np.concatenate([every(row[None]) for row in x]), hs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_samples_are_sequences(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"SimpleRNN needs samples that are sequences, \(T, I\); got "):
        mb.layers.SimpleRNN(2).ensure_built(shape)


@pytest.mark.parametrize(
    "arguments",
    [{"return_state": True}, {"dropout": 0.1}, {"recurrent_dropout": 0.1}, {"stateful": True}, {"unroll": True}],
)
def test_what_keras_has_besides(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"SimpleRNN\(\): the argument '.*' of Keras is not here"):
        mb.layers.SimpleRNN(2, **arguments)
    mb.layers.SimpleRNN(2, **dict.fromkeys(arguments, 0))
