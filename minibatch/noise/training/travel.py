"""Where a training has gone: the last update, and the way from the start."""

from __future__ import annotations

import math

import numpy as np

from minibatch.models import Model
from minibatch.noise.training.lazy import pieces
from minibatch.optimizers import SGD
from minibatch.parallel import together
from minibatch.typing import Array

#: Numbers of a piece of the way, some microseconds' work; of so many, others would come too late to share it.
FEW, SMALL = 1 << 16, 1 << 18


class Travel:
    """The weights' way, seen at the end of each step.

    Parameters
    ----------
    model : Model
        As it is when the training begins.

    Attributes
    ----------
    start : ndarray, shape (D,)
        theta when the training began.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.start: Array = self.theta.copy()
        self._before: Array | None = None
        self._update: Array | None = None
        self._found = np.zeros((0, 2))

    @property
    def theta(self) -> Array:
        """The weights now."""
        return self.model.parameters.theta

    def is_plain(self) -> bool:
        """Return whether the update is -lr g_B and nothing else: plain SGD that moves all weights."""
        o = self.model.optimizer
        if type(o) is not SGD or o.momentum or o.weight_decay or o.use_ema or o.gradient_accumulation_steps:
            return False
        if o.clipnorm or o.clipvalue or o.global_clipnorm:
            return False
        active = sum(place.stop - place.start for place in self.model.active_slices().values())
        return int(active) == self.theta.size

    def before_update(self) -> None:
        """Remember the weights before the optimizer moves them: where the update is not known without."""
        self._before = _copied(self._before, self.theta)

    def after_update(self, wants_distance: bool, wants_update: bool) -> tuple[float, float]:
        """Return (|theta - start|, |theta - theta before|) after the step; NaN where it is not wanted."""
        theta, before = self.theta, self._before
        first = self.start if wants_distance else before
        assert first is not None
        few = FEW if theta.size >= SMALL else theta.size
        rows = -(-theta.size // few) + 1
        if len(self._found) != rows:
            self._found = np.zeros((rows, 2))
        to = before if wants_update and before is not None else theta[:0]
        together(pieces().distances, (theta.size, few), theta, first, to, self._found)
        distance2, update2 = self._found[-1].tolist()
        return (
            math.sqrt(distance2) if wants_distance else math.nan,
            math.sqrt(update2) if wants_update else math.nan,
        )

    def update(self) -> Array:
        """Return theta - theta before, (D,): the next call writes over it."""
        assert self._before is not None
        self._update = np.subtract(self.theta, self._before, out=_like(self._update, self.theta))
        return self._update


def _like(memory: Array | None, vector: Array) -> Array:
    return memory if memory is not None and memory.shape == vector.shape else np.empty_like(vector)


def _copied(memory: Array | None, vector: Array) -> Array:
    memory = _like(memory, vector)
    memory[...] = vector
    return memory
