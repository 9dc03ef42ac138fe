"""Small tools under Keras's names (``keras.utils``)."""

from minibatch.utils.categorical import to_categorical
from minibatch.utils.random import set_random_seed

__all__ = ["set_random_seed", "to_categorical"]
