"""The small networks that the tests of this room measure."""

from __future__ import annotations

import numpy as np

import minibatch as mb


def mlp(seed: int = 0) -> mb.Sequential:
    mb.utils.set_random_seed(seed)
    model = mb.Sequential(
        [
            mb.Input((6,)),
            mb.layers.Dense(5, "tanh"),
            mb.layers.Dropout(0.5),
            mb.layers.Dense(3, "softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def cnn(seed: int = 0) -> mb.Sequential:
    mb.utils.set_random_seed(seed)
    model = mb.Sequential(
        [
            mb.Input((6, 5, 2)),
            mb.layers.Conv2D(4, 3, padding="same", activation="relu"),
            mb.layers.MaxPooling2D(),
            mb.layers.Conv2D(3, (2, 1), strides=2, use_bias=False, activation="tanh"),
            mb.layers.Flatten(),
            mb.layers.Dense(3),
        ]
    )
    model.compile("sgd", mb.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def samples(model: mb.Sequential, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, *model.input_shape[1:])), rng.integers(0, 3, n)
