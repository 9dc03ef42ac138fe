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
    [((), (1, 1)), ((5,), (5, 5)), ((3, 7), (3, 7)), ((3, 3, 2, 4), (18, 36)), ((2, 3, 4), (6, 8)), (SHAPE, (FAN_IN, FAN_OUT))],
)
def test_fans(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert initializers.fans(shape) == expected


@pytest.mark.parametrize(
    ("name", "variance", "bound"),
    [
        ("glorot_uniform", 2 / (FAN_IN + FAN_OUT), math.sqrt(6 / (FAN_IN + FAN_OUT))),
        ("he_uniform", 2 / FAN_IN, math.sqrt(6 / FAN_IN)),
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


@pytest.mark.parametrize("name", sorted(set(INITIALIZERS) - {"zeros", "ones", "constant"}))
def test_seeds(name: str) -> None:
    kind = INITIALIZERS[name]
    one = kind(seed=5)
    np.testing.assert_array_equal(one((4, 5)), one((4, 5)))  # called twice, the same numbers, as in Keras
    np.testing.assert_array_equal(one((4, 5)), kind(seed=5)((4, 5)))
    assert not np.array_equal(one((4, 5)), kind(seed=6)((4, 5)))
    assert not np.array_equal(kind()((4, 5)), kind()((4, 5)))


def test_get() -> None:
    assert isinstance(initializers.get("he_normal"), initializers.HeNormal)
    assert isinstance(initializers.get("HeNormal"), initializers.HeNormal)
    assert isinstance(initializers.get(initializers.HeNormal), initializers.HeNormal)
    instance = initializers.Ones()
    assert initializers.get(instance) is instance
    with pytest.raises(ValueError, match="Unknown initializer 'glorot_unifrom'. Did you mean 'glorot_uniform'"):
        initializers.get("glorot_unifrom")
    with pytest.raises(TypeError, match="an initializer is a name or"):
        initializers.get(3)


@pytest.mark.usefixtures("float64")
def test_float64_is_drawn_in_full() -> None:
    w = mb.initializers.GlorotUniform(seed=0)((10, 10))
    assert w.dtype == np.float64
    assert (w != w.astype(np.float32)).any()
