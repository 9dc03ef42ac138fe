from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras
from parity.layer_twins import close, same_config, same_layer

import minibatch as mb


@pytest.mark.parametrize(
    "arguments", [{"scale": 1 / 255}, {"scale": 2, "offset": -1.0}, {"scale": [1.0, 2, 3], "offset": 0.5}], ids=str
)
def test_rescaling(arguments: dict[str, Any], rng: np.random.Generator) -> None:
    same_layer(*(lib.layers.Rescaling(**arguments) for lib in (keras, mb)), rng.normal(size=(4, 2, 3)))
    same_config(*(lib.layers.Rescaling(**arguments) for lib in (keras, mb)))


def test_rescaling_by_an_array_that_keras_wrote() -> None:
    theirs = keras.layers.Rescaling(np.array([1.0, 2.0]), np.array([0.5, 0.0], "float32"))
    mine = mb.layers.Rescaling.from_config({k: v for k, v in theirs.get_config().items() if k != "dtype"})
    x = np.ones((1, 2), "float32")
    close("Rescaling y", mine(x), theirs(x).numpy())


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None, [2]])
@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_normalization(axis: Any, invert: bool, batched: bool, rng: np.random.Generator) -> None:
    x = rng.normal(3, 2, (23, 2, 3)).astype("float32")
    x[..., 0] = 1  # of variance 0
    data = np.array_split(x, 4) if batched else x
    theirs, mine = (lib.layers.Normalization(axis, invert=invert) for lib in (keras, mb))
    theirs.adapt(data)
    mine.adapt(data)
    assert [(w.name, tuple(w.shape)) for w in theirs.weights] == [(w.name, w.shape) for w in mine.weights]
    for weight, variable in zip(mine.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(weight.value, variable.numpy(), rtol=1e-5, atol=1e-6)
    # From Keras's own statistics: where the variance is 0 a rounding error of the mean is divided by 1e-7.
    mine.set_weights(theirs.get_weights())
    close("Normalization mean", mine.mean, theirs.mean.numpy())
    close("Normalization variance", mine.variance, theirs.variance.numpy())
    close("Normalization y", mine(x), theirs(x).numpy())
    same_config(theirs, mine)


@pytest.mark.parametrize(
    ("axis", "mean", "variance"),
    [
        (-1, 2.0, 4.0),
        (-1, [1.0, 2, 3], [1.0, 4, 9]),
        ((1, 2), [1.0, 2, 3], [1.0, 4, 9]),
        ((1, 2), [[1.0], [2]], [[4.0], [1]]),
        (None, 1.0, 0.25),
    ],
)
def test_given_statistics(axis: Any, mean: Any, variance: Any, rng: np.random.Generator) -> None:
    layers = [lib.layers.Normalization(axis, mean=mean, variance=variance) for lib in (keras, mb)]
    same_config(*layers)
    same_layer(*layers, rng.normal(3, 2, (5, 2, 3)))


@pytest.mark.parametrize(
    ("axis", "adapted", "called"),
    [(None, (), (1,)), (None, (), (3, 2)), (None, (2,), (5,)), (-1, (2,), (7, 2))],
    ids=str,
)
def test_adapted_to_samples_of_another_shape(
    axis: Any, adapted: tuple[int, ...], called: tuple[int, ...], rng: np.random.Generator
) -> None:
    """Of the tutorial on Auto MPG: N numbers are adapted to, and a model takes (N, 1)."""
    data, x = rng.normal(3, 2, (20, *adapted)).astype("float32"), rng.normal(size=(4, *called)).astype("float32")
    found = []
    for lib in (keras, mb):
        layer = lib.layers.Normalization(axis=axis)
        layer.adapt(data)
        symbol = lib.Input(called)
        model = lib.Model(symbol, layer(symbol))
        assert model.output_shape == (None, *called)
        found.append(model.predict(x, verbose=0))
    close("Normalization y", found[1], found[0])
