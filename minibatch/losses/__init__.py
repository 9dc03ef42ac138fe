"""Losses, each beside its gradient (``keras.losses``).

A loss gives every sample a number l_i; the loss of a batch is their mean, L = (1/B) sum_i l_i, or with sample
weights (1/B) sum_i w_i l_i (the count B, not sum w, as in Keras). So the gradient of the batch is the mean of
the gradients of its samples. Where y_pred has positions beside samples, l_i is the mean over them. Other ways to
make one number of a batch are reductions; see ``Loss``.

Each loss is a class and, for its values alone, a function: ``Huber(delta=2.0)`` and ``huber(y_true, y_pred, 2.0)``.
"""

from __future__ import annotations

from typing import Any

from minibatch.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    kind_of_targets,
)
from minibatch.losses.divergence import KLDivergence, Poisson
from minibatch.losses.functions import FUNCTIONS, LossFunction
from minibatch.losses.loss import Loss
from minibatch.losses.margin import CategoricalHinge, Hinge, SquaredHinge
from minibatch.losses.regression import (
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
)
from minibatch.losses.sparse import SparseCategoricalCrossentropy
from minibatch.utils import serialization
from minibatch.utils.names import NotHere, find, near_misses

binary_crossentropy = bce = BCE = FUNCTIONS["binary_crossentropy"]
categorical_crossentropy = FUNCTIONS["categorical_crossentropy"]
sparse_categorical_crossentropy = FUNCTIONS["sparse_categorical_crossentropy"]
kl_divergence = kld = KLD = FUNCTIONS["kl_divergence"]
poisson = FUNCTIONS["poisson"]
mean_squared_error = mse = MSE = FUNCTIONS["mean_squared_error"]
mean_absolute_error = mae = MAE = FUNCTIONS["mean_absolute_error"]
mean_absolute_percentage_error = mape = MAPE = FUNCTIONS["mean_absolute_percentage_error"]
mean_squared_logarithmic_error = msle = MSLE = FUNCTIONS["mean_squared_logarithmic_error"]
huber = FUNCTIONS["huber"]
log_cosh = FUNCTIONS["log_cosh"]
hinge = FUNCTIONS["hinge"]
squared_hinge = FUNCTIONS["squared_hinge"]
categorical_hinge = FUNCTIONS["categorical_hinge"]

#: Keras's short names, each with the function it stands for.
ALIASES = {
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
}

LOSSES: dict[str, type[Loss]] = {name: function.loss_class for name, function in FUNCTIONS.items()}
LOSSES |= {short: LOSSES[long] for short, long in ALIASES.items()}

_BY_NAME: dict[str, type[Loss]] = {
    **LOSSES,
    **{short.upper(): LOSSES[long] for short, long in ALIASES.items()},
    **{c.__name__: c for c in LOSSES.values()},
}

NOT_HERE = NotHere(
    "losses",
    {
        "BinaryFocalCrossentropy": "BinaryCrossentropy",
        "CategoricalFocalCrossentropy": "CategoricalCrossentropy",
        "CategoricalGeneralizedCrossEntropy": "SparseCategoricalCrossentropy",
        "CosineSimilarity": "MeanSquaredError of rows divided by their length",
        "CTC": "SparseCategoricalCrossentropy",
        "Circle": "CategoricalHinge",
        "Dice": "BinaryCrossentropy",
        "Tversky": "BinaryCrossentropy",
    },
    {
        "logcosh": "'log_cosh'",
        "kullback_leibler_divergence": "'kl_divergence'",
        "huber_loss": "'huber'",
        "cosine_proximity": "'cosine_similarity', which this library has not",
        "Reduction": "a string: reduction='sum_over_batch_size', 'sum', 'mean_with_sample_weight' or 'none'",
    },
)


def get(
    identifier: Any, y_shape: tuple[int, ...] | None = None, output_shape: tuple[int, ...] | None = None
) -> Loss:
    """Return a loss from a name, a function of this module, a class, an instance or a dict of ``serialize``.

    Parameters
    ----------
    identifier : str, LossFunction, type, Loss or dict
        "mse", "mean_squared_error", "MeanSquaredError", ``losses.mean_squared_error``, ...
    y_shape, output_shape : tuple of int, optional
        The shapes of one target and one prediction. With them, "crossentropy" and "ce" mean the cross-entropy that
        fits, as in Keras's ``compile``.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the near misses.
    TypeError
        For anything else. A plain function is not enough: its gradient is needed too (see ``Loss``).
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, LossFunction):
        return identifier.loss_class()
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        if identifier.lower() in ("crossentropy", "ce"):
            return _crossentropy_for(identifier, y_shape, output_shape)()
        return find("loss", identifier, _BY_NAME, NOT_HERE)()
    raise TypeError(
        "a loss is a name or a minibatch.losses.Loss (a function with its gradient); got "
        f"{identifier!r}.{near_misses(str(identifier), LOSSES)}"
    )


def _crossentropy_for(
    name: str, y_shape: tuple[int, ...] | None, output_shape: tuple[int, ...] | None
) -> type[Loss]:
    """Return the class that "crossentropy" means for these shapes, by the rule that "accuracy" follows."""
    if y_shape is None or output_shape is None:
        raise ValueError(f"the loss {name!r} depends on the shapes of targets and predictions; name the one meant.")
    kinds: dict[str, type[Loss]] = {
        "binary": BinaryCrossentropy,
        "sparse": SparseCategoricalCrossentropy,
        "categorical": CategoricalCrossentropy,
    }
    return kinds[kind_of_targets(y_shape, output_shape)]


def serialize(loss: Loss | LossFunction) -> dict[str, Any]:
    """Return a loss as a dict in Keras's format (see ``minibatch.utils.serialization``)."""
    if isinstance(loss, LossFunction):
        return serialization.function_config(loss.__name__)
    return serialization.serialize(loss, "losses")


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Loss:
    """Return the loss that ``serialize``, here or in Keras, made a dict of.

    Raises
    ------
    ValueError
        If its name is unknown.
    TypeError
        If the dict is not of that format.
    """
    return get(serialization.deserialize("loss", config, _BY_NAME, custom_objects, NOT_HERE))


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "BCE",
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "bce",
    "binary_crossentropy",
    "categorical_crossentropy",
    "categorical_hinge",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "log_cosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]
