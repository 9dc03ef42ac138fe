"""What looks on while a model makes a step, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from minibatch.layers import Layer
from minibatch.layers.layer import Cache
from minibatch.models.feed import Batch
from minibatch.typing import Array


class Watcher:
    """Looks on at the steps of a model whose ``watchers`` it is one of. Every method may be left out.

    What it is shown is the model's own, not a copy: to be read, and not to be kept beyond the
    ``on_train_batch_end`` of the step.
    """

    def visit(self, layer: Layer, dy: Array, cache: Cache) -> None:
        """Run in the backward pass, once for each visit of a layer, last first, before its own backward.

        Layers in front of all weights (a ``Flatten`` that comes first) are not gone through, and not shown.

        Parameters
        ----------
        layer : Layer
        dy : ndarray, shape (N, ...)
            The gradient of the batch's loss by the layer's output; for a layer that ends in an activation, by
            that activation's input z.
        cache
            What the layer's backward takes, and ``layer.per_sample_gradients``.
        """

    def differentiated(self, batch: Batch, outputs: Sequence[Array], caches: list[Cache], loss: float) -> None:
        """Run after the backward pass: the gradient is there, and the weights have not moved yet."""
