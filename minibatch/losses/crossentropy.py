"""Cross-entropies: how many nats the targets cost under the predicted probabilities (Shannon 1948, section 6).

Each can be given probabilities or, with ``from_logits``, what goes into the softmax or sigmoid. By the logits the
gradient is p - y, exact where the gradient by p has a division by a probability near zero; so a model that ends in
the activation which the loss absorbs is trained on its logits either way (Goodfellow et al. 2016, section 6.2.2).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minibatch import config
from minibatch.activations import log_softmax, sigmoid, softmax
from minibatch.losses.loss import NamedLoss
from minibatch.typing import Array

_CLASS_NUMBERS = (
    " These look like class numbers: use loss='sparse_categorical_crossentropy', or make rows of them with "
    "minibatch.utils.to_categorical."
)


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
NEAR_ZERO = 1e-30


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

    Raises
    ------
    ValueError
        From ``check``, for whole sets of targets: if one lies outside [0, 1]. Keras computes with any.

    Examples
    --------
    >>> import minibatch as mb
    >>> loss = mb.losses.BinaryCrossentropy()
    >>> round(loss([[1]], [[0.5]]), 4)
    0.6931
    """

    absorbs = "sigmoid"
    limits = 0, 1

    def call(self, y_true: Array, y_pred: Array) -> Array:
        y = self._smooth(y_true, 2)
        if self.from_logits:
            each = np.maximum(y_pred, 0) - y_pred * y + np.log1p(np.exp(-np.abs(y_pred)))
        else:
            p = clip(y_pred)
            each = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        losses: Array = each.mean(axis=-1)
        return losses

    def _range_hint(self, y: Array) -> str:
        if (np.abs(y) == 1).all():
            return " For targets of -1 and 1 use loss='hinge', or make them 0 and 1 by (y + 1) / 2."
        return super()._range_hint(y) or " For other numbers use loss='mean_squared_error'."

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
        p = clip(y_pred)
        gradient = (p - y) / (p * (1 - p)) * inside(y_pred) / y_pred.shape[-1]
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
        log_p = log_softmax(y_pred) if self.from_logits else np.log(clip(normalise(y_pred)))
        losses: Array = -np.einsum("...k,...k->...", y, log_p)
        return losses

    def both(
        self, y_true: Array, y_pred: Array, activated: Array | None = None, differentiate: bool = True
    ) -> tuple[Array, Any]:
        if not self.from_logits or activated is None:
            return super().both(y_true, y_pred, activated, differentiate)
        y = self._smooth(y_true, y_true.shape[-1])
        losses = -np.einsum("...k,...k->...", y, log_of_softmax(activated, y_pred))
        return losses, activated * y.sum(axis=-1, keepdims=True) - y if differentiate else None

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        y = self._smooth(y_true, y_true.shape[-1])
        if self.from_logits:
            dz: Array = softmax(y_pred) * y.sum(axis=-1, keepdims=True) - y
            return dz
        # p = y_pred / sum(y_pred), then the clip, then the logarithm; backwards through each.
        p = normalise(y_pred)
        dp = -y / clip(p) * inside(p)
        gradient: Array = (dp - (dp * p).sum(axis=-1, keepdims=True)) / y_pred.sum(axis=-1, keepdims=True)
        return gradient


def log_of_softmax(p: Array, z: Array, places: Array | None = None) -> Array:
    """Return log p for p = softmax(z), which is known; all of it, or what lies at some places of it as one row.

    It is taken from p where no p there is near the smallest number that its type can hold, and from z elsewhere.
    """
    taken = p if places is None else p.take(places)
    if np.minimum.reduce(taken, axis=None) > NEAR_ZERO:
        return np.log(taken)
    log_p: Array = log_softmax(z)
    return log_p if places is None else log_p.take(places)


def normalise(p: Array) -> Array:
    """Return p over its sum, for each row."""
    normalised: Array = p / p.sum(axis=-1, keepdims=True)
    return normalised


def clip(p: Array) -> Any:
    """Return probabilities kept in [1e-7, 1 - 1e-7]."""
    return np.clip(p, config.epsilon(), 1 - config.epsilon())


def inside(p: Array) -> Array:
    """Return where ``clip`` lets the gradient through."""
    return (p >= config.epsilon()) & (p <= 1 - config.epsilon())
