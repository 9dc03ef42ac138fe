from __future__ import annotations

import numpy as np
import pytest
from gradient_check import check_layer

import minibatch as mb


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("stddev", [0, 0.3, 1])
def test_gradients_with_the_same_noise_each_time(stddev: float, rng: np.random.Generator) -> None:
    layer = mb.layers.GaussianNoise(stddev)

    def same_noise() -> None:
        layer.generator = np.random.default_rng(3)

    check_layer(layer, rng.normal(size=(3, 4)), training=True, before=same_noise)


def test_inference_is_the_identity() -> None:
    x = np.ones((4, 5), np.float32)
    assert mb.layers.GaussianNoise(0.5).forward(x)[0] is x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_and_spread(dtype: type) -> None:
    y, _ = mb.layers.GaussianNoise(0.5, seed=1).forward(np.full((300, 300), 2, dtype), training=True)
    assert y.dtype == dtype
    # 90,000 draws: standard errors of 0.0017 and 0.0012.
    assert y.mean() == pytest.approx(2, abs=0.008)
    assert y.std() == pytest.approx(0.5, abs=0.006)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: mb.layers.GaussianNoise(0.5, seed=seed),
        lambda seed: mb.layers.Dropout(0.5, seed=seed),
        lambda seed: mb.layers.RandomFlip(seed=seed),
        lambda seed: mb.layers.RandomTranslation(0.5, 0.5, seed=seed),
    ],
)
def test_a_seed_repeats_the_draws_and_so_does_set_random_seed(make: object) -> None:
    x = np.random.default_rng(0).normal(size=(16, 5, 5, 1)).astype(np.float32)

    def draws(seed: int | None) -> np.ndarray:
        layer = make(seed)
        return np.stack([layer(x, training=True) for _ in range(2)])

    one = draws(7)
    assert (one[0] != one[1]).any()
    np.testing.assert_array_equal(draws(7), one)
    assert (draws(8) != one).any()
    mb.utils.set_random_seed(5)
    first, second = draws(None), draws(None)
    assert (first != second).any()
    mb.utils.set_random_seed(5)
    np.testing.assert_array_equal(draws(None), first)
    assert make(None).get_config()["seed"] is None
    assert make(7).get_config()["seed"] == 7


@pytest.mark.parametrize("stddev", [-0.1, 1.5, "0.5", None, True])
def test_stddev_must_be_a_fraction(stddev: object) -> None:
    with pytest.raises(ValueError, match="GaussianNoise: stddev must be a number from 0 to 1; got "):
        mb.layers.GaussianNoise(stddev)
