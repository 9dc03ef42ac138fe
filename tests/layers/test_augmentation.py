from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb

MODES = ["horizontal", "vertical", "horizontal_and_vertical"]
FILLS = ["reflect", "constant", "nearest", "wrap"]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_flips(mode: str, training: bool, rng: np.random.Generator) -> None:
    layer = mb.layers.RandomFlip(mode)

    def same_coins() -> None:
        layer.generator = np.random.default_rng(1)

    check_layer(layer, rng.normal(size=(4, 2, 3, 2)), training, before=same_coins)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("fill_mode", FILLS)
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_translations(
    fill_mode: str, interpolation: str, training: bool, rng: np.random.Generator
) -> None:
    layer = mb.layers.RandomTranslation(0.7, (-0.5, 1), fill_mode, interpolation, fill_value=0.5)

    def same_shifts() -> None:
        layer.generator = np.random.default_rng(1)

    check_layer(layer, rng.normal(size=(3, 4, 3, 2)), training, before=same_shifts)


@pytest.mark.parametrize("mode", MODES)
def test_every_image_is_flipped_whole_or_not_at_all(mode: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 3, 4, 2)).astype(np.float32)
    y = mb.layers.RandomFlip(mode, seed=1)(x)
    axes = {"horizontal": 2, "vertical": 1, "horizontal_and_vertical": (1, 2)}[mode]
    same = (y == x).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(y[~same], np.flip(x, axes)[~same])
    assert 70 < same.sum() < 130  # 100, and 4 standard deviations


@given(
    st.integers(1, 7),
    st.floats(-1, 1),
    st.sampled_from(FILLS),
    st.sampled_from(["bilinear", "nearest"]),
)
@settings(max_examples=150, deadline=None)
def test_rows_are_weighted_means(length: int, part: float, fill_mode: str, interpolation: str) -> None:
    layer = mb.layers.RandomTranslation(0, 0, fill_mode, interpolation)
    A = layer._moving(np.array([part * length]), length)[0]
    assert (A >= 0).all()
    assert ((A > 0).sum(axis=1) <= (1 if interpolation == "nearest" else 2)).all()
    sums = A.sum(axis=1)
    assert (sums <= 1 + 1e-6).all()
    if fill_mode != "constant":
        np.testing.assert_allclose(sums, 1, atol=1e-6)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize(
    ("fill_mode", "right", "left"),
    [
        ("constant", [9, 9, 1, 2], [3, 4, 9, 9]),
        ("nearest", [1, 1, 1, 2], [3, 4, 4, 4]),
        ("reflect", [2, 1, 1, 2], [3, 4, 4, 3]),
        ("wrap", [3, 4, 1, 2], [3, 4, 1, 2]),
    ],
)
def test_two_pixels_by_hand(interpolation: str, fill_mode: str, right: list[int], left: list[int]) -> None:
    row = np.arange(1.0, 5)
    for factor, expected in ((0.5, right), (-0.5, left)):
        arguments: dict[str, Any] = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 9.0}
        across = mb.layers.RandomTranslation(0, (factor, factor), **arguments)
        assert across(row.reshape(1, 1, 4, 1)).ravel().tolist() == expected
        down = mb.layers.RandomTranslation((factor, factor), 0, **arguments)
        assert down(row.reshape(1, 4, 1, 1)).ravel().tolist() == expected


def test_half_a_pixel_by_hand() -> None:
    layer = mb.layers.RandomTranslation(0, (0.125, 0.125), fill_mode="constant")
    assert layer(np.arange(1.0, 5).reshape(1, 1, 4, 1)).ravel().tolist() == [0.5, 1.5, 2.5, 3.5]


def test_at_work_when_called_and_in_training_only() -> None:
    x = np.arange(2 * 4 * 4, dtype=np.float32).reshape(2, 4, 4, 1)
    layer = mb.layers.RandomTranslation((0.5, 0.5), 0)
    assert (layer(x) != x).any()
    np.testing.assert_array_equal(layer(x, training=False), x)
    model = mb.Sequential([mb.Input((4, 4, 1)), layer])
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)


def test_a_single_image() -> None:
    image = np.arange(4.0).reshape(1, 4, 1)
    layer = mb.layers.RandomTranslation(0, (0.25, 0.25), "nearest")
    assert layer(image).tolist() == [[[0], [0], [1], [2]]]
    assert layer(image.tolist()).tolist() == layer(image).tolist()
    assert layer(mb.Input((1, 4, 1))).shape == (None, 1, 4, 1)


@pytest.mark.parametrize("factor", [1.5, (-2, 0), "0.1", (0.1,), (0.1, 0.2, 0.3), None, True])
def test_factors_are_parts(factor: Any) -> None:
    with pytest.raises(ValueError, match="RandomTranslation: height_factor must be a number from -1 to 1"):
        mb.layers.RandomTranslation(factor, 0)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="RandomFlip: unknown mode 'sideways'"):
        mb.layers.RandomFlip("sideways")
    with pytest.raises(ValueError, match="RandomTranslation: unknown fill_mode 'mirror'"):
        mb.layers.RandomTranslation(0, 0, "mirror")
    with pytest.raises(ValueError, match="RandomTranslation: unknown interpolation 'cubic'"):
        mb.layers.RandomTranslation(0, 0, interpolation="cubic")
    with pytest.raises(ValueError, match=r"expected samples of shape \(H, W, C\); got \(4, 4\)"):
        mb.layers.RandomFlip()(mb.Input((4, 4)))
    with pytest.raises(ValueError, match=r"expected samples of shape \(H, W, C\); got \(4,\)"):
        mb.layers.RandomFlip()(np.zeros((4, 4)))
    with pytest.raises(TypeError, match="the argument 'bounding_box_format' of Keras is not here"):
        mb.layers.RandomFlip(bounding_box_format="xyxy")
