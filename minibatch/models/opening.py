"""The opening of a network: its first layers, which a batch goes through a few samples at a time in inference.

What image layers make of a whole batch is not in the processor's cache any more when the next layer reads it; what
they make of a few images is. Training has no use for that: there all of it is needed again.

A few are as many as the threads' caches hold together, and threads share the work of each layer. But an image that
fills a cache by itself goes through all layers in one thread: for what another thread has just written, maybe in
another part of the processor, is some times as long on the way as what lies in one's own cache.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from minibatch import memory
from minibatch.layers import ActivatedLayer, Layer, tiles, winograd
from minibatch.layers.activation import Activation
from minibatch.layers.conv import Conv
from minibatch.layers.noise import RandomLayer
from minibatch.layers.normalization import BatchNormalization
from minibatch.layers.pooling import Pooling
from minibatch.layers.preprocessing import Rescaling
from minibatch.layers.reshaping import Flatten, Reshape, ZeroPadding
from minibatch.parallel import each, threads
from minibatch.typing import Array

#: The bytes of a few samples' widest value, for each thread: what its own cache holds.
CACHE = 1 << 20

#: Layers in which, in inference, a sample's numbers are the same to the last bit however many others come along:
#: where compiled loops multiply, for BLAS has other orders for more rows.
KINDS = Conv, Pooling, Activation, BatchNormalization, RandomLayer, Rescaling, Flatten, Reshape, ZeroPadding

#: What a layer does in a pass.
METHODS = (
    *("forward", "linear", "linear_above", "pool"),
    *("backward", "linear_backward", "activation_backward", "pool_backward"),
)


def is_own(layer: Layer) -> bool:
    """Return whether all that a layer does in a pass is the library's own.

    What somebody derived from it, or put in its place, may take or keep something else.
    """
    kind: Any = type(layer)
    if not _is_here(kind) or not _methods(kind).isdisjoint(vars(layer)):
        return False
    if isinstance(layer, ActivatedLayer):
        function = layer.activation.function
        if not _is_here(getattr(function, "func", function)):
            return False
    return all(_is_here(getattr(kind, name)) for name in METHODS if hasattr(kind, name))


def _is_here(thing: Any) -> bool:
    return (getattr(thing, "__module__", None) or "").startswith("minibatch.")


@functools.cache
def _methods(kind: type) -> frozenset[str]:
    """Return the names of a class's methods: an instance that has one of these itself has had it replaced."""
    return frozenset(name for name in dir(kind) if callable(getattr(kind, name)))


class Opening(NamedTuple):
    """The first layers of a chain that may take a few samples at a time.

    They are of these ``KINDS``; and no kernel is larger than what it makes of a sample, for it is gone through each
    time.
    """

    layers: tuple[Layer, ...]
    #: How many numbers a sample is, where it is widest.
    widest: int

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> Self:
        """Return the opening of layers that are built and follow one another; it may have none.

        It ends where a sample is not half as wide as it was: what comes out of it is copied.
        """
        first = [*itertools.takewhile(_suits, layers)]
        while first:
            given = [math.prod(layer.output_shape or ()) for layer in first]
            widest = max(math.prod(first[0].input_shape), *given)
            if 2 * given[-1] <= widest:
                return cls(tuple(first), widest)
            first.pop()
        return cls((), 0)

    def few(self, x: Array) -> int:
        """Return how many samples to take at a time; 0 is all."""
        size = self.widest * x.itemsize
        most = max(1, threads() * (CACHE // size)) if self.layers else len(x)
        if len(x) <= most or not (tiles.at_hand() and all(map(is_own, self.layers))):
            return 0
        kinds = {weight.value.dtype for layer in self.layers for weight in layer.weights}
        if x.dtype.kind != "f" or kinds - {x.dtype}:  # what comes out may be of another type
            return 0
        return -(-len(x) // -(-len(x) // most))

    def forward(self, x: Array, few: int) -> Array:
        """Return what comes out for a batch, in inference mode."""
        y = memory.empty((len(x), *(self.layers[-1].output_shape or ())), x.dtype)
        transforms: winograd.Transforms = {}

        def take(start: int) -> None:
            part = x[start : start + few]
            with winograd.standing_kernels(transforms):
                for layer in self.layers:
                    part = layer.forward(part, training=False)[0]
            y[start : start + few] = part

        starts = range(0, len(x), few)
        if few == 1:
            each(take, starts)
        else:
            for start in starts:
                take(start)
        return y


def _suits(layer: Layer) -> bool:
    size = sum(math.prod(weight.shape) for weight in layer.weights)
    return isinstance(layer, KINDS) and size <= math.prod(layer.output_shape or ())


__all__ = ["Opening", "is_own"]
