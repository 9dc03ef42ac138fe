"""What every loss is: values and gradients for each sample, and how they become one number for a batch."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from minibatch import config
from minibatch.results import result
from minibatch.typing import Array
from minibatch.utils.names import near_misses, snake_case, unique_name
from minibatch.utils.serialization import Configurable

REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)

#: What a target may lie outside the limits by: float32's rounding of a few operations.
ROUNDING = 1e-5


class Loss(Configurable):
    """A loss: ``call`` gives the values, ``gradient`` their derivatives, side by side.

    Parameters
    ----------
    name : str, optional
        By default the class's name in snake case, numbered from the second one on.
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None}
        How the losses l_i of a batch, with weights w_i, become one number. "sum_over_batch_size" and "mean":
        sum w_i l_i over the count of losses, not over sum w. "sum": sum w_i l_i. "mean_with_sample_weight":
        sum w_i l_i over sum w (0 where that is 0). "none" and None: no number but the array of w_i l_i; training
        then follows the gradient of their sum and reports their mean, as in Keras.
    dtype : str, optional
        As in Keras the float type to compute in; here only the library's own, ``config.floatx()``.

    Examples
    --------
    A loss of your own is two functions:

    >>> import minibatch as mb
    >>> import numpy as np
    >>> class AbsoluteError(mb.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return np.abs(y_pred - y_true).mean(axis=-1)
    ...     def gradient(self, y_true, y_pred):
    ...         return np.sign(y_pred - y_true) / y_pred.shape[-1]
    >>> AbsoluteError()(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]]))
    2.0
    """

    #: The activation whose input ("logits") the loss can take in place of its output; see ``on_logits``.
    absorbs: str | None = None
    from_logits = False
    #: The smallest and the largest number that a target may be; None if any number will do.
    limits: tuple[float, float] | None = None

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: str | None = None,
    ) -> None:
        check_dtype(self, dtype)
        if reduction not in REDUCTIONS:
            known = near_misses(str(reduction), [r for r in REDUCTIONS if r])
            raise ValueError(f"{type(self).__name__}: unknown reduction {reduction!r}.{known}")
        self.reduction = reduction
        self.name = name or unique_name(snake_case(type(self).__name__))

    @property
    def dtype(self) -> str:
        """The float type that the loss computes in."""
        return config.floatx()

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return the losses, of shape (N,) or (N, positions): y_pred's without its last axis."""
        raise TypeError(f"{type(self).__name__} must define call(y_true, y_pred).")

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """Return d(losses)/d(y_pred), of the shape of y_pred, not divided by anything."""
        raise TypeError(f"{type(self).__name__} must define gradient(y_true, y_pred).")

    def both(
        self, y_true: Array, y_pred: Array, activated: Array | None = None, differentiate: bool = True
    ) -> tuple[Array, Any]:
        """Return what ``call`` and ``gradient`` return (None for the latter, if it is not asked for).

        Worth defining where the two share work, or where ``activated`` (see ``of_batch``) spares some.
        """
        return self.call(y_true, y_pred), self.gradient(y_true, y_pred) if differentiate else None

    def mask(self, y_true: Array) -> Array | None:
        """Return which losses count, of the shape of the losses; None if all do."""
        return None

    # Targets ------------------------------------------------------------------------------------------------

    def targets(self, y: npt.ArrayLike, output_shape: tuple[int, ...]) -> Array:
        """Return targets as ``call`` wants them, checked once for a whole data set.

        Parameters
        ----------
        y : array_like, shape (N, ...)
        output_shape : tuple of int
            The shape of one sample of y_pred.

        Raises
        ------
        ValueError
            If the shape or the values do not fit.
        """
        y = self._numbers(y)
        if y.shape[1:] == output_shape[:-1] and output_shape[-1:] == (1,):
            y = y[..., None]
        if y.shape[1:] != output_shape:
            raise ValueError(
                f"{self.name}: the model's output has shape {batch_of(output_shape)}, so the targets need the "
                f"same; got y of shape {batch_of(y.shape[1:])}.{self._shape_hint(y, output_shape)}"
            )
        return y.astype(config.floatx(), copy=False)

    def check(self, y: Array) -> None:
        """Raise a ValueError if a target lies outside ``limits``; called once for a whole data set."""
        if self.limits is None or not y.size:
            return
        low, high = self.limits[0] - ROUNDING, self.limits[1] + ROUNDING
        if np.minimum.reduce(y, axis=None) >= low and np.maximum.reduce(y, axis=None) <= high:
            return
        wrong = np.argwhere((y < low) | (y > high))  # none, if it is a NaN that came here
        if len(wrong):
            row = int(wrong[0][0])
            raise ValueError(
                f"{self.name}: targets must lie between {self.limits[0]} and {self.limits[1]}; y[{row}] holds "
                f"{y[tuple(wrong[0])]!s}.{self._range_hint(y)}"
            )

    def _range_hint(self, y: Array) -> str:
        if y.shape[-1] == 1 and (y == np.round(y)).all() and (y >= 0).all():
            return (
                " These look like class numbers: two classes are 0 and 1; for more use "
                "loss='sparse_categorical_crossentropy' and a softmax of one output for each."
            )
        return ""

    def _numbers(self, y: npt.ArrayLike) -> Array:
        array = np.asarray(y)
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{self.name}: targets must be numbers; got an array of dtype {array.dtype}.")
        return array

    def _shape_hint(self, y: Array, output_shape: tuple[int, ...]) -> str:
        return ""

    def on_logits(self) -> Self:
        """Return this loss for the input of the activation it absorbs, instead of its output."""
        other = copy.copy(self)
        other.from_logits = True
        return other

    # One sample ---------------------------------------------------------------------------------------------

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """Return l_i for every sample, shape (N,): the mean over its positions."""
        losses = self.call(y_true, y_pred)
        return losses if losses.ndim == 1 else losses.reshape(len(losses), -1).mean(axis=1)

    def per_sample_gradient(self, y_true: Array, y_pred: Array) -> Array:
        """Return dl_i/dy_pred, of the shape of y_pred: unscaled, as if each sample were alone."""
        gradient = self.gradient(y_true, y_pred)
        positions = gradient[0, ..., 0].size
        return gradient if positions == 1 else gradient / gradient.dtype.type(positions)

    # A batch ------------------------------------------------------------------------------------------------

    def of_batch(
        self,
        y_true: Array,
        y_pred: Array,
        sample_weight: Array | None = None,
        activated: Array | None = None,
    ) -> tuple[float, Array]:
        """Return (L, dL/dy_pred) of a batch.

        Parameters
        ----------
        y_true, y_pred : ndarray
            Targets as ``targets`` returns them, and predictions of shape (N, ..., K).
        sample_weight : ndarray, optional
            Of shape (N,), (N, 1) or that of the losses.
        activated : ndarray, optional
            For a loss of logits: what the activation that it absorbs made of them, where that is known.
        """
        losses, gradient = self.both(y_true, y_pred, activated)
        losses, weights, divisor = self._weighted(losses, y_true, sample_weight)
        scale = 1 if self._unreduced else divisor
        gradient = gradient / scale if weights is None else gradient * (weights / scale)[..., None]
        return float(np.add.reduce(losses, axis=None)) / divisor, gradient

    def value(
        self,
        y_true: Array,
        y_pred: Array,
        sample_weight: Array | None = None,
        activated: Array | None = None,
    ) -> float:
        """Return L of a batch, as ``of_batch`` does, without its gradient."""
        losses = self.call(y_true, y_pred) if activated is None else self.both(y_true, y_pred, activated, False)[0]
        losses, _, divisor = self._weighted(losses, y_true, sample_weight)
        return float(np.add.reduce(losses, axis=None)) / divisor

    def values_by(
        self,
        size: int,
        y_true: Array,
        y_pred: Array,
        sample_weight: Array | None = None,
        activated: Array | None = None,
    ) -> list[float]:
        """Return ``value`` of every ``size`` samples, the last ones being fewer perhaps."""
        values = []
        for start in range(0, len(y_true), size):
            few = slice(start, start + size)
            w, y = (None if given is None else given[few] for given in (sample_weight, activated))
            values.append(self.value(y_true[few], y_pred[few], w, y))
        return values

    @property
    def _unreduced(self) -> bool:
        return self.reduction in (None, "none")

    def _weighted(
        self, losses: Array, y_true: Array, sample_weight: Array | None
    ) -> tuple[Array, Array | None, float]:
        """Return (w l, w, divisor): the weighted losses of a batch, and what their sum is divided by."""
        weights = None
        if sample_weight is not None:
            weights = np.asarray(sample_weight, losses.dtype)
            weights = weights.reshape(weights.shape + (1,) * (losses.ndim - weights.ndim))
        mask = self.mask(y_true)
        if mask is not None:
            kept = mask.astype(losses.dtype)
            if self.reduction in ("sum_over_batch_size", "mean"):
                # The mean is over what counts.
                kept *= kept.size / max(1, int(mask.sum()))
            weights = kept if weights is None else weights * kept
        losses = losses if weights is None else losses * weights
        if self.reduction == "sum":
            divisor = 1.0
        elif self.reduction == "mean_with_sample_weight" and weights is not None:
            # Where all weights are 0 the sum above it is 0, too, and so is the loss.
            divisor = float(weights.sum()) or 1.0
        else:
            divisor = float(losses.size)
        return losses, weights, divisor

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
        """Return the losses, one for each position, from anything like arrays: what Keras's functions return."""
        return self.call(*self.arrays(y_true, y_pred))

    def arrays(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Array, Array]:
        """Return (y_true, y_pred) as ``call`` wants them, the targets checked, from anything like arrays."""
        predictions = np.asarray(y_pred)
        if predictions.dtype.kind != "f" or not isinstance(y_pred, np.ndarray):
            predictions = predictions.astype(config.floatx())
        if predictions.ndim == 1 and np.shape(y_true) == (*predictions.shape, 1):
            predictions = predictions[:, None]
        return self.targets(y_true, predictions.shape[1:]), predictions

    def __call__(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Any:
        """Return the loss of a batch; without a reduction, the array of its weighted losses."""
        y, predictions = self.arrays(y_true, np.asarray(y_pred, dtype=config.floatx()))
        weights = None if sample_weight is None else np.asarray(sample_weight)
        losses, _, divisor = self._weighted(self.call(y, predictions), y, weights)
        return result(losses if self._unreduced else float(losses.sum()) / divisor)

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "dtype"}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class NamedLoss(Loss):
    """What this library's own losses share: Keras's order of arguments, and a name without a number."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name or snake_case(type(self).__name__), reduction, dtype)


def check_dtype(owner: object, dtype: str | None) -> None:
    """Raise a ValueError if Keras's argument ``dtype`` asks for another float type than the library's."""
    if dtype not in (None, config.floatx()):
        raise ValueError(
            f"{type(owner).__name__}: dtype must be the library's float type, {config.floatx()!r} (see "
            f"config.set_floatx); got {dtype!r}."
        )


def batch_of(shape: tuple[int, ...]) -> str:
    """Return the shape of a batch of such samples, for messages: "(N, 3)"."""
    return f"({', '.join(['N', *map(str, shape)])}{',' if not shape else ''})"
