from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras, largest_difference, twins
from parity.layer_twins import same_config, same_layer

import minibatch as mb


@pytest.mark.parametrize("shape", [(6,), (5, 3), (4, 2, 2)], ids=str)
def test_embedding(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    both = (lib.layers.Embedding(4, 3) for lib in (keras, mb))
    same_layer(*both, rng.integers(4, size=shape))


def test_the_default_distribution() -> None:
    for lib in (keras, mb):
        layer = lib.layers.Embedding(200, 50)
        layer(np.zeros((1, 1)))
        table = np.asarray(layer.embeddings)
        assert -0.05 <= table.min() < -0.049
        assert 0.049 < table.max() <= 0.05


def test_configurations() -> None:
    for arguments in (
        {},
        {"embeddings_initializer": "ones", "embeddings_regularizer": "l2", "name": "words"},
    ):
        same_config(*(lib.layers.Embedding(4, 3, **arguments) for lib in (keras, mb)))


@pytest.mark.parametrize(("optimizer", "batch_size"), [("sgd", 4), ("adam", 1)])
def test_a_fit_of_20_steps(optimizer: str, batch_size: int, rng: np.random.Generator) -> None:
    """Adam with no class twice in a batch: of one that comes twice TensorFlow squares each part by itself."""
    x = np.stack([rng.permutation(6)[:5] for _ in range(10 * batch_size)])
    y = rng.integers(2, size=len(x))

    def build(lib: Any) -> Any:
        layers = [lib.layers.Embedding(6, 4), lib.layers.SimpleRNN(3), lib.layers.Dense(2, "softmax")]
        model = lib.Sequential([lib.Input((5,)), *layers])
        model.compile(optimizer, "sparse_categorical_crossentropy")
        return model

    theirs, mine = twins(build)
    for model in (theirs, mine):
        model.fit(x, y, batch_size=batch_size, epochs=2, shuffle=False, verbose=0)
    differences = [largest_difference(a, b) for a, b in zip(theirs.get_weights(), mine.get_weights(), strict=True)]
    assert max(differences) < 1e-5
