from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_check import assert_same_gradient, check_layer, check_per_sample_gradients, numerical_gradient
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(5,), (4, 3), (3, 2, 2)], ids=str)
def test_gradients(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.integers(4, size=shape).astype(np.float64)
    layer = mb.layers.Embedding(4, 2)
    check_layer(layer, x)  # 5 samples of 4 classes: some class comes twice
    check_per_sample_gradients(layer, x)
    assert layer.backward(*layer.forward(x)) is None


@pytest.mark.usefixtures("float64")
def test_gradients_of_a_model_that_begins_with_one(rng: np.random.Generator) -> None:
    layers = [mb.layers.Embedding(5, 3, embeddings_regularizer="l2"), mb.layers.Flatten(), mb.layers.Dense(2)]
    model = mb.Sequential([mb.Input((4,)), *layers])
    model.compile("sgd", "mse")
    x, y = rng.integers(5, size=(6, 4)), rng.normal(size=(6, 2))
    gradient = model.loss_and_gradient(x, y)[1].copy()
    numerical = numerical_gradient(lambda: model.loss_and_gradient(x, y)[0], model.parameters.theta)
    assert_same_gradient("theta", gradient, numerical)


@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_it_is_a_dense_layer_on_one_hot_vectors(n: int, classes: int, outputs: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.integers(classes, size=(n, 2))
    layer = mb.layers.Embedding(classes, outputs)
    layer.ensure_built((2,))
    y, cache = layer.forward(x.astype(np.float32))
    one_hot = np.eye(classes, dtype=np.float32)[x]
    np.testing.assert_array_equal(y, layer.embeddings.value[x])
    np.testing.assert_allclose(y, one_hot @ layer.embeddings.value, rtol=1e-6)
    dy = rng.normal(size=y.shape).astype(np.float32)
    layer.backward(dy, cache)
    expected = one_hot.reshape(-1, classes).T @ dy.reshape(-1, outputs)
    np.testing.assert_allclose(layer.embeddings.gradient, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wrong", [-1.0, 3.0, 1e9, 0.5, np.nan, np.inf])
def test_what_is_no_class_number(wrong: float) -> None:
    layer = mb.layers.Embedding(3, 2, name="words")
    with pytest.raises(ValueError, match=r"layer 'words': Embedding takes whole numbers from 0 to 2 .*; got "):
        layer(np.array([[0.0, wrong]]))


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.float32, np.float64])
def test_class_numbers_of_any_type(dtype: Any) -> None:
    layer = mb.layers.Embedding(3, 2)
    assert layer(np.array([[0, 2]], dtype)).shape == (1, 2, 2)
    np.testing.assert_array_equal(layer.forward(np.array([[0, 2]], dtype))[1], [[0, 2]])


@pytest.mark.parametrize("sizes", [(0, 2), (2, 0), (2.0, 2), (2, True), (-1, 2)])
def test_sizes_are_positive_integers(sizes: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"Embedding: (input|output)_dim must be a positive integer"):
        mb.layers.Embedding(*sizes)


@pytest.mark.parametrize("arguments", [{"mask_zero": True}, {"weights": [np.ones((2, 2))]}])
def test_what_keras_has_besides(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"Embedding\(\): the argument '.*' of Keras is not here"):
        mb.layers.Embedding(2, 2, **arguments)


def test_the_length_that_keras_2_wanted_has_no_effect() -> None:
    with pytest.warns(UserWarning, match="'input_length' is an argument of Keras 2; today it is left") as caught:
        layer = mb.layers.Embedding(3, 2, input_length=5, name="words")
    assert caught[0].filename == __file__
    assert layer.get_config() == mb.layers.Embedding(3, 2, input_length=None, name="words").get_config()
    assert layer(np.zeros((1, 4))).shape == (1, 4, 2)
