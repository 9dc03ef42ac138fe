"""Models as files (``keras.saving``). What is here lives in ``minibatch.models``."""

from minibatch.models.archive import load_weights, save_model, save_weights
from minibatch.models.loading import load_model

__all__ = ["load_model", "load_weights", "save_model", "save_weights"]
