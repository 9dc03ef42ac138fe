from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch import parallel, passes
from minibatch.layers import correlation, depthwise
from minibatch.layers import window as window_module
from minibatch.layers.window import Window

PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))
L = mb.layers


def places(layer: Any, spatial: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return (positions, zeros before) along each axis. "same" is TensorFlow's: ceil(H / s), the odd zero below."""
    positions, before = [], []
    for n, k, s, d in zip(spatial, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True):
        reach = (k - 1) * d + 1
        valid = (n - reach) // s + 1
        positions.append(valid if layer.padding == "valid" else -(-n // s))
        missing = max((positions[-1] - 1) * s + reach - n, 0)
        before.append({"valid": 0, "same": missing // 2, "causal": reach - 1}[layer.padding])
    return tuple(positions), tuple(before)


def by_loops(x: np.ndarray, layer: Any, kernel: np.ndarray, groups: int) -> np.ndarray:
    """Convolve by the definition: one product for each sample, position, kernel entry, channel and filter."""
    positions, before = places(layer, x.shape[1:-1])
    C, F = kernel.shape[-2:]
    y = np.zeros((len(x), *positions, F))
    for n, place, entry, c, f in product(
        range(len(x)), np.ndindex(*positions), np.ndindex(*layer.kernel_size), range(C), range(F)
    ):
        at = [
            p * s + e * d - b
            for p, s, e, d, b in zip(place, layer.strides, entry, layer.dilation_rate, before, strict=True)
        ]
        if all(0 <= a < extent for a, extent in zip(at, x.shape[1:-1], strict=True)):
            channel = f // (F // groups) * C + c  # the group of filter f sees C channels of its own
            y[n, *place, f] += x[n, *at, channel] * kernel[*entry, c, f]
    return y


def expected(x: np.ndarray, layer: Any) -> np.ndarray:
    """Return what a layer of this room should answer, by loops."""
    weights = [np.asarray(w, np.float64) for w in layer.get_weights()]
    C = x.shape[-1]
    if isinstance(layer, L.DepthwiseConv2D | L.SeparableConv2D):
        # A channel for each group, with depth_multiplier filters each.
        kernel = weights[0].reshape(*layer.kernel_size, 1, -1)
        y = by_loops(x, layer, kernel, groups=C)
        if isinstance(layer, L.SeparableConv2D):
            y = y @ weights[1][0, 0]
    else:
        y = by_loops(x, layer, weights[0], layer.groups)
    return y + weights[-1]


def check_forward(layer: Any, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y, right = layer(x), expected(x, layer)
    assert y.shape == right.shape == (len(x), *layer.output_shape)
    np.testing.assert_allclose(y, right, rtol=1e-5, atol=2e-5)


def fits(image: tuple[int, ...], kernel: tuple[int, ...], dilation: tuple[int, ...], padding: str) -> bool:
    reaches = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    return padding != "valid" or all(r <= n for r, n in zip(reaches, image, strict=True))


@settings(deadline=None, max_examples=60)
@given(
    image=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=PAIR,
    stretch=st.one_of(
        st.fixed_dictionaries({"strides": PAIR}),
        st.fixed_dictionaries({"dilation_rate": st.tuples(st.integers(1, 3), st.integers(1, 3))}),
    ),
    padding=st.sampled_from(["valid", "same"]),
    groups=st.integers(1, 2),
    channels=st.integers(1, 2),
    filters=st.integers(1, 2),
)
def test_conv2d_is_what_the_definition_says(
    image: tuple[int, int],
    kernel: tuple[int, int],
    stretch: dict[str, tuple[int, int]],
    padding: str,
    groups: int,
    channels: int,
    filters: int,
) -> None:
    assume(fits(image, kernel, stretch.get("dilation_rate", (1, 1)), padding))
    layer = L.Conv2D(
        filters * groups, kernel, padding=padding, groups=groups, bias_initializer="random_normal", **stretch
    )
    check_forward(layer, (2, *image, channels * groups))


@settings(deadline=None, max_examples=50)
@given(
    steps=st.integers(1, 9),
    kernel=st.integers(1, 4),
    strides=st.integers(1, 4),
    dilation=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same", "causal"]),
    groups=st.integers(1, 2),
)
def test_conv1d_is_what_the_definition_says(
    steps: int, kernel: int, strides: int, dilation: int, padding: str, groups: int
) -> None:
    assume(fits((steps,), (kernel,), (dilation,), padding) and (strides == 1 or dilation == 1))
    layer = L.Conv1D(2 * groups, kernel, strides, padding, dilation_rate=dilation, groups=groups)
    check_forward(layer, (2, steps, 2 * groups))


@settings(deadline=None, max_examples=50)
@given(
    image=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=PAIR,
    strides=PAIR,
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from(["valid", "same"]),
    multiplier=st.integers(1, 3),
    separable=st.booleans(),
)
def test_depthwise_and_separable_are_what_the_definition_says(
    image: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilation: tuple[int, int],
    padding: str,
    multiplier: int,
    separable: bool,
) -> None:
    assume(fits(image, kernel, dilation, padding))
    first = (3, kernel) if separable else (kernel,)
    layer = (L.SeparableConv2D if separable else L.DepthwiseConv2D)(
        *first,
        strides,
        padding,
        dilation_rate=dilation,
        depth_multiplier=multiplier,
        bias_initializer="random_normal",
    )
    check_forward(layer, (2, *image, 2))


@settings(deadline=None, max_examples=80)
@given(
    N=st.integers(1, 5),
    image=st.tuples(st.integers(1, 9), st.integers(1, 60)),
    C=st.sampled_from([1, 3, 16, 40, 700]),
    kernel=PAIR,
    strides=PAIR,
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from(["valid", "same"]),
    wide=st.booleans(),
    threads=st.sampled_from([1, 3]),
)
def test_the_loops_of_a_depthwise_convolution_are_the_formulas(
    N: int,
    image: tuple[int, int],
    C: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilation: tuple[int, int],
    padding: str,
    wide: bool,
    threads: int,
) -> None:
    assume(fits(image, kernel, dilation, padding))
    window = Window.over(image, kernel, strides, padding, dilation)
    rng, dtype = np.random.default_rng(N * C), np.float64 if wide else np.float32
    x, W, dz = (
        rng.normal(size=shape).astype(dtype)
        for shape in ((N, *image, C), (*kernel, C, 1), (N, *window.positions, C))
    )

    def run(large: int, few: int) -> list[np.ndarray]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(passes, "LARGE", large)
            patch.setattr(depthwise, "FEW", few)
            patch.setattr(parallel, "_threads", threads)
            forward = depthwise.depthwise(x, W, window)
            dx = depthwise.depthwise_input_gradient(dz, W, window)
            return [forward, dx, depthwise.depthwise_kernel_gradient(x, dz, window)]

    (z, dx, dW), (formula, dx_formula, dW_formula) = run(1, 1), run(1 << 60, 1)
    np.testing.assert_array_equal(z, formula)  # the same sums in the same order
    np.testing.assert_array_equal(dx, dx_formula)
    tolerance = 1e-12 if wide else 1e-4
    np.testing.assert_allclose(dW, dW_formula, rtol=tolerance, atol=tolerance)


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


# Channels and filters on both sides of the choice between the two forms of the input's gradient.
WIDE_AND_NARROW = [(3, 2), (1, 4)]

CASES = {
    "dilation": lambda f: L.Conv2D(f, (3, 2), dilation_rate=(2, 1)),
    "dilation same": lambda f: L.Conv2D(f, (2, 3), padding="same", dilation_rate=(3, 2)),
    "even kernel same": lambda f: L.Conv2D(f, (4, 2), padding="same"),
    "kernel above the image": lambda f: L.Conv2D(f, (6, 7), padding="same"),
    "strides above the kernel": lambda f: L.Conv2D(f, (1, 2), (2, 3)),
    "strides above the kernel same": lambda f: L.Conv2D(f, (2, 1), (3, 2), "same"),
    "one by one": lambda f: L.Conv2D(f, 1, activation="tanh"),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("channels", "filters"), WIDE_AND_NARROW)
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_other_geometries(case: str, channels: int, filters: int, rng: np.random.Generator) -> None:
    check_layer(CASES[case](filters), rng.normal(size=(2, 5, 4, channels)))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize(
    "geometry", [{}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2, "padding": "same"}]
)
def test_gradients_with_groups(groups: int, geometry: dict[str, Any], rng: np.random.Generator) -> None:
    check_layer(L.Conv2D(8, (2, 3), groups=groups, **geometry), rng.normal(size=(2, 4, 4, 4)))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("stretch", [{}, {"strides": 2}, {"strides": 4}, {"dilation_rate": 2}])
@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_of_sequences(
    padding: str, stretch: dict[str, int], groups: int, rng: np.random.Generator
) -> None:
    layer = L.Conv1D(2, 3, padding=padding, groups=groups, activation="tanh", **stretch)
    check_layer(layer, rng.normal(size=(2, 7, 2)))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "stretch",
    [{}, {"strides": 2}, {"strides": (1, 3)}, {"dilation_rate": 2}, {"strides": 2, "dilation_rate": (1, 2)}],
)
@pytest.mark.parametrize("multiplier", [1, 3])
def test_gradients_of_depthwise_and_separable(
    padding: str, stretch: dict[str, Any], multiplier: int, rng: np.random.Generator
) -> None:
    x = rng.normal(size=(2, 5, 4, 2))
    arguments = {"padding": padding, "depth_multiplier": multiplier, **stretch}
    check_layer(L.DepthwiseConv2D((3, 2), activation="sigmoid", **arguments), x)
    check_layer(L.SeparableConv2D(3, (3, 2), **arguments), x)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Conv1D(2, 2, use_bias=False),
        lambda: L.DepthwiseConv2D(2, use_bias=False),
        lambda: L.SeparableConv2D(2, 2, use_bias=False),
    ],
)
def test_gradients_without_a_bias(make: Any, rng: np.random.Generator) -> None:
    layer = make()
    check_layer(layer, rng.normal(size=(2, 4, 3, 2) if layer.rank == 2 else (2, 4, 2)))
    assert layer.bias is None
    assert all("bias" not in weight.name for weight in layer.weights)


@pytest.mark.parametrize("pads", [((0, 0), (0, 0)), ((1, 1), (1, 0)), ((0, 2), (1, 1))])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
def test_the_two_forms_of_the_input_gradient_agree(pads: Any, dilation: Any, rng: np.random.Generator) -> None:
    window = Window((8, 9), (3, 2), pads=pads, dilation=dilation)
    kernel = rng.normal(size=(3, 2, 4, 5))
    dz = rng.normal(size=(3, *window.positions, 5))
    np.testing.assert_allclose(
        correlation.gather(dz, kernel, window), correlation.scatter(dz, kernel, window), rtol=1e-12, atol=1e-12
    )


def test_a_stride_has_no_single_window_backward() -> None:
    with pytest.raises(ValueError, match=r"strides \(2, 1\) has no single window backward"):
        _ = Window((5, 5), (2, 2), (2, 1)).backward


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("block", [1, 3000, 10**9])
@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Conv2D(4, 3, padding="same", groups=2),
        lambda: L.Conv2D(4, 3, 2, padding="same"),
        lambda: L.DepthwiseConv2D(3, padding="same"),
    ],
)
def test_how_many_images_are_taken_at_a_time_changes_nothing(
    make: Any, block: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make()
    x = rng.normal(size=(7, 6, 5, 4))
    y = layer(x)
    dy = rng.normal(size=y.shape)

    def everything() -> list[np.ndarray]:
        z, cache = layer.linear(x, True)
        dx = layer.linear_backward(dy, cache)
        return [z, dx, *(w.gradient.copy() for w in layer.weights), *layer.per_sample_gradients(dy, cache)]

    whole = everything()
    monkeypatch.setattr(window_module, "BLOCK", block)
    for a, b in zip(everything(), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("activation", "use_bias"), [("relu", True), ("tanh", False), ("softmax", True)])
def test_gradients_with_an_activation(activation: str, use_bias: bool, rng: np.random.Generator) -> None:
    layer = mb.layers.Conv2D(3, 2, activation=activation, use_bias=use_bias, padding="same")
    check_layer(layer, rng.normal(size=(2, 3, 4, 2)))


LAYERS = {
    "strided": lambda **k: L.Conv2D(3, (3, 2), (2, 1), "same", **k),
    "valid": lambda **k: L.Conv2D(3, (3, 2), **k),
    "groups": lambda **k: L.Conv2D(6, 2, groups=2, padding="same", **k),
    "dilated": lambda **k: L.Conv2D(3, 2, dilation_rate=2, **k),
    "depthwise": lambda **k: L.DepthwiseConv2D((3, 2), 2, "same", 3, **k),
    "separable": lambda **k: L.SeparableConv2D(3, (3, 2), depth_multiplier=2, **k),
    "causal": lambda **k: L.Conv1D(4, 3, padding="causal", dilation_rate=2, groups=2, **k),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("use_bias", [True, False])
def test_per_sample_gradients_are_those_of_each_sample_alone_and_sum_to_the_batch(
    kind: str, use_bias: bool, rng: np.random.Generator
) -> None:
    layer = LAYERS[kind](use_bias=use_bias)
    x = rng.normal(size=(4, 6, 5, 2) if layer.rank == 2 else (4, 9, 2)).astype(np.float32)
    layer(x)
    z, cache = layer.linear(x, training=True)
    dz = rng.normal(size=z.shape).astype(np.float32)
    each = [np.asarray(g) for g in layer.per_sample_gradients(dz, cache)]
    assert [g.shape for g in each] == [(4, *w.shape) for w in layer.weights]
    for i in range(len(x)):
        _, alone = layer.linear(x[i : i + 1], training=True)
        layer.linear_backward(dz[i : i + 1], alone)
        for g, weight in zip(each, layer.weights, strict=True):
            np.testing.assert_allclose(g[i], weight.gradient, rtol=1e-5, atol=2e-5)
    layer.linear_backward(dz, cache)
    for g, weight in zip(each, layer.weights, strict=True):
        np.testing.assert_allclose(g.sum(axis=0), weight.gradient, rtol=1e-5, atol=2e-5)


def test_causal_outputs_do_not_depend_on_later_steps(rng: np.random.Generator) -> None:
    layer = L.Conv1D(3, 3, padding="causal", dilation_rate=2)
    x = rng.normal(size=(1, 10, 2)).astype(np.float32)
    y, later = layer(x), x.copy()
    later[:, 6:] += 1
    np.testing.assert_array_equal(layer(later)[:, :6], y[:, :6])
    assert (layer(later)[:, 6:] != y[:, 6:]).all()


def test_a_separable_convolution_is_a_convolution(rng: np.random.Generator) -> None:
    """The kernel of Conv2D that does the same is the product of the two: K[i, j, c, f] = D[i, j, c] P[c, f]."""
    separable, whole = L.SeparableConv2D(4, 3, use_bias=False), L.Conv2D(4, 3, use_bias=False)
    x = rng.normal(size=(2, 6, 6, 3)).astype(np.float32)
    y = separable(x)
    whole.ensure_built(x.shape[1:])
    D, P = separable.get_weights()
    whole.set_weights([D * P])  # (3, 3, 3, 1) times (1, 1, 3, 4)
    np.testing.assert_allclose(whole(x), y, rtol=1e-5, atol=1e-5)


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
        ({"filters": 1, "kernel_size": 3, "padding": "causal"}, "Conv2D: unknown padding 'causal'"),
        ({"filters": 1, "kernel_size": 3, "dilation_rate": 0}, "Conv2D: dilation_rate must be a positive integer"),
        ({"filters": 4, "kernel_size": 3, "groups": 0}, "Conv2D: groups must be a positive integer; got 0"),
        ({"filters": 4, "kernel_size": 3, "groups": 3}, "filters must be a multiple of groups; got 4 and 3"),
        (
            {"filters": 1, "kernel_size": 3, "strides": 2, "dilation_rate": (1, 2)},
            r"strides and dilation_rate cannot both be above 1; got 2 and \(1, 2\)",
        ),
        (
            {"filters": 1, "kernel_size": 3, "data_format": "channels_first"},
            "'channels_first' of Keras is not here",
        ),
        (
            {"filters": 1, "kernel_size": 3, "data_format": "NHWC"},
            "data_format must be 'channels_last'; got 'NHWC'",
        ),
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


def test_a_dilated_window_larger_than_the_image() -> None:
    message = (
        r"a window of 3 x 3 with dilation_rate=\(2, 2\) does not fit into an image of 4 x 8 with padding='valid'"
    )
    with pytest.raises(ValueError, match=message):
        L.Conv2D(1, 3, dilation_rate=2)(np.zeros((1, 4, 8, 1)))


def test_sequences_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="a window of 5 does not fit into a sequence of 4 with padding='valid'"):
        L.Conv1D(1, 5)(np.zeros((1, 4, 1)))
    with pytest.raises(ValueError, match=r"expected samples of shape \(L, C\); got \(4,\). Add the channel axis"):
        L.Conv1D(1, 2)(np.zeros((1, 4)))
    with pytest.raises(ValueError, match=r"Conv1D: kernel_size must be a positive integer; got \(2, 2\)"):
        L.Conv1D(1, (2, 2))


def test_channels_that_the_groups_do_not_divide() -> None:
    with pytest.raises(
        ValueError, match=r"channels must be a multiple of groups=2; got 3 in samples of shape \(4, 4, 3\)"
    ):
        L.Conv2D(4, 2, groups=2)(np.zeros((1, 4, 4, 3)))


@pytest.mark.parametrize(
    "make",
    [lambda m: L.DepthwiseConv2D(2, depth_multiplier=m), lambda m: L.SeparableConv2D(1, 2, depth_multiplier=m)],
)
def test_a_depth_multiplier_that_is_none(make: Any) -> None:
    with pytest.raises(ValueError, match="depth_multiplier must be a positive integer; got 0"):
        make(0)


def test_constraints_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="the argument 'pointwise_constraint' of Keras is not here"):
        L.SeparableConv2D(1, 2, pointwise_constraint="non_neg")
    L.DepthwiseConv2D(2, depthwise_constraint=None, bias_constraint=None)


def test_regularizers_reach_their_weights() -> None:
    layer = L.SeparableConv2D(1, 2, depthwise_regularizer="l1", pointwise_regularizer="l2", bias_regularizer="l1")
    layer.ensure_built((3, 3, 1))
    assert [type(w.regularizer).__name__ for w in layer.weights] == ["L1", "L2", "L1"]
    layer = L.Conv1D(1, 2, kernel_regularizer="l2")
    layer.ensure_built((3, 1))
    assert [type(w.regularizer).__name__ for w in layer.weights] == ["L2", "NoneType"]


def test_the_other_names() -> None:
    assert (L.Convolution1D, L.Convolution2D, L.SeparableConvolution2D) == (L.Conv1D, L.Conv2D, L.SeparableConv2D)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Conv2D(16, 3, padding="same"),
        lambda: L.Conv2D(20, 3),
        lambda: L.Conv2D(5, 3, strides=2),
        lambda: L.Conv2D(96, 3),
        lambda: L.Conv2D(16, 2, groups=2),
        lambda: L.MaxPooling2D(),
        lambda: L.MaxPooling2D(3, strides=1, padding="same"),
    ],
)
def test_a_gradient_goes_through_the_relu_below_at_once(
    make: Any, loops: bool, dtype: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not loops:
        monkeypatch.setattr(correlation.tiles, "at_hand", lambda: False)
    mb.config.set_floatx(np.dtype(dtype).name)
    try:
        layer = make()
        u = rng.normal(size=(3, 10, 9, 16)).astype(dtype)
        u[0, 2:4, 3] = 0  # not above
        x = np.maximum(u, 0)
        layer.ensure_built(x.shape[1:])
        y, cache = layer.forward(x, training=True)
        dy = rng.normal(size=y.shape).astype(dtype)
        if isinstance(layer, L.Conv2D):
            cache = cache[0]  # of the linear half
            apart = layer.linear_backward(dy, cache) * (u > 0)
        else:
            apart = layer.backward(dy, cache) * (u > 0)
        gradients = [weight.gradient.copy() for weight in layer.weights]
        for weight in layer.weights:
            weight.gradient.fill(np.nan)
        close = 1e-4 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(layer.backward_above(dy, cache, 0.0), apart, rtol=close, atol=close)
        for weight, gradient in zip(layer.weights, gradients, strict=True):
            np.testing.assert_array_equal(weight.gradient, gradient)
    finally:
        mb.config.set_floatx("float32")
