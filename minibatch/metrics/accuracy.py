"""The fraction of samples that are right, for each way of writing targets."""

from __future__ import annotations

from typing import Any

from minibatch.metrics.metric import MeanOverSamples
from minibatch.typing import Array


class CategoricalAccuracy(MeanOverSamples):
    """The fraction of samples whose largest prediction is where the one-hot target is.

    Examples
    --------
    >>> import minibatch as mb
    >>> accuracy = mb.metrics.CategoricalAccuracy()
    >>> accuracy.update_state([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]])
    >>> accuracy.result()
    0.5
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        matches: Array = y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)
        return matches


class SparseCategoricalAccuracy(MeanOverSamples):
    """The fraction of samples whose largest prediction is at the target's class number."""

    def call(self, y_true: Array, y_pred: Array) -> Array:
        labels = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
        matches: Array = labels == y_pred.argmax(axis=-1)
        return matches


class BinaryAccuracy(MeanOverSamples):
    """The fraction of predictions on the right side of ``threshold``.

    Parameters
    ----------
    name : str, default "binary_accuracy"
    threshold : float, default 0.5
    """

    def __init__(self, name: str | None = None, *, threshold: float = 0.5, **unknown: Any) -> None:
        super().__init__(name, **unknown)
        self.threshold = threshold

    def call(self, y_true: Array, y_pred: Array) -> Array:
        matches: Array = y_true == (y_pred > self.threshold)
        return matches.mean(axis=-1) if matches.ndim > 1 else matches


def accuracy_for(y_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> type[MeanOverSamples]:
    """Return the class that "accuracy" means for these shapes of one target and one prediction, by Keras's rule."""
    if output_shape[-1:] == (1,):
        return BinaryAccuracy
    if len(y_shape) < len(output_shape) or y_shape[-1:] == (1,):
        return SparseCategoricalAccuracy
    return CategoricalAccuracy
