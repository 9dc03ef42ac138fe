from __future__ import annotations

import numpy as np
import pytest
from gradient_check import check_layer

import minibatch as mb


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("rate", [0, 0.3, 0.9, 1])
def test_gradients_with_the_same_mask_each_time(rate: float, rng: np.random.Generator) -> None:
    layer = mb.layers.Dropout(rate, seed=3)

    def same_mask() -> None:
        layer.generator = np.random.default_rng(3)

    check_layer(layer, rng.normal(size=(3, 4, 2)), training=True, before=same_mask)


def test_inference_is_the_identity() -> None:
    x = np.ones((4, 5), np.float32)
    layer = mb.layers.Dropout(0.5)
    np.testing.assert_array_equal(layer(x), x)
    y, cache = layer.forward(x, training=False)
    np.testing.assert_array_equal(layer.backward(y, cache), y)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.8])
def test_the_fraction_and_the_mean(rate: float) -> None:
    y, _ = mb.layers.Dropout(rate, seed=0).forward(np.ones((400, 500), np.float32), training=True)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - rate))}
    # 200,000 coins: the fraction's standard error is at most 0.0011, the mean's at most 0.0045 (rate 0.8).
    assert np.mean(y == 0) == pytest.approx(rate, abs=0.005)
    assert y.mean(dtype=np.float64) == pytest.approx(1, abs=0.02)


def test_every_pass_has_a_mask_of_its_own_and_a_seed_repeats_them() -> None:
    x = np.ones((10, 10), np.float32)
    one, two = mb.layers.Dropout(0.5, seed=1), mb.layers.Dropout(0.5, seed=1)
    first, second = (one.forward(x, training=True)[0] for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(two.forward(x, training=True)[0], first)


@pytest.mark.parametrize("rate", [-0.1, 1.5, "0.5", None, True, float("nan")])
def test_rate_must_be_a_fraction(rate: object) -> None:
    with pytest.raises(ValueError, match="Dropout: rate must be a number from 0 to 1; got "):
        mb.layers.Dropout(rate)


@pytest.mark.parametrize("rate", [np.float32(0.5), np.float64(0.5), np.int64(0)])
def test_rate_may_be_a_numpy_number(rate: object) -> None:
    assert mb.layers.Dropout(rate).rate == float(rate)
