from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from passes_on_and_off import assert_same_bits, by_formula, in_one_pass

import minibatch as mb

PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))


L = mb.layers
OF_IMAGES = [L.MaxPooling2D, L.AveragePooling2D]
OF_SEQUENCES = [L.MaxPooling1D, L.AveragePooling1D]
GLOBAL = [L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalAveragePooling1D, L.GlobalAveragePooling2D]


def by_loops(x: np.ndarray, layer: Any) -> np.ndarray:
    """Pool by the definition: gather what each window sees of the input, and only that; then max or mean."""
    spatial, positions, before = x.shape[1:-1], [], []
    for n, k, s in zip(spatial, layer.pool_size, layer.strides, strict=True):
        positions.append((n - k) // s + 1 if layer.padding == "valid" else -(-n // s))
        missing = max((positions[-1] - 1) * s + k - n, 0)
        before.append(missing // 2 if layer.padding == "same" else 0)
    y = np.zeros((len(x), *positions, x.shape[-1]))
    for n, place, c in product(range(len(x)), np.ndindex(*positions), range(x.shape[-1])):
        seen = []
        for entry in np.ndindex(*layer.pool_size):
            at = [p * s + e - b for p, s, e, b in zip(place, layer.strides, entry, before, strict=True)]
            if all(0 <= a < extent for a, extent in zip(at, spatial, strict=True)):
                seen.append(float(x[n, *at, c]))
        y[n, *place, c] = max(seen) if "Max" in type(layer).__name__ else sum(seen) / len(seen)
    return y


@pytest.mark.parametrize("kind", OF_IMAGES)
@settings(deadline=None, max_examples=60)
@given(
    image=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    window=PAIR,
    strides=st.none() | PAIR,
    padding=st.sampled_from(["valid", "same"]),
)
def test_images_are_pooled_as_the_definition_says(
    kind: Any, image: tuple[int, int], window: tuple[int, int], strides: tuple[int, int] | None, padding: str
) -> None:
    assume(padding == "same" or (window[0] <= image[0] and window[1] <= image[1]))
    layer = kind(window, strides, padding)
    # All below zero: a padding of zeros, in place of minus infinity, would win.
    x = (np.random.default_rng(1).normal(size=(2, *image, 2)) - 10).astype(np.float32)
    y = layer(x)
    assert y.shape == (2, *layer.output_shape)
    np.testing.assert_allclose(y, by_loops(x, layer).astype(np.float32), rtol=0 if kind is L.MaxPooling2D else 1e-6)


@pytest.mark.parametrize("kind", OF_SEQUENCES)
@settings(deadline=None, max_examples=40)
@given(
    steps=st.integers(1, 9),
    window=st.integers(1, 4),
    strides=st.none() | st.integers(1, 5),
    padding=st.sampled_from(["valid", "same"]),
)
def test_sequences_are_pooled_as_the_definition_says(
    kind: Any, steps: int, window: int, strides: int | None, padding: str
) -> None:
    assume(padding == "same" or window <= steps)
    layer = kind(window, strides, padding)
    x = (np.random.default_rng(1).normal(size=(2, steps, 3)) - 10).astype(np.float32)
    y = layer(x)
    assert y.shape == (2, *layer.output_shape)
    np.testing.assert_allclose(y, by_loops(x, layer), rtol=1e-6)


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
@pytest.mark.parametrize("kind", OF_IMAGES)
def test_gradients(
    kind: Any, padding: str, window: object, strides: object, image: tuple[int, int], rng: np.random.Generator
) -> None:
    check_layer(kind(window, strides, padding), rng.normal(size=(2, *image, 2)))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("window", "strides"), [(2, None), (3, 1), (3, 2), (2, 3)])
@pytest.mark.parametrize("kind", OF_SEQUENCES)
def test_gradients_of_sequences(
    kind: Any, padding: str, window: int, strides: int | None, rng: np.random.Generator
) -> None:
    check_layer(kind(window, strides, padding), rng.normal(size=(2, 7, 3)))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("kind", GLOBAL)
def test_gradients_of_global_pooling(kind: Any, keepdims: bool, rng: np.random.Generator) -> None:
    layer = kind(keepdims=keepdims)
    x = rng.normal(size=(3, 4, 5, 2)[-layer.rank - 2 :])
    check_layer(layer, x)
    places = tuple(range(1, layer.rank + 1))
    pooled = (x.max if "Max" in kind.__name__ else x.mean)(axis=places, keepdims=keepdims)
    np.testing.assert_allclose(layer(x), pooled, rtol=1e-15)


def test_equal_largest_pixels_share_the_gradient_of_a_global_maximum() -> None:
    layer = L.GlobalMaxPooling1D()
    x = np.array([[[5.0], [1.0], [5.0]]], np.float32)
    layer(x)
    _, cache = layer.forward(x)
    np.testing.assert_array_equal(layer.backward(np.array([[6.0]], np.float32), cache).ravel(), [3, 0, 3])


def test_an_average_at_the_edge_counts_only_what_is_there() -> None:
    # 3 x 3 windows, one for each pixel of a 2 x 2 image: each sees all four pixels, and (1 + 2 + 3 + 4) / 4 = 2.5.
    layer = L.AveragePooling2D(3, 1, "same")
    np.testing.assert_array_equal(layer(np.array([[1.0, 2], [3, 4]]).reshape(1, 2, 2, 1)).ravel(), [2.5] * 4)


@pytest.mark.parametrize("kind", [*OF_IMAGES, *OF_SEQUENCES, *GLOBAL])
def test_the_float_type_is_kept(kind: Any) -> None:
    layer = kind() if kind in GLOBAL else kind(2, padding="same")
    x = np.ones((2, 3, 3, 1)[-layer.rank - 2 :], np.float32)
    layer(x)
    y, cache = layer.forward(x)
    assert y.dtype == layer.backward(y, cache).dtype == np.float32


def test_of_equal_entries_the_first_takes_the_gradient() -> None:
    layer = mb.layers.MaxPooling2D(2)
    layer(np.zeros((1, 2, 4, 1)))
    x = np.zeros((1, 2, 4, 1), np.float32)
    x[0, 1, 2:, 0] = 5
    _, cache = layer.forward(x, training=True)
    dx = layer.backward(np.array([3.0, 7.0], np.float32).reshape(1, 1, 2, 1), cache)
    np.testing.assert_array_equal(dx[0, :, :, 0], [[3, 0, 0, 0], [0, 0, 7, 0]])


@pytest.mark.parametrize("kind", OF_IMAGES)
@settings(deadline=None, max_examples=120)
@given(
    N=st.integers(0, 4),
    image=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    C=st.sampled_from([1, 2, 3, 16, 17, 40]),
    window=PAIR,
    strides=st.none() | PAIR,
    padding=st.sampled_from(["valid", "same"]),
    values=st.sampled_from(["normal", "few", "edges"]),
    dtype=st.sampled_from([np.float32, np.float64]),
    strided=st.booleans(),
    seed=st.integers(0, 99),
)
def test_one_pass_has_the_bits_of_the_formula(
    kind: Any,
    N: int,
    image: tuple[int, int],
    C: int,
    window: tuple[int, int],
    strides: tuple[int, int] | None,
    padding: str,
    values: str,
    dtype: type,
    strided: bool,
    seed: int,
) -> None:
    assume(padding == "same" or (window[0] <= image[0] and window[1] <= image[1]))
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, *image, C)).astype(dtype)
    if values == "few":  # many equal ones
        x = np.round(x)
    elif values == "edges":
        x = np.where(rng.random(x.shape) < 0.3, rng.choice([np.nan, np.inf, -np.inf], x.shape), x).astype(dtype)
    layer = kind(window, strides, padding)
    layer.ensure_built(x.shape[1:])
    dy = rng.normal(size=(N, *layer.output_shape)).astype(dtype)
    if values == "edges":
        dy = np.where(rng.random(dy.shape) < 0.3, rng.choice([np.nan, np.inf, 0, -0.0], dy.shape), dy).astype(dtype)
    if strided:
        x, dy = np.asfortranarray(x), np.asfortranarray(dy)
    with by_formula():
        expected, cache = layer.forward(x)
        expected_dx = layer.backward(dy, cache)
    with in_one_pass():
        y, cache = layer.forward(x)
        np.testing.assert_array_equal(y, expected)
        assert_same_bits(layer.backward(dy, cache), expected_dx)
        # Of another float type dy is for the formula; and so is a window of 256 entries.
        other = dy.astype(np.float64 if dtype == np.float32 else np.float32)
        np.testing.assert_allclose(layer.backward(other, cache), expected_dx, rtol=1e-5, atol=1e-5)


def test_a_window_of_more_entries_than_a_byte_counts(rng: np.random.Generator) -> None:
    for size in ((15, 16), (15, 17), (16, 16)):
        layer, x = L.MaxPooling2D(size), rng.normal(size=(2, 32, 34, 3)).astype(np.float32)
        layer.ensure_built(x.shape[1:])
        with by_formula():
            y, cache = layer.forward(x)
            dx = layer.backward(y, cache)
        with in_one_pass():
            mine, cache = layer.forward(x)
            assert_same_bits(mine, y)
            assert_same_bits(layer.backward(y, cache), dx)


@pytest.mark.parametrize("kind", OF_IMAGES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_large_batch_on_several_threads(
    kind: Any, threads: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    layer, x = kind(3, 2, "same"), rng.normal(size=(37, 33, 32, 32)).astype(np.float32)
    layer.ensure_built(x.shape[1:])
    dy = rng.normal(size=(37, *layer.output_shape)).astype(np.float32)
    monkeypatch.setattr(mb.parallel, "_threads", threads)
    y, cache = layer.forward(x)
    dx = layer.backward(dy, cache)
    with by_formula():
        alone = [layer.forward(x[n : n + 1]) for n in range(len(x))]
        for n, (y_n, cache) in enumerate(alone):
            assert_same_bits(y[n : n + 1], y_n)
            assert_same_bits(dx[n : n + 1], layer.backward(dy[n : n + 1], cache))


@pytest.mark.parametrize("shape", [(3, 2, 2, 3), (4, 2, 2, 2), (4, 2, 2, 4)])
def test_the_gradient_of_another_batch_is_refused(shape: tuple[int, ...]) -> None:
    """The compiled loops look at no shape: before them somebody must."""
    layer = L.MaxPooling2D()
    layer.ensure_built((4, 4, 3))
    with in_one_pass():
        _, cache = layer.forward(np.ones((4, 4, 4, 3), np.float32))
        with pytest.raises(ValueError, match=r"broadcast|shape"):
            layer.backward(np.ones(shape, np.float32), cache)


def test_strides_default_to_the_pool_size() -> None:
    assert mb.layers.MaxPooling2D((3, 2)).strides == (3, 2)
    assert mb.layers.MaxPooling2D().pool_size == (2, 2)


def test_images_without_a_channel_axis_get_a_hint() -> None:
    with pytest.raises(ValueError, match=r"got \(8, 8\). Add the channel axis: x\[..., None\]"):
        mb.layers.MaxPooling2D()(np.zeros((2, 8, 8)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L.MaxPooling2D(0), "MaxPooling2D: pool_size must be a positive integer or two of them; got 0"),
        (
            lambda: L.AveragePooling1D((2, 2)),
            r"AveragePooling1D: pool_size must be a positive integer; got \(2, 2\)",
        ),
        (lambda: L.AveragePooling2D(2, strides=0), "AveragePooling2D: strides must be a positive integer"),
        (lambda: L.MaxPooling1D(padding="causal"), "MaxPooling1D: unknown padding 'causal'"),
        (lambda: L.MaxPooling1D(data_format="channels_first"), "data_format='channels_first' of Keras is not here"),
        (lambda: L.GlobalMaxPooling2D("channels_first"), "GlobalMaxPooling2D: data_format='channels_first'"),
        (lambda: L.MaxPooling1D(3)(np.zeros((1, 2, 1))), "a window of 3 does not fit into a sequence of 2"),
        (lambda: L.GlobalAveragePooling2D()(np.zeros((1, 2, 1))), r"samples of shape \(H, W, C\); got \(2, 1\)"),
        (lambda: L.GlobalMaxPooling1D()(np.zeros((1, 0, 1))), r"nothing to pool in samples of shape \(0, 1\)"),
    ],
)
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_other_names() -> None:
    assert (L.MaxPool1D, L.MaxPool2D) == (L.MaxPooling1D, L.MaxPooling2D)
    assert (L.AvgPool1D, L.AvgPool2D) == (L.AveragePooling1D, L.AveragePooling2D)
    assert [L.GlobalMaxPool1D, L.GlobalMaxPool2D, L.GlobalAvgPool1D, L.GlobalAvgPool2D] == GLOBAL
