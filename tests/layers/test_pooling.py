from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minibatch as mb

PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))


def by_loops(x: np.ndarray, layer: mb.layers.MaxPooling2D) -> np.ndarray:
    (h, w), (sy, sx) = layer.pool_size, layer.strides
    N, H, W, C = x.shape
    top = left = 0
    OH, OW = (H - h) // sy + 1, (W - w) // sx + 1
    if layer.padding == "same":
        OH, OW = -(-H // sy), -(-W // sx)
        top = max((OH - 1) * sy + h - H, 0) // 2
        left = max((OW - 1) * sx + w - W, 0) // 2
    y = np.full((N, OH, OW, C), -np.inf)
    for n, oy, ox, i, j, c in product(*map(range, (N, OH, OW, h, w, C))):
        row, column = oy * sy + i - top, ox * sx + j - left
        if 0 <= row < H and 0 <= column < W:
            y[n, oy, ox, c] = max(y[n, oy, ox, c], x[n, row, column, c])
    return y


@settings(deadline=None, max_examples=60)
@given(
    image=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    window=PAIR,
    strides=st.none() | PAIR,
    padding=st.sampled_from(["valid", "same"]),
)
def test_forward_is_what_six_loops_compute(
    image: tuple[int, int], window: tuple[int, int], strides: tuple[int, int] | None, padding: str
) -> None:
    assume(padding == "same" or (window[0] <= image[0] and window[1] <= image[1]))
    layer = mb.layers.MaxPooling2D(window, strides, padding)
    # All below zero: a padding of zeros, in place of minus infinity, would win.
    x = (np.random.default_rng(1).normal(size=(2, *image, 2)) - 10).astype(np.float32)
    expected = by_loops(x, layer)
    y = layer(x)
    assert y.shape == (2, *layer.output_shape)
    np.testing.assert_array_equal(y, expected.astype(np.float32))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("window", "strides", "image"),
    [
        (2, None, (4, 4)),
        (2, None, (5, 3)),  # the window does not divide the image
        (3, 1, (5, 4)),  # windows overlap
        (3, 2, (6, 5)),
        (2, 3, (5, 7)),  # windows leave gaps
        ((1, 3), (2, 1), (4, 5)),
    ],
)
def test_gradients(
    padding: str, window: object, strides: object, image: tuple[int, int], rng: np.random.Generator
) -> None:
    check_layer(mb.layers.MaxPooling2D(window, strides, padding), rng.normal(size=(2, *image, 2)))


def test_of_equal_entries_the_first_takes_the_gradient() -> None:
    layer = mb.layers.MaxPooling2D(2)
    layer(np.zeros((1, 2, 4, 1)))
    x = np.zeros((1, 2, 4, 1), np.float32)
    x[0, 1, 2:, 0] = 5
    _, cache = layer.forward(x, training=True)
    dx = layer.backward(np.array([3.0, 7.0], np.float32).reshape(1, 1, 2, 1), cache)
    np.testing.assert_array_equal(dx[0, :, :, 0], [[3, 0, 0, 0], [0, 0, 7, 0]])


def test_strides_default_to_the_pool_size() -> None:
    assert mb.layers.MaxPooling2D((3, 2)).strides == (3, 2)
    assert mb.layers.MaxPooling2D().pool_size == (2, 2)


def test_images_without_a_channel_axis_get_a_hint() -> None:
    with pytest.raises(ValueError, match=r"got \(8, 8\). Add the channel axis: x\[..., None\]"):
        mb.layers.MaxPooling2D()(np.zeros((2, 8, 8)))
