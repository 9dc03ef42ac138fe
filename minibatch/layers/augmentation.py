"""Augmentation: images changed at random in training, in ways that leave their class what it is."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minibatch.layers.layer import Cache, one_of
from minibatch.layers.noise import RandomLayer
from minibatch.layers.window import check_axes
from minibatch.typing import Array


class RandomImageLayer(RandomLayer):
    """What the layers share that change images (N, H, W, C).

    Called by itself such a layer is at work, as in Keras; ``training=False`` switches it off. It takes a single
    image (H, W, C), too. In a model it is at work in training only.
    """

    keras_only: ClassVar[dict[str, tuple[Any, ...]]] = {"bounding_box_format": ()}

    def output_shape_for(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        check_axes(f"layer {self.name!r}", input_shape, rank=2)
        return input_shape

    def __call__(self, x: Any, training: bool = True) -> Any:
        if np.ndim(x) == 3:
            return super().__call__(np.asarray(x)[None], training)[0]
        return super().__call__(x, training)


class RandomFlip(RandomImageLayer):
    """In training, mirror every image or not: one coin for each.

    Parameters
    ----------
    mode : {"horizontal_and_vertical", "horizontal", "vertical"}
        "horizontal" exchanges left and right, "vertical" top and bottom. With both it is still one coin: an image
        is turned by half a circle, or stays as it is. So it is in Keras.
    seed : int, optional
        By default drawn from the stream that ``set_random_seed`` restarts.
    name : str, optional

    Raises
    ------
    ValueError
        For another mode, or samples that are not images.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> images = np.tile(np.arange(3.0).reshape(1, 1, 3, 1), (4, 1, 1, 1))
    >>> mb.layers.RandomFlip("horizontal", seed=0)(images)[..., 0]
    array([[[0., 1., 2.]],
           [[2., 1., 0.]],
           [[2., 1., 0.]],
           [[2., 1., 0.]]], dtype=float32)
    """

    def __init__(self, mode: str = "horizontal_and_vertical", seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.mode = one_of("RandomFlip", "mode", mode, ("horizontal", "vertical", "horizontal_and_vertical"))

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        if not training:
            return x, None
        coins = self.generator.random(len(x)) <= 0.5
        return self._flipped(x, coins), coins

    def backward(self, dy: Array, cache: Cache) -> Array:
        # Flipping twice changes nothing, and flipping moves numbers only: its transpose is itself.
        return dy if cache is None else self._flipped(dy, cache)

    def _flipped(self, x: Array, coins: Array) -> Array:
        axes = {"horizontal": (2,), "vertical": (1,), "horizontal_and_vertical": (1, 2)}[self.mode]
        return np.where(coins[:, None, None, None], np.flip(x, axes), x)


class RandomTranslation(RandomImageLayer):
    """In training, move every image down and to the right by a random part of its height and of its width.

    y = A x B' for each channel of an image: A (H, H) moves rows, B (W, W) columns. A row of A says of which rows
    of x a row of y is made: of one, or of two for a part of a pixel. So dx = A' dy B; TensorFlow moves dy back,
    which is that only where nothing is repeated at an edge and no pixel divided.

    Parameters
    ----------
    height_factor, width_factor : float or (float, float)
        The range, in parts of the height and width, from -1 to 1; positive is down and right. A number alone
        stands for both directions: 0.2 is (-0.2, 0.2).
    fill_mode : {"reflect", "constant", "nearest", "wrap"}
        What is seen beyond the edges of a b c d: d c b a | a b c d | d c b a; ``fill_value`` on both sides;
        a a a a | a b c d | d d d d; a b c d | a b c d | a b c d.
    interpolation : {"bilinear", "nearest"}
        What is seen between pixels: their weighted mean, or the nearer one.
    seed : int, optional
        By default drawn from the stream that ``set_random_seed`` restarts.
    fill_value : float, default 0
    name : str, optional

    Raises
    ------
    ValueError
        For a factor out of range, another mode, or samples that are not images.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> layer = mb.layers.RandomTranslation(0, (0.25, 0.25), fill_mode="constant")  # exactly a quarter
    >>> layer(np.arange(1.0, 5).reshape(1, 1, 4, 1))[0, 0, :, 0]
    array([0., 1., 2., 3.], dtype=float32)
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        kind = "RandomTranslation"
        self.height_factor, self.height_range = height_factor, _range(kind, "height_factor", height_factor)
        self.width_factor, self.width_range = width_factor, _range(kind, "width_factor", width_factor)
        self.fill_mode = one_of(kind, "fill_mode", fill_mode, ("reflect", "constant", "nearest", "wrap"))
        self.interpolation = one_of(kind, "interpolation", interpolation, ("bilinear", "nearest"))
        self.fill_value = fill_value

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        if not training:
            return x, None
        n, height, width = x.shape[:3]
        A = self._moving(self.generator.uniform(*self.height_range, n) * height, height).astype(x.dtype)
        B = self._moving(self.generator.uniform(*self.width_range, n) * width, width).astype(x.dtype)
        # A row of A or B sums to less than 1 where something is seen beyond the edge: of fill_value, 0 here.
        return _moved(A, x - self.fill_value, B) + self.fill_value, (A, B)

    def backward(self, dy: Array, cache: Cache) -> Array:
        if cache is None:
            return dy
        A, B = cache
        return _moved(A.transpose(0, 2, 1), dy, B.transpose(0, 2, 1))

    def _moving(self, shifts: Array, length: int) -> Array:
        """Return for each shift (N,), in pixels, the matrix that moves by it along an axis of L: (N, L, L)."""
        pixel = np.arange(length)
        # In float32, where TensorFlow decides which pixel is nearer.
        at = pixel.astype(np.float32) - shifts.astype(np.float32)[:, None]
        at = _inside(at, length, self.fill_mode)
        if self.interpolation == "nearest":
            seen = np.trunc(at + np.copysign(np.float32(0.5), at))  # a half goes away from zero
            nearest: Array = (seen[:, :, None] == pixel).astype(np.float64)
            return nearest
        below = np.floor(at)
        part = (at - below)[:, :, None]
        mean: Array = (below[:, :, None] == pixel) * (1 - part) + (below[:, :, None] + 1 == pixel) * part
        return mean


def _inside(at: Array, length: int, fill_mode: str) -> Array:
    """Return the places inside an image that stand for places ``at`` (TensorFlow's ImageProjectiveTransformV3)."""
    if fill_mode == "constant":
        return at
    if fill_mode == "wrap" and length > 1:
        # TensorFlow counts turns by L - 1 and moves by L: exact for whole pixels within one image of the edge.
        turns = np.trunc(np.abs(at) / (length - 1)) + (at < 0)
        at = np.where(at < 0, at + length * turns, np.where(at > length - 1, at - length * turns, at))
    if fill_mode == "reflect" and length > 1:
        at = np.where(at < 0, -at - 1, at)
        at = np.where(at >= length, 2 * length - 1 - at, at)
    return np.clip(at, 0, length - 1)


def _moved(A: Array, x: Array, B: Array) -> Array:
    """Return A x B' for every image and channel: A (N, H, H), x (N, H, W, C), B (N, W, W)."""
    n, height, width, channels = x.shape
    y = (A @ x.reshape(n, height, width * channels)).reshape(n, height, width, channels)
    moved: Array = B[:, None] @ y
    return moved


def _range(kind: str, argument: str, factor: Any) -> tuple[float, float]:
    """Return (lowest, highest) for a factor that is a number or two."""
    several = isinstance(factor, list | tuple)
    values = factor if several else [factor]
    numbers = all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values)
    if not numbers or len(values) != (2 if several else 1) or not all(-1 <= v <= 1 for v in values):
        raise ValueError(f"{kind}: {argument} must be a number from -1 to 1, or two of them; got {factor!r}.")
    low, high = sorted(values) if several else (-abs(factor), abs(factor))
    return float(low), float(high)
