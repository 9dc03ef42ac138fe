from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import keras
from parity.layer_twins import same_config, same_layer

import minibatch as mb


def test_outside_training_both_are_the_identity(rng: np.random.Generator) -> None:
    same_layer(*(lib.layers.GaussianNoise(0.5) for lib in (keras, mb)), rng.normal(size=(4, 3)))


def test_the_same_distribution() -> None:
    x = np.zeros((300, 300), "float32")
    for lib in (keras, mb):
        y = np.asarray(lib.layers.GaussianNoise(0.5, seed=2)(x, training=True))
        assert y.mean() == pytest.approx(0, abs=0.008)
        assert y.std() == pytest.approx(0.5, abs=0.006)
        assert np.mean(y**4) / y.var() ** 2 == pytest.approx(3, abs=0.1)  # a normal's kurtosis


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("GaussianNoise", {"stddev": 0.1}),
        ("GaussianNoise", {"stddev": 0.0, "seed": 3}),
        ("RandomFlip", {}),
        ("RandomFlip", {"mode": "vertical", "seed": 3}),
        ("RandomTranslation", {"height_factor": 0.1, "width_factor": (-0.2, 0.3)}),
        (
            "RandomTranslation",
            {
                "height_factor": 0,
                "width_factor": 1,
                "fill_mode": "wrap",
                "interpolation": "nearest",
                "fill_value": 2.0,
            },
        ),
    ],
)
def test_configurations(kind: str, arguments: dict[str, Any]) -> None:
    layers = [getattr(lib.layers, kind)(**arguments) for lib in (keras, mb)]
    same_config(*layers)
    assert layers[0].get_config()["seed"] == layers[1].get_config()["seed"]
