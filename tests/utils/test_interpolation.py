from __future__ import annotations

import numpy as np
import pytest

from minibatch.utils.interpolation import INTERPOLATIONS, resize, weights


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [(3, 4), (9, 11), (1, 30)])
def test_a_plain_image_stays_plain(interpolation: str, size: tuple[int, int]) -> None:
    resized = resize(np.full((5, 7, 2), 200, np.uint8), size, interpolation)
    assert resized.shape == (*size, 2)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, 200, rtol=1e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "area", "bilinear", "bicubic", "lanczos3"])
def test_its_own_size_changes_nothing(interpolation: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 5, 3))
    np.testing.assert_allclose(resize(image, (6, 5), interpolation), image, atol=1e-4)


def test_weights_by_hand() -> None:
    # Two pixels become four: their centres are at 0.25, 0.75, 1.25, 1.75, and the old ones at 0.5 and 1.5.
    np.testing.assert_allclose(weights(2, 4, "bilinear"), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    # Three become two: each covers one and a half.
    np.testing.assert_allclose(weights(3, 2, "area"), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])


def test_an_unknown_name() -> None:
    with pytest.raises(ValueError, match="Did you mean 'bilinear'"):
        resize(np.zeros((2, 2, 1)), (1, 1), "biliner")
