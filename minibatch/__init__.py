"""minibatch: what does the batch size do?

Mini-batch SGD from scratch in NumPy, exact and measured, with the names and numbers of Keras:

>>> import minibatch as mb
>>> model = mb.Sequential([mb.Input((64,)), mb.layers.Dense(32, "relu"), mb.layers.Dense(10, "softmax")])
>>> model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from minibatch import (
    activations,
    batching,
    callbacks,
    config,
    data,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    saving,
    utils,
)
from minibatch.batching import Batches
from minibatch.initializers import Initializer
from minibatch.layers import Input, Layer
from minibatch.losses import Loss
from minibatch.metrics import Metric
from minibatch.models import Model, Sequential
from minibatch.not_here import NOT_HERE
from minibatch.optimizers import Optimizer
from minibatch.regularizers import Regularizer

if TYPE_CHECKING:
    from minibatch import noise, plots

__version__ = "0.1.0"

#: Rooms that a training script does not need, loaded when first asked for.
_LAZY = ("noise", "plots")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"minibatch.{name}")
    raise NOT_HERE.attribute_error(name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Batches",
    "Initializer",
    "Input",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "activations",
    "batching",
    "callbacks",
    "config",
    "data",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "noise",
    "optimizers",
    "plots",
    "regularizers",
    "saving",
    "utils",
]
