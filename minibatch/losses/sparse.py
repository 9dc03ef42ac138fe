"""The cross-entropy of class numbers: how many nats they cost under the predicted probabilities."""

from __future__ import annotations

import functools
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from minibatch.activations import log_softmax, softmax
from minibatch.losses.crossentropy import Crossentropy, clip, inside, log_of_softmax, normalise
from minibatch.losses.loss import batch_of
from minibatch.typing import Array

_ONE_HOT = " These look like one-hot rows: use loss='categorical_crossentropy', or y.argmax(axis=-1)."
_ONE_OUTPUT = (
    " The model has a single output, which tells one class: with sigmoid and loss='binary_crossentropy' it tells "
    "two; for more give it an output for each."
)

#: The reductions that, without sample weights, are the mean over the batch.
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")

#: What the compiled loops take: class numbers as ``targets`` returns them, probabilities of these types.
LABELS, FLOATS = np.dtype(np.intp), (np.dtype(np.float32), np.dtype(np.float64))


@functools.cache
def _loops() -> Any:
    """Return the compiled loops (``crossentropy_kernels``); None where Numba's compiler is off."""
    from minibatch.compiling import PLAIN
    from minibatch.losses import crossentropy_kernels as kernels

    return None if PLAIN else kernels


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
    #: Whether the loss of a batch without sample weights is one compiled loop (``crossentropy_kernels``).
    _is_one_loop = False

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

    def on_logits(self) -> Self:
        other = super().on_logits()
        own = type(self) is SparseCategoricalCrossentropy  # one derived from it may have formulas of its own
        other._is_one_loop = own and self.ignore_class is None and self.reduction in _MEANS
        return other

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
            lie = f"lie in 0..{classes - 1}, since the model has {classes} outputs" if classes > 1 else "all be 0"
            hint = "" if classes > 1 else _ONE_OUTPUT
            raise ValueError(f"{self.name}: class numbers must {lie}; y[{row}] is {given[row]!s}.{hint}")
        return labels

    def mask(self, y_true: Array) -> Array | None:
        if self.ignore_class is None:
            return None
        counts: Array = y_true != self.ignore_class
        return counts

    def call(self, y_true: Array, y_pred: Array) -> Array:
        log_p = log_softmax(y_pred if self.from_logits else np.log(clip(y_pred)))
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
        log_p = log_of_softmax(activated, y_pred, places)
        losses = np.negative(log_p, out=log_p).reshape(y_true.shape)
        if not differentiate:
            return losses, None
        gradient = activated.copy()
        row = gradient.reshape(-1)
        row[places] -= 1
        return losses, gradient

    def of_batch(
        self,
        y_true: Array,
        y_pred: Array,
        sample_weight: Array | None = None,
        activated: Array | None = None,
    ) -> tuple[float, Array]:
        loops = self._loops_for(y_true, y_pred, activated, sample_weight)
        if loops is None or activated is None:
            return super().of_batch(y_true, y_pred, sample_weight, activated)
        gradient = activated.copy()  # of a few numbers in less time than np.empty_like
        nats = loops.nats_and_gradient(y_true, activated, y_pred, gradient)
        return nats / len(y_true), gradient

    def value(
        self,
        y_true: Array,
        y_pred: Array,
        sample_weight: Array | None = None,
        activated: Array | None = None,
    ) -> float:
        loops = self._loops_for(y_true, y_pred, activated, sample_weight)
        if loops is None:
            return super().value(y_true, y_pred, sample_weight, activated)
        nats: float = loops.nats(y_true, activated, y_pred)
        return nats / len(y_true)

    def values_by(
        self,
        size: int,
        y_true: Array,
        y_pred: Array,
        sample_weight: Array | None = None,
        activated: Array | None = None,
    ) -> list[float]:
        loops = self._loops_for(y_true, y_pred, activated, sample_weight)
        if loops is None:
            return super().values_by(size, y_true, y_pred, sample_weight, activated)
        N = len(y_true)
        nats = np.empty(-(-N // size))
        loops.nats_by(size, y_true, activated, y_pred, nats)
        return [total / min(size, N - k * size) for k, total in enumerate(nats.tolist())]

    def _loops_for(self, y: Array, z: Array, p: Array | None, sample_weight: Array | None) -> Any:
        """Return the compiled loops if this loss is one pass of one, and they take these; None if not."""
        fits = (
            self._is_one_loop
            and p is not None
            and sample_weight is None
            and p.ndim == 2
            and y.ndim == 1
            and len(p) == len(y) > 0
            and p.shape == z.shape
            and p.dtype == z.dtype
            and p.dtype in FLOATS
            and y.dtype == LABELS
        )
        return _loops() if fits else None

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        index = self._index(y_true)
        p = softmax(y_pred) if self.from_logits else normalise(clip(y_pred))
        np.put_along_axis(p, index, np.take_along_axis(p, index, axis=-1) - 1, axis=-1)
        gradient: Array = p if self.from_logits else p / clip(y_pred) * inside(y_pred)
        counts = self.mask(y_true)
        return gradient if counts is None else gradient * counts[..., None]

    def _index(self, y_true: Array) -> Array:
        """Return where to look y up in the last axis; for what is ignored, anywhere."""
        counts = self.mask(y_true)
        index: Array = y_true if counts is None else np.where(counts, y_true, 0)
        return index[..., None]
