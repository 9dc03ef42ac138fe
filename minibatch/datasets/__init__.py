"""Data that ship with the library, loaded as Keras loads its own (``keras.datasets``)."""

from minibatch.datasets import digits

__all__ = ["digits"]
