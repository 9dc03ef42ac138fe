"""What a weight is before the first step. Names, defaults and distributions are Keras's.

The numbers drawn are not Keras's (the generators differ), only their distribution.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from minibatch import config
from minibatch.typing import Array
from minibatch.utils.names import find, near_misses
from minibatch.utils.random import next_seed

#: The standard deviation of a standard normal cut off at +-2, by which Keras divides to make up for the cut.
_TRUNCATED_STD = 0.87962566103423978


class Initializer:
    """A function of a shape. Subclasses write ``draw``."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Array:
        """Return a new array of this shape, in ``dtype`` (default: floatx)."""
        return np.asarray(self.draw(tuple(shape)), dtype=dtype or config.floatx())

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return an array of this shape in float64."""
        raise TypeError(f"{type(self).__name__} must define draw(shape).")


class Constant(Initializer):
    """Every entry the same."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def draw(self, shape: tuple[int, ...]) -> Array:
        return np.full(shape, self.value, dtype=np.float64)


class Zeros(Constant):
    """Every entry 0."""

    def __init__(self) -> None:
        super().__init__(0.0)


class Ones(Constant):
    """Every entry 1."""

    def __init__(self) -> None:
        super().__init__(1.0)


class Random(Initializer):
    """An initializer with a seed: called twice, it returns the same numbers twice (as in Keras).

    Parameters
    ----------
    seed : int, optional
        By default drawn from the stream that ``set_random_seed`` restarts.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = next_seed() if seed is None else seed

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


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan in, fan out): how many inputs feed one output, and the reverse.

    For a dense kernel (I, O) that is I and O; for a convolution (H, W, C, F) each is multiplied by the H x W
    positions of the window.

    >>> fans((64, 32)), fans((3, 3, 16, 32))
    ((64, 32), (144, 288))
    """
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

    Raises
    ------
    ValueError
        If ``scale`` is not positive, or a name is unknown.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in",
        distribution: Literal[
            "uniform", "truncated_normal", "untruncated_normal", "normal"
        ] = "truncated_normal",
        seed: int | None = None,
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

    def draw(self, shape: tuple[int, ...]) -> Array:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        std = math.sqrt(self.scale / max(1.0, fan))
        if self.distribution == "uniform":
            return self._rng.uniform(-math.sqrt(3) * std, math.sqrt(3) * std, shape)
        if self.distribution == "truncated_normal":
            return TruncatedNormal(0.0, std / _TRUNCATED_STD, self.seed).draw(shape)
        return self._rng.normal(0.0, std, shape)


class GlorotUniform(VarianceScaling):
    """Variance 2 / (fan in + fan out), uniform: Glorot and Bengio 2010, eq. 16. The default of kernels."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)


class GlorotNormal(VarianceScaling):
    """Variance 2 / (fan in + fan out), truncated normal: Glorot and Bengio 2010, eq. 12."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)


class HeUniform(VarianceScaling):
    """Variance 2 / fan in, uniform: He et al. 2015, eq. 10."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed)


class HeNormal(VarianceScaling):
    """Variance 2 / fan in, truncated normal: He et al. 2015, eq. 10."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed)


INITIALIZERS: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_uniform": RandomUniform,
    "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
}


def get(identifier: Any) -> Initializer:
    """Return an initializer from a name ("glorot_uniform"), a class or an instance.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the near misses.
    TypeError
        For anything else.
    """
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if isinstance(identifier, str):
        by_class = {c.__name__: c for c in INITIALIZERS.values()}
        return find("initializer", identifier, {**INITIALIZERS, **by_class})()
    raise TypeError(f"an initializer is a name or a minibatch.initializers.Initializer; got {identifier!r}.")
