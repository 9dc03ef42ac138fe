from __future__ import annotations

import math

import numpy as np
import pytest

import minibatch as mb
from minibatch import initializers
from minibatch.initializers import INITIALIZERS

SHAPE = (3, 3, 40, 60)
FAN_IN, FAN_OUT = 3 * 3 * 40, 3 * 3 * 60


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), (1, 1)),
        ((5,), (5, 5)),
        ((3, 7), (3, 7)),
        ((3, 3, 2, 4), (18, 36)),
        ((2, 3, 4), (6, 8)),
        (SHAPE, (FAN_IN, FAN_OUT)),
    ],
)
def test_fans(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert initializers.fans(shape) == expected


@pytest.mark.parametrize(
    ("name", "variance", "bound"),
    [
        ("glorot_uniform", 2 / (FAN_IN + FAN_OUT), math.sqrt(6 / (FAN_IN + FAN_OUT))),
        ("he_uniform", 2 / FAN_IN, math.sqrt(6 / FAN_IN)),
        ("lecun_uniform", 1 / FAN_IN, math.sqrt(3 / FAN_IN)),
        ("lecun_normal", 1 / FAN_IN, 2 * math.sqrt(1 / FAN_IN) / 0.87962566103423978),
        ("random_uniform", 0.1**2 / 12, 0.05),
        # Cut at two standard deviations of the normal before the cut.
        ("glorot_normal", 2 / (FAN_IN + FAN_OUT), 2 * math.sqrt(2 / (FAN_IN + FAN_OUT)) / 0.87962566103423978),
        ("he_normal", 2 / FAN_IN, 2 * math.sqrt(2 / FAN_IN) / 0.87962566103423978),
        ("variance_scaling", 1 / FAN_IN, 2 * math.sqrt(1 / FAN_IN) / 0.87962566103423978),
        ("truncated_normal", (0.05 * 0.87962566103423978) ** 2, 0.1),
        ("random_normal", 0.05**2, math.inf),
    ],
)
def test_mean_variance_and_bound(name: str, variance: float, bound: float) -> None:
    """21,600 draws: the mean's standard error is sd / 147, the variance's relative one at most 1 %."""
    w = initializers.get(name)(SHAPE)
    assert (w.shape, w.dtype) == (SHAPE, np.float32)
    assert abs(w.mean()) < 5 * math.sqrt(variance / w.size)
    assert w.var() == pytest.approx(variance, rel=0.05)
    assert np.abs(w).max() <= bound * (1 + 1e-6)
    if math.isfinite(bound):
        assert np.abs(w).max() > 0.99 * bound


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal", "normal"])
def test_variance_scaling_has_the_variance_that_it_says(mode: str, distribution: str) -> None:
    fan = {"fan_in": FAN_IN, "fan_out": FAN_OUT, "fan_avg": (FAN_IN + FAN_OUT) / 2}[mode]
    w = initializers.VarianceScaling(3.0, mode, distribution, seed=1)(SHAPE)
    assert w.var() == pytest.approx(3 / fan, rel=0.05)


@pytest.mark.parametrize("arguments", [{"mode": "fan"}, {"distribution": "gaussian"}, {"scale": 0}])
def test_variance_scaling_says_what_it_cannot_do(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        initializers.VarianceScaling(**arguments)


def test_constants() -> None:
    np.testing.assert_array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.Ones()((2,)), [1, 1])
    np.testing.assert_array_equal(initializers.Constant(2.5)((2,), dtype="float64"), [2.5, 2.5])


@pytest.mark.parametrize("name", sorted(set(INITIALIZERS) - {"zeros", "ones", "constant", "identity"}))
def test_seeds(name: str) -> None:
    kind = INITIALIZERS[name]
    one = kind(seed=5)
    np.testing.assert_array_equal(one((4, 5)), one((4, 5)))  # called twice, the same numbers, as in Keras
    np.testing.assert_array_equal(one((4, 5)), kind(seed=5)((4, 5)))
    assert not np.array_equal(one((4, 5)), kind(seed=6)((4, 5)))
    assert not np.array_equal(kind()((4, 5)), kind()((4, 5)))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 3, 5), (5, 5)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    q = initializers.Orthogonal(gain=3.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
    product = q.T @ q if len(q) >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(product, 9 * np.eye(len(product)), atol=1e-12)
    with pytest.raises(ValueError, match=r"at least two axes; got shape \(3,\)"):
        initializers.Orthogonal()((3,))


def test_identity() -> None:
    np.testing.assert_array_equal(initializers.Identity(2.0)((2, 3)), [[2, 0, 0], [0, 2, 0]])
    with pytest.raises(ValueError, match=r"Identity is for matrices; got shape \(2, 2, 2\)"):
        initializers.Identity()((2, 2, 2))


def test_fans_of_axes_that_are_named() -> None:
    assert initializers.fans((4, 5, 6), [0, 2], [1]) == (24, 5)
    w = initializers.VarianceScaling(mode="fan_out", seed=1, input_axes=[0], output_axes=[1, 2])((40, 30, 50))
    assert w.var() == pytest.approx(1 / 1500, rel=0.05)


def test_what_a_layer_may_be_given() -> None:
    array = np.arange(6.0).reshape(2, 3)
    layer = mb.layers.Dense(
        3, kernel_initializer=array, bias_initializer=lambda shape, dtype: np.full(shape, 2, dtype)
    )
    np.testing.assert_array_equal(layer([[1.0, 1.0]]), [[5, 7, 9]])
    with pytest.raises(ValueError, match=r"has shape \(2, 3\); the weight has \(3, 2\)"):
        initializers.get(array)((3, 2))
    with pytest.raises(ValueError, match=r"was asked for shape \(3,\); gave \(2,\)"):
        initializers.get(lambda shape, dtype: np.zeros(2))((3,))
    for given in (array, np.zeros):
        with pytest.raises(TypeError, match="cannot be written"):
            initializers.serialize(initializers.get(given))
    assert initializers.get(None) is None


def test_written_and_read() -> None:
    for name in INITIALIZERS:
        made = initializers.get(name)
        written = initializers.serialize(made)
        assert written["module"] == "keras.initializers"
        again = initializers.deserialize(written)
        assert type(again) is type(made)
        assert again.get_config() == made.get_config()
    assert initializers.HeNormal().get_config()["seed"] is None  # as in Keras: made again, it draws another
    assert initializers.get({"class_name": "Constant", "config": {"value": 3.0}}).value == 3.0
    row = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}
    read = initializers.deserialize(
        {"module": "keras.initializers", "class_name": "Constant", "config": {"value": row}}
    )
    np.testing.assert_array_equal(read((2, 2)), [[1, 2], [1, 2]])


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="HeNormal: seed must be an integer or None; got 'one'"):
        initializers.HeNormal(seed="one")
    with pytest.raises(TypeError, match=r"RandomNormal\(\) has no argument 'std'. Did you mean 'stddev'"):
        initializers.RandomNormal(std=1.0)
    with pytest.raises(AttributeError, match="Keras has 'STFT'"):
        initializers.STFT  # noqa: B018


def test_get() -> None:
    assert isinstance(initializers.get("he_normal"), initializers.HeNormal)
    assert isinstance(initializers.get("HeNormal"), initializers.HeNormal)
    assert isinstance(initializers.get(initializers.HeNormal), initializers.HeNormal)
    instance = initializers.Ones()
    assert initializers.get(instance) is instance
    with pytest.raises(ValueError, match=r"Unknown initializer 'glorot_unifrom'. Did you mean 'glorot_uniform'"):
        initializers.get("glorot_unifrom")
    with pytest.raises(TypeError, match="an initializer is a name or"):
        initializers.get(3)


@pytest.mark.usefixtures("float64")
def test_float64_is_drawn_in_full() -> None:
    w = mb.initializers.GlorotUniform(seed=0)((10, 10))
    assert w.dtype == np.float64
    assert (w != w.astype(np.float32)).any()
