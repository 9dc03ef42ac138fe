"""One output of a compiled model: its loss and its metrics."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

from minibatch import losses, metrics
from minibatch.layers.layer import Cache
from minibatch.metrics import Mean
from minibatch.models.network import Network
from minibatch.typing import Array


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
        #: Each with its key in the logs, and whether it is given the sample weights; None before the first data.
        self.metrics: list[tuple[str, bool, metrics.Metric]] | None = None
        self.mean_loss = Mean()

    @property
    def has_metrics(self) -> bool:
        """Whether any were asked for."""
        return bool(self._identifiers)

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

    def ready(self, y: Array) -> None:
        """Check targets (N, ...) that were not seen before; look the metrics up for them, if that is not done."""
        if self.loss is not None:
            self.loss.check(y)
        if self.metrics is not None:
            return
        shape = self.network.output_shapes[self.output]
        self._warn(shape)
        found = [(weighted, metrics.get(m, y.shape[1:], shape)) for weighted, m in self._identifiers]
        keys = log_keys([(weighted, metric.name) for weighted, metric in found])
        self.metrics = [(key, weighted, metric) for key, (weighted, metric) in zip(keys, found, strict=True)]

    def _warn(self, shape: tuple[int, ...]) -> None:
        """Warn of what can be computed but is hardly meant."""
        if self.on_logits and self.loss is not None and self.loss.from_logits:
            warnings.warn(
                f"{self.loss.name} was made with from_logits=True, but the model ends in {self.loss.absorbs}: "
                f"what goes into the {self.loss.absorbs} is taken for the logits, as in Keras.",
                stacklevel=2,
            )
        if self.loss is not None and shape[-1:] == (1,) and self.network.last_activation(self.output) == "softmax":
            warnings.warn(
                f"the output {self.name!r} ends in a softmax over one number, which is always 1: nothing is "
                "learned. For two classes use sigmoid with loss='binary_crossentropy', or two units.",
                stacklevel=2,
            )


def log_keys(names: Sequence[tuple[bool, str]]) -> list[str]:
    """Return the keys that metrics of one output go by in the logs: Keras's rule.

    Parameters
    ----------
    names : sequence of (bool, str)
        Whether the metric is weighted, and its name. What is weighted comes last.

    Examples
    --------
    >>> log_keys([(False, "mae"), (False, "mae"), (False, "mse"), (True, "mae"), (True, "auc")])
    ['mae', 'mae_1', 'mse', 'weighted_mae', 'auc']
    """
    counts: Counter[str] = Counter()
    keys = []
    for weighted, name in names:
        if weighted and counts[name]:
            name = f"weighted_{name}"
        keys.append(f"{name}_{counts[name]}" if counts[name] else name)
        counts[name] += 1
    return keys
