"""Initializers that draw. Names, defaults and distributions are Keras's.

The numbers drawn are not Keras's (the generators differ), only their distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from minibatch.initializers.initializer import Initializer
from minibatch.typing import Array
from minibatch.utils.names import near_misses
from minibatch.utils.random import next_seed

#: The standard deviation of a standard normal cut off at +-2, by which Keras divides to make up for the cut.
_TRUNCATED_STD = 0.87962566103423978


class Random(Initializer):
    """An initializer with a seed: called twice, it returns the same numbers twice (as in Keras).

    Parameters
    ----------
    seed : int, optional
        By default drawn from the stream that ``set_random_seed`` restarts.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
            raise TypeError(f"{type(self).__name__}: seed must be an integer or None; got {seed!r}.")
        self._given_seed = seed
        self.seed = next_seed() if seed is None else seed

    def get_config(self) -> dict[str, Any]:
        # As in Keras: made again without a seed, it draws another.
        return {**super().get_config(), "seed": self._given_seed}

    @property
    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


class RandomUniform(Random):
    """Uniform in [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def draw(self, shape: tuple[int, ...]) -> Array:
        return self._rng.uniform(self.minval, self.maxval, shape)


class RandomNormal(Random):
    """Normal, of given mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def draw(self, shape: tuple[int, ...]) -> Array:
        return self._rng.normal(self.mean, self.stddev, shape)


class TruncatedNormal(RandomNormal):
    """Normal, with everything beyond two standard deviations drawn again."""

    def draw(self, shape: tuple[int, ...]) -> Array:
        rng = self._rng
        z = rng.standard_normal(shape)
        while (outside := np.abs(z) > 2).any():
            z[outside] = rng.standard_normal(int(outside.sum()))
        return self.mean + self.stddev * z


def fans(
    shape: tuple[int, ...],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Return (fan in, fan out): how many inputs feed one output, and the reverse.

    For a dense kernel (I, O) that is I and O; for a convolution (H, W, C, F) each is multiplied by the H x W
    positions of the window. If both ``input_axes`` and ``output_axes`` are given, it is the product of those.

    >>> fans((64, 32)), fans((3, 3, 16, 32))
    ((64, 32), (144, 288))
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


class VarianceScaling(Random):
    """Zero mean and variance scale / fan.

    Parameters
    ----------
    scale : float
    mode : {"fan_in", "fan_out", "fan_avg"}
    distribution : {"uniform", "truncated_normal", "untruncated_normal"}
        A uniform of half-width sqrt(3 v) has variance v; a cut normal is widened to have it. "normal" is an older
        name of "truncated_normal".
    seed : int, optional
    input_axes, output_axes : sequence of int, optional
        Which axes of the shape count as inputs and as outputs, where that is not told by their order; see ``fans``.

    Raises
    ------
    ValueError
        If ``scale`` is not positive, or a name is unknown.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in",
        distribution: Literal["uniform", "truncated_normal", "untruncated_normal", "normal"] = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        if scale <= 0:
            raise ValueError(f"scale must be positive; got {scale!r}.")
        if distribution == "normal":
            distribution = "truncated_normal"
        for argument, value, choices in (
            ("mode", mode, ("fan_in", "fan_out", "fan_avg")),
            ("distribution", distribution, ("uniform", "truncated_normal", "untruncated_normal")),
        ):
            if value not in choices:
                raise ValueError(f"VarianceScaling: unknown {argument} {value!r}.{near_misses(value, choices)}")
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def draw(self, shape: tuple[int, ...]) -> Array:
        fan_in, fan_out = fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        std = math.sqrt(self.scale / max(1.0, fan))
        if self.distribution == "uniform":
            return self._rng.uniform(-math.sqrt(3) * std, math.sqrt(3) * std, shape)
        if self.distribution == "truncated_normal":
            return TruncatedNormal(0.0, std / _TRUNCATED_STD, self.seed).draw(shape)
        return self._rng.normal(0.0, std, shape)


class _Scaled(VarianceScaling):
    """Variance scaling with the first three arguments fixed."""

    fixed: tuple[float, Any, Any]

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self.fixed, seed, input_axes, output_axes)


class GlorotUniform(_Scaled):
    """Variance 2 / (fan in + fan out), uniform: Glorot and Bengio 2010, eq. 16. The default of kernels."""

    fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Variance 2 / (fan in + fan out), truncated normal: Glorot and Bengio 2010, eq. 12."""

    fixed = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Variance 2 / fan in, uniform: He et al. 2015, eq. 10."""

    fixed = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Variance 2 / fan in, truncated normal: He et al. 2015, eq. 10."""

    fixed = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Variance 1 / fan in, uniform: LeCun et al. 1998, eq. 16."""

    fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Variance 1 / fan in, truncated normal: LeCun et al. 1998, eq. 16; with selu, Klambauer et al. 2017."""

    fixed = (1.0, "fan_in", "truncated_normal")


class Orthogonal(Random):
    """``gain`` times a matrix with orthonormal columns, or rows if they are fewer (Saxe et al. 2014).

    All axes but the last count as rows. It is the Q of a normal matrix's QR decomposition, with the signs of R's
    diagonal moved into it, so that every orthogonal matrix is as likely (Mezzadri 2007, section 5).
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def draw(self, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs at least two axes; got shape {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(self._rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))
        return self.gain * (q.T if rows < columns else q).reshape(shape)
