"""How a step is measured: in its own backward pass, or on samples held apart."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from minibatch.callbacks.callback import Callback
from minibatch.layers import Layer
from minibatch.layers.layer import Cache
from minibatch.models.feed import Batch, Feed
from minibatch.models.watcher import Watcher
from minibatch.noise.per_sample import count
from minibatch.noise.training import aside
from minibatch.noise.training.elementwise import EPSILON
from minibatch.noise.training.kept import Kept
from minibatch.noise.training.lazy import kernels
from minibatch.noise.training.parabola import Slope
from minibatch.noise.training.plan import SINGLE, SPREAD, Plan
from minibatch.noise.training.quantities import cosine
from minibatch.noise.training.record import Record
from minibatch.noise.training.samples import DenseLayers, Samples
from minibatch.noise.training.step import Step, measure
from minibatch.noise.training.travel import Travel, losses_of_samples
from minibatch.typing import Array

OF_SINGLE, OF_SPREAD, HISTOGRAMS = frozenset(SINGLE), frozenset(SPREAD), frozenset({"histogram", "histogram_2d"})


class Measuring(Callback, Watcher):
    """What ``GradientNoise`` does between the beginning of a step and its end.

    Parameters
    ----------
    plan : Plan
    population, estimator : str
        See ``GradientNoise``.
    """

    record: Record
    travel: Travel

    def __init__(self, plan: Plan, population: str, estimator: str) -> None:
        super().__init__()
        self.plan, self.population, self.estimator = plan, population, estimator
        self.epsilon = EPSILON
        self._feed: Feed | None = None
        #: The samples to measure on, if not the batch; and those of the full gradient.
        self._reference: Batch | None = None
        self._full: list[Batch] | Feed | None = None
        self._dense: DenseLayers = {}
        self._size = 0
        self._plain = False
        self._forget()

    def _forget(self) -> None:
        """Begin anew."""
        self.step = 0
        self._without_samples = False
        self._memory: dict[Any, Any] = {}
        self._previous: Kept | None = None
        self._wanted: frozenset[str] = frozenset()
        self._opens = self._keeps = self._collects = False
        #: Of the step under way.
        self._samples: Samples | None = None
        self._measured: Step | None = None
        self._values: dict[str, float] = {}
        #: The variance of the samples' losses.
        self._loss_variance = math.nan
        self._late: tuple[int, float] | None = None

    def visit(self, layer: Layer, dy: Array, cache: Cache) -> None:
        if self._collects and self._reference is None:
            self._collect(layer, dy, cache)

    def _collect(self, layer: Layer, dy: Array, cache: Cache) -> None:
        if self._samples is None:
            copied = None
            if self._opens and self._plain:  # the next step asks for these samples' gradients again
                self._previous = self._previous or Kept()
                copied = self._previous.copied
            self._samples = Samples(self.model, len(dy), self._dense, copied)
        try:
            self._samples.visit(layer, dy, cache)
        except TypeError as error:
            self._go_on_without_samples(str(error))

    def _go_on_without_samples(self, why: str) -> None:
        """Leave out, from now on, what needs the gradients of single samples: they do not exist."""
        lost = OF_SINGLE | (OF_SPREAD if self.estimator == "samples" else frozenset())
        self._leave_out([name for name in self.plan.intervals if name in lost], why, TypeError)
        self._without_samples, self._collects, self._samples = True, False, None
        self._wanted -= lost
        self._opens = False

    def _leave_out(self, names: Sequence[str], why: str, error: type[Exception]) -> None:
        if not names:
            return
        if self.plan.by_name:
            raise error(f"GradientNoise cannot measure {', '.join(names)}: {why}")
        warnings.warn(f"GradientNoise leaves out {', '.join(names)}: {why}", stacklevel=2)
        self.plan = self.plan.without(names)
        self._wanted -= set(names)

    def differentiated(self, batch: Batch, outputs: Sequence[Array], caches: list[Cache], loss: float) -> None:
        if self._reference is None:
            self._measure(batch, outputs, caches, loss, self.model.parameters.gradient)
            return
        with aside.untouched(self.model):
            batch = self._reference
            watch = self._collect if self._collects else None
            loss, outputs, caches = aside.differentiate(self.model, batch, training=False, watch=watch)
            gradient = self.model.parameters.gradient.copy()
        self._measure(batch, outputs, caches, loss, gradient)

    def _measure(
        self, batch: Batch, outputs: Sequence[Array], caches: list[Cache], loss: float, gradient: Array
    ) -> None:
        model, samples, wanted = self.model, self._samples, self._wanted
        if samples is not None:
            samples.finish()
        n_samples = self._n_samples(count(batch))
        step = Step(count(batch), loss, gradient, samples, n_samples=n_samples, size=self._size)
        if self._reference is None and self.estimator != "samples":
            step.halves = lambda: aside.mean_norm2_of_halves(model, batch)
        self._measured = step
        alpha_of_plain = self._plain and samples is not None
        if self.travel.open is not None and self.travel.along_gradient and samples is not None:
            step.kept = self._previous
        step.needs_norm2 = self._keeps or not wanted <= {"loss", "batch_size", "distance"}
        self._values = measure(step, wanted, self.record.averages, self._memory, self.epsilon)
        if (self._opens or self.travel.open is not None) and samples is not None:
            losses = losses_of_samples(model, batch.targets, outputs, caches, batch.weights)
            self._loss_variance = kernels().mean_and_variance(losses)[1]
        self._look_back(step, alpha_of_plain)
        if "cosine_to_full" in wanted:
            self._compare_with_full(step)
        if samples is not None and math.isfinite(step.norm2) and not wanted.isdisjoint(HISTOGRAMS):
            one, two = "histogram" in wanted, "histogram_2d" in wanted
            self.record.histograms.add(self.step, samples, model.parameters.theta, one, two)
        if not self._plain and (self._opens or "update_size" in wanted):
            self.travel.before_update()

    def _look_back(self, step: Step, alpha_of_plain: bool) -> None:
        """Compare with the step before, and keep what the step after will compare with."""
        kept, samples, travel = self._previous, step.samples, self.travel
        product = None
        if travel.open is not None and samples is not None:
            if kept is not None and step.sums is not None and step.sums.kept is not None:
                product, variance = step.sums.kept
                along = _along_step(product, variance, math.sqrt(max(kept.norm2, 0.0)))
            else:
                along = travel.along_update(samples)
            self._late = travel.step_ends(Slope(step.loss, self._loss_variance, *along))
        if "cosine_to_previous" in self._wanted and kept is not None and kept.step == self.step - 1 > 0:
            if product is None:
                product = kept.product(step.gradient, samples)
            self._values["cosine_to_previous"] = cosine(product, step.norm2, kept.norm2)
        if self._keeps or (self._opens and alpha_of_plain):
            self._previous = self._previous or Kept()
            factors = samples if self._opens and alpha_of_plain else None
            self._previous.keep(self.step, step.gradient, step.norm2, factors)

    def _compare_with_full(self, step: Step) -> None:
        assert self._full is not None
        G = aside.full_gradient(self.model, self._full)
        product = float(np.dot(step.gradient.astype(np.float64), G))
        self._values["cosine_to_full"] = cosine(product, step.norm2, float(G @ G))

    def _n_samples(self, batch_size: int) -> float:
        """Return N, where the batches are drawn from so many samples without replacement."""
        batches = self._feed.batches if self._feed is not None else None
        if self.population == "infinite" or batches is None or batches.shuffle == "replacement":
            return math.inf
        return float(max(batches.n_samples, batch_size))

    def _after_update(self, step: Step, rate: float) -> None:
        wanted, values, travel = self._wanted, self._values, self.travel
        wants_distance, wants_update = "distance" in wanted, "update_size" in wanted
        if self._plain and wants_update:
            values["update_size"] = rate * math.sqrt(step.norm2) if step.norm2 >= 0 else math.nan
        if wants_distance or (wants_update and not self._plain):
            distance, update = travel.after_update(wants_distance, wants_update and not self._plain)
            if wants_distance:
                values["distance"] = distance
            if wants_update and not self._plain:
                values["update_size"] = update
        if self._opens and step.samples is not None:
            if self._plain:
                assert step.sums is not None
                length = math.sqrt(step.norm2) if step.norm2 >= 0 else math.nan
                along = _along_step(step.norm2, step.sums.along_variance, length)
                travel.step_begins(self.step, rate * length, Slope(step.loss, self._loss_variance, *along))
            else:
                travel.step_begins_after_update(self.step, step.loss, self._loss_variance, step.samples)


def _along_step(mean: float, variance: float, length: float) -> tuple[float, float]:
    """Return mean and variance of g_i . d / |d|, d = -lr g, from those of g_i . g and |g|."""
    return (-mean / length, variance / length**2) if length > 0 else (0.0, 0.0)
