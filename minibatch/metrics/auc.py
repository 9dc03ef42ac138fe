"""The area under a curve that is drawn by moving a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from minibatch import config
from minibatch.activations import sigmoid
from minibatch.metrics.confusion import confusion_counts, ratio
from minibatch.metrics.metric import Metric
from minibatch.typing import Array
from minibatch.utils.names import find

_CURVES = {"ROC": "ROC", "roc": "ROC", "PR": "PR", "pr": "PR", "PRGAIN": "PRGAIN", "prgain": "PRGAIN"}
_METHODS = {
    spelt: spelt.lower() for name in ("interpolation", "majoring", "minoring") for spelt in (name, name.title())
}


class AUC(Metric):
    """The area under a curve: the true against the false positive rate (ROC), or precision against recall (PR).

    Parameters
    ----------
    num_thresholds : int, default 200
        At how many thresholds, evenly from 0 to 1, the curve is drawn.
    curve : {"ROC", "PR", "PRGAIN"}
        PRGAIN is that of Flach and Kull 2015.
    summation_method : {"interpolation", "minoring", "majoring"}
        The area between two thresholds: by the trapezium (for PR as Davis and Goadrich 2006, section 4), from below
        or from above.
    name, dtype
        As for ``Metric``.
    thresholds : list of float, optional
        In [0, 1], in place of the even ones; 0 and 1 are added.
    multi_label : bool, default False
        Whether the entries of the last axis are questions of their own, of which the areas are averaged.
    num_labels : int, optional
        How many, if that is known.
    label_weights : list of float, optional
        A weight for each entry of the last axis.
    from_logits : bool, default False
        Whether predictions go through a sigmoid first.

    Raises
    ------
    ValueError
        If a name is unknown, there are fewer than 2 thresholds, or ``num_labels`` is given without ``multi_label``.

    Examples
    --------
    >>> import minibatch as mb
    >>> round(mb.metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]), 4)
    0.75
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: str | None = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        if thresholds is not None:
            inner = sorted(float(t) for t in thresholds)
        elif num_thresholds > 1:
            inner = [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
        else:
            raise ValueError(f"AUC: num_thresholds must be above 1; got {num_thresholds!r}.")
        if num_labels and not multi_label:
            raise ValueError("AUC: num_labels is for multi_label=True only.")
        # Just outside [0, 1], so that every prediction is above the first and below the last.
        self.thresholds = [-config.epsilon(), *inner, 1 + config.epsilon()]
        self.num_thresholds = len(self.thresholds)
        self.curve = find("curve", curve, _CURVES)
        self.summation_method = find("summation method", summation_method, _METHODS)
        self.multi_label, self.num_labels = multi_label, num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights, np.float64)
        self.from_logits = from_logits
        self._given_thresholds = thresholds is not None
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        # For several labels these become (thresholds, labels) with the first batch.
        zeros = np.zeros((self.num_thresholds, 1) if self.multi_label else self.num_thresholds)
        self.true_positives, self.false_positives = zeros, zeros
        self.true_negatives, self.false_negatives = zeros, zeros

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        p = np.asarray(y_pred)
        if self.multi_label and (p.ndim != 2 or self.num_labels not in (None, p.shape[1])):
            wanted = self.num_labels or "labels"
            raise ValueError(f"AUC(multi_label=True) needs predictions of shape (N, {wanted}); got {p.shape}.")
        tp, fp, tn, fn = confusion_counts(
            y_true,
            sigmoid(p) if self.from_logits else p,
            self.thresholds,
            sample_weight=sample_weight,
            label_weights=None if self.multi_label else self.label_weights,
            by_label=self.multi_label,
            name=self.name,
        )
        self.true_positives = self.true_positives + tp
        self.false_positives = self.false_positives + fp
        self.true_negatives = self.true_negatives + tn
        self.false_negatives = self.false_negatives + fn

    def result(self) -> float:
        areas = self._areas()
        if not self.multi_label:
            return float(areas.sum())
        of_labels = areas.sum(axis=0)
        if self.label_weights is None:
            return float(of_labels.mean())
        return float(ratio((of_labels * self.label_weights).sum(), self.label_weights.sum()))

    def _areas(self) -> Array:
        """Return the area between each threshold and the next."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated()
        x, y = self._curve()
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2
        else:
            heights = (np.minimum if self.summation_method == "minoring" else np.maximum)(y[:-1], y[1:])
        areas: Array = (x[:-1] - x[1:]) * heights
        return areas

    def _curve(self) -> tuple[Array, Array]:
        tp, fp, tn, fn = self.true_positives, self.false_positives, self.true_negatives, self.false_negatives
        if self.curve == "ROC":
            return ratio(fp, fp + tn), ratio(tp, tp + fn)
        if self.curve == "PR":
            return ratio(tp, tp + fn), ratio(tp, tp + fp)
        odds = ratio(tp + fn, tn + fp)
        recall = np.where(tp == 0, 0, 1 - odds * ratio(fn, tp))
        precision = np.where(tp == 0, 1, 1 - odds * ratio(fp, tp))
        return np.maximum(recall, 0), precision

    def _interpolated(self) -> Array:
        # Davis and Goadrich 2006: between two thresholds the positives p = TP + FP and TP move in a straight line,
        # TP = slope p + intercept, and precision is integrated over recall along it.
        tp, p = self.true_positives, self.true_positives + self.false_positives
        dtp = tp[:-1] - tp[1:]
        slope = ratio(dtp, np.maximum(p[:-1] - p[1:], 0))
        intercept = tp[1:] - slope * p[1:]
        growth = np.where((p[:-1] > 0) & (p[1:] > 0), ratio(p[:-1], np.maximum(p[1:], 0)), 1)
        return ratio(slope * (dtp + intercept * np.log(growth)), np.maximum(tp[1:] + self.false_negatives[1:], 0))

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "thresholds": self.thresholds[1:-1]}
        return config if self._given_thresholds else {k: v for k, v in config.items() if k != "thresholds"}
