"""Metrics: running numbers over the batches of an epoch (``keras.metrics``).

Each is gathered batch by batch with ``update_state`` and read with ``result``; a short last batch counts for no
more than it holds. Accuracies and losses are here as functions, too, that return one value for each sample.
"""

from __future__ import annotations

from typing import Any

from minibatch.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from minibatch.losses.functions import FUNCTIONS as LOSS_FUNCTIONS
from minibatch.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy_for,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from minibatch.metrics.auc import AUC
from minibatch.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from minibatch.metrics.f_score import F1Score, FBetaScore
from minibatch.metrics.metric import Metric
from minibatch.metrics.of_losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from minibatch.metrics.reduction import Mean, MeanMetricWrapper, Sum, described, wrapped
from minibatch.utils import serialization
from minibatch.utils.names import NotHere, find, snake_case

_CLASSES: tuple[type[Metric], ...] = (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
    F1Score,
    FBetaScore,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    LogCoshError,
    Mean,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanMetricWrapper,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Sum,
)
_SHORT: dict[str, type[Metric]] = {
    "bce": BinaryCrossentropy,
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
}
METRICS: dict[str, type[Metric]] = {**{snake_case(c.__name__): c for c in _CLASSES}, **_SHORT}

_BY_NAME: dict[str, type[Metric]] = {
    **METRICS,
    **{short.upper(): c for short, c in _SHORT.items()},
    **{c.__name__: c for c in _CLASSES},
}
_FUNCTIONS: dict[str, Any] = {
    **LOSS_FUNCTIONS,
    **{
        function.__name__: function
        for function in (
            binary_accuracy,
            categorical_accuracy,
            sparse_categorical_accuracy,
            sparse_top_k_categorical_accuracy,
            top_k_categorical_accuracy,
        )
    },
}

_AT = "AUC, or Precision and Recall with a list of thresholds"
_IOU = "Precision, Recall and F1Score"
NOT_HERE = NotHere(
    "metrics",
    {
        "BinaryIoU": _IOU,
        "IoU": _IOU,
        "MeanIoU": _IOU,
        "OneHotIoU": _IOU,
        "OneHotMeanIoU": _IOU,
        "ConcordanceCorrelation": "RootMeanSquaredError",
        "CosineSimilarity": "MeanSquaredError",
        "PearsonCorrelation": "RootMeanSquaredError",
        "R2Score": "MeanSquaredError (R2 is 1 less its ratio to the variance of the targets)",
        "PrecisionAtRecall": _AT,
        "RecallAtPrecision": _AT,
        "SensitivityAtSpecificity": _AT,
        "SpecificityAtSensitivity": _AT,
        "binary_focal_crossentropy": "BinaryCrossentropy",
        "categorical_focal_crossentropy": "CategoricalCrossentropy",
    },
    {
        "logcosh": "'log_cosh_error'",
        "kullback_leibler_divergence": "'kl_divergence'",
        "cosine_proximity": "'cosine_similarity', which this library has not",
    },
)


def get(
    identifier: Any, y_shape: tuple[int, ...] | None = None, output_shape: tuple[int, ...] | None = None
) -> Metric:
    """Return a metric from a name, a function, a class, an instance or a dict of ``serialize``.

    Parameters
    ----------
    identifier : str, callable, type, Metric or dict
        A function of (y_true, y_pred) becomes its mean over samples.
    y_shape, output_shape : tuple of int, optional
        The shapes of one target and one prediction. With them the rules are those of Keras's ``compile``:
        "accuracy" and "acc" mean the accuracy that fits, and a metric that was named goes by that name.

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
    if isinstance(identifier, dict):
        return get(deserialize(identifier))
    if isinstance(identifier, str):
        if y_shape is None or output_shape is None:
            return find("metric", identifier, _BY_NAME, NOT_HERE)()
        by_shape: dict[str, type[Metric]] = {"accuracy": accuracy_for(y_shape, output_shape)}
        by_shape["acc"] = by_shape["accuracy"]
        named = by_shape.get(identifier.lower())
        return (named or find("metric", identifier, {**_BY_NAME, **by_shape}, NOT_HERE))(name=identifier)
    if _is_function(identifier):
        return wrapped(identifier)
    raise TypeError(
        f"a metric is a name, a function of (y_true, y_pred) or a minibatch.metrics.Metric; got {identifier!r}."
    )


def serialize(metric: Any) -> dict[str, Any]:
    """Return what ``get`` takes as a dict in Keras's format (see ``minibatch.utils.serialization``), without state.

    A function is written by its name; who reads it hands one of their own over as one of ``custom_objects``.
    """
    return described(metric) if _is_function(metric) else serialization.serialize(get(metric), "metrics")


def _is_function(metric: Any) -> bool:
    return callable(metric) and not isinstance(metric, type | Metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the metric, or the function, that ``serialize``, here or in Keras, made a dict of.

    Raises
    ------
    ValueError
        If its name is unknown.
    TypeError
        If the dict is not of that format.
    """
    found = serialization.deserialize("metric", config, _BY_NAME, custom_objects, NOT_HERE, _FUNCTIONS)
    return found if _is_function(found) else get(found)


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Poisson",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_hinge",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]
