"""What has weights: a layer, and a model of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minibatch import config
from minibatch.layers.weight import Weight
from minibatch.typing import Array


class Weighted:
    """Weights by Keras's names, and their numbers all at once: what layers and models share.

    Subclasses have ``weights``, ``trainable_weights`` and a ``name``.

    Examples
    --------
    >>> import minibatch as mb
    >>> layer = mb.layers.BatchNormalization()
    >>> layer.build((3,))
    >>> [weight.name for weight in layer.non_trainable_weights], layer.dtype
    (['moving_mean', 'moving_variance'], 'float32')
    """

    name: str
    #: What messages call it.
    kind = "layer"

    if TYPE_CHECKING:  # a layer keeps the one, a model gathers both

        @property
        def weights(self) -> list[Weight]: ...

        @property
        def trainable_weights(self) -> list[Weight]: ...

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """The weights that are not among ``trainable_weights``."""
        trainable = set(self.trainable_weights)
        return [weight for weight in self.weights if weight not in trainable]

    @property
    def variables(self) -> list[Weight]:
        """The weights: Keras's other word for them (there the seeds of random layers are variables, too)."""
        return list(self.weights)

    @property
    def trainable_variables(self) -> list[Weight]:
        """Keras's other word for ``trainable_weights``."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Weight]:
        """Keras's other word for ``non_trainable_weights``."""
        return self.non_trainable_weights

    @property
    def dtype(self) -> str:
        """The name of the float type of the weights; without any, the library's."""
        return self.weights[0].dtype if self.weights else config.floatx()

    def get_weights(self) -> list[Array]:
        """Return copies of the weights' numbers, in order."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the weights' numbers.

        Raises
        ------
        ValueError
            If the count or a shape differs; nothing is changed then.
        """
        mine = self.weights
        if len(weights) != len(mine):
            raise ValueError(f"{self.kind} {self.name!r} has {len(mine)} weights; got {len(weights)} arrays.")
        arrays = [weight.checked(value) for weight, value in zip(mine, weights, strict=True)]
        for weight, array in zip(mine, arrays, strict=True):
            weight.assign(array)
