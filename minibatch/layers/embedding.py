"""Embedding: a vector of its own for each class."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minibatch import initializers, regularizers
from minibatch.layers.layer import Cache, Layer, positive
from minibatch.typing import Array
from minibatch.utils.names import old_argument


class Embedding(Layer):
    """y = E[x]: row x of a table, for each class number in x.

    It is a dense layer without bias on one-hot vectors, without the multiplications by zero. Axes: V classes
    (``input_dim``), O numbers for each (``output_dim``). x (N, ...) of whole numbers from 0 to V - 1, whatever
    their type; E (V, O), y (N, ..., O). Class numbers have no gradient: dx is None.

    Parameters
    ----------
    input_dim : int
        V: one more than the largest class number.
    output_dim : int
        O.
    embeddings_initializer : str or Initializer, default "uniform"
    embeddings_regularizer : str, Regularizer or None
        On the whole table, in every step, as in Keras.
    name : str, optional

    Raises
    ------
    ValueError
        If a size is not a positive integer. When run, for a class number out of range, and for one that is not
        whole (which Keras cuts off).

    Examples
    --------
    >>> import minibatch as mb
    >>> layer = mb.layers.Embedding(3, 2)
    >>> _ = layer.ensure_built((2,))
    >>> layer.set_weights([[[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]]])
    >>> layer([[2, 0]])
    array([[[20., 21.],
            [ 0.,  1.]]], dtype=float32)
    """

    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {
        "embeddings_constraint": (),
        "mask_zero": (False,),
        "weights": (),
    }

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        old_argument(self, kwargs, "input_length", "left out")
        super().__init__(**kwargs)
        self.input_dim = positive("Embedding", "input_dim", input_dim)
        self.output_dim = positive("Embedding", "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)

    def build(self, input_shape: tuple[int, ...]) -> None:
        table = ((self.input_dim, self.output_dim), self.embeddings_initializer)
        self.embeddings = self.add_weight(*table, regularizer=self.embeddings_regularizer, name="embeddings")

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*input_shape, self.output_dim)

    def _classes(self, x: Array) -> Array:
        """Return class numbers, which a model hands over as floats, as integers."""
        ok = (x >= 0) & (x < self.input_dim)  # a NaN is neither
        if ok.all():
            classes = x.astype(np.intp)
            ok = classes == x
            if ok.all():
                return classes
        raise ValueError(
            f"layer {self.name!r}: Embedding takes whole numbers from 0 to {self.input_dim - 1} (input_dim - 1); "
            f"got {x[~ok].flat[0]}."
        )

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        classes = self._classes(np.asarray(x))
        return self.embeddings.value[classes], classes

    def backward(self, dy: Array, cache: Cache) -> None:
        classes = cache
        self.embeddings.gradient[...] = _scattered(classes[None], dy[None], self.input_dim)[0]

    def per_sample_gradients(self, dy: Array, cache: Cache) -> list[Array]:
        return [_scattered(cache, dy, self.input_dim)]


def _scattered(classes: Array, dy: Array, count: int) -> Array:
    """Return (N, V, O): for each of N, its rows of dy (N, ..., O) added up by class (N, ...)."""
    n, outputs = len(classes), dy.shape[-1]
    table = np.zeros((n, count, outputs), dtype=dy.dtype)
    row = np.arange(n)[:, None] * count + classes.reshape(n, -1)
    # Entry by entry: adding at single numbers is several times faster in NumPy than adding at rows.
    entry = row.reshape(-1, 1) * outputs + np.arange(outputs)
    np.add.at(table.reshape(-1), entry.reshape(-1), dy.reshape(-1))
    return table
