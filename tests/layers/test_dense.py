from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.activations import ACTIVATIONS
from minibatch.layers import dense, dense_kernels


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


@settings(deadline=None)  # the first example loads a compiled loop
@given(N=st.integers(1, 40), O=st.integers(1, 40), wide=st.booleans(), least=st.sampled_from([-np.inf, 0.0, 0.5]))
def test_the_loops_are_the_formulas(N: int, O: int, wide: bool, least: float) -> None:  # noqa: E741  # the letters
    dtype = np.float64 if wide else np.float32
    rng = np.random.default_rng(N * O)
    z, dy = (rng.normal(size=(N, O)).astype(dtype) for _ in range(2))
    bias = rng.normal(size=O).astype(dtype)
    z[0, 0], dy[-1, -1] = np.nan, np.inf

    y = z.copy()
    dense_kernels.add_bias(y, bias, least)
    np.testing.assert_array_equal(y, np.maximum(z + bias, dtype(least)))

    dz = np.empty_like(dy)
    with np.errstate(invalid="ignore"):
        dense_kernels.above(dy, y, least, dz)
        np.testing.assert_array_equal(dz, dy * (y > least))

    logits, probabilities = z.copy(), np.empty_like(z)
    dense_kernels.add_bias_softmax(logits, bias, probabilities)
    np.testing.assert_array_equal(logits, z + bias)
    close = 1e-14 if wide else 1e-6
    np.testing.assert_allclose(probabilities, mb.activations.softmax(z + bias), rtol=close, atol=close / 10)

    db = np.empty(O, dtype)
    dense_kernels.sum_of_rows(z, db)
    np.testing.assert_allclose(db, z.sum(axis=0), rtol=100 * close, atol=10 * close)


@pytest.mark.parametrize("activation", ["relu", "softmax", "tanh", None])
@pytest.mark.parametrize("rows", [1, 24, 300])
@pytest.mark.parametrize("training", [False, True])
def test_a_small_layer_computes_what_a_large_one_does(
    activation: str | None, rows: int, training: bool, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = mb.layers.Dense(5, activation, bias_initializer="random_normal")
    x = rng.normal(size=(rows, 7)).astype(np.float32)
    dy = rng.normal(size=(rows, 5)).astype(np.float32)
    layer(x[:1])

    def passes() -> list[np.ndarray]:
        y, cache = layer.forward(x, training)
        return [y, layer.backward(dy, cache), layer.kernel.gradient.copy(), layer.bias.gradient.copy()]

    small = passes()
    monkeypatch.setattr(dense, "TILED", 0)
    monkeypatch.setattr(dense, "_loops", lambda: None)
    for quick, plain in zip(small, passes(), strict=True):
        np.testing.assert_allclose(quick, plain, rtol=2e-5, atol=2e-5)
    if activation != "softmax":
        np.testing.assert_array_equal(small[0], passes()[0])


def test_other_float_types_and_layouts_go_through_a_small_layer_too(rng: np.random.Generator) -> None:
    layer = mb.layers.Dense(4, "relu", kernel_initializer="orthogonal", bias_initializer="random_normal")
    x, dy = rng.normal(size=(6, 3)), rng.normal(size=(6, 8))[:, ::2]
    layer(x)
    W, b = (w.astype(np.float64) for w in layer.get_weights())
    for kind in (np.float32, np.float64, np.longdouble):
        y, cache = layer.forward(x.astype(kind), training=True)
        dx = layer.backward(dy.astype(kind)[:, :], cache)
        dz = dy * (x @ W + b > 0)
        np.testing.assert_allclose(y, np.maximum(x @ W + b, 0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(dx, dz @ W.T, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.kernel.gradient, x.T @ dz, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.bias.gradient, dz.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_a_prediction_for_a_few_loads_no_numba() -> None:
    code = (
        "import sys, numpy as np, minibatch as mb; L = mb.layers;"
        "model = mb.Sequential([mb.Input((3,)), L.Dense(4, 'relu'), L.Dense(2, 'softmax')]);"
        "model.compile('sgd', 'sparse_categorical_crossentropy', metrics=['accuracy']);"
        "model(np.ones((5, 3))); model.predict(np.ones((99, 3)), verbose=0);"
        "mb.metrics.SparseCategoricalAccuracy()(np.zeros(2, int), np.ones((2, 2)));"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
