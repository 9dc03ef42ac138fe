from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras, largest_difference, twins
from parity.layer_twins import same_config, same_layer

import minibatch as mb

ELEMENTWISE = ["Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract"]
SHAPES = [[(2, 3), (2, 3)], [(3,), (3,), (3,)], [(2, 3), (3,)], [(1, 3), (2, 1)], [(4, 1, 2), (3, 2), (2,)]]


@pytest.mark.parametrize("kind", ELEMENTWISE)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("ties", [False, True])
def test_elementwise(kind: str, shapes: list[tuple[int, ...]], ties: bool, rng: np.random.Generator) -> None:
    """With ties, too: which of several equal inputs takes the gradient is TensorFlow's choice."""
    if kind == "Subtract":
        shapes = shapes[:2]
    draw = (lambda size: rng.integers(-1, 2, size=size)) if ties else (lambda size: rng.normal(size=size))
    same_layer(*(getattr(lib.layers, kind)() for lib in (keras, mb)), [draw((3, *shape)) for shape in shapes])


@pytest.mark.parametrize(
    ("axis", "shapes"), [(-1, [(3,), (2,)]), (1, [(2, 3), (4, 3), (1, 3)]), (-2, [(2, 3), (1, 3)])], ids=str
)
def test_concatenate(axis: int, shapes: list[tuple[int, ...]], rng: np.random.Generator) -> None:
    xs = [rng.normal(size=(3, *shape)) for shape in shapes]
    same_layer(*(lib.layers.Concatenate(axis=axis) for lib in (keras, mb)), xs)
    same_config(*(lib.layers.Concatenate(axis=axis) for lib in (keras, mb)))


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_configurations(kind: str) -> None:
    same_config(*(getattr(lib.layers, kind)(name="merged") for lib in (keras, mb)))


def build(lib: Any) -> Any:
    layers = lib.layers
    a, b = lib.Input((3,)), lib.Input((2,))
    h = layers.Dense(3, "tanh")(a)
    parts = [layers.add([a, h]), layers.multiply([a, h]), layers.subtract([a, h]), layers.average([a, h])]
    extremes = [layers.maximum([h, layers.Dense(3)(b)]), layers.minimum([h, a])]
    out = layers.Dense(1)(layers.concatenate([*parts, *extremes, b]))
    model = lib.Model([a, b], out)
    model.compile("sgd", "mse")
    return model


def test_a_fit_of_20_steps(rng: np.random.Generator) -> None:
    x = [rng.normal(size=(40, 3)).astype("float32"), rng.normal(size=(40, 2)).astype("float32")]
    y = rng.normal(size=(40, 1)).astype("float32")
    theirs, mine = twins(build)
    losses = [
        m.fit(x, y, batch_size=10, epochs=5, shuffle=False, verbose=0).history["loss"] for m in (theirs, mine)
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    differences = [largest_difference(a, b) for a, b in zip(theirs.get_weights(), mine.get_weights(), strict=True)]
    assert max(differences) < 1e-5
