"""The gradient of every single sample, in one backward pass."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch.layers import Layer, Weight
from minibatch.layers.layer import Cache
from minibatch.layers.outer import Outer, Rows
from minibatch.models import Model
from minibatch.models.feed import Batch
from minibatch.models.parameters import Parameters
from minibatch.typing import Array

#: Samples taken backward at a time, at most; and about the bytes of memory that they may take then. Neither
#: changes a result.
CHUNK = 256
CHUNK_BYTES = 128 << 20


class PerSample:
    """The gradients g_i of N samples by all weights, in factors where a layer gives them so.

    Nothing of size (N, D) is made unless ``rows`` is called. The layers put their shares in by ``visit``, in the
    course of a backward pass.

    Parameters
    ----------
    parameters : Parameters
        Whose layout the vectors of size D have.
    scale : float, default 1
        What the shares must be multiplied by to be the gradients of single samples, unscaled. In a training step,
        which starts from the mean of B losses, it is B.
    penalties : dict of Weight to ndarray, optional
        The gradients by the weights' regularizers: a part of every g_i, so that their mean is the gradient of the
        loss.

    Notes
    -----
    A sample's weight in the loss, or its class's, is a part of g_i: what the step averages is w_i l_i.
    """

    def __init__(
        self, parameters: Parameters, scale: float = 1.0, penalties: dict[Weight, Array] | None = None
    ) -> None:
        self.parameters = parameters
        self.scale = scale
        self.penalties = penalties or {}
        self.shares: dict[Weight, Outer | Rows] = {}
        #: The layer that each weight belongs to.
        self.owners: dict[Weight, Layer] = {}

    def visit(self, layer: Layer, dy: Array, cache: Cache) -> None:
        """Take up a layer's share, as it is met in a backward pass.

        Raises
        ------
        TypeError
            If the layer has no rule for single samples, or samples meet in it (BatchNormalization in training).
        """
        if not layer.trainable:
            return
        trainable = [weight for weight in layer.weights if weight.trainable]
        for weight, gradient in zip(trainable, layer.per_sample_gradients(dy, cache), strict=True):
            share = gradient if isinstance(gradient, Outer) else Rows(gradient)
            if weight in self.shares:  # a layer used twice in a model has two shares
                share = Rows(self.shares[weight].rows() + share.rows())
            self.shares[weight] = share
            self.owners[weight] = layer

    def __len__(self) -> int:
        return len(next(iter(self.shares.values()))) if self.shares else 0

    def __getitem__(self, samples: slice) -> PerSample:
        """Return the gradients of some of the samples."""
        some = PerSample(self.parameters, self.scale, self.penalties)
        some.shares = {weight: share[samples] for weight, share in self.shares.items()}
        some.owners = self.owners
        return some

    def astype(self, dtype: npt.DTypeLike) -> PerSample:
        """Return the same, to be computed with in another float type."""
        other = PerSample(self.parameters, self.scale, {w: r.astype(dtype) for w, r in self.penalties.items()})
        other.shares = {weight: share.astype(dtype) for weight, share in self.shares.items()}
        other.owners = self.owners
        return other

    @classmethod
    def joined(cls, several: Sequence[PerSample]) -> PerSample:
        """Return the gradients of samples of one model, one group after the other, as those of one group."""
        first = several[0]
        if len(several) == 1:
            return first
        whole = cls(first.parameters, first.scale, first.penalties)
        whole.owners = first.owners
        for weight, share in first.shares.items():
            groups: Any = [group.shares[weight] for group in several]  # all of one kind
            whole.shares[weight] = share.joined(groups)
        return whole

    def by_layer(self) -> dict[str, PerSample]:
        """Return the gradients by the weights of each layer alone, by the layer's name, first layer first."""
        layers: dict[str, PerSample] = {}
        for weight in self.parameters.slices:
            if weight in self.shares:
                part = layers.setdefault(
                    self.owners[weight].name, PerSample(self.parameters, self.scale, self.penalties)
                )
                part.shares[weight], part.owners[weight] = self.shares[weight], self.owners[weight]
        return layers

    def norm2(self) -> Array:
        """Return |g_i|^2, (N,)."""
        total = np.zeros(len(self))
        for weight, share in self.shares.items():
            total += self.scale**2 * share.norm2()
            if weight in self.penalties:
                r = self.penalties[weight]
                total += 2 * self.scale * share.times(r) + r @ r
        return total

    def products(self, other: PerSample | None = None) -> Array:
        """Return g_i . h_k, (N, M), with M samples of the same model: these themselves by default."""
        h = self if other is None else other
        total = np.zeros((len(self), len(h)))
        scale = self.scale * h.scale
        for weight, share in self.shares.items():
            inner = share.products(h.shares[weight])
            total += inner if scale == 1 else scale * inner
            if weight in self.penalties:
                r = self.penalties[weight]
                total += self.scale * share.times(r)[:, None] + h.scale * h.shares[weight].times(r) + r @ r
        return total

    def times(self, v: Array) -> Array:
        """Return g_i . v, (N,), for a vector v (D,)."""
        total = np.zeros(len(self))
        for weight, share in self.shares.items():
            piece = v[self.parameters.slices[weight]]
            total += self.scale * share.times(piece)
            if weight in self.penalties:
                total += self.penalties[weight] @ piece
        return total

    def weighted_sum(self, c: Array) -> Array:
        """Return sum_i c_i g_i, (D,)."""
        total = self._vector()
        for weight, share in self.shares.items():
            piece = total[self.parameters.slices[weight]]
            piece[...] = self.scale * share.weighted_sum(c)
            if weight in self.penalties:
                piece += c.sum() * self.penalties[weight]
        return total

    def sum_of_squares(self) -> Array:
        """Return sum_i g_ij^2, (D,)."""
        total = self._vector()
        for weight, share in self.shares.items():
            piece = total[self.parameters.slices[weight]]
            piece[...] = self.scale**2 * share.sum_of_squares()
            if weight in self.penalties:
                r = self.penalties[weight]
                ones = np.ones(len(self), dtype=r.dtype)
                piece += 2 * self.scale * r * share.weighted_sum(ones) + len(self) * r**2
        return total

    def rows(self) -> Array:
        """Return the gradients, written out, (N, D)."""
        rows = np.zeros((len(self), self.parameters.theta.size), dtype=self._dtype)
        for weight, share in self.shares.items():
            piece = rows[:, self.parameters.slices[weight]]
            np.multiply(share.rows(), self.scale, out=piece)
            if weight in self.penalties:
                piece += self.penalties[weight]
        return rows

    @property
    def nbytes(self) -> int:
        """Bytes of all shares."""
        return sum(share.nbytes for share in self.shares.values())

    @property
    def _dtype(self) -> npt.DTypeLike:
        return next((share.dtype for share in self.shares.values()), self.parameters.theta.dtype)

    def _vector(self) -> Array:
        return np.zeros(self.parameters.theta.size, dtype=self._dtype)


def per_sample(model: Model, batch: Batch) -> PerSample:
    """Return the gradients of a few samples, in inference mode; change nothing.

    Parameters
    ----------
    model : Model
    batch : Batch
        As ``model.checked`` returns it; sample weights are left out.
    """
    parameters = model.parameters
    kept = parameters.gradient.copy()  # watching changes nothing: the last step's gradient is put back
    penalties = {w: w.regularizer.gradient(w.value).reshape(-1) for w in model.objective.regularized}
    gradients = PerSample(parameters, penalties=penalties)
    dtype = parameters.theta.dtype
    try:
        outputs, caches = model.forward([x.astype(dtype, copy=False) for x in batch.inputs])
        model.objective.differentiate_each(batch.targets, outputs, caches, gradients.visit)
    finally:
        parameters.gradient[...] = kept
    for weight, r in penalties.items():
        if weight not in gradients.shares:  # no loss asks about it: its penalty is all
            gradients.shares[weight] = Rows(np.zeros((count(batch), r.size), dtype=dtype))
    return gradients


def chunks(model: Model, batch: Batch, bytes_each: int = 0) -> Iterator[tuple[slice, PerSample]]:
    """Return, for a chunk of the samples at a time, (which, their gradients).

    Parameters
    ----------
    model : Model
    batch : Batch
        All samples.
    bytes_each : int, default 0
        What a sample takes of the memory beyond its activations, for instance if rows are made of it.
    """
    activations = sum(math.prod(layer.output_shape or ()) for layer in model.layers)
    # Input, output and both gradients of each layer, about; and the gradients by the kernels, if written out.
    needed = 4 * activations * model.parameters.theta.itemsize + bytes_each
    size = int(np.clip(CHUNK_BYTES // max(1, needed), 1, CHUNK))
    for start in range(0, count(batch), size):
        piece = slice(start, start + size)
        yield piece, per_sample(model, part(batch, piece))


def part(batch: Batch, samples: slice | Array | Sequence[int]) -> Batch:
    """Return some of the samples of a batch, without their weights."""
    return Batch([x[samples] for x in batch.inputs], [_of(y, samples) for y in batch.targets], [])


def count(batch: Batch) -> int:
    """Return the number of samples of a batch."""
    return len(batch.inputs[0])


def _of(y: Any, samples: Any) -> Any:
    return y if y is None else y[samples]


def check_settled(model: Model) -> None:
    """Raise a ValueError where a layer's ``trainable`` was changed since: training heeds it from ``compile`` on."""
    moving = model.active_slices()
    for layer in model.layers:
        if any((weight in moving) != (layer.trainable and weight.trainable) for weight in layer.weights):
            raise ValueError(
                f"layer {layer.name!r} has trainable={layer.trainable}, but the training goes on as if it had not: "
                "a change is heeded from the next compile() on. Compile the model again, then measure."
            )


def check_mean(model: Model, targets: Sequence[Any] | None = None) -> None:
    """Raise a ValueError where the gradient of a batch is not the mean of its samples' own.

    With the targets, as ``model.checked`` returns them, also where a loss leaves some of them out.
    """
    check_settled(model)
    heads = model.objective.heads
    for head, y in zip(heads, targets or [None] * len(heads), strict=True):
        if head.loss is not None and head.loss.reduction not in ("sum_over_batch_size", "mean"):
            raise ValueError(
                f"the loss {head.loss.name!r} has reduction={head.loss.reduction!r}: gradient noise is about batch "
                "gradients that are means over samples (reduction='sum_over_batch_size')."
            )
        if head.loss is not None and y is not None and head.loss.mask(y) is not None:
            raise ValueError(
                f"the loss {head.loss.name!r} leaves some targets out (ignore_class), so that a batch's gradient "
                "is not the mean over its samples: drop those samples, and ignore_class."
            )


def per_sample_gradients(model: Model, x: Any, y: Any) -> Array:
    """Return g_i, the gradient of each sample's loss by the parameters, as the rows of a matrix.

    The layers are run as for a batch, but the backward pass starts from each sample's own, unscaled gradient; and
    where a layer would sum its weights' gradient over the samples, the summands are kept. The mean of the rows is
    the gradient of the batch.

    Parameters
    ----------
    model : Model
        Compiled. Run in inference mode (dropout off), and not changed.
    x : array_like, shape (N, ...)
    y : array_like, shape (N, ...)
        Targets, as the loss wants them.

    Returns
    -------
    ndarray, shape (N, D)
        In the model's float type; column j belongs to ``model.parameters.theta[j]``.

    Raises
    ------
    ValueError
        If the model is not compiled, the data do not fit it, or the loss of a batch is not a mean over samples.
    TypeError
        If a layer with weights has no rule for single samples.

    Examples
    --------
    >>> import minibatch as mb
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    >>> line.compile("sgd", "mse")
    >>> mb.noise.per_sample_gradients(line, [[1.0], [2.0]], [2.0, 4.0])
    array([[ -4.,  -4.],
           [-16.,  -8.]], dtype=float32)
    """
    batch = model.checked(x, y)
    check_mean(model, batch.targets)
    theta = model.parameters.theta
    rows = np.empty((count(batch), theta.size), dtype=theta.dtype)
    for piece, gradients in chunks(model, batch, bytes_each=theta.nbytes):
        rows[piece] = gradients.rows()
    return rows
