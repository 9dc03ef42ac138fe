"""Preprocessing inside the model: inputs brought to a scale that is easy to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from minibatch import config
from minibatch.layers.layer import Cache, Layer
from minibatch.results import result
from minibatch.typing import Array


class Rescaling(Layer):
    """y = scale x + offset.

    Parameters
    ----------
    scale : float or array_like
        1 / 255 brings the bytes of an image to [0, 1]. An array is spread over samples as NumPy does it.
    offset : float or array_like, default 0
    name : str, optional

    Raises
    ------
    ValueError
        If an array's shape does not fit a sample's.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.Rescaling(1 / 127.5, offset=-1)([[0, 255]])
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        # Keras writes an array as {"class_name": "__numpy__", "config": {"value": [...], "dtype": ...}}.
        arrays = {key: value["config"]["value"] for key, value in config.items() if isinstance(value, dict)}
        return cls(**{**config, **arrays})

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        for argument in ("scale", "offset"):
            shape = np.shape(getattr(self, argument))
            if len(shape) > len(input_shape) or any(
                n not in (1, extent) for n, extent in zip(shape[::-1], input_shape[::-1], strict=False)
            ):
                raise ValueError(
                    f"layer {self.name!r}: {argument} has shape {shape}, which does not fit samples of shape "
                    f"{input_shape}."
                )
        return input_shape

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        return x * np.asarray(self.scale, dtype=x.dtype) + np.asarray(self.offset, dtype=x.dtype), None

    def backward(self, dy: Array, cache: Cache) -> Array:
        dx: Array = dy * np.asarray(self.scale, dtype=dy.dtype)
        return dx


class Normalization(Layer):
    """y = (x - mean) / sqrt(variance), with the mean and variance of the data, looked at once before training.

    Give both, or let ``adapt`` find them; until then y = x. Unlike in ``BatchNormalization`` they stay what they
    are, so that samples do not meet.

    Parameters
    ----------
    axis : int, sequence of int or None, default -1
        Each index along it has a mean and variance of its own; None for one of everything. Counted with the batch
        axis, as in Keras: 1 is the first axis of a sample.
    mean, variance : float or array_like, optional
        Instead of ``adapt``; arrays of the shape of ``axis``, or spread over it from the right.
    invert : bool, default False
        Go back: y = mean + x sqrt(variance).
    name : str, optional

    Attributes
    ----------
    mean, variance : ndarray or None
        What is used, spread over a sample: (1, ..., C); None before it is known.
    adapt_mean, adapt_variance : Weight
        What ``adapt`` found. A third weight, ``count``, is always 0: Keras keeps it for old files, so it is here.

    Raises
    ------
    ValueError
        If only one of mean and variance is given, they differ in shape, or they do not fit.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> layer = mb.layers.Normalization()
    >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0], [0.0, 7.0], [2.0, 9.0]]))
    >>> layer([[0.0, 9.0]])
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = tuple(axis) if isinstance(axis, list | tuple) else () if axis is None else (axis,)
        if (mean is None) != (variance is None):
            raise ValueError(
                f"Normalization: give both mean and variance, or neither; got mean={mean}, variance={variance}."
            )
        if np.shape(mean) != np.shape(variance) or np.ndim(mean) > len(self.axis):
            raise ValueError(
                "Normalization: mean and variance must be of one shape, with no more axes than axis has "
                f"({len(self.axis)}); got shapes {np.shape(mean)} and {np.shape(variance)}."
            )
        self.input_mean, self.input_variance = mean, variance
        self.invert = invert

    def get_config(self) -> dict[str, Any]:
        # Keras's attributes of these two names are what the layer uses, not what it was given.
        given = {"mean": self.input_mean, "variance": self.input_variance}
        own = {"name": self.name, "trainable": self.trainable, "axis": self.axis, "invert": self.invert}
        return own | {key: None if value is None else np.asarray(value).tolist() for key, value in given.items()}

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self._kept(input_shape)
        return input_shape

    def _kept(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the axes of a batch that have statistics of their own, each from 1 on, in order."""
        ndim = len(input_shape) + 1
        axes = {axis + ndim if axis < 0 else axis for axis in self.axis}
        if not axes <= set(range(1, ndim)):
            raise ValueError(
                f"layer {self.name!r}: axis must name axes of a sample, or be None; got {self.axis} for samples of "
                f"shape {input_shape}."
            )
        return tuple(sorted(axes))

    def _spread(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the statistics, spread over a sample: 1 along the axes that share them."""
        kept = self._kept(input_shape)
        return tuple(n if axis in kept else 1 for axis, n in enumerate((1, *input_shape)))

    def _own(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return how many statistics there are along each axis that has its own."""
        return tuple(input_shape[axis - 1] for axis in self._kept(input_shape))

    def fit_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        # What was found of samples of one shape fits all that are as long along ``axis``.
        if self.built and self._own(input_shape) == self._own(self.input_shape):
            return input_shape
        return super().fit_shape(input_shape)

    def ensure_built(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        output_shape = super().ensure_built(input_shape)
        if self.first_call is None:  # in no model yet, whose samples may be of another shape than those before
            self.input_shape = self.output_shape = input_shape
        return output_shape

    def build(self, input_shape: tuple[int, ...]) -> None:
        if self.input_mean is None:
            own = self._own(input_shape)
            self.adapt_mean = self.add_weight(own, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(own, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", trainable=False, name="count")
            return
        try:
            self._given(self.input_mean, input_shape)
        except ValueError:
            raise ValueError(
                f"layer {self.name!r}: a mean of shape {np.shape(self.input_mean)} does not fit the axes "
                f"{self.axis} of samples of shape {input_shape}."
            ) from None

    def _given(self, statistic: Any, input_shape: tuple[int, ...]) -> Array:
        """Return what the constructor was given, spread over a sample."""
        lined_up = [1] * (len(input_shape) + 1)
        for axis, n in zip(self._kept(input_shape)[::-1], np.shape(statistic)[::-1], strict=False):
            lined_up[axis] = n
        numbers = np.reshape(np.asarray(statistic, dtype=config.floatx()), lined_up)
        return np.broadcast_to(numbers, self._spread(input_shape))

    @property
    def mean(self) -> Array | None:
        """The mean in use, spread over a sample."""
        return result(self._used(self.input_shape)[0]) if self.built else None

    @property
    def variance(self) -> Array | None:
        """The variance in use, spread over a sample."""
        return result(self._used(self.input_shape)[1]) if self.built else None

    def _used(self, input_shape: tuple[int, ...]) -> list[Array]:
        """Return the mean and the variance, spread over a sample of this shape."""
        if self.input_mean is not None:
            return [self._given(statistic, input_shape) for statistic in (self.input_mean, self.input_variance)]
        spread = self._spread(input_shape)
        return [weight.value.reshape(spread) for weight in (self.adapt_mean, self.adapt_variance)]

    def adapt(self, data: Any) -> None:
        """Take the mean and variance of the data, each entry along ``axis`` by itself.

        Parameters
        ----------
        data : array_like, shape (N, ...), or iterable of batches
            A batch is an array, or a tuple that begins with one. One pass, in float64; how the samples are split
            into batches changes nothing (Chan, Golub and LeVeque 1983, eq. 2.1).

        Raises
        ------
        ValueError
            If there are no samples, they do not fit the layer, or it was given its mean and variance.
        TypeError
            If a batch is no array.
        """
        if self.input_mean is not None:
            raise ValueError(f"layer {self.name!r} was given its mean and variance: there is nothing to adapt.")
        count, mean, squares = 0, np.zeros(()), np.zeros(())
        for batch in _batches(data):
            self.ensure_built(batch.shape[1:])
            shared = tuple(axis for axis, n in enumerate(self._spread(batch.shape[1:])) if axis == 0 or n == 1)
            n = int(np.prod([batch.shape[axis] for axis in shared]))
            if not n:
                continue
            of_batch = batch.mean(axis=shared, keepdims=True)
            moved = of_batch - mean
            squares = squares + np.square(batch - of_batch).sum(axis=shared, keepdims=True)
            squares += np.square(moved) * (count * n / (count + n))
            mean = mean + moved * (n / (count + n))
            count += n
        if not count:
            raise ValueError(f"layer {self.name!r}: adapt needs samples; got none.")
        self.adapt_mean.assign(mean.reshape(self.adapt_mean.shape))
        self.adapt_variance.assign((squares / count).reshape(self.adapt_mean.shape))

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        mean, variance = self._used(x.shape[1:])
        # Data that never change along some index have no scale: Keras divides them by its fuzz factor.
        std = np.maximum(np.sqrt(variance), config.epsilon())
        return (mean + x * std, std) if self.invert else ((x - mean) / std, std)

    def backward(self, dy: Array, cache: Cache) -> Array:
        std = cache
        dx: Array = dy * std if self.invert else dy / std
        return dx


def _batches(data: Any) -> Iterator[Array]:
    """Yield the data in float64, batch by batch."""
    if hasattr(data, "shape"):
        yield np.asarray(data, dtype=np.float64)
        return
    a_sequence = not hasattr(data, "__iter__") and hasattr(data, "__len__")  # a PyDataset
    for batch in map(data.__getitem__, range(len(data))) if a_sequence else data:
        x = batch[0] if isinstance(batch, tuple) else batch
        if not hasattr(x, "shape"):
            raise TypeError(
                "adapt takes an array, or an iterable of batches that are arrays; got one that yields "
                f"{type(x).__name__}."
            )
        yield np.asarray(x, dtype=np.float64)
