from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras, largest_difference, tf, twins
from parity.layer_twins import close, same_config, same_layer

import minibatch as mb

SWITCHES = [{}, {"center": False}, {"scale": False}, {"center": False, "scale": False}]


@pytest.mark.parametrize("arguments", [*SWITCHES, {"momentum": 0.5, "epsilon": 0.1}], ids=str)
@pytest.mark.parametrize("shape", [(6, 3), (1, 3), (4, 5, 2), (3, 4, 4, 2)], ids=str)
@pytest.mark.parametrize("mode", ["training", "inference", "frozen"])
def test_batch_normalization(
    arguments: dict[str, Any], shape: tuple[int, ...], mode: str, rng: np.random.Generator
) -> None:
    arguments = {**arguments, "trainable": mode != "frozen"}
    both = (lib.layers.BatchNormalization(**arguments) for lib in (keras, mb))
    same_layer(*both, rng.normal(1, 2, shape), training=mode != "inference")


@pytest.mark.parametrize("arguments", SWITCHES, ids=str)
@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 4), -1), ((4, 2, 3), 1), ((3, 4, 2, 3), [1, 2]), ((4, 2, 3), [1, -1])], ids=str
)
def test_layer_normalization(
    arguments: dict[str, Any], shape: tuple[int, ...], axis: Any, rng: np.random.Generator
) -> None:
    both = (lib.layers.LayerNormalization(axis, **arguments) for lib in (keras, mb))
    same_layer(*both, rng.normal(1, 2, shape), training=True)


def test_moving_averages_over_many_batches(rng: np.random.Generator) -> None:
    """One of which holds a single sample."""
    theirs, mine = keras.layers.BatchNormalization(momentum=0.9), mb.layers.BatchNormalization(momentum=0.9)
    for n in (8, 8, 1, 3, 8, 5):
        x = rng.normal(3, 2, (n, 4)).astype("float32")
        close("BatchNormalization y", mine(x, training=True), theirs(x, training=True).numpy())
    for weight, variable in zip(mine.weights, theirs.weights, strict=True):
        close(f"BatchNormalization {weight.name}", weight.value, variable.numpy())


def network(lib: Any) -> Any:
    layers = [
        lib.layers.Dense(8),
        lib.layers.BatchNormalization(momentum=0.8),
        lib.layers.ReLU(),
        lib.layers.LayerNormalization(),
        lib.layers.Dense(3),
        lib.layers.Softmax(),
    ]
    model = lib.Sequential([lib.Input((5,)), *layers])
    model.compile(lib.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("n", [64, 61])
def test_a_fit_of_20_steps(n: int, rng: np.random.Generator) -> None:
    """61 samples in batches of 12 end each epoch with a batch of one."""
    x, y = rng.normal(size=(n, 5)).astype("float32"), rng.integers(3, size=n)
    theirs, mine = twins(network)
    arguments: dict[str, Any] = {"batch_size": 12 if n == 61 else 16, "epochs": 5, "shuffle": False, "verbose": 0}
    histories = [model.fit(x, y, validation_data=(x, y), **arguments).history for model in (theirs, mine)]
    assert histories[0].keys() == histories[1].keys()
    for key, values in histories[0].items():
        np.testing.assert_allclose(histories[1][key], values, rtol=1e-4, atol=1e-5, err_msg=key)
    differences = [largest_difference(a, b) for a, b in zip(theirs.get_weights(), mine.get_weights(), strict=True)]
    assert max(differences) < 2e-5
    names = [[w.name for w in model.non_trainable_weights] for model in (theirs, mine)]
    assert names[0] == names[1] == ["moving_mean", "moving_variance"]


def test_a_frozen_layer_in_a_fit_stays_what_it_is(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(32, 5)).astype("float32"), rng.integers(3, size=32)
    theirs, mine = twins(network)
    for model in (theirs, mine):
        model.layers[1].trainable = False
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(mine.layers[1].moving_mean.value, np.zeros(8))
    for a, b in zip(theirs.get_weights(), mine.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["BatchNormalization", "LayerNormalization"])
def test_configurations(kind: str) -> None:
    for arguments in (
        {},
        {
            "epsilon": 0.1,
            "center": False,
            "gamma_initializer": "zeros",
            "beta_regularizer": "l2",
            "trainable": False,
        },
        {"beta_initializer": "random_normal", "gamma_regularizer": "l1"},
    ):
        same_config(*(getattr(lib.layers, kind)(**arguments) for lib in (keras, mb)))
    if kind == "BatchNormalization":
        arguments = {"momentum": 0.7, "moving_mean_initializer": "ones", "moving_variance_initializer": "zeros"}
        same_config(*(lib.layers.BatchNormalization(**arguments) for lib in (keras, mb)))
    else:
        same_config(*(lib.layers.LayerNormalization([1, 2]) for lib in (keras, mb)))


def test_gradient_by_the_mean_and_variance_of_one_feature() -> None:
    """In float64, to 1e-12: a wrong term would show."""
    x = np.random.default_rng(0).normal(size=(7, 1))
    R = np.random.default_rng(1).normal(size=(7, 1))
    with tf.GradientTape() as tape:
        t = tf.constant(x)
        tape.watch(t)
        mean, variance = tf.nn.moments(t, [0])
        value = tf.reduce_sum(R * (t - mean) / tf.sqrt(variance + 1e-3))
    layer = mb.layers.BatchNormalization()
    before = mb.config.floatx()
    mb.config.set_floatx("float64")
    try:
        layer.ensure_built((1,))
    finally:
        mb.config.set_floatx(before)
    dx = layer.backward(R, layer.forward(x, training=True)[1])
    np.testing.assert_allclose(dx, tape.gradient(value, t).numpy(), rtol=1e-12, atol=1e-12)
