from __future__ import annotations

import numpy as np
import pytest
from gradient_check import assert_same_gradient, numerical_gradient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minibatch as mb
from minibatch.activations import ACTIVATIONS, Activation

NUMBERS = st.floats(-1e4, 1e4, width=32)
BATCHES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=NUMBERS)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5)])
def test_gradient(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    f, z, R = ACTIVATIONS[name], rng.normal(size=shape) * 3, rng.normal(size=shape)
    dz = f.backward(R, z, f.function(z))
    assert_same_gradient(name, dz, numerical_gradient(lambda: float((R * f.function(z)).sum()), z))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@given(z=BATCHES)
def test_no_overflow_shape_and_dtype_kept_and_exact_to_float32(name: str, z: np.ndarray) -> None:
    """Any overflow would be a RuntimeWarning, which fails the test."""
    f = ACTIVATIONS[name]
    y = f(z)
    assert (y.shape, y.dtype) == (z.shape, np.float32)
    assert np.isfinite(y).all()
    np.testing.assert_allclose(y, f(z.astype(np.float64)), rtol=1e-5, atol=1e-6)
    dz = f.backward(np.ones_like(z), z, y)
    assert (dz.shape, dz.dtype) == (z.shape, np.float32)
    assert np.isfinite(dz).all()


@given(z=BATCHES)
def test_softmax_is_a_distribution_and_moves_with_no_shift(z: np.ndarray) -> None:
    p = mb.activations.softmax(z)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(mb.activations.softmax(z.astype(np.float64) + 7), p, rtol=1e-4, atol=1e-6)


def test_values_worked_by_hand() -> None:
    z = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(mb.activations.relu(z), [0, 0, 3])
    np.testing.assert_allclose(mb.activations.leaky_relu(z), [-0.4, 0, 3])
    np.testing.assert_allclose(mb.activations.elu(z), [np.exp(-2) - 1, 0, 3])
    np.testing.assert_allclose(mb.activations.sigmoid(z), [1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-3)])
    np.testing.assert_allclose(mb.activations.softplus(z), [np.log(1 + np.e**-2), np.log(2), np.log(1 + np.e**3)])
    np.testing.assert_allclose(mb.activations.softmax(np.log([1.0, 3.0])), [0.25, 0.75])


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_integers_are_taken_as_floats(name: str) -> None:
    f = ACTIVATIONS[name]
    np.testing.assert_allclose(f([[-2, 1, 3]]), f(np.array([[-2.0, 1.0, 3.0]])), rtol=1e-6)


def test_get() -> None:
    assert mb.activations.get(None) is mb.activations.linear
    assert mb.activations.get("relu") is mb.activations.relu
    assert mb.activations.get(mb.activations.tanh) is mb.activations.tanh
    with pytest.raises(ValueError, match="Unknown activation 'sofmax'. Did you mean 'softmax'"):
        mb.activations.get("sofmax")
    with pytest.raises(TypeError, match="a function with its gradient"):
        mb.activations.get(np.tanh)


def test_an_activation_without_a_gradient_says_so() -> None:
    @Activation
    def cube(z: np.ndarray) -> np.ndarray:
        return z**3

    with pytest.raises(TypeError, match="activation 'cube' has no gradient: attach one with @cube.gradient"):
        cube.backward(np.ones(1), np.ones(1), np.ones(1))
