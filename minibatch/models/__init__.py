"""Models: layers over one parameter vector, trained (``keras.models``)."""

from __future__ import annotations

from typing import Any

from minibatch.models.archive import save_model
from minibatch.models.loading import clone_model, load_model, model_from_config, model_from_json
from minibatch.models.model import Model
from minibatch.models.parameters import Parameters
from minibatch.models.sequential import Sequential
from minibatch.utils.names import NotHere

NOT_HERE = NotHere("models", {}, {"model_from_yaml": "model_from_json"})


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "Model",
    "Parameters",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_config",
    "model_from_json",
    "save_model",
]
