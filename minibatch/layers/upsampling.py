"""Layers that make images and sequences larger: each position several times."""

from __future__ import annotations

from typing import Any, ClassVar

from minibatch.layers.layer import Cache, Layer
from minibatch.layers.window import channels_last, check_axes, integers
from minibatch.typing import Array


class UpSampling(Layer):
    """What both share: each position ``times`` times along each axis between the batch's and the channels'."""

    rank: ClassVar[int] = 2

    @property
    def times(self) -> tuple[int, ...]:
        """How often, along each axis."""
        raise TypeError(f"{type(self).__name__} must define times.")

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        check_axes(f"layer {self.name!r}", input_shape, self.rank)
        return (*(n * k for n, k in zip(input_shape[:-1], self.times, strict=True)), input_shape[-1])

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        y = x
        for axis, k in enumerate(self.times, 1):
            y = y.repeat(k, axis)
        return y, None

    def backward(self, dy: Array, cache: Cache) -> Array:
        # An entry of x is read k times along an axis, and what comes back is added up.
        dx = dy
        for axis, k in enumerate(self.times, 1):
            n = dx.shape[axis] // k
            dx = dx.reshape(*dx.shape[:axis], n, k, *dx.shape[axis + 1 :]).sum(axis=axis + 1)
        return dx


class UpSampling1D(UpSampling):
    """Each position of a sequence ``size`` times: (N, L, C) to (N, size L, C).

    Parameters
    ----------
    size : int, default 2
    name : str, optional

    Raises
    ------
    ValueError
        For a size that is not a positive integer, and samples that are not (L, C).

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.UpSampling1D(3)([[[1.0], [2.0]]]).ravel()
    array([1., 1., 1., 2., 2., 2.], dtype=float32)
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = integers("UpSampling1D", "size", size, 1)[0]

    @property
    def times(self) -> tuple[int, ...]:
        """(size,)."""
        return (self.size,)


class UpSampling2D(UpSampling):
    """Each pixel of an image several times: (N, H, W, C) to (N, size[0] H, size[1] W, C).

    Parameters
    ----------
    size : int or (int, int), default (2, 2)
        How often along height and width; one number is both.
    data_format : {"channels_last"}, optional
    interpolation : {"nearest"}
        The pixels between are not blended.
    name : str, optional

    Raises
    ------
    ValueError
        For sizes that are not positive integers, another interpolation, and samples that are not images.

    Examples
    --------
    >>> import minibatch as mb
    >>> mb.layers.UpSampling2D((2, 1))([[[[1.0], [2.0]]]])[0, :, :, 0]
    array([[1., 2.],
           [1., 2.]], dtype=float32)
    """

    def __init__(
        self,
        size: int | tuple[int, int] = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = integers("UpSampling2D", "size", size, 2)
        self.data_format = channels_last("UpSampling2D", data_format)
        if interpolation != "nearest":
            raise ValueError(
                f"UpSampling2D: interpolation={interpolation!r} is not here; 'nearest' repeats each pixel."
            )
        self.interpolation = interpolation

    @property
    def times(self) -> tuple[int, ...]:
        """``size``."""
        return tuple(self.size)
