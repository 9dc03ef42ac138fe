"""Alpha of one step after another: a step's batch says how it begins, and the next one's how it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minibatch.noise.training.lazy import kernels
from minibatch.noise.training.parabola import Slope, alpha
from minibatch.noise.training.samples import Samples
from minibatch.noise.training.step import Step
from minibatch.typing import Array


class Alpha:
    """What is known of a step until its end is seen.

    Attributes
    ----------
    open : (int, float, Slope) or None
        The step whose end is awaited: its number, its length, and its beginning.
    update : ndarray, shape (D,), or None
        Where that step went; None if along -g_B: then the products with it are those with the gradient.
    """

    def __init__(self) -> None:
        self.open: tuple[int, float, Slope] | None = None
        self.update: Array | None = None

    @property
    def awaits_product(self) -> bool:
        """Whether the end of the open step asks for the products with its gradient."""
        return self.open is not None and self.update is None

    def begins(self, step: Step, rate: float, update: Array | None) -> None:
        """Begin with a step that was just made: along its update (D,), or None where that is -rate g_B."""
        if update is None:
            assert step.sums is not None
            of_gradient = math.sqrt(step.norm2) if step.norm2 >= 0 else math.nan
            length, along = rate * of_gradient, _downhill(step.norm2, step.sums.along_variance, of_gradient)
        else:
            assert step.samples is not None
            length = float(np.linalg.norm(update))
            along = _along(step.samples, update, length)
        self.update = update
        self.open = step.due.number, length, Slope(step.loss, step.loss_variance, *along)

    def ends(self, step: Step) -> tuple[int, float]:
        """Return (the open step's number, its alpha): its end is where ``step`` begins."""
        assert self.open is not None
        number, length, start = self.open
        if self.update is None:
            assert step.kept is not None
            assert step.sums is not None
            assert step.sums.kept is not None
            along = _downhill(*step.sums.kept, math.sqrt(max(step.kept.norm2, 0.0)))
        else:
            assert step.samples is not None
            along = _along(step.samples, self.update, length)
        self.open = None
        return number, alpha(length, start, Slope(step.loss, step.loss_variance, *along))

    def state_dict(self) -> dict[str, Any]:
        """Return what a training taken up again needs."""
        opened = None if self.open is None else [*self.open[:2], *self.open[2]]
        return {"open": opened, "update": self.update if opened else None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state_dict`` returned."""
        opened, update = state["open"], state["update"]
        self.open = None if opened is None else (int(opened[0]), float(opened[1]), Slope(*map(float, opened[2:])))
        self.update = None if update is None else np.array(update)


def _downhill(mean: float, variance: float, length: float) -> tuple[float, float]:
    """Return mean and variance of g_i . d / |d|, d = -lr g, from those of g_i . g and |g|."""
    return (-mean / length, variance / length**2) if length > 0 else (0.0, 0.0)


def _along(samples: Samples, update: Array, length: float) -> tuple[float, float]:
    """Return mean and variance of g_i . d / |d|, d the update."""
    along = samples.times(update) / length if length > 0 else np.zeros(samples.batch_size)
    spread: tuple[float, float] = kernels().mean_and_variance(along)
    return spread
