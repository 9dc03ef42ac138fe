"""The gradients of the samples of one backward pass, as they are met, and the sums over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minibatch.layers import Dense, Layer, Weight
from minibatch.layers.layer import Cache
from minibatch.layers.outer import BLOCK, Rows
from minibatch.models import Model
from minibatch.noise.per_sample import PerSample
from minibatch.noise.training import elementwise
from minibatch.noise.training.affine import Affine
from minibatch.typing import Array

#: Where the kernel and the bias of a layer lie in the parameter vector.
DenseLayers = dict[Layer, tuple[slice, slice | None]]


class Samples:
    """The g_i of the samples of a batch: dense layers as ``Affine``, all others in a ``PerSample``.

    Parameters
    ----------
    model : Model
    batch_size : int
        B. The backward pass is that of a training step, of the mean loss: its shares are scaled back by B.
    dense : dict of Layer to (slice, slice or None)
        What may be taken as ``Affine``, and where kernel and bias lie (see ``dense_layers``).
    copied : callable, optional
        Makes the factors' copies, where they will be asked for beyond this step (see ``Kept``).
    """

    def __init__(
        self,
        model: Model,
        batch_size: int,
        dense: DenseLayers,
        copied: Callable[[Affine], Affine] | None = None,
    ) -> None:
        penalties = {w: w.regularizer.gradient(w.value).reshape(-1) for w in model.objective.regularized}
        self.parameters = model.parameters
        self.batch_size = batch_size
        self.dense, self.copied = dense, copied
        self.affine: list[Affine] = []
        self.others = PerSample(model.parameters, batch_size, penalties)

    def visit(self, layer: Layer, dy: Array, cache: Cache) -> None:
        """Take up a layer's share, as it is met in the backward pass.

        Raises
        ------
        TypeError
            As ``PerSample.visit``.
        """
        places = self.dense.get(layer)
        if places is None or not layer.trainable or dy.ndim != 2:
            self.others.visit(layer, dy, cache)
            return
        # What a Dense layer keeps for its backward pass is its input; see its per_sample_gradients.
        part = Affine(cache, dy, self.batch_size, *places)
        if self.copied is not None:
            part = self.copied(part)
        if not (part.a.flags.carray and part.d.flags.carray):
            part = part.copy()  # of other layouts the loops would be compiled once more
        self.affine.append(part)

    def finish(self) -> None:
        """Take up the weights that no layer of the pass has shown, because no loss asks about them."""
        for weight, r in self.others.penalties.items():
            if weight not in self.others.shares:  # its penalty is all its gradient
                self.others.shares[weight] = Rows(np.zeros((self.batch_size, r.size), dtype=r.dtype))

    def times(self, v: Array) -> Array:
        """Return g_i . v, (B,) float64, for a vector v (D,)."""
        along = np.zeros(self.batch_size)
        for part in self.affine:
            along += part.times(v)
        if self.others.shares:
            along += self.others.times(v)
        return along

    def signal_sums_reference(self, gradient: Array, epsilon: float) -> tuple[float, float]:
        """Return ``elementwise.signal_sums`` over all parameters that a gradient can move, in plain NumPy."""
        sums = [part.signal_sums_reference(gradient, epsilon) for part in self.affine]
        for weight in self.others.shares:
            moment, g = self.second_moment_of(weight, gradient), gradient[self.parameters.slices[weight]]
            sums.append(elementwise.signal_sums(moment, g, self.batch_size, epsilon))
        return sum(plain for plain, _ in sums), sum(unbiased for _, unbiased in sums)

    def second_moment_of(self, weight: Weight, gradient: Array) -> Array:
        """Return (1/B) sum_i g_ij^2 for the entries of a weight that is no part of an ``Affine``."""
        moment = self.others.shares[weight].sum_of_squares()
        moment *= moment.dtype.type(self.batch_size)  # the shares are g_i / B
        if weight in self.others.penalties:
            r, g = self.others.penalties[weight], gradient[self.parameters.slices[weight]]
            moment += 2 * r * (g - r) + r * r
        return moment

    def rows(self) -> Iterator[tuple[slice, Array]]:
        """Return (where, some samples' gradients by that weight, (n, ...)), ``outer.BLOCK`` bytes at a time."""
        for part in self.affine:
            few = max(1, BLOCK // (part.size * part.d.itemsize))
            for start in range(0, len(part), few):
                yield from part[start : start + few].rows()
        for weight, share in self.others.shares.items():
            few = max(1, BLOCK // (int(np.prod(weight.shape)) * share.dtype.itemsize))
            r = self.others.penalties.get(weight, 0)
            for start in range(0, len(share), few):
                rows = share[start : start + few].rows() * share.dtype.type(self.batch_size)
                yield self.parameters.slices[weight], rows + r


def dense_layers(model: Model) -> DenseLayers:
    """Return the layers that ``Samples`` may take as ``Affine``: plain ``Dense``, used once, without penalties."""
    visits = Counter(visit.layer for visit in model.graph.visits)
    slices = model.parameters.slices
    found: DenseLayers = {}
    for layer, times in visits.items():
        if type(layer) is Dense and times == 1 and not any(weight.regularizer for weight in layer.weights):
            kernel, *bias = (slices[weight] for weight in layer.weights)
            found[layer] = kernel, bias[0] if bias else None
    return found


def losses_of_samples(model: Model, targets: Any, outputs: Any, caches: Any, weights: Any) -> Array:
    """Return l_i for the samples of a batch, (B,) float64: with its weight, summed over the outputs."""
    total: Any = None
    for head, y, output, w in zip(model.objective.heads, targets, outputs, weights, strict=True):
        if head.loss is None:
            continue
        loss, prediction = head.view(output, caches)
        each, _ = loss.both(y, prediction, output if head.on_logits else None, differentiate=False)
        if each.ndim != 1:
            each = each.reshape(len(each), -1).mean(axis=1)
        if w is not None:
            each = each * np.asarray(w).reshape(-1)
        if head.weight != 1:
            each = head.weight * each
        total = each if total is None else total + each
    return np.asarray(total, dtype=np.float64)
