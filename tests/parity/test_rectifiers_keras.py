from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras, twins
from parity.layer_twins import same_config, same_layer

import minibatch as mb

RELU = [
    {"max_value": max_value, "negative_slope": slope, "threshold": threshold}
    for max_value in (None, 1.0, 6)
    for slope in (0.0, 0.25)
    for threshold in (0.0, 0.5)
]
CASES = [("ReLU", arguments) for arguments in RELU] + [
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.0}),
    ("ELU", {}),
    ("ELU", {"alpha": 0.5}),
    ("PReLU", {}),
    ("PReLU", {"shared_axes": [1]}),
    ("Softmax", {}),
    ("Softmax", {"axis": 1}),
    ("Softmax", {"axis": [1, 2]}),
]


@pytest.mark.parametrize(("kind", "arguments"), CASES, ids=str)
def test_values_and_slopes(kind: str, arguments: dict[str, Any], rng: np.random.Generator) -> None:
    same_layer(*(getattr(lib.layers, kind)(**arguments) for lib in (keras, mb)), rng.normal(0, 3, (5, 4, 3)))


CORNERS = [(kind, arguments) for kind, arguments in CASES if kind != "Softmax"]


@pytest.mark.parametrize(("kind", "arguments"), CORNERS, ids=str)
def test_slopes_at_the_corners(kind: str, arguments: dict[str, Any]) -> None:
    """Exact zeros are common (a ReLU behind a ReLU): which slope they get is TensorFlow's choice.

    But for a ReLU of a negative_slope and more: there Keras adds two functions with a corner each.
    """
    x = np.array([0.0, -0.0, 0.5, 1.0, 6.0, -1.0, 90.0, -90.0])
    if kind == "ReLU" and arguments["negative_slope"] and (arguments["max_value"] or arguments["threshold"]):
        x = x[(x != arguments["threshold"]) & (x != 6)]
    x = np.tile(x, (2, 3, 1))
    same_layer(*(getattr(lib.layers, kind)(**arguments) for lib in (keras, mb)), x)


@pytest.mark.parametrize(("kind", "arguments"), CASES, ids=str)
def test_configurations(kind: str, arguments: dict[str, Any]) -> None:
    same_config(*(getattr(lib.layers, kind)(**arguments) for lib in (keras, mb)))


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_a_softmax_layer_at_the_end(loss: str, rng: np.random.Generator) -> None:
    """Probabilities of 0 are met: both losses are computed from the logits."""

    def build(lib: Any) -> Any:
        model = lib.Sequential([lib.Input((4,)), lib.layers.Dense(3), lib.layers.Softmax()])
        model.compile("sgd", loss)
        return model

    theirs, mine = twins(build)
    x, y = rng.normal(0, 300, (12, 4)).astype("float32"), rng.integers(3, size=12)
    targets = y if loss.startswith("sparse") else np.eye(3, dtype="float32")[y]
    histories = [
        m.fit(x, targets, batch_size=4, epochs=2, shuffle=False, verbose=0).history for m in (theirs, mine)
    ]
    np.testing.assert_allclose(histories[1]["loss"], histories[0]["loss"], rtol=1e-4)
    assert histories[1]["loss"][0] > 20
