"""A model's parameters as one vector."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, NamedTuple, Self

from minibatch import config
from minibatch.layers import Weight
from minibatch.memory import aligned
from minibatch.typing import Array


class Parameters:
    """The vector theta of a model, and its gradient laid out alike.

    The weights' numbers are copied in, one weight after the other; from then on each weight's ``value`` and
    ``gradient`` are views of these vectors. So a gradient is a point that can be projected, compared and drawn, an
    optimizer is a few operations on vectors, and a checkpoint is one array.

    Parameters
    ----------
    weights : sequence of Weight
        The trainable ones go into ``theta``; what layers keep up to date themselves (moving averages), into
        ``state``.

    Attributes
    ----------
    theta, gradient : ndarray, shape (D,)
    state : ndarray, shape (S,)
    slices : dict of Weight to slice
        Where each trainable weight lies in ``theta``.
    """

    #: How many of these there have been.
    made: ClassVar[int] = 0

    def __init__(self, weights: Sequence[Weight]) -> None:
        Parameters.made += 1
        dtype = weights[0].value.dtype if weights else config.floatx()
        self.slices = _places([w for w in weights if w.trainable])
        others = _places([w for w in weights if not w.trainable])
        self.theta: Array = aligned(_total(self.slices), dtype)
        self.gradient: Array = aligned(_total(self.slices), dtype)
        self.gradient.fill(0)
        self.state: Array = aligned(_total(others), dtype)
        for weight, piece in self.slices.items():
            _move(weight, self.theta[piece])
            weight.gradient = self.gradient[piece].reshape(weight.shape)
        for weight, piece in others.items():
            _move(weight, self.state[piece])

    def holds(self, weights: Sequence[Weight]) -> bool:
        """Return whether these weights' numbers are still in these vectors.

        They are not after another model gathered some of them, by sharing a layer.
        """
        return all(w.value.base is (self.theta if w.trainable else self.state) for w in weights)


class Division(NamedTuple):
    """Where the weights lie that training moves, and where the others do: their gradient is 0."""

    parameters: Parameters
    active: dict[Weight, slice]
    still: dict[Weight, slice]
    #: ``Parameters.made`` at the time: while it stays, no weight has moved into another vector.
    made: int

    @classmethod
    def of(cls, parameters: Parameters, moving: Collection[Weight]) -> Self:
        """Return the division in which these weights move."""
        active = {weight: place for weight, place in parameters.slices.items() if weight in moving}
        still = {weight: place for weight, place in parameters.slices.items() if weight not in moving}
        return cls(parameters, active, still, Parameters.made)


def _places(weights: Sequence[Weight]) -> dict[Weight, slice]:
    places, start = {}, 0
    for weight in weights:
        places[weight] = slice(start, start + weight.value.size)
        start += weight.value.size
    return places


def _total(places: dict[Weight, slice]) -> int:
    return max((piece.stop for piece in places.values()), default=0)


def _move(weight: Weight, piece: Array) -> None:
    shape = weight.shape
    piece[...] = weight.value.reshape(-1)
    weight.value = piece.reshape(shape)
