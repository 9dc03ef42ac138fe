"""Losses, each beside its gradient.

A loss gives every sample a number l_i; the loss of a batch is their mean, L = (1/B) sum_i l_i, or with sample
weights (1/B) sum_i w_i l_i (the count B, not sum w, as in Keras). So the gradient of the batch is the mean of
the gradients of its samples. Where y_pred has positions beside samples, l_i is the mean over them.
"""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from minibatch import config
from minibatch.activations import softmax
from minibatch.typing import Array
from minibatch.utils.names import find, near_misses, refuse, snake_case


class Loss:
    """A loss: ``call`` gives the values, ``gradient`` their derivatives, side by side.

    Parameters
    ----------
    reduction : {"sum_over_batch_size"}
        How sample losses become one number: their mean. (Keras's other reductions are not supported yet.)
    name : str, optional

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

    def __init__(
        self, reduction: str = "sum_over_batch_size", name: str | None = None, **unknown: Any
    ) -> None:
        refuse(self, unknown, {"dtype": (), "axis": (-1,), "ignore_class": ()})
        if reduction != "sum_over_batch_size":
            raise ValueError(
                f"reduction {reduction!r} is not supported yet: only 'sum_over_batch_size' is, the mean over "
                "the batch."
            )
        self.reduction = reduction
        self.name = name or snake_case(type(self).__name__)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return the losses, of shape (N,) or (N, positions): y_pred's without its last axis."""
        raise TypeError(f"{type(self).__name__} must define call(y_true, y_pred).")

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """Return d(losses)/d(y_pred), of the shape of y_pred, not divided by anything."""
        raise TypeError(f"{type(self).__name__} must define gradient(y_true, y_pred).")

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
                f"{self.name}: the model's output has shape {_batch(output_shape)}, so the targets need the same; "
                f"got y of shape {_batch(y.shape[1:])}.{self._shape_hint(y, output_shape)}"
            )
        return y.astype(config.floatx(), copy=False)

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

    def per_sample(self, y_true: Array, y_pred: Array) -> Array:
        """Return l_i for every sample, shape (N,)."""
        losses = self.call(y_true, y_pred)
        return losses if losses.ndim == 1 else losses.reshape(len(losses), -1).mean(axis=1)

    def per_sample_gradient(self, y_true: Array, y_pred: Array) -> Array:
        """Return dl_i/dy_pred, of the shape of y_pred: unscaled, as if each sample were alone."""
        gradient = self.gradient(y_true, y_pred)
        positions = gradient[0, ..., 0].size
        return gradient if positions == 1 else gradient / gradient.dtype.type(positions)

    def of_batch(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> tuple[float, Array]:
        """Return (L, dL/dy_pred) of a batch."""
        losses = self.per_sample(y_true, y_pred)
        gradient = self.per_sample_gradient(y_true, y_pred)
        if sample_weight is None:
            gradient /= len(losses)
        else:
            losses = losses * sample_weight
            gradient *= (sample_weight / len(losses)).reshape(-1, *[1] * (gradient.ndim - 1))
        return float(losses.sum()) / len(losses), gradient

    def __call__(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        """Return the loss of a batch: the mean over samples of (weight times) loss."""
        predictions = np.asarray(y_pred, dtype=config.floatx())
        losses = self.per_sample(self.targets(y_true, predictions.shape[1:]), predictions)
        if sample_weight is not None:
            losses = losses * np.asarray(sample_weight)
        return float(losses.mean())


class MeanSquaredError(Loss):
    """l = mean over the last axis of (y_pred - y_true)^2.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.losses.MeanSquaredError()([[0.0, 0.0]], [[1.0, 3.0]])
    5.0
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        losses: Array = np.mean((y_pred - y_true) ** 2, axis=-1)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        gradient: Array = (y_pred - y_true) * y_pred.dtype.type(2 / y_pred.shape[-1])
        return gradient


class _Crossentropy(Loss):
    """What both spellings of the targets share: probabilities or logits, and softmax absorbed."""

    absorbs = "softmax"

    def __init__(
        self,
        from_logits: bool = False,
        *,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(reduction, name, **unknown)
        self.from_logits = from_logits


class CategoricalCrossentropy(_Crossentropy):
    """l = -sum_k y_k log p_k, for one-hot (or any) probabilities y.

    Parameters
    ----------
    from_logits : bool, default False
        Whether y_pred holds z with p = softmax(z), rather than p. A model that ends in softmax is trained on z in
        either case.
    label_smoothing : float, default 0
        s in [0, 1]: y becomes (1 - s) y + s / K.
    reduction, name
        As for ``Loss``.

    Notes
    -----
    Probabilities are first divided by their sum, then kept in [1e-7, 1 - 1e-7], as in Keras.
    By the logits, dl/dz = p sum_k(y_k) - y.

    Examples
    --------
    >>> import minibatch as mb
    >>> loss = mb.losses.CategoricalCrossentropy()
    >>> round(loss([[0, 1]], [[0.5, 0.5]]), 4)
    0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        *,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(from_logits, reduction=reduction, name=name, **unknown)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must lie in [0, 1]; got {label_smoothing!r}.")
        self.label_smoothing = label_smoothing

    def _shape_hint(self, y: Array, output_shape: tuple[int, ...]) -> str:
        return _CLASS_NUMBERS if y.shape[1:] in (output_shape[:-1], (*output_shape[:-1], 1)) else ""

    def _smooth(self, y_true: Array) -> Array:
        s = self.label_smoothing
        return y_true * (1 - s) + s / y_true.shape[-1] if s else y_true

    def call(self, y_true: Array, y_pred: Array) -> Array:
        y = self._smooth(y_true)
        log_p = log_softmax(y_pred) if self.from_logits else np.log(_clip(_normalise(y_pred)))
        losses: Array = -np.einsum("...k,...k->...", y, log_p)
        return losses

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        y = self._smooth(y_true)
        if self.from_logits:
            dz: Array = softmax(y_pred) * y.sum(axis=-1, keepdims=True) - y
            return dz
        # p = y_pred / sum(y_pred), then the clip, then the logarithm; backwards through each.
        p = _normalise(y_pred)
        dp = -y / _clip(p) * _inside(p)
        gradient: Array = (dp - (dp * p).sum(axis=-1, keepdims=True)) / y_pred.sum(axis=-1, keepdims=True)
        return gradient


class SparseCategoricalCrossentropy(_Crossentropy):
    """l = -log p_y, for class numbers y from 0 to K - 1.

    Parameters
    ----------
    from_logits : bool, default False
        As for ``CategoricalCrossentropy``.
    reduction, name
        As for ``Loss``.

    Notes
    -----
    Probabilities are first kept in [1e-7, 1 - 1e-7], then divided by their sum, as in Keras (the other way round
    from its categorical loss). By the logits, dl/dz = p - onehot(y).

    Raises
    ------
    ValueError
        From ``targets``: for a class number that is negative, above K - 1, or not an integer.

    Examples
    --------
    >>> import minibatch as mb
    >>> loss = mb.losses.SparseCategoricalCrossentropy()
    >>> round(loss([1], [[0.5, 0.5]]), 4)
    0.6931
    """

    def targets(self, y: npt.ArrayLike, output_shape: tuple[int, ...]) -> Array:
        given = self._numbers(y)
        if given.shape[1:] == (*output_shape[:-1], 1):
            given = given[..., 0]
        if given.shape[1:] != output_shape[:-1]:
            hint = _ONE_HOT if given.shape[1:] == output_shape else ""
            raise ValueError(
                f"{self.name}: the model's output has shape {_batch(output_shape)}, so the targets are class "
                f"numbers of shape {_batch(output_shape[:-1])}; got y of shape {_batch(given.shape[1:])}.{hint}"
            )
        with np.errstate(invalid="ignore"):
            labels = given.astype(np.intp)
        if not np.array_equal(labels, given):
            row = int(np.argwhere(labels != given)[0][0])
            raise ValueError(f"{self.name}: class numbers must be integers; y[{row}] is {given[row]!s}.")
        classes = output_shape[-1]
        wrong = (labels < 0) | (labels >= classes)
        if wrong.any():
            row = int(np.argwhere(wrong)[0][0])
            raise ValueError(
                f"{self.name}: class numbers must lie in 0..{classes - 1}, since the model has {classes} outputs; "
                f"y[{row}] is {given[row]!s}."
            )
        return labels

    def call(self, y_true: Array, y_pred: Array) -> Array:
        log_p = log_softmax(y_pred if self.from_logits else np.log(_clip(y_pred)))
        return -np.take_along_axis(log_p, y_true[..., None], axis=-1)[..., 0]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        index = y_true[..., None]
        p = softmax(y_pred) if self.from_logits else _normalise(_clip(y_pred))
        np.put_along_axis(p, index, np.take_along_axis(p, index, axis=-1) - 1, axis=-1)
        return p if self.from_logits else p / _clip(y_pred) * _inside(y_pred)


_CLASS_NUMBERS = (
    " These look like class numbers: use loss='sparse_categorical_crossentropy', or make rows of them with "
    "minibatch.utils.to_categorical."
)
_ONE_HOT = " These look like one-hot rows: use loss='categorical_crossentropy', or y.argmax(axis=-1)."


def log_softmax(z: Array) -> Array:
    """Return z_k - log sum_j exp(z_j) over the last axis."""
    shifted = z - z.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    result: Array = shifted
    return result


def _normalise(p: Array) -> Array:
    normalised: Array = p / p.sum(axis=-1, keepdims=True)
    return normalised


def _clip(p: Array) -> Array:
    return np.clip(p, config.epsilon(), 1 - config.epsilon())


def _inside(p: Array) -> Array:
    """Return where ``_clip`` lets the gradient through."""
    return (p >= config.epsilon()) & (p <= 1 - config.epsilon())


def _batch(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['N', *map(str, shape)])}{',' if not shape else ''})"


LOSSES: dict[str, type[Loss]] = {
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
}


def get(identifier: Any) -> Loss:
    """Return a loss from a name ("mse", "categorical_crossentropy"), a class or an instance.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the near misses.
    TypeError
        For anything else. A plain function is not enough: its gradient is needed too (see ``Loss``).
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if isinstance(identifier, str):
        by_class = {c.__name__: c for c in LOSSES.values()}
        loss: type[Loss] = find("loss", identifier, {**LOSSES, **by_class, "MSE": MeanSquaredError})
        return loss()
    raise TypeError(
        "a loss is a name or a minibatch.losses.Loss (a function with its gradient); got "
        f"{identifier!r}.{near_misses(str(identifier), LOSSES)}"
    )
