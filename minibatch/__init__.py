"""minibatch: what does the batch size do?

Mini-batch SGD from scratch in NumPy, exact and measured, with the names and numbers of Keras:

>>> import minibatch as mb
>>> model = mb.Sequential([mb.Input((64,)), mb.layers.Dense(32, "relu"), mb.layers.Dense(10, "softmax")])
>>> model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minibatch import (
        activations,
        backend,
        batching,
        callbacks,
        compare,
        config,
        data,
        datasets,
        initializers,
        layers,
        losses,
        metrics,
        models,
        noise,
        optimizers,
        plots,
        preprocessing,
        regularizers,
        saving,
        study,
        utils,
    )
    from minibatch.batching import Batches
    from minibatch.initializers import Initializer
    from minibatch.layers import Input, Layer
    from minibatch.losses import Loss
    from minibatch.metrics import Metric
    from minibatch.models import Model, Sequential
    from minibatch.optimizers import Optimizer
    from minibatch.regularizers import Regularizer

__version__ = "0.1.0"

#: What stands here beside the rooms, and the room that it is from. Rooms are loaded when first asked for: a script
#: that trains needs few of them, and one that asks for the version none.
_FROM = {
    "Batches": "batching",
    "Initializer": "initializers",
    "Input": "layers",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "NOT_HERE": "not_here",
    "Optimizer": "optimizers",
    "Regularizer": "regularizers",
    "Sequential": "models",
}


def __getattr__(name: str) -> Any:
    if name in _FROM:
        item = getattr(importlib.import_module(f"minibatch.{_FROM[name]}"), name)
        globals()[name] = item
        return item
    if name in __all__:
        return importlib.import_module(f"minibatch.{name}")
    raise __getattr__("NOT_HERE").attribute_error(name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Elsewhere:
    """What ``import`` asks last, for a module that nobody found: of one that Keras has this says what is here."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        package, _, asked = name.rpartition(".")
        if package.partition(".")[0] == __name__:
            table = getattr(sys.modules.get(package), "NOT_HERE", None)
            if explained := table and table.explain(asked):
                raise ModuleNotFoundError(explained, name=name)


sys.meta_path.append(_Elsewhere)


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
    "backend",
    "batching",
    "callbacks",
    "compare",
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
    "preprocessing",
    "regularizers",
    "saving",
    "study",
    "utils",
]
