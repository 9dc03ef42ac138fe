"""Where a training has gone: the last update, the way from the start, and what alpha asks of a step's two ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minibatch.models import Model
from minibatch.noise.training.lazy import kernels
from minibatch.noise.training.parabola import Slope, alpha
from minibatch.noise.training.samples import Samples
from minibatch.optimizers import SGD
from minibatch.typing import Array


class Travel:
    """The weights' way, seen at the end of each step, and the losses along the last update.

    Parameters
    ----------
    model : Model

    Attributes
    ----------
    start : ndarray or None
        theta when the training began, once ``begin`` has been called.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.start: Array | None = None
        self._before: Array | None = None
        self._update: Array | None = None
        self._scratch: Array | None = None
        #: The step that alpha is waiting for the end of: its number and length, and the slope at its beginning.
        self.open: tuple[int, float, Slope] | None = None
        #: Whether that step went along -g_B, so that the products with it are those with the gradient.
        self.along_gradient = False

    @property
    def theta(self) -> Array:
        """The weights now."""
        return self.model.parameters.theta

    def begin(self) -> None:
        """Remember where the training begins."""
        self.start = self.theta.copy()
        self.open = None

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
        if wants_update:
            assert self._before is not None
            first = self.start if wants_distance and self.start is not None else self._before
            distance2, update2 = kernels().distances2(self.theta, first, self._before)
            return math.sqrt(distance2) if wants_distance else math.nan, math.sqrt(update2)
        assert self.start is not None
        return (math.sqrt(kernels().distance2(self.theta, self.start)) if wants_distance else math.nan), math.nan

    # Alpha --------------------------------------------------------------------------------------------------

    def step_begins(self, number: int, length: float, losses: Array, loss: float, along: Array) -> None:
        """Begin a step along -g_B: ``along`` (B,) is g_i . d / |d|, ``losses`` (B,) the samples'."""
        self.open, self.along_gradient = (number, length, _slope(loss, losses, along)), True

    def step_begins_after_update(self, number: int, losses: Array, loss: float, samples: Samples) -> None:
        """Remember a step's beginning when it is over, where only its end shows where it went."""
        assert self._before is not None
        self._update = np.subtract(self.theta, self._before, out=_like(self._update, self.theta))
        length = float(np.linalg.norm(self._update))
        along = samples.times(self._update) / length if length > 0 else np.zeros(samples.batch_size)
        self.step_begins(number, length, losses, loss, along)
        self.along_gradient = False

    def along_update(self, samples: Samples) -> Array:
        """Return g_i . d / |d| for the samples of the step after the update d, (B,)."""
        assert self._update is not None
        assert self.open is not None
        length = self.open[1]
        return samples.times(self._update) / length if length > 0 else np.zeros(samples.batch_size)

    def step_ends(self, losses: Array, loss: float, along: Array) -> tuple[int, float]:
        """Return (the step's number, its alpha), now that the loss at its end is known."""
        assert self.open is not None
        number, length, start = self.open
        self.open = None
        return number, alpha(length, start, _slope(loss, losses, along))

    # What it keeps ------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return what a training taken up again needs."""
        opened = None
        if self.open is not None:
            number, length, slope = self.open
            opened = [number, length, slope.value, slope.variance, slope.slope, slope.slope_variance]
        update = self._update if opened and not self.along_gradient else None
        return {"start": self.start, "update": update, "open": opened}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` returned."""
        self.start = None if state["start"] is None else np.array(state["start"])
        self._update = None if state["update"] is None else np.array(state["update"])
        opened = state["open"]
        self.open = None if opened is None else (int(opened[0]), float(opened[1]), Slope(*map(float, opened[2:])))
        self.along_gradient = self._update is None


def _slope(loss: float, losses: Array, along: Array) -> Slope:
    """Return what a batch says of the loss at one point; a batch of one sample has no variances: NaN."""
    spread = kernels().mean_and_variance
    return Slope(loss, spread(losses)[1], *spread(along))


def _like(memory: Array | None, vector: Array) -> Array:
    return memory if memory is not None and memory.shape == vector.shape else np.empty_like(vector)


def _copied(memory: Array | None, vector: Array) -> Array:
    memory = _like(memory, vector)
    memory[...] = vector
    return memory


def losses_of_samples(model: Model, targets: Any, outputs: Any, caches: Any, weights: Any) -> Array:
    """Return l_i for the samples of a batch, (B,) float64: with its weight, summed over the outputs."""
    total: Any = 0.0
    for head, y, output, w in zip(model.objective.heads, targets, outputs, weights, strict=True):
        if head.loss is not None:
            loss, prediction = head.view(output, caches)
            each, _ = loss.both(y, prediction, output if head.on_logits else None, differentiate=False)
            each = each if each.ndim == 1 else each.reshape(len(each), -1).mean(axis=1)
            total = total + head.weight * (each if w is None else each * np.asarray(w).reshape(-1))
    return np.asarray(total, dtype=np.float64)
