"""Upsampling: every position repeated, and what comes back added up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_check import check_layer

import minibatch as mb


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("size", "times"), [((2, 2), (2, 2)), (3, (3, 3)), ((1, 4), (1, 4)), (1, (1, 1))])
def test_images(size: Any, times: tuple[int, int], rng: np.random.Generator) -> None:
    layer = mb.layers.UpSampling2D(size)
    x = rng.normal(size=(2, 3, 2, 2))
    check_layer(layer, x)
    y = np.asarray(layer(x))
    assert y.shape == (2, 3 * times[0], 2 * times[1], 2)
    for i, j in np.ndindex(y.shape[1:3]):
        np.testing.assert_array_equal(y[:, i, j], x[:, i // times[0], j // times[1]])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("size", [1, 2, 5])
def test_sequences(size: int, rng: np.random.Generator) -> None:
    layer = mb.layers.UpSampling1D(size)
    x = rng.normal(size=(2, 3, 2))
    check_layer(layer, x)
    np.testing.assert_array_equal(layer(x)[:, size - 1 :: size], x)


def test_an_autoencoder_learns() -> None:
    """Down and up again: what stands in between has a quarter of the pixels."""
    mb.utils.set_random_seed(0)
    (x, _), _ = mb.datasets.digits.load_data()
    x = x[:256, ..., None].reshape(-1, 8, 8, 1) / 16
    layers: list[Any] = [mb.Input((8, 8, 1)), mb.layers.Conv2D(8, 3, padding="same", activation="relu")]
    layers += [mb.layers.MaxPooling2D(), mb.layers.Conv2D(8, 3, padding="same", activation="relu")]
    layers += [mb.layers.UpSampling2D(), mb.layers.Conv2D(1, 3, padding="same", activation="sigmoid")]
    model = mb.Sequential(layers)
    model.compile(mb.optimizers.Adam(0.01), "mse")
    losses = model.fit(x, x, batch_size=32, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mb.layers.UpSampling2D(0), "UpSampling2D: size must be a positive integer or two of them; got 0"),
        (lambda: mb.layers.UpSampling2D((1, 2, 3)), r"size must be .* got \(1, 2, 3\)"),
        (lambda: mb.layers.UpSampling1D(1.5), "UpSampling1D: size must be a positive integer; got 1.5"),
        (lambda: mb.layers.UpSampling2D(2, interpolation="bilinear"), "interpolation='bilinear' is not here"),
        (lambda: mb.layers.UpSampling2D(2, "channels_first"), "data_format='channels_first' of Keras is not here"),
        (lambda: mb.layers.UpSampling1D()(np.zeros((1, 4))), r"expected samples of shape \(L, C\); got \(4,\)"),
    ],
)
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
