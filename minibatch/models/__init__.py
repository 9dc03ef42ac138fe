"""Models: layers over one parameter vector, trained (``keras.models``)."""

from minibatch.models.model import Model
from minibatch.models.parameters import Parameters
from minibatch.models.sequential import Sequential

__all__ = ["Model", "Parameters", "Sequential"]
