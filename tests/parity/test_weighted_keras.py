"""What layers and models call their weights, beside Keras's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, twins

import minibatch as mb


def build(k: Any) -> Any:
    layers = [k.layers.Dense(2, name="d"), k.layers.BatchNormalization(name="b"), k.layers.Dense(1, name="o")]
    return k.Sequential([k.Input((3,)), *layers])


WORDS = ["variables", *(f"{a}_{b}" for a in ("trainable", "non_trainable") for b in ("weights", "variables"))]


@pytest.mark.parametrize("frozen", [None, 0, 1])
@pytest.mark.parametrize("word", WORDS)
def test_the_names_of_weights(word: str, frozen: int | None) -> None:
    models = twins(build)
    for model in models:
        if frozen is not None:
            model.layers[frozen].trainable = False
    theirs, mine = [[list(getattr(part, word)) for part in (m, *m.layers)] for m in models]
    for ours, expected in zip(mine, theirs, strict=True):
        assert [w.name for w in ours] == [w.name for w in expected]


def test_the_float_type() -> None:
    models = twins(build)
    assert models[0].dtype == models[1].dtype == "float32"
    assert [layer.dtype for layer in models[1].layers] == [layer.dtype for layer in models[0].layers]
    assert mb.layers.Flatten().dtype == "float32"


@pytest.mark.usefixtures("float64")
def test_the_float_type_of_a_layer_is_that_of_its_weights() -> None:
    layer = mb.layers.Dense(1)
    layer.build((2,))
    mb.config.set_floatx("float32")
    assert layer.dtype == "float64"
    assert mb.layers.Dense(1).dtype == "float32"


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda k: k.layers.Dense(4), (None, 3)),
        (lambda k: k.layers.Dense(4), [7, 3]),
        (lambda k: k.layers.Conv2D(4, 3, strides=2), (None, 8, 9, 3)),
        (lambda k: k.layers.Flatten(), (None, 2, 3)),
        (lambda k: k.layers.Add(), [(None, 3), (None, 3)]),
        (lambda k: k.layers.Concatenate(), [(None, 3), (None, 5)]),
        (lambda k: k.layers.Embedding(9, 4), (None, 5)),
    ],
)
def test_compute_output_shape(make: Any, shape: Any) -> None:
    theirs, mine = (make(k).compute_output_shape(shape) for k in BOTH)
    assert mine == tuple(theirs)


def test_a_models_weights_are_set_all_or_none() -> None:
    model = build(mb)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"model 'sequential' has 8 weights; got 1 arrays"):
        model.set_weights([np.ones((3, 2))])
    with pytest.raises(ValueError, match=r"layer 'd' has 2 weights; got 1 arrays"):
        model.layers[0].set_weights([np.ones((3, 2))])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
