"""The convolutions against Keras's: outputs, gradients by the input and by every weight, configurations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity.keras_reference import keras
from parity.layer_twins import same_config, same_layer, same_signature

import minibatch as mb

PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))


def same(name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).normal(size=shape)
    same_layer(getattr(keras.layers, name)(**arguments), getattr(mb.layers, name)(**arguments), x)


@pytest.mark.parametrize("image", [(7, 7), (8, 5)])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (2, 3), (4, 1)])
@pytest.mark.parametrize(
    "stretch", [{}, {"strides": (2, 1)}, {"strides": 5}, {"dilation_rate": 2}, {"dilation_rate": (1, 2)}]
)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_conv2d(image: tuple[int, int], kernel_size: Any, stretch: dict[str, Any], padding: str) -> None:
    arguments = {"filters": 3, "kernel_size": kernel_size, "padding": padding, **stretch}
    same("Conv2D", arguments, (3, *image, 2))


@pytest.mark.parametrize(
    "arguments",
    [
        {"groups": 2},
        {"groups": 2, "strides": 2, "padding": "same"},
        {"groups": 4, "dilation_rate": 2, "padding": "same", "activation": "relu"},
        {"groups": 2, "use_bias": False, "kernel_size": (2, 3)},
    ],
    ids=str,
)
def test_conv2d_with_groups(arguments: dict[str, Any]) -> None:
    same("Conv2D", {"filters": 8, "kernel_size": 3, **arguments}, (2, 6, 5, 4))


@settings(deadline=None, max_examples=40)
@given(
    image=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel_size=PAIR,
    stretch=st.one_of(
        st.fixed_dictionaries({"strides": PAIR}),
        st.fixed_dictionaries({"dilation_rate": st.tuples(st.integers(1, 3), st.integers(1, 3))}),
    ),
    padding=st.sampled_from(["valid", "same"]),
    channels=st.integers(1, 5),
    filters=st.integers(1, 5),
)
def test_conv2d_of_any_geometry(
    image: tuple[int, int], kernel_size: Any, stretch: dict[str, Any], padding: str, channels: int, filters: int
) -> None:
    dilation = stretch.get("dilation_rate", (1, 1))
    reaches = [(k - 1) * d + 1 for k, d in zip(kernel_size, dilation, strict=True)]
    assume(padding == "same" or all(r <= n for r, n in zip(reaches, image, strict=True)))
    arguments = {"filters": filters, "kernel_size": kernel_size, "padding": padding, **stretch}
    same("Conv2D", arguments, (2, *image, channels))


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4])
@pytest.mark.parametrize("stretch", [{}, {"strides": 2}, {"strides": 5}, {"dilation_rate": 3}])
def test_conv1d(padding: str, kernel_size: int, stretch: dict[str, int]) -> None:
    arguments = {"filters": 3, "kernel_size": kernel_size, "padding": padding, **stretch}
    same("Conv1D", arguments, (3, 11, 2))


@pytest.mark.parametrize(
    "arguments",
    [
        {"groups": 2, "padding": "causal", "dilation_rate": 2},
        {"groups": 2, "strides": 2, "padding": "same"},
        {"use_bias": False, "activation": "softmax"},
    ],
    ids=str,
)
def test_conv1d_with_groups_and_more(arguments: dict[str, Any]) -> None:
    same("Conv1D", {"filters": 4, "kernel_size": 3, **arguments}, (2, 9, 4))


DEPTHWISE = [
    {},
    {"strides": 2},
    {"strides": 4, "kernel_size": 2},
    {"dilation_rate": 2},
    {"dilation_rate": (1, 2)},
    {"strides": 2, "dilation_rate": 2},
    {"strides": (1, 2), "dilation_rate": (2, 3), "kernel_size": 2},
    {"kernel_size": (4, 2)},
    {"use_bias": False, "activation": "tanh"},
]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("depth_multiplier", [1, 3])
@pytest.mark.parametrize("arguments", DEPTHWISE, ids=str)
def test_depthwise_conv2d(padding: str, depth_multiplier: int, arguments: dict[str, Any]) -> None:
    whole = {"kernel_size": 3, "padding": padding, "depth_multiplier": depth_multiplier, **arguments}
    same("DepthwiseConv2D", whole, (2, 8, 7, 2))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("depth_multiplier", [1, 2])
@pytest.mark.parametrize("arguments", DEPTHWISE, ids=str)
def test_separable_conv2d(padding: str, depth_multiplier: int, arguments: dict[str, Any]) -> None:
    whole = {"filters": 5, "kernel_size": 3, "padding": padding, "depth_multiplier": depth_multiplier, **arguments}
    same("SeparableConv2D", whole, (2, 8, 7, 3))


#: A quarter has no rounding; of 0.01 Keras makes a float32.
L2 = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.25}, "registered_name": None}

CONFIGS = [
    ("Conv1D", {"filters": 3, "kernel_size": 2}),
    (
        "Conv1D",
        {"filters": 4, "kernel_size": 2, "padding": "causal", "dilation_rate": 2, "groups": 2, "use_bias": False},
    ),
    ("Conv2D", {"filters": 3, "kernel_size": 2}),
    (
        "Conv2D",
        {
            "filters": 3,
            "kernel_size": (3, 2),
            "strides": (2, 1),
            "padding": "same",
            "data_format": "channels_last",
            "activation": "relu",
            "kernel_initializer": "he_normal",
            "bias_initializer": "ones",
            "kernel_regularizer": L2,
            "bias_regularizer": L2,
            "trainable": False,
        },
    ),
    ("DepthwiseConv2D", {"kernel_size": 3}),
    (
        "DepthwiseConv2D",
        {
            "kernel_size": 3,
            "strides": 2,
            "depth_multiplier": 2,
            "depthwise_regularizer": L2,
            "activation": "tanh",
        },
    ),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 3}),
    (
        "SeparableConv2D",
        {
            "filters": 2,
            "kernel_size": 3,
            "dilation_rate": (2, 1),
            "depth_multiplier": 2,
            "depthwise_initializer": "he_uniform",
            "pointwise_initializer": "glorot_normal",
            "pointwise_regularizer": L2,
        },
    ),
]


@pytest.mark.parametrize(("name", "arguments"), CONFIGS, ids=str)
def test_configurations_go_both_ways(name: str, arguments: dict[str, Any]) -> None:
    same_config(getattr(keras.layers, name)(**arguments), getattr(mb.layers, name)(**arguments))


@pytest.mark.parametrize("name", ["Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D"])
def test_arguments_by_position_and_their_defaults(name: str) -> None:
    """The same names in the same order, with the same defaults; what only Keras has comes by name alone."""
    same_signature(name)


def test_what_keras_refuses_is_refused() -> None:
    for library in (keras, mb):
        for arguments in (
            {"filters": 0, "kernel_size": 3},
            {"filters": 3, "kernel_size": 3, "groups": 2},
            {"filters": 3, "kernel_size": 3, "strides": 2, "dilation_rate": 2},
            {"filters": 3, "kernel_size": 3, "padding": "causal"},
            {"filters": 3, "kernel_size": (3, 0)},
        ):
            with pytest.raises(ValueError):  # noqa: PT011  (each library has its own words)
                library.layers.Conv2D(**arguments)
