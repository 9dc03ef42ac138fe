"""What training makes small, and what it reports: the loss and the metrics of a compiled model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minibatch import losses, metrics
from minibatch.layers import ActivatedLayer
from minibatch.layers.layer import Cache
from minibatch.models.network import Network, Watch
from minibatch.typing import Array


class Objective:
    """The loss of a network, differentiated, with the running numbers of an epoch.

    Parameters
    ----------
    network : Network
    loss : Loss
    metric_identifiers : iterable of str or Metric
        Names are looked up when the first targets show their shape, since "accuracy" depends on it.
    """

    def __init__(self, network: Network, loss: losses.Loss, metric_identifiers: Iterable[Any]) -> None:
        self.network = network
        self.loss = loss
        self._logit_loss = loss.on_logits()
        self._identifiers = list(metric_identifiers)
        self.metrics: list[metrics.Metric] | None = None
        self.mean_loss = metrics.Mean()

    @property
    def on_logits(self) -> bool:
        """Whether the loss is computed from the last layer's logits, not from its output.

        So it is when the network ends in the activation that the loss absorbs: log(softmax(z)) in one piece is
        exact where log(p) of a tiny p is not, and its gradient p - y has no division. Keras does the same.
        """
        last = self.network.layers[-1]
        ends_in = last.activation.name if isinstance(last, ActivatedLayer) else None
        return ends_in is not None and ends_in == self.loss.absorbs and not self.loss.from_logits

    def _view(self, y_pred: Array, caches: list[Cache]) -> tuple[losses.Loss, Array]:
        """Return the loss to use and what to give it: logits or outputs."""
        if self.on_logits:
            return self._logit_loss, self.network.logits(caches)
        return self.loss, y_pred

    def value(self, y: Array, y_pred: Array, caches: list[Cache], sample_weight: Array | None = None) -> float:
        """Return the loss of a batch."""
        loss, prediction = self._view(y_pred, caches)
        values = loss.per_sample(y, prediction)
        return float((values if sample_weight is None else values * sample_weight).mean())

    def differentiate(
        self, y: Array, y_pred: Array, caches: list[Cache], sample_weight: Array | None = None
    ) -> float:
        """Return the loss of a batch; leave its gradient in ``network.parameters.gradient``."""
        loss, prediction = self._view(y_pred, caches)
        value, dy = loss.of_batch(y, prediction, sample_weight)
        self.network.backward(dy, caches, self.on_logits)
        return value

    def differentiate_each(self, y: Array, y_pred: Array, caches: list[Cache], watch: Watch) -> None:
        """Run backward from each sample's own, unscaled gradient, showing each layer's to ``watch``.

        ``network.parameters.gradient`` is left holding the sum over samples.
        """
        loss, prediction = self._view(y_pred, caches)
        self.network.backward(loss.per_sample_gradient(y, prediction), caches, self.on_logits, watch)

    def ready(self, y_shape: tuple[int, ...]) -> None:
        """Look the metrics up, if that is not done, for targets of this shape (without the batch axis)."""
        if self.metrics is None:
            output_shape = self.network.sample_shape("output_shape")
            self.metrics = [metrics.get(m, y_shape, output_shape) for m in self._identifiers]

    def update(self, loss: float, y: Array, y_pred: Array) -> None:
        """Take a batch into the running numbers."""
        # Weighted by the count of samples: a short last batch counts for no more than it holds.
        self.mean_loss.update_state(loss, sample_weight=len(y_pred))
        for metric in self.metrics or ():
            metric.update_state(y, y_pred)

    def reset(self) -> None:
        """Forget the running numbers."""
        for metric in (self.mean_loss, *(self.metrics or ())):
            metric.reset_state()

    def logs(self) -> dict[str, float]:
        """Return the running numbers by name, in Keras's order: sorted."""
        results = {metric.name: metric.result() for metric in self.metrics or ()}
        return dict(sorted({**results, "loss": self.mean_loss.result()}.items()))
