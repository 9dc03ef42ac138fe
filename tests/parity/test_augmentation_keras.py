"""The draws differ, what is done with them does not: a range of one number leaves nothing to draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras
from parity.layer_twins import close, same_layer

import minibatch as mb

FACTORS = [0.0, 0.25, -0.5, 0.3, -0.17, 0.125, 0.9, 1.0, -1.0]


@pytest.mark.parametrize("fill_mode", ["reflect", "constant", "nearest", "wrap"])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("shape", [(2, 8, 8, 1), (1, 5, 4, 2), (1, 1, 7, 1)], ids=str)
def test_translation_by_a_fixed_shift(
    fill_mode: str, interpolation: str, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    # The output alone: what TensorFlow calls the gradient is dy moved back, which for a fill other than a constant,
    # or a half pixel, is not the derivative. That of minibatch is checked by differences.
    x = rng.normal(size=shape).astype("float32")
    arguments: dict[str, Any] = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 0.7}
    for i, down in enumerate(FACTORS):
        factors = ((down, down), (FACTORS[-1 - i],) * 2)
        mine, theirs = (lib.layers.RandomTranslation(*factors, **arguments) for lib in (mb, keras))
        close(f"RandomTranslation y {factors}", mine(x), theirs(x, training=True).numpy())


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flips_are_the_same_two_images(mode: str, rng: np.random.Generator) -> None:
    image = rng.normal(size=(1, 3, 4, 2)).astype("float32")
    x = np.repeat(image, 40, axis=0)
    found = []
    for lib in (keras, mb):
        y = np.asarray(lib.layers.RandomFlip(mode, seed=1)(x))
        found.append({row.tobytes() for row in y})
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_shifts_are_spread_over_the_range_alike() -> None:
    """The column of a bright pixel that is moved by up to 30 of 100 columns, in 2000 images."""
    x = np.zeros((2000, 1, 100, 1), "float32")
    x[:, 0, 50] = 1
    for lib in (keras, mb):
        layer = lib.layers.RandomTranslation(0.0, (-0.1, 0.3), "constant", "nearest", seed=3)
        columns = np.asarray(layer(x, training=True))[:, 0, :, 0].argmax(axis=1) - 50
        assert columns.min() == -10
        assert columns.max() == 30
        assert columns.mean() == pytest.approx(10, abs=1)  # the standard error is 0.26


def test_outside_training_both_are_the_identity(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3, 4, 1))
    same_layer(*(lib.layers.RandomFlip() for lib in (keras, mb)), x)
    same_layer(*(lib.layers.RandomTranslation(0.5, 0.5) for lib in (keras, mb)), x)


@pytest.mark.parametrize("training", [True, False])
def test_a_single_image(training: bool, rng: np.random.Generator) -> None:
    image = rng.normal(size=(4, 3, 2)).astype("float32")
    found = []
    for lib in (keras, mb):
        moved = np.asarray(lib.layers.RandomTranslation((0.5, 0.5), 0.0)(image, training=training))
        flip = lib.layers.RandomFlip("horizontal", seed=1)
        found.append((moved, {np.asarray(flip(image, training=training)).tobytes() for _ in range(30)}))
    assert found[1][0].shape == image.shape
    close("RandomTranslation y", found[1][0], found[0][0])
    assert found[1][1] == found[0][1]
    assert len(found[1][1]) == 1 + training
