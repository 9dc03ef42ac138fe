"""Layers: the maths of the forward pass beside that of the backward pass (``keras.layers``)."""

from __future__ import annotations

from typing import Any

from minibatch.layers.activated import ActivatedLayer
from minibatch.layers.activation import Activation, Softmax
from minibatch.layers.augmentation import RandomFlip, RandomTranslation
from minibatch.layers.conv import Conv1D, Conv2D, Convolution1D, Convolution2D
from minibatch.layers.dense import Dense
from minibatch.layers.dropout import Dropout
from minibatch.layers.embedding import Embedding
from minibatch.layers.global_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
)
from minibatch.layers.input import Input, InputLayer
from minibatch.layers.layer import Layer
from minibatch.layers.layer_normalization import LayerNormalization
from minibatch.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from minibatch.layers.noise import GaussianNoise
from minibatch.layers.normalization import BatchNormalization
from minibatch.layers.not_here import NOT_HERE
from minibatch.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AvgPool1D,
    AvgPool2D,
    MaxPool1D,
    MaxPool2D,
    MaxPooling1D,
    MaxPooling2D,
)
from minibatch.layers.preprocessing import Normalization, Rescaling
from minibatch.layers.rectifiers import ELU, LeakyReLU, PReLU, ReLU
from minibatch.layers.recurrent import SimpleRNN
from minibatch.layers.reshaping import Flatten, Reshape, ZeroPadding1D, ZeroPadding2D
from minibatch.layers.separable import DepthwiseConv2D, SeparableConv2D, SeparableConvolution2D
from minibatch.layers.upsampling import UpSampling1D, UpSampling2D
from minibatch.layers.weight import Weight


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "ELU",
    "ActivatedLayer",
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNormalization",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Convolution1D",
    "Convolution2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "RandomFlip",
    "RandomTranslation",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "Softmax",
    "Subtract",
    "UpSampling1D",
    "UpSampling2D",
    "Weight",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "add",
    "average",
    "concatenate",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
