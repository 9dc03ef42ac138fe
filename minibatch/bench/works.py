"""The works that are timed: a network, its data, its optimizer, in plain numbers that every library can read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minibatch.typing import Array


@dataclass(frozen=True)
class Conv:
    """A convolution of 3 x 3, stride 1, with ReLU."""

    filters: int
    padding: str = "valid"


@dataclass(frozen=True)
class Pool:
    """Max pooling of 2 x 2."""


@dataclass(frozen=True)
class Dropout:
    """Dropout of a fraction ``rate``."""

    rate: float


@dataclass(frozen=True)
class Dense:
    """A dense layer with ReLU; the last of a network is without it, and its softmax goes with the loss."""

    units: int


Layer = Conv | Pool | Dropout | Dense


@dataclass(frozen=True)
class Work:
    """A network to train on made-up data: softmax at the end, sparse cross-entropy, accuracy.

    Attributes
    ----------
    title : str
    sample : tuple of int
        The shape of one sample.
    layers : tuple
        Samples are flattened before the first dense layer.
    batch_size, steps : int
        ``steps`` batches are an epoch, and one turn of the clock.
    optimizer : {"sgd", "adam"}
    learning_rate : float
    """

    title: str
    sample: tuple[int, ...]
    layers: tuple[Layer, ...]
    batch_size: int
    steps: int
    optimizer: str = "sgd"
    learning_rate: float = 0.01

    @property
    def classes(self) -> int:
        """How many there are: the units of the last layer."""
        last = self.layers[-1]
        assert isinstance(last, Dense)
        return last.units

    def shapes(self) -> list[tuple[Layer, tuple[int, ...], tuple[int, ...]]]:
        """Return, for each layer, (layer, the shape of a sample before it, the shape after it)."""
        rows, shape = [], self.sample
        for layer in self.layers:
            before = shape
            if isinstance(layer, Conv):
                less = 2 if layer.padding == "valid" else 0
                shape = (before[0] - less, before[1] - less, layer.filters)
            elif isinstance(layer, Pool):
                shape = (before[0] // 2, before[1] // 2, before[2])
            elif isinstance(layer, Dense):
                before = (math.prod(before),)
                shape = (layer.units,)
            rows.append((layer, before, shape))
        return rows

    def data(self) -> tuple[Array, Array]:
        """Return (x, y): ``steps`` batches of normal numbers, and classes that they decide."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.steps * self.batch_size, *self.sample), dtype=np.float32)
        few = x.reshape(len(x), -1)[:, :64]
        y = (few @ rng.standard_normal((few.shape[1], self.classes), dtype=np.float32)).argmax(axis=1)
        return x, y

    def weights(self) -> list[Array]:
        """Return the weights that every library begins with: kernel and bias of each layer, in Keras's layout."""
        rng = np.random.default_rng(1)
        weights: list[Array] = []
        for layer, before, after in self.shapes():
            if isinstance(layer, Conv | Dense):
                shape = (3, 3, before[2], after[2]) if isinstance(layer, Conv) else (before[0], after[0])
                fans = math.prod(shape[:-1]) + math.prod(shape[:-2]) * shape[-1]
                kernel = rng.uniform(-1, 1, shape) * math.sqrt(6 / fans)
                weights += [kernel.astype(np.float32), np.zeros(shape[-1], np.float32)]
        return weights


def mlp(inputs: int, hidden: int, classes: int, batch_size: int, steps: int, depth: int = 1) -> Work:
    """Return a network of dense layers, trained by SGD."""
    layers = (*(Dense(hidden) for _ in range(depth)), Dense(classes))
    title = f"MLP {inputs}-{'-'.join([str(hidden)] * depth)}-{classes}, batch {batch_size}, SGD"
    return Work(title, (inputs,), layers, batch_size, steps)


def cnn(extent: int, classes: int, steps: int, batch_size: int = 32) -> Work:
    """Return the convolutional network of Keras's CIFAR-10 example, trained by Adam."""
    layers = (
        *(Conv(32, "same"), Conv(32), Pool(), Dropout(0.25)),
        *(Conv(64, "same"), Conv(64), Pool(), Dropout(0.25)),
        *(Dense(512), Dropout(0.5), Dense(classes)),
    )
    title = f"CNN {extent} x {extent} x 3, {classes} classes, batch {batch_size}, Adam"
    return Work(title, (extent, extent, 3), layers, batch_size, steps, "adam", 0.001)


WORKS: dict[str, Work] = {
    "mlp-small": mlp(20, 32, 2, batch_size=24, steps=500),
    "mlp-large": mlp(784, 512, 10, batch_size=32, steps=100),
    "cnn-32": cnn(32, 10, steps=16),
    "cnn-100": cnn(100, 6, steps=2),
}


def work_of(described: str) -> Work:
    """Return one of ``WORKS`` by its name, or what "mlp 784 512 10 32 200 1" or "cnn 32 10 16 32" asks to make.

    The numbers are the arguments of ``mlp`` and ``cnn``.

    >>> work_of("mlp 20 32 2 24 500") == WORKS["mlp-small"]
    True
    """
    if described in WORKS:
        return WORKS[described]
    maker, *numbers = described.split()
    makers: dict[str, Callable[..., Work]] = {"mlp": mlp, "cnn": cnn}
    return makers[maker](*map(int, numbers))
