"""How the steps of a fit are measured: each in its own backward pass, or on samples held apart."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minibatch.layers import Layer
from minibatch.layers.layer import Cache
from minibatch.models import Model
from minibatch.models.feed import Batch, Feed
from minibatch.models.watcher import Watcher
from minibatch.noise.per_sample import count
from minibatch.noise.training import aside
from minibatch.noise.training.alpha import Alpha
from minibatch.noise.training.kept import Kept
from minibatch.noise.training.lazy import kernels
from minibatch.noise.training.plan import SINGLE, SPREAD, Due, Plan
from minibatch.noise.training.quantities import cosine
from minibatch.noise.training.record import Record
from minibatch.noise.training.samples import Samples, dense_layers, losses_of_samples
from minibatch.noise.training.step import Step, measure
from minibatch.noise.training.travel import Travel
from minibatch.typing import Array

OF_SINGLE, OF_SPREAD, HISTOGRAMS = frozenset(SINGLE), frozenset(SPREAD), frozenset({"histogram", "histogram_2d"})


class Measuring(Watcher):
    """What ``GradientNoise`` does in one fit, between the beginning of a step and its end.

    Parameters
    ----------
    model : Model
    plan : Plan
        What cannot be measured is taken out of it.
    record : Record
    population, estimator : str
        See ``GradientNoise``.
    feed : Feed or None
        What the fit is fed.
    reference : Batch, optional
        The samples to measure on, if not the batch.
    full : list of Batch, or Feed, optional
        The samples of the full gradient.
    """

    def __init__(
        self,
        model: Model,
        plan: Plan,
        record: Record,
        population: str,
        estimator: str,
        feed: Feed | None,
        reference: Batch | None,
        full: list[Batch] | Feed | None,
    ) -> None:
        self.model, self.plan, self.record = model, plan, record
        self.population, self.estimator = population, estimator
        self.feed, self.reference, self.full = feed, reference, full
        self.travel, self.alpha = Travel(model), Alpha()
        self._dense = dense_layers(model)
        self._size = sum(weight.value.size for weight in model.trainable_weights)
        self._plain = self._without_samples = False
        self._memory: dict[Any, Any] = {}
        self._previous = Kept()
        self._forget_step()

    def _forget_step(self) -> None:
        self._due = Due(0, frozenset(), False, False, False)
        self._samples: Samples | None = None
        self._step: Step | None = None

    # A step, from its beginning to its end -----------------------------------------------------------------

    def epoch_begins(self) -> None:
        """Look how the optimizer makes its steps, which others may have changed."""
        self._plain = self.reference is None and self.travel.is_plain()

    def step_begins(self, number: int, first_of_epoch: bool) -> None:
        """Look on at this step, if there is anything to see."""
        wanted = self.plan.due(number, first_of_epoch)
        keeps = self.plan.may_be_due_after("cosine_to_previous", number)
        self._due = due = Due(number, wanted, "alpha" in wanted, self.alpha.open is not None, keeps)
        if due:
            single = due.closes or not wanted.isdisjoint(OF_SINGLE)
            spread = self.estimator != "halves" and not wanted.isdisjoint(OF_SPREAD)
            due.collects = (single or spread) and not self._without_samples
            self.model.watchers.append(self)

    def visit(self, layer: Layer, dy: Array, cache: Cache) -> None:
        if self._due.collects and self.reference is None:
            self._collect(layer, dy, cache)

    def differentiated(self, batch: Batch, outputs: Sequence[Array], caches: list[Cache], loss: float) -> None:
        if self.reference is None:
            self._measure(batch, outputs, caches, loss, self.model.parameters.gradient)
            return
        with aside.untouched(self.model):
            batch = self.reference
            watch = self._collect if self._due.collects else None
            loss, outputs, caches = aside.differentiate(self.model, batch, training=False, watch=watch)
            gradient = self.model.parameters.gradient.copy()
        self._measure(batch, outputs, caches, loss, gradient)

    def step_ends(self, rate: float) -> Step | None:
        """Return the step, made at this learning rate, with all its numbers; None if there was nothing to see."""
        step = self._step
        if self in self.model.watchers:
            self.model.watchers.remove(self)
        if step is not None:
            if "cabs" in step.values:  # linear in the learning rate, which the step alone knows for certain
                step.values["cabs"] *= rate
            self._see_update(step, rate)
        self._forget_step()
        return step

    # What the backward pass shows --------------------------------------------------------------------------

    def _collect(self, layer: Layer, dy: Array, cache: Cache) -> None:
        if self._samples is None:
            # Where the next step asks for these samples' gradients again they are copied.
            copied = self._previous.copied if self._due.opens and self._plain else None
            self._samples = Samples(self.model, len(dy), self._dense, copied)
        try:
            self._samples.visit(layer, dy, cache)
        except TypeError as error:
            self._go_on_without_samples(str(error))

    def _go_on_without_samples(self, why: str) -> None:
        """Leave out, from now on, what needs the gradients of single samples: they do not exist."""
        lost = OF_SINGLE | (OF_SPREAD if self.estimator == "samples" else frozenset())
        self.leave_out([name for name in self.plan.intervals if name in lost], why, TypeError)
        self._without_samples, self._samples, self.alpha.open = True, None, None
        self._due.collects = self._due.opens = self._due.closes = False
        self._due.wanted -= lost

    def leave_out(self, names: Sequence[str], why: str, error: type[Exception]) -> None:
        """Do without these, and say why; an ``error`` if they were asked for by name."""
        if not names:
            return
        if self.plan.by_name:
            raise error(f"GradientNoise cannot measure {', '.join(names)}: {why}")
        warnings.warn(f"GradientNoise leaves out {', '.join(names)}: {why}", stacklevel=2)
        self.plan.leave_out(names)

    # Its numbers -------------------------------------------------------------------------------------------

    def _measure(
        self, batch: Batch, outputs: Sequence[Array], caches: list[Cache], loss: float, gradient: Array
    ) -> None:
        model, samples, due = self.model, self._samples, self._due
        if samples is not None:
            samples.finish()
        B = count(batch)
        self._step = step = Step(due, B, loss, gradient, samples, n_samples=self._n_samples(B), size=self._size)
        if self.reference is None and self.estimator != "samples":
            step.halves = lambda: aside.mean_norm2_of_halves(model, batch)
        if self.alpha.awaits_product and samples is not None:
            step.kept = self._previous
        step.needs_norm2 = due.keeps or not due.wanted <= {"loss", "batch_size", "distance"}
        step.values = measure(step, due.wanted, self.record.averages, self._memory)
        if (due.opens or due.closes) and samples is not None:
            losses = losses_of_samples(model, batch.targets, outputs, caches, batch.weights)
            step.loss_variance = kernels().mean_and_variance(losses)[1]
        self._look_back(step)
        if "cosine_to_full" in due.wanted:
            self._compare_with_full(step)
        if samples is not None and math.isfinite(step.norm2) and not due.wanted.isdisjoint(HISTOGRAMS):
            one, two = "histogram" in due.wanted, "histogram_2d" in due.wanted
            self.record.histograms.add(due.number, samples, model.parameters.theta, one, two)
        if not self._plain and (due.opens or "update_size" in due.wanted):
            self.travel.before_update()

    def _look_back(self, step: Step) -> None:
        """Compare with the step before, and keep what the step after will compare with."""
        due, kept, samples = step.due, self._previous, step.samples
        if due.closes and samples is not None:
            step.late = self.alpha.ends(step)
        if "cosine_to_previous" in due.wanted and kept.step == due.number - 1 > 0:
            known = step.sums is not None and step.sums.kept
            product = known[0] if known else kept.product(step.gradient, samples)
            step.values["cosine_to_previous"] = cosine(product, step.norm2, kept.norm2)
        factors = samples if due.opens and self._plain else None
        if due.keeps or factors is not None:
            kept.keep(due.number, step.gradient, step.norm2, factors)

    def _compare_with_full(self, step: Step) -> None:
        assert self.full is not None
        G = aside.full_gradient(self.model, self.full)
        product = float(np.dot(step.gradient.astype(np.float64), G))
        step.values["cosine_to_full"] = cosine(product, step.norm2, float(G @ G))

    def _n_samples(self, batch_size: int) -> float:
        """Return N, where the batches are drawn from so many samples without replacement."""
        batches = self.feed.batches if self.feed is not None else None
        if self.population == "infinite" or batches is None or batches.shuffle == "replacement":
            return math.inf
        return float(max(batches.n_samples, batch_size))

    def _see_update(self, step: Step, rate: float) -> None:
        wanted, values, travel = step.due.wanted, step.values, self.travel
        wants_distance, wants_update = "distance" in wanted, "update_size" in wanted
        if self._plain and wants_update:
            values["update_size"] = rate * math.sqrt(step.norm2) if step.norm2 >= 0 else math.nan
            wants_update = False
        if wants_distance or wants_update:
            distance, update = travel.after_update(wants_distance, wants_update)
            if wants_distance:
                values["distance"] = distance
            if wants_update:
                values["update_size"] = update
        if step.due.opens and step.samples is not None:
            self.alpha.begins(step, rate, None if self._plain else travel.update())

    # What it keeps -----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return what a fit taken up again needs, between two steps."""
        return {
            "without_samples": self._without_samples,
            "start": self.travel.start,
            "alpha": self.alpha.state_dict(),
            "previous": self._previous.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state_dict`` returned."""
        self._without_samples = bool(state["without_samples"])
        self.travel.start = np.array(state["start"])
        self.alpha.load_state_dict(state["alpha"])
        self._previous = Kept.from_state(state["previous"])
