"""How noisy the gradient is at each batch size: measured on drawn batches, with the exact values beside."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minibatch.models import Model
from minibatch.noise import statistics
from minibatch.noise.per_sample import per_sample_gradients
from minibatch.typing import Array

#: The quantiles that a report gives, by name.
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}


@dataclass(frozen=True)
class BatchNoise:
    """The gradients of batches of one size, against the gradient G of all samples.

    Attributes
    ----------
    batch_size : int
        B.
    ratio : float
        x = (S2/|G|^2)(1/B - 1/N), noise over signal.
    expected_norm2 : float
        E|g_B|^2, exact.
    expected_noise : float
        E|g_B|^2 - |G|^2 = S2 (1/B - 1/N), exact; 0 at B = N.
    theory_cosine, theory_angle : float
        (1 + x)^(-1/2), and its angle in degrees: near the means, not equal to them.
    norm2, noise, cosine, angle : ndarray, shape (draws,)
        Of each drawn batch: |g_B|^2; |g_B|^2 - |G|^2; the cosine and the angle (degrees) between g_B and G.
    """

    batch_size: int
    ratio: float
    expected_norm2: float
    expected_noise: float
    theory_cosine: float
    theory_angle: float
    norm2: Array = field(repr=False)
    noise: Array = field(repr=False)
    cosine: Array = field(repr=False)
    angle: Array = field(repr=False)

    def to_dict(self, draws: bool = False) -> dict[str, Any]:
        """Return plain numbers: of each measured quantity the mean, sd, standard error and quantiles.

        With ``draws``, also the lists of all draws of |g_B|^2 and of the angle.
        """
        row: dict[str, Any] = {
            "batch_size": self.batch_size,
            "noise_ratio": self.ratio,
            "expected_norm2": self.expected_norm2,
            "expected_noise": self.expected_noise,
            "theory_cosine": self.theory_cosine,
            "theory_angle": self.theory_angle,
        }
        for name in ("norm2", "noise", "cosine", "angle"):
            row[name] = summarise(getattr(self, name))
        if draws:
            row["draws"] = {"norm2": self.norm2.tolist(), "angle": self.angle.tolist()}
        return row


@dataclass(frozen=True)
class NoiseReport:
    """What ``gradient_noise`` measured.

    Attributes
    ----------
    n_samples : int
        N.
    grad_norm2 : float
        |G|^2, of the gradient of all N samples.
    trace : float
        S2, the unbiased trace of the covariance of one sample's gradient.
    noise_scale : float
        S2/|G|^2, in samples; infinite where G is zero.
    draws : int
        Batches drawn for each size.
    by_batch_size : tuple of BatchNoise
    """

    n_samples: int
    grad_norm2: float
    trace: float
    noise_scale: float
    draws: int
    by_batch_size: tuple[BatchNoise, ...]

    def to_dict(self, draws: bool = False) -> dict[str, Any]:
        """Return the report as plain numbers; ``by_batch_size`` is a list of rows (see ``BatchNoise.to_dict``)."""
        return {
            "n_samples": self.n_samples,
            "grad_norm2": self.grad_norm2,
            "trace": self.trace,
            "noise_scale": self.noise_scale,
            "draws": self.draws,
            "by_batch_size": [row.to_dict(draws) for row in self.by_batch_size],
        }

    def table(self) -> str:
        """Return the report as text, a line for each batch size."""
        scale = f"{self.noise_scale:,.1f} samples" if math.isfinite(self.noise_scale) else "infinite (G is zero)"
        lines = [
            f"N = {self.n_samples:,} samples   |G|^2 = {self.grad_norm2:.4g}   tr(Sigma) = {self.trace:.4g}   "
            f"noise scale = {scale}",
            f"{'':>10} |{'|g_B|^2':^34}|{'cosine to G':^18}|{'angle to G (degrees)':^31}",
            f"{'batch size':>10} | {'exact':>10} {'measured':>10} {'+-':>9}  | {'mean':>7} {'theory':>7}  "
            f"| {'mean':>6} {'sd':>5} {'5%':>5} {'95%':>5} {'theory':>6}",
        ]
        for row in self.by_batch_size:
            norm2, cosine, angle = (summarise(draws) for draws in (row.norm2, row.cosine, row.angle))
            lines.append(
                f"{row.batch_size:>10,} | {row.expected_norm2:>10.4g} {norm2['mean']:>10.4g} "
                f"{norm2['standard_error']:>9.2g}  | {cosine['mean']:>7.3f} {row.theory_cosine:>7.3f}  "
                f"| {angle['mean']:>6.1f} {angle['sd']:>5.1f} {angle['q05']:>5.1f} {angle['q95']:>5.1f} "
                f"{row.theory_angle:>6.1f}"
            )
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()


def gradient_noise(
    model: Model, x: Any, y: Any, *, batch_sizes: Iterable[int | str], draws: int = 1000, seed: int = 0
) -> NoiseReport:
    """Measure how the gradient of a batch scatters around the gradient of all samples, by batch size.

    Every sample's gradient is computed once. Then for each batch size ``draws`` batches of distinct samples are
    drawn, and their gradients' lengths and directions follow from inner products of the samples' gradients,
    without another backward pass.

    Parameters
    ----------
    model : Model
        Compiled. Measured at its present weights, in inference mode; not changed.
    x, y : array_like, shapes (N, ...)
        At least two samples.
    batch_sizes : iterable of int or "full"
        Each from 1 to N.
    draws : int, default 1000
        Batches of each size.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    NoiseReport

    Raises
    ------
    ValueError
        For a batch size outside 1..N, no draws, fewer than two samples, gradients that are not finite, and data
        that do not fit the model.

    Notes
    -----
    With c_i = g_i - G the length is |g_B|^2 = |G|^2 + 2 c_B.G + |c_B|^2, so that small noise is not the
    difference of large numbers. Memory: the (N, D) matrix of gradients in float64, and an (N, min(N, D)) one of
    products.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> x = np.arange(8.0)[:, None]
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    >>> line.compile("sgd", "mse")
    >>> report = mb.noise.gradient_noise(line, x, 2 * x[:, 0] + 1, batch_sizes=[1, 4, "full"])
    >>> [row.batch_size for row in report.by_batch_size]
    [1, 4, 8]
    >>> report.by_batch_size[-1].expected_noise
    0.0
    """
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise ValueError(f"draws must be a positive integer; got {draws!r}.")
    n = len(x)
    if n < 2:
        raise ValueError(f"gradient noise needs at least 2 samples; got {n}.")
    if isinstance(batch_sizes, str | int | np.integer):
        raise ValueError(f"batch_sizes must be a list, such as [1, 32, 'full']; got {batch_sizes!r}.")
    sizes = [_batch_size(size, n) for size in batch_sizes]
    if not sizes:
        raise ValueError("batch_sizes is empty: there is no batch to measure.")
    gradients = per_sample_gradients(model, x, y).astype(np.float64)
    if not np.isfinite(gradients).all():
        row = int(np.argwhere(~np.isfinite(gradients))[0][0])
        raise ValueError(f"the gradient of sample {row} is not finite: look at that row of x and at the weights.")

    G = gradients.mean(axis=0)
    grad_norm2 = float(G @ G)
    trace = statistics.trace(gradients)
    batches = _Drawn(gradients - G, G)
    # A stream for each size: what one measures does not depend on which others are asked for.
    rows = tuple(batches.measure(size, draws, trace, np.random.default_rng([seed, size])) for size in sizes)
    scale = statistics.noise_scale(trace, grad_norm2)
    return NoiseReport(n, grad_norm2, trace, scale, int(draws), rows)


class _Drawn:
    """Batches drawn from samples of which only centred gradients c_i = g_i - G (N, D), and G, are known."""

    def __init__(self, centred: Array, G: Array) -> None:
        self.n = len(centred)
        self.grad_norm2 = float(G @ G)
        self.along = centred @ G
        # |c_B|^2 from whichever is smaller: the (N, N) products of samples, or their (N, D) gradients.
        self.products = centred @ centred.T if self.n < centred.shape[1] else None
        self.centred = centred

    def measure(self, batch_size: int, draws: int, trace: float, rng: np.random.Generator) -> BatchNoise:
        """Draw batches and measure each against G."""
        chosen = np.zeros((draws, self.n))
        members = rng.random((draws, self.n)).argpartition(batch_size - 1, axis=1)[:, :batch_size]
        np.put_along_axis(chosen, members, 1 / batch_size, axis=1)
        if batch_size == self.n:
            # The mean of all c_i is zero: say so, rather than what rounding leaves of it.
            along = spread2 = np.zeros(draws)
        elif self.products is not None:
            along = chosen @ self.along
            spread2 = np.einsum("bn,bn->b", chosen @ self.products, chosen)
        else:
            along = chosen @ self.along
            c_B = chosen @ self.centred
            spread2 = np.einsum("bd,bd->b", c_B, c_B)
        noise = 2 * along + spread2
        norm2 = np.maximum(self.grad_norm2 + noise, 0.0)
        # The angle from both legs of the triangle: the inverse cosine alone is blind to small angles.
        parallel = self.grad_norm2 + along
        length = math.sqrt(self.grad_norm2)
        across = np.sqrt(np.maximum(norm2 * self.grad_norm2 - parallel**2, 0.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            # Where G or g_B is zero there is no direction: NaN.
            cosine = np.clip(parallel / (np.sqrt(norm2) * length), -1, 1)
            angle = np.where(np.isnan(cosine), np.nan, np.degrees(np.arctan2(across, parallel)))
        ratio = float(statistics.noise_ratio(self.grad_norm2, trace, batch_size, self.n))
        theory = float(statistics.cosine_theory(ratio))
        return BatchNoise(
            batch_size=batch_size,
            ratio=ratio,
            expected_norm2=float(statistics.expected_norm2(self.grad_norm2, trace, batch_size, self.n)),
            expected_noise=float(statistics.noise(trace, batch_size, self.n)),
            theory_cosine=theory,
            theory_angle=math.degrees(math.acos(theory)),
            norm2=norm2,
            noise=noise,
            cosine=cosine,
            angle=angle,
        )


def summarise(draws: Array) -> dict[str, float]:
    """Return the mean, standard deviation, standard error of the mean and quantiles of draws."""
    # Equal draws (all batches are the same at B = N) have no spread, not what rounding makes of one.
    sd = float(draws.std(ddof=1)) if draws.min() < draws.max() else 0.0
    numbers = {"mean": float(draws.mean()), "sd": sd, "standard_error": sd / math.sqrt(len(draws))}
    quantiles = np.quantile(draws, list(QUANTILES.values()))
    return numbers | {name: float(q) for name, q in zip(QUANTILES, quantiles, strict=True)}


def _batch_size(size: int | str | None, n_samples: int) -> int:
    if size is None or size == "full":
        return n_samples
    if isinstance(size, bool | str) or not isinstance(size, int | np.integer) or not 1 <= size <= n_samples:
        raise ValueError(f"batch sizes must be integers from 1 to {n_samples}, or 'full'; got {size!r}.")
    return int(size)
