"""Models that the tests build in both libraries."""

from __future__ import annotations

from typing import Any


def small(K: Any) -> Any:
    """A network for the three clouds of ``blobs``."""
    model = K.Sequential([K.Input((4,)), K.layers.Dense(5, "tanh"), K.layers.Dense(3, "softmax")])
    model.compile(K.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
