"""Pooling and reshaping against Keras's: outputs, gradients by the input, configurations."""

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
OF_IMAGES = ["MaxPooling2D", "AveragePooling2D", "MaxPool2D", "AvgPool2D"]
OF_SEQUENCES = ["MaxPooling1D", "AveragePooling1D", "MaxPool1D", "AvgPool1D"]
GLOBAL = [
    f"Global{kind}{rank}D" for kind in ("MaxPooling", "AveragePooling", "MaxPool", "AvgPool") for rank in (1, 2)
]


def same(name: str, arguments: dict[str, Any], x: np.ndarray) -> None:
    same_layer(getattr(keras.layers, name)(**arguments), getattr(mb.layers, name)(**arguments), x)


def numbers(shape: tuple[int, ...], ties: bool = False) -> np.ndarray:
    """Return numbers all below zero; with ``ties`` a few integers, so that windows hold equal ones."""
    rng = np.random.default_rng(2)
    return rng.integers(-5, -2, size=shape).astype(float) if ties else rng.normal(size=shape) - 9


@pytest.mark.parametrize("name", OF_IMAGES[:2])
@settings(deadline=None, max_examples=60)
@given(
    image=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    pool_size=PAIR,
    strides=st.none() | PAIR,
    padding=st.sampled_from(["valid", "same"]),
    ties=st.booleans(),
)
def test_images(name: str, image: Any, pool_size: Any, strides: Any, padding: str, ties: bool) -> None:
    """With ties, too: which of several equal entries takes the gradient is TensorFlow's choice."""
    assume(padding == "same" or (pool_size[0] <= image[0] and pool_size[1] <= image[1]))
    arguments = {"pool_size": pool_size, "strides": strides, "padding": padding}
    same(name, arguments, numbers((2, *image, 2), ties))


@pytest.mark.parametrize("name", OF_SEQUENCES[:2])
@settings(deadline=None, max_examples=40)
@given(
    steps=st.integers(1, 9),
    pool_size=st.integers(1, 4),
    strides=st.none() | st.integers(1, 5),
    padding=st.sampled_from(["valid", "same"]),
    ties=st.booleans(),
)
def test_sequences(name: str, steps: int, pool_size: int, strides: Any, padding: str, ties: bool) -> None:
    assume(padding == "same" or pool_size <= steps)
    arguments = {"pool_size": pool_size, "strides": strides, "padding": padding}
    same(name, arguments, numbers((2, steps, 2), ties))


@pytest.mark.parametrize("name", GLOBAL)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_global_pooling(name: str, keepdims: bool, ties: bool) -> None:
    """Of equal largest numbers each takes a share here, while in a window the first takes all: as in TensorFlow."""
    shape = (3, 5, 2) if name.endswith("1D") else (3, 4, 5, 2)
    same(name, {"keepdims": keepdims}, numbers(shape, ties))


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("Flatten", {}, (3, 4, 2, 3)),
        ("Flatten", {}, (3,)),
        ("Reshape", {"target_shape": (2, -1)}, (3, 4, 3)),
        ("Reshape", {"target_shape": (6, 2, 1)}, (3, 4, 3)),
        ("ZeroPadding1D", {}, (2, 3, 2)),
        ("ZeroPadding1D", {"padding": (0, 2)}, (2, 3, 2)),
        ("ZeroPadding2D", {}, (2, 3, 4, 2)),
        ("ZeroPadding2D", {"padding": 2}, (2, 3, 4, 2)),
        ("ZeroPadding2D", {"padding": (0, 2)}, (2, 3, 4, 2)),
        ("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}, (2, 3, 4, 2)),
        ("UpSampling1D", {}, (2, 3, 2)),
        ("UpSampling1D", {"size": 3}, (2, 3, 2)),
        ("UpSampling2D", {}, (2, 3, 4, 2)),
        ("UpSampling2D", {"size": 3}, (2, 3, 4, 2)),
        ("UpSampling2D", {"size": (1, 4)}, (2, 3, 4, 2)),
    ],
    ids=str,
)
def test_reshaping(name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    same(name, arguments, numbers(shape))


CONFIGS = [
    *((name, {}) for name in (*OF_IMAGES, *OF_SEQUENCES) if name.startswith("Max")),
    ("MaxPooling1D", {"pool_size": (3,), "strides": (2,), "padding": "same"}),
    ("AveragePooling1D", {"pool_size": (3,), "data_format": "channels_last"}),
    ("MaxPooling2D", {"pool_size": (3, 2), "strides": (1, 2), "padding": "same"}),
    ("AveragePooling2D", {"pool_size": (3, 2)}),
    *((name, {"keepdims": keepdims}) for name in GLOBAL for keepdims in (False, True)),
    ("Flatten", {}),
    ("Reshape", {"target_shape": (2, -1)}),
    ("ZeroPadding1D", {"padding": (0, 3)}),
    ("ZeroPadding2D", {"padding": ((1, 1), (0, 3))}),
    ("UpSampling1D", {"size": 3}),
    ("UpSampling2D", {"size": (1, 3)}),
    ("UpSampling2D", {"size": 3}),
]

RESHAPING = ["Flatten", "Reshape", "ZeroPadding1D", "ZeroPadding2D", "UpSampling1D", "UpSampling2D"]


@pytest.mark.parametrize(("name", "arguments"), CONFIGS, ids=str)
def test_configurations_go_both_ways(name: str, arguments: dict[str, Any]) -> None:
    same_config(getattr(keras.layers, name)(**arguments), getattr(mb.layers, name)(**arguments))


@pytest.mark.parametrize("name", [*OF_IMAGES, *OF_SEQUENCES, *GLOBAL, *RESHAPING])
def test_arguments_by_position_and_their_defaults(name: str) -> None:
    same_signature(name)
