"""The fraction of samples that are right, for each way of writing targets; as functions and as metrics."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from minibatch import config
from minibatch.losses.crossentropy import kind_of_targets
from minibatch.losses.sparse import FLOATS, LABELS
from minibatch.metrics.metric import paired
from minibatch.metrics.reduction import COUNTS, MeanMetricWrapper
from minibatch.typing import Array

#: So many classes make a short row.
SHORT = 32


def accuracy(y_true: Any, y_pred: Any) -> Array:
    """Return 1 where a prediction is the target, 0 elsewhere."""
    y, p = paired("accuracy", np.asarray(y_true), np.asarray(y_pred))
    return _numbers(y == p)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    """Return 1 where (y_pred > threshold) is y_true, 0 elsewhere."""
    y, p = paired("binary_accuracy", np.asarray(y_true), np.asarray(y_pred))
    return _numbers(y == (p > threshold))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Return 1 where the largest prediction is where the largest target is, 0 elsewhere; over the last axis."""
    y, p = _rows("categorical_accuracy", y_true, y_pred)
    return _numbers(np.argmax(y, axis=-1) == np.argmax(p, axis=-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Return 1 where the largest prediction is at the target's class number, 0 elsewhere; over the last axis."""
    return _numbers(_best_is_label(y_true, y_pred))


def _best_is_label(y_true: Any, y_pred: Any) -> Array:
    p = np.asarray(y_pred)
    matches: Array = _labels("sparse_categorical_accuracy", y_true, p) == p.argmax(axis=-1)
    return matches[..., 0] if matches.ndim > 1 and matches.shape[-1] == 1 else matches


def _count_best(y_true: Any, y_pred: Any) -> tuple[int, int] | None:
    # What is counted is the same in either way; so Numba, if it is not there, is not loaded for this.
    loops = _loops() if "numba" in sys.modules and _is_one_loop(y_true, y_pred) else None
    if loops is not None:
        return loops.count_best(y_true, y_pred), len(y_true)
    right = _best_is_label(y_true, y_pred)
    return (int(np.count_nonzero(right)), right.size) if right.ndim == 1 else None


def _is_one_loop(y: Any, p: Any) -> bool:
    """Return whether these are for a compiled loop: class numbers, and short rows. Long ones argmax is fast at."""
    return (
        type(y) is type(p) is np.ndarray
        and y.ndim == 1
        and p.ndim == 2
        and len(y) == len(p)
        and 0 < p.shape[1] <= SHORT
        and y.dtype == LABELS
        and p.dtype in FLOATS
    )


@functools.cache
def _loops() -> Any:
    """Return the compiled loops (``accuracy_kernels``); None where Numba's compiler is off."""
    from minibatch.compiling import PLAIN
    from minibatch.metrics import accuracy_kernels as kernels

    return None if PLAIN else kernels


COUNTS.append((sparse_categorical_accuracy, _count_best))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """Return 1 where the target of largest value is among the ``k`` largest predictions, 0 elsewhere."""
    y, p = _rows("top_k_categorical_accuracy", y_true, y_pred)
    return sparse_top_k_categorical_accuracy(np.argmax(y, axis=-1), p, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Array:
    """Return 1 where the target's class number is among the ``k`` largest predictions, 0 elsewhere.

    Predictions that tie with the k-th largest are all among them, as in Keras.

    Parameters
    ----------
    y_true : array_like, shape (N, ...)
    y_pred : array_like, shape (N, ..., K)
        With ``from_sorted_ids`` the class numbers themselves, the likeliest first.
    k : int, default 5
    from_sorted_ids : bool, default False
    """
    p = np.asarray(y_pred)
    labels = _labels("sparse_top_k_categorical_accuracy", y_true, p)[..., None]
    if from_sorted_ids:
        return _numbers((p[..., :k] == labels).any(axis=-1))
    labels = labels.astype(np.intp)
    inside = (labels >= 0) & (labels < p.shape[-1])
    score = np.take_along_axis(p, np.where(inside, labels, 0), axis=-1)
    return _numbers(inside[..., 0] & np.isfinite(score[..., 0]) & ((p > score).sum(axis=-1) < k))


def _rows(name: str, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Return both as arrays of one shape, or say which metric is meant for targets of this one."""
    y, p = np.asarray(y_true), np.asarray(y_pred)
    if y.shape != p.shape:
        raise ValueError(
            f"{name} compares rows of the same shape; got targets of shape {y.shape} and predictions of shape "
            f"{p.shape}. For class numbers use 'sparse_{name}'"
            + (", or 'accuracy', which looks at the shapes." if name == "categorical_accuracy" else ".")
        )
    return y, p


def _labels(name: str, y_true: Any, y_pred: Array) -> Array:
    """Return class numbers of the shape of y_pred without its last axis, from those or from a column of them."""
    y = np.asarray(y_true)
    labels: Array = y[..., 0] if y.ndim == y_pred.ndim and y.shape[-1] == 1 else y
    if labels.shape != y_pred.shape[:-1]:
        other = name.removeprefix("sparse_")
        raise ValueError(
            f"{name} takes a class number for each row of predictions; got targets of shape {y.shape} and "
            f"predictions of shape {y_pred.shape}. For one-hot rows use {other!r}"
            + (", or 'accuracy', which looks at the shapes." if other == "categorical_accuracy" else ".")
        )
    return labels


def _numbers(matches: Array) -> Array:
    return matches.astype(config.floatx())


class Accuracy(MeanMetricWrapper):
    """The fraction of predictions that are the target.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.metrics.Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
    0.75
    """

    _direction = "up"

    def __init__(self, name: str | None = "accuracy", dtype: str | None = None) -> None:
        super().__init__(accuracy, name, dtype)


class CategoricalAccuracy(MeanMetricWrapper):
    """The fraction of samples whose largest prediction is where the one-hot target is.

    Examples
    --------
    >>> import minibatch as mb
    >>> accuracy = mb.metrics.CategoricalAccuracy()
    >>> accuracy.update_state([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]])
    >>> accuracy.result()
    0.5
    """

    _direction = "up"

    def __init__(self, name: str | None = "categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """The fraction of samples whose largest prediction is at the target's class number."""

    _direction = "up"

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """The fraction of predictions on the right side of ``threshold``.

    Parameters
    ----------
    name : str, default "binary_accuracy"
    dtype : str, optional
        As for ``Metric``.
    threshold : float, default 0.5
    """

    _direction = "up"

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: str | None = None, threshold: float = 0.5
    ) -> None:
        self.threshold = threshold
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """The fraction of samples whose one-hot target is among the ``k`` largest predictions (default 5)."""

    _direction = "up"

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: str | None = None
    ) -> None:
        self.k = k
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """The fraction of samples whose class number is among the ``k`` largest predictions (default 5).

    With ``from_sorted_ids`` predictions are class numbers, the likeliest first.
    """

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: str | None = None,
        from_sorted_ids: bool = False,
    ) -> None:
        self.k, self.from_sorted_ids = k, from_sorted_ids
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)


def accuracy_for(y_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> type[MeanMetricWrapper]:
    """Return the class that "accuracy" means for these shapes of one target and one prediction, by Keras's rule."""
    kinds: dict[str, type[MeanMetricWrapper]] = {
        "binary": BinaryAccuracy,
        "sparse": SparseCategoricalAccuracy,
        "categorical": CategoricalAccuracy,
    }
    return kinds[kind_of_targets(y_shape, output_shape)]
