"""Layers, activations and losses: the same numbers and the same gradients as Keras's, from the same weights.

Bounds are relative to float32's rounding of the sums involved (a few hundred terms of size 1): 1e-5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, keras, tf

import minibatch as mb

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def same_layer(theirs: Any, mine: Any, x: np.ndarray) -> None:
    """Compare the output for x, and the gradients of sum(R * output) by x and by every weight."""
    x = x.astype("float32")
    theirs.build((None, *x.shape[1:]))
    mine.ensure_built(x.shape[1:])
    if mine.weights:
        weights = [np.random.default_rng(i).normal(size=w.shape) / 2 for i, w in enumerate(mine.weights)]
        assert [tuple(w.shape) for w in theirs.weights] == [w.shape for w in mine.weights]
        assert [w.name for w in theirs.weights] == [w.name for w in mine.weights]
        theirs.set_weights(weights)
        mine.set_weights(weights)
    with tf.GradientTape() as tape:
        inputs = tf.constant(x)
        tape.watch(inputs)
        outputs = theirs(inputs)
        R = np.random.default_rng(9).normal(size=outputs.shape).astype("float32")
        value = tf.reduce_sum(R * outputs)
    by = tape.gradient(value, [inputs, *(w.value for w in theirs.trainable_weights)])
    y, cache = mine.forward(x, training=True)
    assert y.shape == tuple(outputs.shape) == (len(x), *mine.output_shape)
    np.testing.assert_allclose(y, outputs, **CLOSE)
    np.testing.assert_allclose(mine.backward(R, cache), by[0], **CLOSE)
    for weight, gradient in zip(mine.weights, by[1:], strict=True):
        np.testing.assert_allclose(weight.gradient, gradient, rtol=1e-5, atol=5e-5)


# At exactly 0 Keras's celu has twice its slope (both branches count), and its sparsemax, run over rows like these,
# returns a row of zeros: tests/test_activations.py checks those by differences alone.
@pytest.mark.parametrize("activation", sorted(set(mb.activations.ACTIVATIONS) - {"celu", "sparsemax"}))
def test_activations(activation: str, rng: np.random.Generator) -> None:
    z = np.concatenate([rng.normal(size=(5, 6)) * 3, [[0, -0.0, 30, -30, 90, -90]]])
    same_layer(keras.layers.Activation(activation), mb.layers.Activation(activation), z)


@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 7), (2, 3, 2, 7)])
@pytest.mark.parametrize(
    "arguments", [{}, {"activation": "tanh"}, {"use_bias": False, "activation": "softmax"}], ids=str
)
def test_dense(shape: tuple[int, ...], arguments: dict[str, Any], rng: np.random.Generator) -> None:
    same_layer(keras.layers.Dense(4, **arguments), mb.layers.Dense(4, **arguments), rng.normal(size=shape))


@pytest.mark.parametrize("image", [(7, 7), (8, 5)])
@pytest.mark.parametrize("kernel", [1, 2, 3, (2, 3), (4, 1)])
@pytest.mark.parametrize("strides", [1, 2, (2, 1), (1, 3)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_conv2d(image: tuple[int, int], kernel: Any, strides: Any, padding: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, *image, 2))
    same_layer(keras.layers.Conv2D(3, kernel, strides, padding), mb.layers.Conv2D(3, kernel, strides, padding), x)


def test_conv2d_with_an_activation_and_no_bias(rng: np.random.Generator) -> None:
    arguments = {"activation": "relu", "use_bias": False}
    x = rng.normal(size=(2, 6, 6, 3))
    same_layer(keras.layers.Conv2D(4, 3, **arguments), mb.layers.Conv2D(4, 3, **arguments), x)


@pytest.mark.parametrize("image", [(6, 6), (7, 5)])
@pytest.mark.parametrize("window", [2, 3, (1, 2), (3, 2)])
@pytest.mark.parametrize("strides", [None, 1, 2, (3, 1)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("ties", [False, True])
def test_max_pooling(
    image: tuple[int, int], window: Any, strides: Any, padding: str, ties: bool, rng: np.random.Generator
) -> None:
    """With ties, too: which of several equal entries takes the gradient is TensorFlow's choice."""
    x = rng.integers(-3, 2, size=(2, *image, 3)) if ties else rng.normal(size=(2, *image, 3)) - 5
    arguments = (window, strides, padding)
    same_layer(keras.layers.MaxPooling2D(*arguments), mb.layers.MaxPooling2D(*arguments), x)


def test_flatten(rng: np.random.Generator) -> None:
    same_layer(keras.layers.Flatten(), mb.layers.Flatten(), rng.normal(size=(3, 4, 2, 3)))


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_dropout_scales_alike(rate: float) -> None:
    """The masks are random, the values that are left are not."""
    x = np.ones((50, 50), "float32")
    theirs = keras.layers.Dropout(rate, seed=1)(x, training=True)
    mine, _ = mb.layers.Dropout(rate, seed=1).forward(x, training=True)
    np.testing.assert_allclose(np.unique(mine), np.unique(theirs), rtol=1e-6)


# Losses -----------------------------------------------------------------------------------------------------

rng_ = np.random.default_rng(3)
P = rng_.dirichlet(np.ones(4), size=(6, 3)).astype("float32")
EDGES = np.array([[1, 0, 0, 0], [0, 0.5, 0.5, 0], [1e-9, 1, 1e-9, 0], [0.2, 0.2, 0.2, 0.1]], "float32")
Z = rng_.normal(size=(6, 3, 4)).astype("float32") * 5
CLASSES = rng_.integers(4, size=(6, 3))


def loss_cases() -> list[Any]:
    cases = []
    for logits in (False, True):
        for name, arguments in (
            ("CategoricalCrossentropy", {}),
            ("CategoricalCrossentropy", {"label_smoothing": 0.2}),
            ("SparseCategoricalCrossentropy", {}),
        ):
            cases.append(
                pytest.param(name, {"from_logits": logits, **arguments}, id=f"{name} {logits} {arguments}")
            )
    return [*cases, pytest.param("MeanSquaredError", {}, id="MeanSquaredError")]


@pytest.mark.parametrize(("name", "arguments"), loss_cases())
@pytest.mark.parametrize("positions", ["one", "several", "edges"])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses(name: str, arguments: dict[str, Any], positions: str, weighted: bool) -> None:
    y_pred = Z if arguments.get("from_logits") or name == "MeanSquaredError" else P
    y_pred, classes = {
        "several": (y_pred, CLASSES),
        "one": (y_pred[:, 0], CLASSES[:, 0]),
        "edges": (EDGES, np.array([0, 1, 0, 3])),
    }[positions]
    y = classes if name.startswith("Sparse") else np.eye(4, dtype="float32")[classes]
    weights = np.linspace(0, 2, len(y)).astype("float32") if weighted else None
    theirs, mine = getattr(keras.losses, name)(**arguments), getattr(mb.losses, name)(**arguments)
    with tf.GradientTape() as tape:
        inputs = tf.constant(y_pred)
        tape.watch(inputs)
        # Keras wants (N, 1) to spread weights over positions.
        w = weights[:, None] if weighted and positions == "several" else weights
        value = theirs(y, inputs, sample_weight=w)
    gradient = tape.gradient(value, inputs)
    assert mine(y, y_pred, sample_weight=weights) == pytest.approx(float(value), rel=1e-5)
    targets = mine.targets(y, y_pred.shape[1:])
    value_, gradient_ = mine.of_batch(targets, y_pred, weights)
    assert value_ == pytest.approx(float(value), rel=1e-5)
    np.testing.assert_allclose(gradient_, gradient, rtol=2e-5, atol=1e-5)


def test_mean_squared_error_of_a_column_and_a_row(rng: np.random.Generator) -> None:
    """Predictions (N, 1) and targets (N,): the targets become a column, nothing is spread out."""
    y_pred, y = rng.normal(size=(5, 1)).astype("float32"), rng.normal(size=5).astype("float32")
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    theirs = keras.losses.MeanSquaredError()(y, y_pred)
    assert mb.losses.MeanSquaredError()(y, y_pred) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "arguments", "kept"),
    [
        ("Embedding", {"input_dim": 4, "output_dim": 2, "input_length": 3}, {"input_dim": 4, "output_dim": 2}),
        ("LeakyReLU", {"alpha": 0.25}, {"negative_slope": 0.25}),
        ("InputLayer", {"input_shape": (4,)}, {"batch_shape": (None, 4)}),
    ],
)
def test_arguments_of_keras_2_that_keras_3_warns_of(
    kind: str, arguments: dict[str, Any], kept: dict[str, Any]
) -> None:
    for lib in BOTH:
        with pytest.warns(UserWarning, match=rf"{[*arguments][-1]}"):
            layer = getattr(lib.layers, kind)(**arguments)
        config = layer.get_config()
        assert {name: tuple(v) if isinstance(v := config[name], list) else v for name in kept} == kept
        assert config.keys() & arguments.keys() <= kept.keys()
