"""Metrics: running numbers over the batches of an epoch (``keras.metrics``)."""

from __future__ import annotations

from typing import Any

from minibatch.metrics.accuracy import (
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    accuracy_for,
)
from minibatch.metrics.metric import Mean, MeanOverSamples, Metric
from minibatch.utils.names import find

METRICS: dict[str, type[Metric]] = {
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
}


def get(identifier: Any, y_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> Metric:
    """Return a metric from a name, a class or an instance; "accuracy" and "acc" by the shapes of one sample.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the near misses.
    TypeError
        For anything else.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if isinstance(identifier, str):
        by_shape = accuracy_for(y_shape, output_shape)
        by_class = {c.__name__: c for c in METRICS.values()}
        metric = find("metric", identifier, {**METRICS, **by_class, "accuracy": by_shape, "acc": by_shape})
        return metric(name=identifier) if identifier in ("accuracy", "acc") else metric()
    raise TypeError(f"a metric is a name or a minibatch.metrics.Metric; got {identifier!r}.")


__all__ = [
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Mean",
    "MeanOverSamples",
    "Metric",
    "SparseCategoricalAccuracy",
    "get",
]
