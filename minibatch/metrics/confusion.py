"""True and false, positives and negatives, counted at one or several thresholds; precision and recall."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch import config
from minibatch.metrics.metric import Metric, paired, same_rank
from minibatch.typing import Array

#: What a prediction that is not among the top k is set to, and the threshold that then lets the others through.
_NOT_IN_TOP_K = -1e10


def confusion_counts(
    y_true: Any,
    y_pred: Any,
    thresholds: list[float],
    *,
    top_k: int | None = None,
    class_id: int | None = None,
    sample_weight: Any = None,
    label_weights: Any = None,
    by_label: bool = False,
    name: str = "a metric of thresholds",
) -> tuple[Array, Array, Array, Array]:
    """Return (true positives, false positives, true negatives, false negatives), weighted, for each threshold.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (N, ...)
        Targets, true where not 0; predictions, positive where above the threshold (not at it).
    thresholds : list of T numbers
    top_k : int, optional
        Count as positive only the k largest of the last axis.
    class_id : int, optional
        Look at this one entry of the last axis only.
    sample_weight : array_like, optional
    label_weights : array_like, shape (L,), optional
        A weight for each entry of the last axis.
    by_label : bool, default False
        Count each entry of the last axis for itself.
    name : str
        Whose counts they are, for messages.

    Returns
    -------
    tuple of ndarray
        Four, of shape (T,), or (T, L) with ``by_label``.
    """
    y, p = paired(name, np.asarray(y_true), np.asarray(y_pred, config.floatx()))
    p = np.where(np.isnan(p), -np.inf, p)
    w: Array = np.ones(())
    if sample_weight is not None:
        w = same_rank(y, np.asarray(sample_weight, np.float64)[..., None], expand=False)[1]
    if top_k is not None:
        best = np.argsort(-p, axis=-1, kind="stable")[..., :top_k]
        kept = np.full_like(p, _NOT_IN_TOP_K)
        np.put_along_axis(kept, best, np.take_along_axis(p, best, axis=-1), axis=-1)
        p = kept
    if class_id is not None:
        if p.ndim == 1:
            raise ValueError(f"class_id needs predictions of shape (N, classes); got shape {p.shape}.")
        y, p = y[..., class_id, None], p[..., class_id, None]
    if label_weights is not None:
        w = w * np.asarray(label_weights)
    labels = p.shape[-1] if by_label else 1
    w = np.broadcast_to(w, p.shape).reshape(-1, labels)
    positive = np.broadcast_to(y, p.shape).reshape(-1, labels).astype(bool)

    # A histogram of how many thresholds lie below each prediction; its sums from above are the positives.
    bins = len(thresholds) + 1
    below = _thresholds_below(p.reshape(-1, labels), thresholds) + bins * np.arange(labels)

    def above(weights: Array) -> tuple[Array, Array]:
        histogram = np.bincount(below.ravel(), weights.ravel(), bins * labels).reshape(labels, bins)
        return histogram[:, ::-1].cumsum(axis=1)[:, -2::-1].T, histogram.sum(axis=1)

    tp, trues = above(w * positive)
    fp, falses = above(w * ~positive)
    order = np.argsort(np.argsort(thresholds, kind="stable"), kind="stable")
    tp, fp, tn, fn = (c[order] if by_label else c[order, 0] for c in (tp, fp, falses - fp, trues - tp))
    return tp, fp, tn, fn


def _thresholds_below(p: Array, thresholds: list[float]) -> Array:
    """Return how many thresholds each prediction is above."""
    count = len(thresholds)
    even = np.arange(count) / max(1, count - 1)
    if count >= 3 and np.allclose(thresholds, even, atol=config.epsilon()):
        # Keras counts evenly spaced thresholds so; comparing would differ at the edges, by rounding.
        below: Array = np.ceil(np.clip(p, 0, 1) * p.dtype.type(count - 1)).astype(np.intp)
        # A first threshold just below 0 is below everything.
        return np.maximum(below, 1) if thresholds[0] < 0 or thresholds[-1] > 1 else below
    return np.searchsorted(np.sort(np.asarray(thresholds, p.dtype)), p, side="left")


def ratio(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    """Return a / b, and 0 where b is 0."""
    over, under = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    result: Array = np.divide(over, under, out=np.zeros(over.shape), where=under != 0)
    return result


class ConfusionMetric(Metric):
    """What metrics of the four counts share."""

    def __init__(
        self,
        thresholds: Any,
        name: str | None,
        dtype: str | None,
        top_k: int | None = None,
        class_id: int | None = None,
    ) -> None:
        self.init_thresholds = thresholds
        self.top_k, self.class_id = top_k, class_id
        if thresholds is None:
            thresholds = 0.5 if top_k is None else _NOT_IN_TOP_K
        elif any(t is None or not 0 <= t <= 1 for t in np.atleast_1d(thresholds)):
            raise ValueError(f"{type(self).__name__}: thresholds must lie in [0, 1]; got {thresholds!r}.")
        self.thresholds = [float(t) for t in np.atleast_1d(thresholds)]
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        count = len(self.thresholds)
        self.true_positives, self.false_positives = np.zeros(count), np.zeros(count)
        self.true_negatives, self.false_negatives = np.zeros(count), np.zeros(count)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        tp, fp, tn, fn = confusion_counts(
            y_true,
            y_pred,
            self.thresholds,
            top_k=self.top_k,
            class_id=self.class_id,
            sample_weight=sample_weight,
            name=self.name,
        )
        self.true_positives += tp
        self.false_positives += fp
        self.true_negatives += tn
        self.false_negatives += fn

    def _one_or_all(self, of_each_threshold: Array) -> Any:
        return float(of_each_threshold[0]) if len(self.thresholds) == 1 else of_each_threshold.copy()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


class _Count(ConfusionMetric):
    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(thresholds, name, dtype)


class TruePositives(_Count):
    """How many positives were predicted as such (weighted), at each of ``thresholds`` (default 0.5)."""

    _direction = "up"

    def result(self) -> Any:
        return self._one_or_all(self.true_positives)


class FalsePositives(_Count):
    """How many negatives were predicted as positive (weighted), at each of ``thresholds`` (default 0.5)."""

    _direction = "down"

    def result(self) -> Any:
        return self._one_or_all(self.false_positives)


class TrueNegatives(_Count):
    """How many negatives were predicted as such (weighted), at each of ``thresholds`` (default 0.5)."""

    _direction = "up"

    def result(self) -> Any:
        return self._one_or_all(self.true_negatives)


class FalseNegatives(_Count):
    """How many positives were predicted as negative (weighted), at each of ``thresholds`` (default 0.5)."""

    _direction = "down"

    def result(self) -> Any:
        return self._one_or_all(self.false_negatives)


class _OfPositives(ConfusionMetric):
    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(thresholds, name, dtype, top_k, class_id)


class Precision(_OfPositives):
    """TP / (TP + FP): how much of what was predicted positive is; 0 where nothing was (van Rijsbergen 1979).

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]; a prediction is positive above it. By default 0.5, or none with ``top_k``. Of a list, the result
        is an array.
    top_k : int, optional
        Only the k largest predictions of the last axis are positive.
    class_id : int, optional
        Look at this one entry of the last axis only.
    name, dtype
        As for ``Metric``.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.metrics.Precision()([0, 1, 1, 1], [1, 0, 1, 1])
    0.6666666666666666
    """

    def result(self) -> Any:
        return self._one_or_all(ratio(self.true_positives, self.true_positives + self.false_positives))


class Recall(_OfPositives):
    """TP / (TP + FN): the fraction of the positives that were predicted so; 0 without any (van Rijsbergen 1979).

    Parameters are those of ``Precision``.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.metrics.Recall()([0, 1, 1, 1], [1, 0, 1, 1])
    0.6666666666666666
    """

    def result(self) -> Any:
        return self._one_or_all(ratio(self.true_positives, self.true_positives + self.false_negatives))
