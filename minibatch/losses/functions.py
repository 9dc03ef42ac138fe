"""Keras's second spelling of the losses: functions of (y_true, y_pred) that return one value for each position."""

from __future__ import annotations

import inspect
from typing import Any

import numpy.typing as npt

from minibatch.losses import crossentropy, divergence, margin, regression, sparse
from minibatch.losses.loss import Loss
from minibatch.results import result
from minibatch.typing import Array
from minibatch.utils.names import snake_case

#: Arguments of a loss that are about a batch, not about its values.
_OF_A_BATCH = ("reduction", "name", "dtype")


class LossFunction:
    """A loss as a function of (y_true, y_pred), with the arguments of its class that are about values.

    Parameters
    ----------
    loss_class : type of Loss

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.losses.huber([[0.0], [0.0]], [[1.0], [3.0]], delta=2.0)
    array([0.5, 4. ], dtype=float32)
    """

    def __init__(self, loss_class: type[Loss]) -> None:
        self.loss_class = loss_class
        self.__name__ = snake_case(loss_class.__name__)
        self.__qualname__ = self.__name__
        self.__doc__ = f"Return the losses of ``{loss_class.__name__}``, one for each position, not reduced."
        either = inspect.Parameter.POSITIONAL_OR_KEYWORD
        own = [p for p in inspect.signature(loss_class).parameters.values() if p.name not in _OF_A_BATCH]
        y = [inspect.Parameter(name, either) for name in ("y_true", "y_pred")]
        self.__signature__ = inspect.Signature([*y, *own])

    def __call__(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *args: Any, **kwargs: Any) -> Array:
        given = self.__signature__.bind(y_true, y_pred, *args, **kwargs).arguments
        settings = {name: value for name, value in given.items() if name not in ("y_true", "y_pred")}
        return result(self.loss_class(**settings).values(y_true, y_pred))

    def __reduce__(self) -> Any:
        return LossFunction, (self.loss_class,)

    def __repr__(self) -> str:
        return f"<loss function {self.__name__}>"


FUNCTIONS: dict[str, LossFunction] = {
    function.__name__: function
    for function in map(
        LossFunction,
        (
            crossentropy.BinaryCrossentropy,
            crossentropy.CategoricalCrossentropy,
            sparse.SparseCategoricalCrossentropy,
            divergence.KLDivergence,
            divergence.Poisson,
            regression.MeanSquaredError,
            regression.MeanAbsoluteError,
            regression.MeanAbsolutePercentageError,
            regression.MeanSquaredLogarithmicError,
            regression.Huber,
            regression.LogCosh,
            margin.Hinge,
            margin.SquaredHinge,
            margin.CategoricalHinge,
        ),
    )
}
