"""The harmonic mean of precision and recall."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minibatch import config
from minibatch.metrics.metric import Metric

Average = Literal["micro", "macro", "weighted"] | None


class FBetaScore(Metric):
    """(1 + beta^2) P R / (beta^2 P + R), of precision P and recall R (van Rijsbergen 1979, chapter 7).

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}
        None: an array, one score for each class. "micro": of all classes' counts together. "macro": the mean over
        classes. "weighted": the mean weighted by how many targets each class has.
    beta : float, default 1.0
        How many times recall counts as much as precision.
    threshold : float, optional
        In (0, 1]: predictions above it are positive. By default the largest of each row is.
    name, dtype
        As for ``Metric``.

    Raises
    ------
    ValueError
        If an argument is out of its range; from ``update_state``, if targets and predictions are not (N, classes).

    Examples
    --------
    >>> import minibatch as mb
    >>> score = mb.metrics.F1Score(threshold=0.5)
    >>> score([[1, 1], [1, 0], [0, 1]], [[0.2, 0.6], [0.6, 0.2], [0.6, 0.8]]).round(3)
    array([0.5, 1. ])
    """

    _direction = "up"

    def __init__(
        self,
        average: Average = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: str | None = None,
    ) -> None:
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(f"average must be None, 'micro', 'macro' or 'weighted'; got {average!r}.")
        if not beta > 0:
            raise ValueError(f"beta must be above 0; got {beta!r}.")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"threshold must lie in (0, 1]; got {threshold!r}.")
        self.average, self.beta, self.threshold = average, beta, threshold
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        # They become (classes,) with the first batch.
        self.true_positives, self.false_positives, self.false_negatives = np.zeros(()), np.zeros(()), np.zeros(())

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        y, p = np.asarray(y_true, np.float64), np.asarray(y_pred, config.floatx())
        if y.ndim != 2 or y.shape != p.shape:
            raise ValueError(
                f"{self.name}: targets and predictions must both have shape (N, classes); got {y.shape} and "
                f"{p.shape}. Class numbers become rows by minibatch.utils.to_categorical."
            )
        if self.threshold is None:
            # A row of zeros has no largest.
            positive = (p >= p.max(axis=-1, keepdims=True)) & (np.abs(p) > 1e-9)
        else:
            positive = p > self.threshold
        w = np.ones((1, 1)) if sample_weight is None else np.asarray(sample_weight, np.float64).reshape(-1, 1)
        axis = None if self.average == "micro" else 0
        self.true_positives = self.true_positives + (w * positive * y).sum(axis=axis)
        self.false_positives = self.false_positives + (w * positive * (1 - y)).sum(axis=axis)
        self.false_negatives = self.false_negatives + (w * ~positive * y).sum(axis=axis)

    def result(self) -> Any:
        # Keras's guard against a division by 0 is part of its numbers.
        epsilon = config.epsilon()
        targets = self.true_positives + self.false_negatives
        precision = self.true_positives / (self.true_positives + self.false_positives + epsilon)
        recall = self.true_positives / (targets + epsilon)
        square = self.beta**2
        score = (1 + square) * precision * recall / (square * precision + recall + epsilon)
        if self.average == "weighted":
            return float((score * targets / (targets.sum() + epsilon)).sum())
        return score if self.average is None else float(score.mean())


class F1Score(FBetaScore):
    """2 P R / (P + R), the harmonic mean of precision and recall: ``FBetaScore`` with beta 1."""

    def __init__(
        self,
        average: Average = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: str | None = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
