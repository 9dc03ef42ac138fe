from __future__ import annotations

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.activations import ACTIVATIONS


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("use_bias", [True, False])
def test_gradients(activation: str, use_bias: bool, rng: np.random.Generator) -> None:
    check_layer(mb.layers.Dense(4, activation, use_bias=use_bias), rng.normal(size=(5, 3)))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 2, 3, 4), (1, 1, 4)])
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_gradients_with_axes_in_between(
    shape: tuple[int, ...], activation: str | None, rng: np.random.Generator
) -> None:
    check_layer(mb.layers.Dense(3, activation), rng.normal(size=shape))


@given(
    n=st.integers(1, 5),
    between=st.lists(st.integers(1, 3), max_size=2),
    inputs=st.integers(1, 6),
    units=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_forward_is_the_sum_that_the_formula_writes(
    n: int, between: list[int], inputs: int, units: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    layer = mb.layers.Dense(units, bias_initializer="random_normal")
    x = rng.normal(size=(n, *between, inputs)).astype(np.float32)
    y = layer(x)
    W, b = layer.get_weights()
    for place in np.ndindex(*x.shape[:-1]):
        for o in range(units):
            expected = sum(float(x[place][i]) * float(W[i, o]) for i in range(inputs)) + float(b[o])
            assert y[*place, o] == pytest.approx(expected, rel=1e-5, abs=1e-5)


@settings(deadline=None)
@given(n=st.integers(1, 6), between=st.lists(st.integers(1, 3), max_size=2), bias=st.booleans())
def test_per_sample_gradients_are_those_of_each_sample_alone_and_sum_to_the_batch(
    n: int, between: list[int], bias: bool
) -> None:
    rng = np.random.default_rng(n)
    layer = mb.layers.Dense(3, "tanh", use_bias=bias)
    x = rng.normal(size=(n, *between, 4)).astype(np.float32)
    layer(x)
    check_per_sample_gradients(layer, x, rng)


def check_per_sample_gradients(layer: mb.layers.ActivatedLayer, x: np.ndarray, rng: np.random.Generator) -> None:
    z, cache = layer.linear(x, training=True)
    dz = rng.normal(size=z.shape).astype(np.float32)
    each = [np.asarray(g) for g in layer.per_sample_gradients(dz, cache)]
    assert [g.shape for g in each] == [(len(x), *w.shape) for w in layer.weights]
    for i in range(len(x)):
        _, alone = layer.linear(x[i : i + 1], training=True)
        layer.linear_backward(dz[i : i + 1], alone)
        for g, weight in zip(each, layer.weights, strict=True):
            np.testing.assert_allclose(g[i], weight.gradient, rtol=1e-5, atol=1e-5)
    layer.linear_backward(dz, cache)
    for g, weight in zip(each, layer.weights, strict=True):
        np.testing.assert_allclose(g.sum(axis=0), weight.gradient, rtol=1e-5, atol=1e-5)


def test_attributes_and_shapes() -> None:
    layer = mb.layers.Dense(7, "relu")
    assert layer.output_shape_for((5, 3)) == (5, 7)
    layer.ensure_built((3,))
    assert (layer.units, layer.use_bias, layer.activation.name) == (7, True, "relu")
    assert [(w.name, w.shape) for w in layer.weights] == [("kernel", (3, 7)), ("bias", (7,))]
    assert layer.count_params() == 28
    np.testing.assert_array_equal(layer.bias.value, 0)


@pytest.mark.parametrize("units", [0, -1, 2.5, "3", True, None])
def test_units_must_be_a_positive_integer(units: object) -> None:
    with pytest.raises(ValueError, match="Dense: units must be a positive integer; got "):
        mb.layers.Dense(units)


def test_samples_without_an_axis_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs samples with at least one axis, \(I,\); got \(\)"):
        mb.layers.Dense(2)(np.zeros(3))
