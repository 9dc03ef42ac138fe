"""Cross-entropies: how many nats the targets cost under the predicted probabilities (Shannon 1948, section 6).

Each can be given probabilities or, with ``from_logits``, what goes into the softmax or sigmoid. By the logits the
gradient is p - y, exact where the gradient by p has a division by a probability near zero; so a model that ends in
the activation which the loss absorbs is trained on its logits either way (Goodfellow et al. 2016, section 6.2.2).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from minibatch import config
from minibatch.activations import log_softmax, sigmoid, softmax
from minibatch.losses.loss import NamedLoss, batch_of
from minibatch.typing import Array

_CLASS_NUMBERS = (
    " These look like class numbers: use loss='sparse_categorical_crossentropy', or make rows of them with "
    "minibatch.utils.to_categorical."
)
_ONE_HOT = " These look like one-hot rows: use loss='categorical_crossentropy', or y.argmax(axis=-1)."


def kind_of_targets(
    y_shape: tuple[int, ...], output_shape: tuple[int, ...]
) -> Literal["binary", "sparse", "categorical"]:
    """Return how targets are written, told by the shapes of one target and one prediction: Keras's rule.

    >>> kind_of_targets((), (1,)), kind_of_targets((), (10,)), kind_of_targets((10,), (10,))
    ('binary', 'sparse', 'categorical')
    """
    if output_shape[-1:] == (1,):
        return "binary"
    return "sparse" if len(y_shape) < len(output_shape) or y_shape[-1:] == (1,) else "categorical"


#: Down to here, far above the smallest number of float32, log(softmax(z)) is as exact as log_softmax(z).
_NEAR_ZERO = 1e-30


class Crossentropy(NamedLoss):
    """What the cross-entropies share: probabilities or logits, and the last axis for the classes."""

    def __init__(
        self, from_logits: bool, axis: int, reduction: str | None, name: str | None, dtype: str | None
    ) -> None:
        super().__init__(reduction, name, dtype)
        if axis != -1:
            raise ValueError(
                f"{type(self).__name__}: axis must be -1, since the classes lie last here; got {axis!r}."
            )
        self.from_logits = from_logits
        self.axis = axis


class _Smoothed(Crossentropy):
    """What cross-entropies of probabilities share: label smoothing (Szegedy et al. 2016, section 7)."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(from_logits, axis, reduction, name, dtype)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must lie in [0, 1]; got {label_smoothing!r}.")
        self.label_smoothing = label_smoothing

    def _shape_hint(self, y: Array, output_shape: tuple[int, ...]) -> str:
        return _CLASS_NUMBERS if y.shape[1:] in (output_shape[:-1], (*output_shape[:-1], 1)) else ""

    def _smooth(self, y_true: Array, classes: int) -> Array:
        s = self.label_smoothing
        return y_true * (1 - s) + s / classes if s else y_true


class BinaryCrossentropy(_Smoothed):
    """l = -mean of y log p + (1 - y) log(1 - p) over the last axis, each y in [0, 1] a question of its own.

    Parameters
    ----------
    from_logits : bool, default False
        Whether y_pred holds z with p = sigmoid(z), rather than p. A model that ends in a sigmoid is trained on z in
        either case.
    label_smoothing : float, default 0
        s in [0, 1]: y becomes (1 - s) y + s / 2.
    axis : int, default -1
        Only -1.
    reduction, name, dtype
        As for ``Loss``.

    Notes
    -----
    Probabilities are kept in [1e-7, 1 - 1e-7], as in Keras. By the logits l = max(z, 0) - z y + log(1 + exp(-|z|)),
    which never overflows, and dl/dz = p - y.

    Examples
    --------
    >>> import minibatch as mb
    >>> loss = mb.losses.BinaryCrossentropy()
    >>> round(loss([[1]], [[0.5]]), 4)
    0.6931
    """

    absorbs = "sigmoid"

    def call(self, y_true: Array, y_pred: Array) -> Array:
        y = self._smooth(y_true, 2)
        if self.from_logits:
            each = np.maximum(y_pred, 0) - y_pred * y + np.log1p(np.exp(-np.abs(y_pred)))
        else:
            p = _clip(y_pred)
            each = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        losses: Array = each.mean(axis=-1)
        return losses

    def both(
        self, y_true: Array, y_pred: Array, activated: Array | None = None, differentiate: bool = True
    ) -> tuple[Array, Any]:
        if not self.from_logits or activated is None or not differentiate:
            return super().both(y_true, y_pred, activated, differentiate)
        return self.call(y_true, y_pred), (activated - self._smooth(y_true, 2)) / y_pred.shape[-1]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        y = self._smooth(y_true, 2)
        if self.from_logits:
            gradient: Array = (sigmoid(y_pred) - y) / y_pred.shape[-1]
            return gradient
        p = _clip(y_pred)
        gradient = (p - y) / (p * (1 - p)) * _inside(y_pred) / y_pred.shape[-1]
        return gradient


class CategoricalCrossentropy(_Smoothed):
    """l = -sum_k y_k log p_k, for one-hot (or any) probabilities y.

    Parameters
    ----------
    from_logits : bool, default False
        Whether y_pred holds z with p = softmax(z), rather than p. A model that ends in softmax is trained on z in
        either case.
    label_smoothing : float, default 0
        s in [0, 1]: y becomes (1 - s) y + s / K.
    axis : int, default -1
        Only -1.
    reduction, name, dtype
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

    absorbs = "softmax"

    def call(self, y_true: Array, y_pred: Array) -> Array:
        y = self._smooth(y_true, y_true.shape[-1])
        log_p = log_softmax(y_pred) if self.from_logits else np.log(_clip(_normalise(y_pred)))
        losses: Array = -np.einsum("...k,...k->...", y, log_p)
        return losses

    def both(
        self, y_true: Array, y_pred: Array, activated: Array | None = None, differentiate: bool = True
    ) -> tuple[Array, Any]:
        if not self.from_logits or activated is None:
            return super().both(y_true, y_pred, activated, differentiate)
        y = self._smooth(y_true, y_true.shape[-1])
        losses = -np.einsum("...k,...k->...", y, _log_of_softmax(activated, y_pred))
        return losses, activated * y.sum(axis=-1, keepdims=True) - y if differentiate else None

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        y = self._smooth(y_true, y_true.shape[-1])
        if self.from_logits:
            dz: Array = softmax(y_pred) * y.sum(axis=-1, keepdims=True) - y
            return dz
        # p = y_pred / sum(y_pred), then the clip, then the logarithm; backwards through each.
        p = _normalise(y_pred)
        dp = -y / _clip(p) * _inside(p)
        gradient: Array = (dp - (dp * p).sum(axis=-1, keepdims=True)) / y_pred.sum(axis=-1, keepdims=True)
        return gradient


class SparseCategoricalCrossentropy(Crossentropy):
    """l = -log p_y, for class numbers y from 0 to K - 1.

    Parameters
    ----------
    from_logits : bool, default False
        As for ``CategoricalCrossentropy``.
    ignore_class : int, optional
        A class number whose positions do not count (such as -1 or 255 for "unlabelled"); it may lie outside 0..K-1.
        The mean is then over the others.
    axis : int, default -1
        Only -1.
    reduction, name, dtype
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

    absorbs = "softmax"

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(from_logits, axis, reduction, name, dtype)
        self.ignore_class = ignore_class

    def targets(self, y: npt.ArrayLike, output_shape: tuple[int, ...]) -> Array:
        given = self._numbers(y)
        if given.shape[1:] == (*output_shape[:-1], 1):
            given = given[..., 0]
        if given.shape[1:] != output_shape[:-1]:
            hint = _ONE_HOT if given.shape[1:] == output_shape else ""
            raise ValueError(
                f"{self.name}: the model's output has shape {batch_of(output_shape)}, so the targets are class "
                f"numbers of shape {batch_of(output_shape[:-1])}; got y of shape {batch_of(given.shape[1:])}.{hint}"
            )
        with np.errstate(invalid="ignore"):
            labels = given.astype(np.intp)
        if not np.array_equal(labels, given):
            row = int(np.argwhere(labels != given)[0][0])
            raise ValueError(f"{self.name}: class numbers must be integers; y[{row}] is {given[row]!s}.")
        classes = output_shape[-1]
        wrong = (labels < 0) | (labels >= classes)
        if self.ignore_class is not None:
            wrong &= labels != self.ignore_class
        if wrong.any():
            row = int(np.argwhere(wrong)[0][0])
            raise ValueError(
                f"{self.name}: class numbers must lie in 0..{classes - 1}, since the model has {classes} outputs; "
                f"y[{row}] is {given[row]!s}."
            )
        return labels

    def mask(self, y_true: Array) -> Array | None:
        if self.ignore_class is None:
            return None
        counts: Array = y_true != self.ignore_class
        return counts

    def call(self, y_true: Array, y_pred: Array) -> Array:
        log_p = log_softmax(y_pred if self.from_logits else np.log(_clip(y_pred)))
        losses: Array = -np.take_along_axis(log_p, self._index(y_true), axis=-1)[..., 0]
        counts = self.mask(y_true)
        return losses if counts is None else losses * counts

    def both(
        self, y_true: Array, y_pred: Array, activated: Array | None = None, differentiate: bool = True
    ) -> tuple[Array, Any]:
        if not self.from_logits or activated is None or self.ignore_class is not None:
            return super().both(y_true, y_pred, activated, differentiate)
        # Where each p_y lies in p, written out as one row.
        K = activated.shape[-1]
        places = np.arange(0, activated.size, K)
        places += y_true.reshape(-1)
        log_p = _log_of_softmax(activated, y_pred, places)
        losses = np.negative(log_p, out=log_p).reshape(y_true.shape)
        if not differentiate:
            return losses, None
        gradient = activated.copy()
        row = gradient.reshape(-1)
        row[places] -= 1
        return losses, gradient

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        index = self._index(y_true)
        p = softmax(y_pred) if self.from_logits else _normalise(_clip(y_pred))
        np.put_along_axis(p, index, np.take_along_axis(p, index, axis=-1) - 1, axis=-1)
        gradient: Array = p if self.from_logits else p / _clip(y_pred) * _inside(y_pred)
        counts = self.mask(y_true)
        return gradient if counts is None else gradient * counts[..., None]

    def _index(self, y_true: Array) -> Array:
        """Return where to look y up in the last axis; for what is ignored, anywhere."""
        counts = self.mask(y_true)
        index: Array = y_true if counts is None else np.where(counts, y_true, 0)
        return index[..., None]


def _log_of_softmax(p: Array, z: Array, places: Array | None = None) -> Array:
    """Return log p for p = softmax(z), which is known; all of it, or what lies at some places of it as one row.

    It is taken from p where no p there is near the smallest number that its type can hold, and from z elsewhere.
    """
    taken = p if places is None else p.take(places)
    if np.minimum.reduce(taken, axis=None) > _NEAR_ZERO:
        return np.log(taken)
    log_p: Array = log_softmax(z)
    return log_p if places is None else log_p.take(places)


def _normalise(p: Array) -> Array:
    normalised: Array = p / p.sum(axis=-1, keepdims=True)
    return normalised


def _clip(p: Array) -> Any:
    return np.clip(p, config.epsilon(), 1 - config.epsilon())


def _inside(p: Array) -> Array:
    """Return where ``_clip`` lets the gradient through."""
    return (p >= config.epsilon()) & (p <= 1 - config.epsilon())
