from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from gradient_check import assert_same_gradient, numerical_gradient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minibatch as mb
from minibatch import parallel
from minibatch.activations import ACTIVATIONS, Activation, activation
from minibatch.activations.erf import erf
from minibatch.parallel import each

SETTINGS = [
    *[(name, {}) for name in sorted(ACTIVATIONS)],
    *[
        ("relu", {"negative_slope": s, "max_value": m, "threshold": t})
        for s in (0.0, 0.3)
        for m in (None, 1.5)
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
    *[(name, {"axis": 1}) for name in ("softmax", "log_softmax", "sparsemax")],
    *[(name, {"axis": (0, 1)}) for name in ("softmax", "log_softmax")],
]
NUMBERS = st.floats(-1e4, 1e4, width=32)
BATCHES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=NUMBERS)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(SETTINGS)])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5)])
def test_gradient(name: str, settings: dict[str, object], shape: tuple[int, ...], rng: np.random.Generator) -> None:
    f = getattr(mb.activations, name).with_settings(**settings)
    z, R = rng.normal(size=shape) * 3, rng.normal(size=shape)
    dz = f.backward(R, z, f.function(z))
    assert_same_gradient(name, dz, numerical_gradient(lambda: float((R * f.function(z)).sum()), z))


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"exponential"}))
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


@given(z=BATCHES)
def test_sparsemax_is_the_nearest_point_of_the_simplex(z: np.ndarray) -> None:
    """No point of the simplex that one takes by moving a little of one entry to another is nearer."""
    y = mb.activations.sparsemax(z.astype(np.float64))
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-9)
    assert (y >= 0).all()
    # Where y_k > 0, z_k - y_k is the same for all k, and is the most that it is anywhere (the conditions of Karush,
    # Kuhn and Tucker).
    slope = z - y
    most = slope.max(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.where(y > 0, slope, most), np.broadcast_to(most, y.shape), rtol=1e-9, atol=1e-9)


def test_exponential_of_what_is_too_large() -> None:
    z = np.array([1.0, 1e4], np.float32)
    np.testing.assert_allclose(mb.activations.exponential(z), [np.e, np.inf], rtol=1e-6)


@given(x=hnp.arrays(np.float64, 20, elements=st.floats(-30, 30)))
def test_erf(x: np.ndarray) -> None:
    np.testing.assert_allclose(erf(x), [math.erf(v) for v in x], rtol=1e-15, atol=0)
    np.testing.assert_allclose(erf(x.astype(np.float32)), erf(x), rtol=1e-6, atol=1e-7)


def test_values_worked_by_hand() -> None:
    z = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(mb.activations.relu(z), [0, 0, 3])
    np.testing.assert_allclose(mb.activations.leaky_relu(z), [-0.4, 0, 3])
    np.testing.assert_allclose(mb.activations.elu(z), [np.exp(-2) - 1, 0, 3])
    np.testing.assert_allclose(mb.activations.sigmoid(z), [1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-3)])
    np.testing.assert_allclose(mb.activations.softplus(z), [np.log(1 + np.e**-2), np.log(2), np.log(1 + np.e**3)])
    np.testing.assert_allclose(mb.activations.softmax(np.log([1.0, 3.0])), [0.25, 0.75])
    np.testing.assert_allclose(mb.activations.log_softmax(np.log([1.0, 3.0])), np.log([0.25, 0.75]))
    np.testing.assert_allclose(mb.activations.relu6([-1.0, 3.0, 7.0]), [0, 3, 6])
    np.testing.assert_allclose(mb.activations.hard_sigmoid(z), [1 / 6, 1 / 2, 1])
    np.testing.assert_allclose(mb.activations.softsign(z), [-2 / 3, 0, 3 / 4])
    np.testing.assert_allclose(mb.activations.hard_tanh(z), [-1, 0, 1])
    # 0.5 is moved to 0, and 3 to 2.5.
    np.testing.assert_allclose(mb.activations.soft_shrink([0.5, 3.0, -3.0]), [0, 2.5, -2.5])
    # Phi(1) = 0.8413447
    np.testing.assert_allclose(mb.activations.gelu(np.array([1.0])), [0.841344746], rtol=1e-8)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_integers_are_taken_as_floats(name: str) -> None:
    f = ACTIVATIONS[name]
    np.testing.assert_allclose(f([[-2, 1, 3]]), f(np.array([[-2.0, 1.0, 3.0]])), rtol=1e-6)


def test_get() -> None:
    assert mb.activations.get(None) is mb.activations.linear
    assert mb.activations.get("relu") is mb.activations.relu
    assert mb.activations.get(mb.activations.tanh) is mb.activations.tanh
    with pytest.raises(ValueError, match=r"Unknown activation 'sofmax'. Did you mean 'softmax'"):
        mb.activations.get("sofmax")
    with pytest.raises(TypeError, match="a function with its gradient"):
        mb.activations.get(np.tanh)
    assert mb.activations.get("swish") is mb.activations.silu
    with pytest.raises(ValueError, match=r"Keras has 'glu'.*halves its axis"):
        mb.activations.get("glu")
    with pytest.raises(ValueError, match="it has no defaults"):
        mb.activations.get("threshold")


def test_settings() -> None:
    capped = mb.activations.relu.with_settings(max_value=1.0)
    np.testing.assert_array_equal(capped([-1.0, 0.5, 2.0]), [0, 0.5, 1])
    assert capped.name == "relu(max_value=1.0)"
    leaky = capped.with_settings(negative_slope=0.5)
    np.testing.assert_array_equal(leaky([-1.0, 0.5, 2.0]), [-0.5, 0.5, 1])
    for same in (pickle.loads(pickle.dumps(leaky)), copy.deepcopy(leaky)):
        assert same.settings == {"max_value": 1.0, "negative_slope": 0.5}
        np.testing.assert_array_equal(same([-1.0, 0.5, 2.0]), [-0.5, 0.5, 1])
    assert pickle.loads(pickle.dumps(mb.activations.relu)) is mb.activations.relu
    with pytest.raises(TypeError, match=r"activation 'relu' has no argument 'max'. Did you mean 'max_value'"):
        mb.activations.relu.with_settings(max=1.0)
    with pytest.raises(ValueError, match="an activation with settings"):
        mb.activations.serialize(capped)


def test_an_activation_of_ones_own_is_written_and_read() -> None:
    @Activation
    def cube(z: np.ndarray) -> np.ndarray:
        return z**3

    written = mb.activations.serialize(cube)
    assert (written["class_name"], written["config"], written["registered_name"]) == ("function", "cube", "cube")
    assert mb.activations.deserialize(written, {"cube": cube}) is cube
    with pytest.raises(ValueError, match="Unknown activation 'cube'"):
        mb.activations.deserialize(written)


def test_an_activation_without_a_gradient_says_so() -> None:
    @Activation
    def cube(z: np.ndarray) -> np.ndarray:
        return z**3

    with pytest.raises(TypeError, match=r"activation 'cube' has no gradient: attach one with @cube.gradient"):
        cube.backward(np.ones(1), np.ones(1), np.ones(1))


@given(z=BATCHES, R=st.integers(0, 9))
def test_an_activation_written_over_its_input_is_the_same_and_so_is_its_gradient(z: np.ndarray, R: int) -> None:
    for f in ACTIVATIONS.values():
        y = f.function(z)
        over = z.copy()
        found = f.over(over)
        np.testing.assert_array_equal(found, y)
        if f._in_place is not None:
            assert found is over
            dy = np.random.default_rng(R).normal(size=z.shape).astype(np.float32)
            np.testing.assert_array_equal(f.backward(dy, found, found), f.backward(dy, z, y))


def test_settings_forget_the_way_in_place() -> None:
    z = np.array([-1.0, 0.5, 3.0], np.float32)
    f = mb.activations.relu.with_settings(max_value=1.0)
    np.testing.assert_array_equal(f.over(z), [0, 0.5, 1])
    np.testing.assert_array_equal(z, [-1, 0.5, 3])
    assert mb.activations.relu.over(z) is z


@pytest.mark.parametrize("threads", [1, 3])
def test_relu_of_a_large_array_is_that_of_its_pieces(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minibatch.parallel._threads", threads)
    monkeypatch.setattr("minibatch.parallel.ELEMENTS", 1000)
    monkeypatch.setattr("minibatch.memory.LARGE", 4000)
    rng = np.random.default_rng(0)
    z, dy = (rng.normal(size=(37, 11, 13)).astype(np.float32) for _ in range(2))
    z[0, 0, 0], z[0, 0, 1] = np.nan, 0
    relu = mb.activations.relu
    y = relu.over(z.copy())
    np.testing.assert_array_equal(y, np.maximum(z, 0))
    for either in (z, y, z.transpose(2, 1, 0).copy().transpose(2, 1, 0)):  # the last one is not contiguous
        np.testing.assert_array_equal(relu.backward(dy, either, y), dy * (z > 0))


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(SETTINGS)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_array_is_computed_in_pieces_with_the_same_bits(
    name: str, settings: dict[str, object], dtype: type, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    f = getattr(mb.activations, name).with_settings(**settings)
    z, dy = (rng.normal(size=(41, 70, 3)).astype(dtype) * 3 for _ in range(2))
    y, dz = f.of(z), f.backward(dy, z, f.of(z))
    cut: list[int] = []
    monkeypatch.setattr(activation, "MANY", z.size)
    monkeypatch.setattr(activation, "FEW", 1 << 8)
    monkeypatch.setattr(activation, "each", lambda do, pieces: cut.append(len(pieces)) or each(do, pieces))
    monkeypatch.setattr(parallel, "_threads", 2)
    np.testing.assert_array_equal(f.of(z), y)
    np.testing.assert_array_equal(f.backward(dy, z, y), dz)
    rows = ("softmax", "log_softmax", "sparsemax")  # their entries depend on one another
    assert cut == ([] if name in (*rows, "linear", "relu") else [34, 34])


def test_nothing_is_supposed_of_an_activation_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    of_all = Activation(lambda z: z / z.sum())
    monkeypatch.setattr(activation, "MANY", 1)
    assert of_all.of(np.ones(4, np.float32)).tolist() == [0.25] * 4


def test_what_a_setting_says_of_each_column_is_said_of_a_large_array_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(activation, "MANY", 1)
    z = -np.ones((5, 3), np.float32)
    sloped = mb.activations.leaky_relu.with_settings(negative_slope=np.array([0.5, 1.0, 2.0], np.float32))
    assert sloped.of(z)[4].tolist() == [-0.5, -1.0, -2.0]
    wide = mb.activations.elu.with_settings(alpha=np.float64(2.0))
    assert wide.of(z).dtype == wide.function(z).dtype == np.float64
