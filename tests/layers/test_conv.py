from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minibatch as mb

PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))


def by_loops(x: np.ndarray, layer: mb.layers.Conv2D) -> np.ndarray:
    """Convolve with six nested loops. "same" is TensorFlow's: OH = ceil(H / s), the odd row of zeros below."""
    W, b = (np.asarray(w, np.float64) for w in layer.get_weights())
    (h, w), (sy, sx) = layer.kernel_size, layer.strides
    N, H, width, C = x.shape
    top = left = 0
    OH, OW = (H - h) // sy + 1, (width - w) // sx + 1
    if layer.padding == "same":
        OH, OW = -(-H // sy), -(-width // sx)
        top = max((OH - 1) * sy + h - H, 0) // 2
        left = max((OW - 1) * sx + w - width, 0) // 2
    y = np.zeros((N, OH, OW, layer.filters))
    for n, oy, ox, i, j, c in product(*map(range, (N, OH, OW, h, w, C))):
        row, column = oy * sy + i - top, ox * sx + j - left
        if 0 <= row < H and 0 <= column < width:
            y[n, oy, ox] += x[n, row, column, c] * W[i, j, c]
    return y + b


@settings(deadline=None, max_examples=60)
@given(
    image=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=PAIR,
    strides=PAIR,
    padding=st.sampled_from(["valid", "same"]),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
)
def test_forward_is_what_six_loops_compute(
    image: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    channels: int,
    filters: int,
) -> None:
    assume(padding == "same" or (kernel[0] <= image[0] and kernel[1] <= image[1]))
    layer = mb.layers.Conv2D(filters, kernel, strides, padding, bias_initializer="random_normal")
    x = np.random.default_rng(0).normal(size=(2, *image, channels)).astype(np.float32)
    y = layer(x)
    expected = by_loops(x, layer)
    assert y.shape == expected.shape == (2, *layer.output_shape)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2, (2, 1)])
@pytest.mark.parametrize(
    ("kernel", "image"), [((3, 3), (5, 4)), ((2, 2), (4, 5)), ((1, 3), (3, 6)), ((4, 2), (4, 3))]
)
def test_gradients(
    padding: str,
    strides: int | tuple[int, int],
    kernel: tuple[int, int],
    image: tuple[int, int],
    rng: np.random.Generator,
) -> None:
    check_layer(mb.layers.Conv2D(2, kernel, strides, padding), rng.normal(size=(2, *image, 2)))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("activation", "use_bias"), [("relu", True), ("tanh", False), ("softmax", True)])
def test_gradients_with_an_activation(activation: str, use_bias: bool, rng: np.random.Generator) -> None:
    layer = mb.layers.Conv2D(3, 2, activation=activation, use_bias=use_bias, padding="same")
    check_layer(layer, rng.normal(size=(2, 3, 4, 2)))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2, (2, 1)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_per_sample_gradients_are_those_of_each_sample_alone_and_sum_to_the_batch(
    padding: str, strides: int | tuple[int, int], use_bias: bool, rng: np.random.Generator
) -> None:
    layer = mb.layers.Conv2D(3, (3, 2), strides, padding, use_bias=use_bias)
    x = rng.normal(size=(4, 6, 5, 2)).astype(np.float32)
    layer(x)
    z, cache = layer.linear(x, training=True)
    dz = rng.normal(size=z.shape).astype(np.float32)
    each = layer.per_sample_gradients(dz, cache)
    for i in range(len(x)):
        _, alone = layer.linear(x[i : i + 1], training=True)
        layer.linear_backward(dz[i : i + 1], alone)
        for g, weight in zip(each, layer.weights, strict=True):
            np.testing.assert_allclose(g[i], weight.gradient, rtol=1e-5, atol=1e-5)
    layer.linear_backward(dz, cache)
    for g, weight in zip(each, layer.weights, strict=True):
        np.testing.assert_allclose(g.sum(axis=0), weight.gradient, rtol=1e-5, atol=1e-5)


def test_the_kernel_is_not_flipped() -> None:
    layer = mb.layers.Conv2D(1, (1, 2), use_bias=False)
    layer.ensure_built((1, 3, 1))
    layer.set_weights([np.array([1.0, 10.0]).reshape(1, 2, 1, 1)])
    # 1 * 1 + 10 * 2, then 1 * 2 + 10 * 3
    np.testing.assert_array_equal(layer(np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)).ravel(), [21, 32])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0, "kernel_size": 3}, "Conv2D: filters must be a positive integer; got 0"),
        ({"filters": 1, "kernel_size": 0}, "Conv2D: kernel_size must be a positive integer or two of them; got 0"),
        ({"filters": 1, "kernel_size": (3, 3, 3)}, r"kernel_size .* got \(3, 3, 3\)"),
        ({"filters": 1, "kernel_size": 3, "strides": (1, 0)}, r"Conv2D: strides .* got \(1, 0\)"),
        ({"filters": 1, "kernel_size": 3, "padding": "sam"}, "unknown padding 'sam'. Did you mean 'same'"),
    ],
)
def test_bad_sizes(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mb.layers.Conv2D(**arguments)


def test_images_without_a_channel_axis_get_a_hint() -> None:
    with pytest.raises(
        ValueError, match=r"expected samples of shape \(H, W, C\); got \(8, 8\). Add the channel axis"
    ):
        mb.layers.Conv2D(1, 3)(np.zeros((2, 8, 8)))


def test_a_window_larger_than_the_image() -> None:
    with pytest.raises(ValueError, match="a window of 5 x 5 does not fit into an image of 4 x 8"):
        mb.layers.Conv2D(1, 5)(np.zeros((1, 4, 8, 1)))
