"""Models: layers over one parameter vector, trained (``keras.models``)."""

from minibatch.models.archive import save_model
from minibatch.models.loading import clone_model, load_model, model_from_config, model_from_json
from minibatch.models.model import Model
from minibatch.models.parameters import Parameters
from minibatch.models.sequential import Sequential

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
