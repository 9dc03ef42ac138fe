"""Where a training has gone: the last update, the way from the start, and what alpha asks of a step's two ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minibatch.models import Model
from minibatch.noise.training.lazy import kernels, pieces
from minibatch.noise.training.parabola import Slope, alpha
from minibatch.noise.training.samples import Samples
from minibatch.optimizers import SGD
from minibatch.parallel import together
from minibatch.typing import Array

#: Numbers of a piece of the way, some microseconds' work; of so many, others would come too late to share it.
FEW, SMALL = 1 << 16, 1 << 18


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
        self._found = np.zeros((0, 2))
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

    # Alpha --------------------------------------------------------------------------------------------------

    def step_begins(self, number: int, length: float, start: Slope) -> None:
        """Begin a step along -g_B; ``start`` is what its batch says of its beginning."""
        self.open, self.along_gradient = (number, length, start), True

    def step_begins_after_update(self, number: int, loss: float, variance: float, samples: Samples) -> None:
        """Remember a step's beginning when it is over, where only its end shows where it went.

        ``variance`` is that of the samples' losses.
        """
        assert self._before is not None
        self._update = np.subtract(self.theta, self._before, out=_like(self._update, self.theta))
        length = float(np.linalg.norm(self._update))
        self.step_begins(number, length, Slope(loss, variance, *self._along(samples, length)))
        self.along_gradient = False

    def along_update(self, samples: Samples) -> tuple[float, float]:
        """Return mean and variance of g_i . d / |d| for the samples of the step after the update d."""
        assert self.open is not None
        return self._along(samples, self.open[1])

    def _along(self, samples: Samples, length: float) -> tuple[float, float]:
        assert self._update is not None
        along = samples.times(self._update) / length if length > 0 else np.zeros(samples.batch_size)
        spread: tuple[float, float] = kernels().mean_and_variance(along)
        return spread

    def step_ends(self, end: Slope) -> tuple[int, float]:
        """Return (the step's number, its alpha), now that its end is known."""
        assert self.open is not None
        number, length, start = self.open
        self.open = None
        return number, alpha(length, start, end)

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


def _like(memory: Array | None, vector: Array) -> Array:
    return memory if memory is not None and memory.shape == vector.shape else np.empty_like(vector)


def _copied(memory: Array | None, vector: Array) -> Array:
    memory = _like(memory, vector)
    memory[...] = vector
    return memory


def losses_of_samples(model: Model, targets: Any, outputs: Any, caches: Any, weights: Any) -> Array:
    """Return l_i for the samples of a batch, (B,) float64: with its weight, summed over the outputs."""
    total: Any = None
    for head, y, output, w in zip(model.objective.heads, targets, outputs, weights, strict=True):
        if head.loss is None:
            continue
        loss, prediction = head.view(output, caches)
        each, _ = loss.both(y, prediction, output if head.on_logits else None, differentiate=False)
        if each.ndim != 1:
            each = each.reshape(len(each), -1).mean(axis=1)
        if w is not None:
            each = each * np.asarray(w).reshape(-1)
        if head.weight != 1:
            each = head.weight * each
        total = each if total is None else total + each
    return np.asarray(total, dtype=np.float64)
