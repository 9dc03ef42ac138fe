from __future__ import annotations

from typing import Any

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


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("target", "shape", "becomes"),
    [
        ((3, 4), (2, 12), (3, 4)),
        ((-1,), (2, 3, 4), (12,)),
        ((2, -1, 2), (2, 3, 4), (2, 3, 2)),
        ([-1, 6], (2, 3, 4), (2, 6)),
        ((), (3, 1, 1), ()),
        ((1, 5), (3, 5), (1, 5)),
    ],
)
def test_reshape(target: Any, shape: tuple[int, ...], becomes: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.normal(size=shape)
    layer = mb.layers.Reshape(target)
    check_layer(layer, x)
    assert layer.output_shape == becomes
    np.testing.assert_array_equal(layer(x), x.reshape(len(x), *becomes))


@pytest.mark.parametrize(
    ("target", "shape", "message"),
    [
        ((5, 2), (2, 12), r"shape \(12,\) hold 12 numbers and do not fill target_shape=\(5, 2\)"),
        ((5, -1), (2, 12), r"do not fill target_shape=\(5, -1\)"),
        ((0, -1), (2, 12), r"do not fill target_shape=\(0, -1\)"),
        ((-1, -1), (2, 12), "may hold one -1"),
        ((-2, 3), (2, 12), "must hold integers from 0 up, or -1"),
        ((None, 3), (2, 12), r"must hold integers .* got \(None, 3\)"),
        ("abc", (2, 12), "got 'abc'"),
    ],
)
def test_shapes_that_do_not_fit(target: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mb.layers.Reshape(target)(np.zeros(shape))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("padding", "sides"),
    [
        (1, ((1, 1), (1, 1))),
        ((1, 2), ((1, 1), (2, 2))),
        (((1, 0), (0, 2)), ((1, 0), (0, 2))),
        ([2, [0, 1]], ((2, 2), (0, 1))),
        (0, ((0, 0), (0, 0))),
    ],
)
def test_zero_padding_of_images(padding: Any, sides: Any, rng: np.random.Generator) -> None:
    layer = mb.layers.ZeroPadding2D(padding)
    x = rng.normal(size=(2, 3, 2, 2))
    check_layer(layer, x)
    assert layer.padding == sides
    np.testing.assert_array_equal(layer(x), np.pad(x, ((0, 0), *sides, (0, 0))))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("padding", "sides"), [(1, (1, 1)), ((0, 3), (0, 3)), ([2, 0], (2, 0))])
def test_zero_padding_of_sequences(padding: Any, sides: tuple[int, int], rng: np.random.Generator) -> None:
    layer = mb.layers.ZeroPadding1D(padding)
    x = rng.normal(size=(2, 3, 2))
    check_layer(layer, x)
    assert layer.padding == sides
    np.testing.assert_array_equal(layer(x), np.pad(x, ((0, 0), sides, (0, 0))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: mb.layers.ZeroPadding2D(-1),
            "ZeroPadding2D: padding must be integers from 0 up: one or two; got -1",
        ),
        (lambda: mb.layers.ZeroPadding2D((1, 2, 3)), r"one integer, two, or .* got \(1, 2, 3\)"),
        (lambda: mb.layers.ZeroPadding2D(None), "one integer, two, or .* got None"),
        (lambda: mb.layers.ZeroPadding1D(1.5), "ZeroPadding1D: padding must be integers .* got 1.5"),
        (lambda: mb.layers.ZeroPadding1D()(np.zeros((1, 4))), r"expected samples of shape \(L, C\); got \(4,\)"),
        (lambda: mb.layers.Flatten("channels_first"), "Flatten: data_format='channels_first' of Keras is not here"),
    ],
)
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
