"""What training makes small, and what it reports: the losses and metrics of a compiled model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minibatch import losses
from minibatch.layers import Weight
from minibatch.layers.layer import Cache
from minibatch.metrics import Mean
from minibatch.models.arguments import per_output
from minibatch.models.head import Head
from minibatch.models.network import Network, Watch
from minibatch.results import Number, from_inside
from minibatch.typing import Array

#: Targets, or sample weights, of a batch: one entry for each output.
Entries = Sequence[Any]


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
        self._with_loss = [head for head in self.heads if head.loss is not None]
        # The outputs whose own losses are reported: where they are several.
        self._tracked = self._with_loss if len(self._with_loss) > 1 else []
        #: The metrics of all outputs by their keys in the logs: with several outputs those begin with its name.
        self.keyed_metrics: dict[str, Any] = {}
        self.mean_loss = Mean()
        self.regularized: list[Weight] = []

    @property
    def metrics(self) -> list[Any]:
        """The metrics of all outputs, in order."""
        return [metric for head in self.heads for _, _, metric in head.metrics or ()]

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
        """Check targets (N, ...) that were not seen before; look all metrics and penalties up for them."""
        for head, y in zip(self.heads, ys, strict=True):
            head.ready(y)
        if not self.keyed_metrics:
            for head in self.heads:
                prefix = f"{head.name}_" if len(self.heads) > 1 else ""
                self.keyed_metrics |= {prefix + key: metric for key, _, metric in head.metrics or ()}
        self.regularized = [w for w in self.network.active_slices() if w.regularizer is not None]

    def update(
        self, loss: float, each: list[float], ys: Entries, outputs: Sequence[Array], sample_weights: Entries
    ) -> None:
        """Take a batch into the running numbers."""
        self._take_losses(loss, each, len(outputs[0]))
        for head in self.heads:
            i = head.output
            for _, weighted, metric in head.metrics or ():
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
            for _, weighted, metric in head.metrics or ():
                at_once = metric.joins(y, w if weighted else None)
                for few in [slice(None)] if at_once else [slice(start, start + size) for start in starts]:
                    given = (w if w is None else w[few],) if weighted else ()
                    metric.update_state(y[few], output[few], *given)

    def _take_losses(self, loss: float, each: list[float], count: int) -> None:
        # Weighted by the count of samples: a short last batch counts for no more than it holds.
        self.mean_loss.update_state(loss, sample_weight=count)
        if len(self.heads) > 1:
            for head, value in zip(self._with_loss, each, strict=True):
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
        """Return the running numbers by name."""
        results: dict[str, Any] = {"loss": from_inside(self.mean_loss.result)}
        results |= {f"{head.name}_loss": from_inside(head.mean_loss.result) for head in self._tracked}
        return results | {key: _plain(from_inside(metric.result)) for key, metric in self.keyed_metrics.items()}

    def values(self) -> list[Any]:
        """Return the running numbers in Keras's order of ``evaluate``.

        First what the metrics' own names find, in their order; then the rest, sorted by key: so with several
        outputs, where the keys begin with the output's name. Of a name that comes twice the first number comes
        twice, as in Keras.
        """
        results = self.results()
        names = ["loss", *(metric.name for metric in self.metrics), *(f"{h.name}_loss" for h in self._tracked)]
        found = [name for name in names if name in results]
        return [results[name] for name in (*found, *sorted(results.keys() - set(names)))]

    @property
    def names(self) -> list[str]:
        """What Keras calls ``metrics_names``: it keeps all compiled metrics together, under one name."""
        compiled = ["compile_metrics"] if any(head.has_metrics for head in self.heads) else []
        return ["loss", *compiled, *(f"{head.name}_loss" for head in self._tracked)]

    def logs(self) -> dict[str, Any]:
        """Return the running numbers by name, in Keras's order of logs: sorted."""
        return dict(sorted(self.results().items()))


#: Made once: a union of types is made anew wherever it stands.
_ARRAYS = (np.ndarray, np.generic)


def _plain(result: Any) -> Any:
    """Return a metric's result as it is now: a number as Python's own, as in Keras's logs, or an array's copy."""
    if isinstance(result, _ARRAYS):
        return result.item() if result.ndim == 0 else np.array(result)
    return float(result) if isinstance(result, Number) else result
