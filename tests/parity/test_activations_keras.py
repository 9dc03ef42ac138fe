"""Activations, initializers and regularizers against Keras's."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras, tf

import minibatch as mb
from minibatch.activations import ACTIVATIONS

# Activations ------------------------------------------------------------------------------------------------

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *[(name, {}) for name in sorted(set(ACTIVATIONS) - {"sparsemax"})],
    *[
        ("relu", {"negative_slope": s, "max_value": m, "threshold": t})
        for s in (0.0, 0.3)
        for m in (None, 1.5, 6.0)
        for t in (0.0, 0.7, -0.7)
    ],
    ("leaky_relu", {"negative_slope": 0.05}),
    ("elu", {"alpha": 0.5}),
    ("celu", {"alpha": 2.0}),
    ("gelu", {"approximate": True}),
    ("squareplus", {"b": 0.5}),
    ("soft_shrink", {"threshold": 0.2}),
    ("hard_shrink", {"threshold": 1.2}),
    ("threshold", {"threshold": 0.4, "default_value": -2.0}),
    *[(name, {"axis": axis}) for name in ("softmax", "log_softmax") for axis in (1, 2)],
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(SETTINGS)])
def test_activation_and_gradient(name: str, settings: dict[str, Any], rng: np.random.Generator) -> None:
    z = np.concatenate([rng.normal(0, 2, (40, 5, 4)), rng.normal(0, 8, (10, 5, 4))]).astype("float32")
    dy = rng.normal(size=z.shape).astype("float32")
    x = tf.convert_to_tensor(z)
    with tf.GradientTape() as tape:
        tape.watch(x)
        expected = getattr(keras.activations, name)(x, **settings)
    slope = tape.gradient(expected, x, output_gradients=tf.convert_to_tensor(dy))
    ours = getattr(mb.activations, name)
    np.testing.assert_allclose(ours(z, **settings), expected, rtol=1e-5, atol=2e-6)
    as_layer_takes_it = ours.with_settings(**settings)
    y = as_layer_takes_it.function(z)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(as_layer_takes_it.backward(dy, z, y), slope, rtol=1e-4, atol=1e-5)


def test_sparsemax_where_one_takes_all() -> None:
    """Elsewhere Keras's does not sum to 1."""
    z = np.array([[3.0, 1.0, 0.0], [-1.0, 2.0, 0.9]], "float32")
    np.testing.assert_allclose(mb.activations.sparsemax(z), keras.activations.sparsemax(z), atol=1e-6)
    z = np.array([[0.5, 0.3, -1.0]], "float32")
    np.testing.assert_allclose(mb.activations.sparsemax(z), [[0.6, 0.4, 0.0]], atol=1e-6)
    assert abs(float(np.sum(keras.activations.sparsemax(z))) - 1) > 0.1


def test_every_name_of_an_activation() -> None:
    for name in dir(keras.activations):
        if name in ("get", "serialize", "deserialize") or name.startswith("_"):
            continue
        if name == "glu":
            with pytest.raises(AttributeError, match=r"Keras has 'glu'.*halves its axis"):
                getattr(mb.activations, name)
            continue
        mine, theirs = getattr(mb.activations, name), getattr(keras.activations, name)
        assert mine.__name__ == theirs.__name__
        their = {k: p.default for k, p in list(inspect.signature(theirs).parameters.items())[1:]}
        assert {k: p.default for k, p in list(inspect.signature(mine).parameters.items())[1:]} == their
        if name != "threshold":
            assert mb.activations.get(name) is mine
            written = mb.activations.serialize(mine)
            assert written == keras.activations.serialize(theirs)
            assert mb.activations.deserialize(written) is mine


# Initializers -----------------------------------------------------------------------------------------------

INITIALIZERS: list[tuple[str, dict[str, Any]]] = [
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {"value": 2.5}),
    ("Identity", {"gain": 3.0}),
    ("RandomNormal", {"mean": 1.0, "seed": 3}),
    ("RandomUniform", {"maxval": 2.0, "seed": 3}),
    ("TruncatedNormal", {"stddev": 2.0, "seed": 3}),
    ("VarianceScaling", {"scale": 3.0, "mode": "fan_avg", "distribution": "uniform", "seed": 3}),
    *[(f"{who}{how}", {"seed": 3}) for who in ("Glorot", "He", "Lecun") for how in ("Uniform", "Normal")],
    ("GlorotUniform", {"seed": 3, "input_axes": [0, 2], "output_axes": [1]}),
    ("Orthogonal", {"gain": 2.0, "seed": 3}),
]


@pytest.mark.parametrize(
    ("name", "settings"), INITIALIZERS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(INITIALIZERS)]
)
def test_initializer(name: str, settings: dict[str, Any]) -> None:
    """The same numbers where nothing is drawn, the same spread where something is; the same configuration."""
    theirs, mine = (getattr(lib.initializers, name)(**settings) for lib in (keras, mb))
    shape = (40, 50, 30) if settings.get("input_axes") else (60, 60) if name == "Identity" else (300, 200)
    there, here = np.asarray(theirs(shape)), mine(shape)
    assert (here.shape, here.dtype) == (there.shape, there.dtype)
    if "seed" in settings:
        assert here.std() == pytest.approx(there.std(), rel=0.02)
        assert here.mean() == pytest.approx(there.mean(), abs=0.03 * float(there.std()))
    else:
        np.testing.assert_array_equal(here, there)
    assert keras.initializers.deserialize(mb.initializers.serialize(mine)).get_config() == theirs.get_config()
    if name != "Identity":  # Keras does not write down its gain
        assert mb.initializers.serialize(mine) == keras.initializers.serialize(theirs)
        assert mb.initializers.deserialize(keras.initializers.serialize(theirs)).get_config() == mine.get_config()
    assert list(inspect.signature(type(mine)).parameters) == list(inspect.signature(type(theirs)).parameters)


def test_orthogonal_is_orthogonal_in_both() -> None:
    for shape in [(6, 4), (4, 6), (2, 3, 5)]:
        for lib in (keras, mb):
            q = np.asarray(lib.initializers.Orthogonal(gain=2.0, seed=1)(shape)).reshape(-1, shape[-1])
            product = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
            np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (3, 3, 4, 8)])
def test_fans(shape: tuple[int, ...]) -> None:
    from keras.src.initializers.random_initializers import compute_fans

    assert mb.initializers.fans(shape) == compute_fans(shape)


def test_every_name_of_an_initializer() -> None:
    for name in {*dir(keras.initializers), *keras.src.initializers.ALL_OBJECTS_DICT} - {
        "Initializer",
        "initializer",
    }:
        if name.startswith("_") or name in ("get", "serialize", "deserialize"):
            continue
        if "stft" in name.lower():
            with pytest.raises(ValueError, match="Keras has"):
                mb.initializers.get(name)
            continue
        if name.lower() != "constant":  # by name alone, Keras cannot make one
            assert type(mb.initializers.get(name)).__name__ == type(keras.initializers.get(name)).__name__
        if hasattr(keras.initializers, name):
            assert getattr(mb.initializers, name).__name__ == getattr(keras.initializers, name).__name__


def test_arrays_and_functions_as_initializers() -> None:
    array = np.arange(6.0).reshape(2, 3)
    for lib in (keras, mb):
        np.testing.assert_array_equal(lib.initializers.get(array)((2, 3), dtype="float32"), array)
        with pytest.raises(ValueError, match="shape"):
            lib.initializers.get(array)((3, 2), dtype="float32")
        made = lib.initializers.get(lambda shape, dtype=None: np.full(shape, 7, dtype))((2,), dtype="float32")
        np.testing.assert_array_equal(made, [7, 7])
        assert lib.initializers.get(None) is None
        row = lib.initializers.Constant([1.0, 2.0, 3.0])((2, 3))
        np.testing.assert_array_equal(row, [[1, 2, 3], [1, 2, 3]])


# Regularizers -----------------------------------------------------------------------------------------------

REGULARIZERS: list[tuple[str, dict[str, Any]]] = [
    ("L1", {}),
    ("L1", {"l1": 0.25}),
    ("L2", {}),
    ("L2", {"l2": 0.25}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.5, "l2": 0.25}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]


@pytest.mark.parametrize(
    ("name", "settings"), REGULARIZERS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(REGULARIZERS)]
)
def test_regularizer_and_gradient(name: str, settings: dict[str, Any], rng: np.random.Generator) -> None:
    theirs, mine = (getattr(lib.regularizers, name)(**settings) for lib in (keras, mb))
    w = rng.normal(size=(5, 4)).astype("float32")
    w[1, 2] = 0
    x = tf.convert_to_tensor(w)
    with tf.GradientTape() as tape:
        tape.watch(x)
        penalty = theirs(x) + 0 * tf.reduce_sum(x)
    assert mine(w) == pytest.approx(float(penalty), rel=1e-5)
    np.testing.assert_allclose(mine.gradient(w), tape.gradient(penalty, x), rtol=1e-5, atol=1e-7)
    there = keras.regularizers.deserialize(mb.regularizers.serialize(mine))
    assert float(there(x)) == pytest.approx(mine(w), rel=1e-6)
    here = mb.regularizers.deserialize(keras.regularizers.serialize(theirs))
    assert here(w) == pytest.approx(mine(w), rel=1e-6)


def test_every_name_of_a_regularizer() -> None:
    for name in {*dir(keras.regularizers), *keras.src.regularizers.ALL_OBJECTS_DICT} - {
        "Regularizer",
        "regularizer",
    }:
        if name.startswith("_") or name in ("get", "serialize", "deserialize"):
            continue
        if name in keras.src.regularizers.ALL_OBJECTS_DICT:
            mine, theirs = mb.regularizers.get(name), keras.regularizers.get(name)
            assert type(mine).__name__ == type(theirs).__name__
        if hasattr(keras.regularizers, name):
            assert getattr(mb.regularizers, name).__name__ == getattr(keras.regularizers, name).__name__
