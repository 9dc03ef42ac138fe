"""What training makes small, and what it reports: the losses and metrics of a compiled model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from minibatch import losses, metrics
from minibatch.layers import Weight
from minibatch.layers.layer import Cache
from minibatch.metrics import Mean
from minibatch.models.arguments import per_output
from minibatch.models.network import Network, Watch
from minibatch.typing import Array

#: Targets, or sample weights, of a batch: one entry for each output.
Entries = Sequence[Any]


class Head:
    """One output: its loss, and its metrics.

    Parameters
    ----------
    network : Network
    output : int
        Which of the network's outputs.
    loss : Loss or None
        None leaves the output out of the loss.
    weight : float
        What its loss counts for in the sum.
    plain, weighted : list of str or Metric
        Metrics without and with the sample weights.
    """

    def __init__(
        self,
        network: Network,
        output: int,
        loss: losses.Loss | None,
        weight: float,
        plain: Sequence[Any],
        weighted: Sequence[Any],
    ) -> None:
        self.network = network
        self.output = output
        self.name = network.graph.output_names[output]
        self.loss = loss
        self.weight = weight
        self._logit_loss = loss.on_logits() if loss is not None else None
        self._identifiers = [(False, m) for m in plain] + [(True, m) for m in weighted]
        self.metrics: list[tuple[bool, metrics.Metric]] | None = None
        self.mean_loss = Mean()

    @property
    def on_logits(self) -> bool:
        """Whether the loss is computed from the layer's logits, not from its output.

        So it is when the output ends in the activation that the loss absorbs: log(softmax(z)) in one piece is
        exact where log(p) of a tiny p is not, and its gradient p - y has no division. Keras does the same.
        """
        if self.loss is None or self.loss.absorbs is None:
            return False
        return self.network.last_activation(self.output) == self.loss.absorbs

    def view(self, y_pred: Array, caches: list[Cache]) -> tuple[Any, Array]:
        """Return the loss to use and what to give it: logits or outputs."""
        logits = self.logits(caches)
        return (self.loss, y_pred) if logits is None else (self._logit_loss, logits)

    def logits(self, caches: list[Cache]) -> Array | None:
        """Return what the loss is computed from in place of the output; None if from the output."""
        if self.loss is None or self.loss.absorbs is None:
            return None
        return self.network.logits(self.output, self.loss.absorbs, caches)

    def value(self, y: Array, y_pred: Array, logits: Array | None, weights: Array | None) -> float:
        """Return the loss of a batch."""
        assert self.loss is not None
        assert self._logit_loss is not None
        if logits is None:
            return self.loss.value(y, y_pred, weights)
        return self._logit_loss.value(y, logits, weights, y_pred)

    def values(
        self, size: int, y: Array, y_pred: Array, logits: Array | None, weights: Array | None
    ) -> list[float]:
        """Return the loss of every ``size`` samples."""
        assert self.loss is not None
        assert self._logit_loss is not None
        if logits is None:
            return self.loss.values_by(size, y, y_pred, weights)
        return self._logit_loss.values_by(size, y, logits, weights, y_pred)

    def differentiated(
        self, y: Array, y_pred: Array, logits: Array | None, weights: Array | None
    ) -> tuple[float, Array]:
        """Return the loss of a batch and its gradient: by the logits, where those are given."""
        assert self.loss is not None
        assert self._logit_loss is not None
        if logits is None:
            return self.loss.of_batch(y, y_pred, weights)
        return self._logit_loss.of_batch(y, logits, weights, y_pred)

    def ready(self, y_shape: tuple[int, ...]) -> None:
        """Look the metrics up, if that is not done, for targets of this shape (without the batch axis)."""
        if self.metrics is None:
            if self.on_logits and self.loss is not None and self.loss.from_logits:
                warnings.warn(
                    f"{self.loss.name} was made with from_logits=True, but the model ends in {self.loss.absorbs}: "
                    f"what goes into the {self.loss.absorbs} is taken for the logits, as in Keras.",
                    stacklevel=2,
                )
            shape = self.network.output_shapes[self.output]
            self.metrics = [(w, metrics.get(m, y_shape, shape)) for w, m in self._identifiers]
            taken: set[str] = set()
            for weighted, metric in self.metrics:
                # Keras tells a weighted metric from the plain one of its name in this way.
                if weighted and metric.name in taken:
                    metric.name = f"weighted_{metric.name}"
                taken.add(metric.name)


class Objective:
    """The loss of a network, differentiated, with the running numbers of an epoch.

    Parameters
    ----------
    network : Network
    loss : str, Loss, or a list or dict (by output) of them
    loss_weights : list or dict of float, optional
    metrics, weighted_metrics : list, or for several outputs a list of lists or a dict, optional
    """

    def __init__(
        self,
        network: Network,
        loss: Any,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
    ) -> None:
        names = network.graph.output_names
        weights = per_output("loss_weights", loss_weights, names, default=1.0)
        plain = per_output("metrics", metrics, names, default=(), nested=True)
        weighted = per_output("weighted_metrics", weighted_metrics, names, default=(), nested=True)
        found = [
            None if entry is None else losses.get(entry) for entry in per_output("loss", loss, names, default=None)
        ]
        if not any(found):
            raise ValueError("compile needs a loss, such as loss='sparse_categorical_crossentropy'.")
        self.network = network
        self.heads = [
            Head(network, i, found[i], float(weights[i]), plain[i], weighted[i]) for i in range(len(names))
        ]
        self.mean_loss = Mean()
        self.regularized: list[Weight] = []

    @property
    def metrics(self) -> list[Any]:
        """The metrics of all outputs, in order."""
        return [metric for head in self.heads for _, metric in head.metrics or ()]

    def penalty(self) -> float:
        """Return the sum of the weights' regularizers. It is added whole, not divided by the batch size."""
        if not self.regularized:
            return 0.0
        return float(sum(weight.regularizer(weight.value) for weight in self.regularized))

    def add_penalty_gradient(self) -> None:
        """Add the gradient of ``penalty`` to the weights' gradients."""
        for weight in self.regularized:
            weight.gradient += weight.regularizer.gradient(weight.value)

    def value(
        self, ys: Entries, outputs: Sequence[Array], caches: list[Cache], sample_weights: Entries
    ) -> tuple[float, list[float]]:
        """Return the loss of a batch, and that of each output (not multiplied by its weight)."""
        return self.value_by(ys, outputs, self.logits(caches), sample_weights)

    def logits(self, caches: list[Cache]) -> list[Array | None]:
        """Return for each output what its loss is computed from in place of it; see ``Head.logits``."""
        return [head.logits(caches) for head in self.heads]

    def value_by(
        self, ys: Entries, outputs: Sequence[Array], logits: Sequence[Array | None], sample_weights: Entries
    ) -> tuple[float, list[float]]:
        """Return what ``value`` does, from the ``logits``."""
        each = []
        for head, y, output, z, w in zip(self.heads, ys, outputs, logits, sample_weights, strict=True):
            if head.loss is not None:
                each.append(head.value(y, output, z, w))
        return self._total(each), each

    def differentiate(
        self,
        ys: Entries,
        outputs: Sequence[Array],
        caches: list[Cache],
        sample_weights: Entries,
        watch: Watch | None = None,
    ) -> tuple[float, list[float]]:
        """Return what ``value`` does; leave the gradient in ``network.parameters.gradient``.

        ``watch`` is shown each layer's part of the backward pass.
        """
        each: list[float] = []
        gradients: list[Array | None] = []
        at_logits: list[bool] = []
        for head in self.heads:
            i = head.output
            gradient, logits = None, head.logits(caches)
            if head.loss is not None:
                value, gradient = head.differentiated(ys[i], outputs[i], logits, sample_weights[i])
                each.append(value)
                if head.weight != 1:
                    gradient = gradient * head.weight
            gradients.append(gradient)
            at_logits.append(logits is not None)
        self.network.backward(gradients, caches, at_logits, watch, by_inputs=False)
        if self.regularized:
            self.add_penalty_gradient()
        return self._total(each), each

    def differentiate_each(self, ys: Entries, outputs: Sequence[Array], caches: list[Cache], watch: Watch) -> None:
        """Run backward from each sample's own, unscaled gradient, showing each layer's to ``watch``.

        ``network.parameters.gradient`` is left holding the sum over samples.
        """
        gradients: list[Array | None] = []
        at_logits: list[bool] = []
        for head, y, output in zip(self.heads, ys, outputs, strict=True):
            gradient = None
            if head.loss is not None:
                loss, prediction = head.view(output, caches)
                gradient = loss.per_sample_gradient(y, prediction) * head.weight
            gradients.append(gradient)
            at_logits.append(gradient is not None and head.on_logits)
        self.network.backward(gradients, caches, at_logits, watch, by_inputs=False)

    def _total(self, each: list[float]) -> float:
        if len(self.heads) == 1 and self.heads[0].weight == 1 and not self.regularized:
            return each[0]
        weights = [head.weight for head in self.heads if head.loss is not None]
        return sum(w * value for w, value in zip(weights, each, strict=True)) + self.penalty()

    def targets(self, ys: Entries) -> list[Array]:
        """Return targets as the losses want them, or say what does not fit."""
        shapes = self.network.output_shapes
        checked = []
        for head, y, shape in zip(self.heads, ys, shapes, strict=True):
            checked.append(y if head.loss is None else head.loss.targets(y, shape))
        return checked

    def ready(self, ys: Entries) -> None:
        """Look all metrics and penalties up, for targets like these (N, ...)."""
        for head, y in zip(self.heads, ys, strict=True):
            head.ready(y.shape[1:])
        self.regularized = [w for w in self.network.trainable_weights if w.regularizer is not None]

    def update(
        self, loss: float, each: list[float], ys: Entries, outputs: Sequence[Array], sample_weights: Entries
    ) -> None:
        """Take a batch into the running numbers."""
        self._take_losses(loss, each, len(outputs[0]))
        for head in self.heads:
            i = head.output
            for weighted, metric in head.metrics or ():
                if weighted:
                    metric.update_state(ys[i], outputs[i], sample_weights[i])
                else:
                    metric.update_state(ys[i], outputs[i])

    def update_by(
        self,
        size: int,
        ys: Entries,
        outputs: Sequence[Array],
        logits: Sequence[Array | None],
        sample_weights: Entries,
    ) -> None:
        """Take every ``size`` samples in as a batch, one after the other, as ``value_by`` and ``update`` do."""
        parts = list(zip(self.heads, ys, outputs, logits, sample_weights, strict=True))
        values = [head.values(size, y, output, z, w) for head, y, output, z, w in parts if head.loss is not None]
        starts = range(0, len(outputs[0]), size)
        for start, each in zip(starts, zip(*values, strict=True), strict=True):
            self._take_losses(self._total(list(each)), list(each), min(size, len(outputs[0]) - start))
        for head, y, output, _, w in parts:
            for weighted, metric in head.metrics or ():
                at_once = metric.joins(y, w if weighted else None)
                for few in [slice(None)] if at_once else [slice(start, start + size) for start in starts]:
                    given = (w if w is None else w[few],) if weighted else ()
                    metric.update_state(y[few], output[few], *given)

    def _take_losses(self, loss: float, each: list[float], count: int) -> None:
        # Weighted by the count of samples: a short last batch counts for no more than it holds.
        self.mean_loss.update_state(loss, sample_weight=count)
        if len(self.heads) > 1:
            with_loss = [head for head in self.heads if head.loss is not None]
            for head, value in zip(with_loss, each, strict=True):
                head.mean_loss.update_state(value, sample_weight=count)

    def reset(self) -> None:
        """Forget the running numbers."""
        for metric in (self.mean_loss, *(head.mean_loss for head in self.heads), *self.metrics):
            metric.reset_state()

    def state_dict(self) -> dict[str, Any]:
        """Return the running numbers' state."""
        running = (self.mean_loss, *(head.mean_loss for head in self.heads), *self.metrics)
        return {"running": [metric.state_dict() for metric in running]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""
        running = (self.mean_loss, *(head.mean_loss for head in self.heads), *self.metrics)
        for metric, numbers in zip(running, state["running"], strict=True):
            metric.load_state_dict(numbers)

    def results(self) -> dict[str, Any]:
        """Return the running numbers by name, in Keras's order of ``evaluate``: losses first."""
        results: dict[str, Any] = {"loss": self.mean_loss.result()}
        several = len(self.heads) > 1
        if several:
            results |= {f"{h.name}_loss": h.mean_loss.result() for h in self.heads if h.loss is not None}
        for head in self.heads:
            prefix = f"{head.name}_" if several else ""
            results |= {prefix + metric.name: metric.result() for _, metric in head.metrics or ()}
        return results

    def logs(self) -> dict[str, Any]:
        """Return the running numbers by name, in Keras's order of logs: sorted."""
        return dict(sorted(self.results().items()))
