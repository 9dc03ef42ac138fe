"""Layers: the maths of the forward pass beside that of the backward pass (``keras.layers``)."""

from minibatch.layers.activation import Activation
from minibatch.layers.conv import Conv2D
from minibatch.layers.dense import Dense
from minibatch.layers.dropout import Dropout
from minibatch.layers.input import Input, InputLayer
from minibatch.layers.layer import ActivatedLayer, Layer
from minibatch.layers.pooling import MaxPooling2D
from minibatch.layers.reshaping import Flatten
from minibatch.layers.weight import Weight

__all__ = [
    "ActivatedLayer",
    "Activation",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "Input",
    "InputLayer",
    "Layer",
    "MaxPooling2D",
    "Weight",
]
