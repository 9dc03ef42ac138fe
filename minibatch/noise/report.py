"""What ``gradient_noise`` found out, and how it reads."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minibatch.typing import Array
from minibatch.utils.json_numbers import for_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The quantiles that a report gives, by name.
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
#: What is measured on every drawn batch.
MEASURED = ("norm2", "norm", "noise", "cosine", "angle")


@dataclass(frozen=True)
class EpochNoise:
    """One epoch of batches at fixed weights: what becomes of the remainder.

    Attributes
    ----------
    steps : int
        K, the batches of an epoch.
    last_batch : int
        R, the samples of the last batch.
    last_norm2 : float
        E|g_R|^2 of the last batch, exact.
    share : float
        sum_i a_i: the mean of the K batch gradients is this times G, on average. 1, but for the policy "weight".
    mean_error : float
        E|m - share G|^2, exact: by how much that mean m misses, over all orders, the G of the N samples; 0 without
        a remainder. Over all draws where batches are drawn with replacement: those of an epoch miss some samples.
    measured_error : float
        The same, as the mean over the drawn orders; NaN without draws, and with replacement.
    """

    steps: int
    last_batch: int
    last_norm2: float
    share: float
    mean_error: float
    measured_error: float


@dataclass(frozen=True)
class BatchNoise:
    """The gradients of batches of one size, against the gradient G of all samples.

    Attributes
    ----------
    batch_size : int
        B.
    ratio : float
        x = (S2/|G|^2)(1/B - 1/N), noise over signal.
    signal_to_noise : float
        1/x; infinite at B = N.
    expected_norm2 : float
        E|g_B|^2, exact.
    expected_noise : float
        The variance of g_B, E|g_B - G|^2 = E|g_B|^2 - |G|^2 = S2 (1/B - 1/N), exact; 0 at B = N.
    theory_cosine, theory_angle : float
        (1 + x)^(-1/2), and its angle in degrees: near the means, not equal to them.
    epoch : EpochNoise
        An epoch of such batches.
    norm2, norm, noise, cosine, angle : ndarray, shape (draws,)
        Of each drawn batch: |g_B|^2; |g_B|; |g_B|^2 - |G|^2; the cosine and the angle (degrees) between g_B and G,
        NaN where one of them is zero.
    """

    batch_size: int
    ratio: float
    signal_to_noise: float
    expected_norm2: float
    expected_noise: float
    theory_cosine: float
    theory_angle: float
    epoch: EpochNoise
    norm2: Array = field(repr=False)
    norm: Array = field(repr=False)
    noise: Array = field(repr=False)
    cosine: Array = field(repr=False)
    angle: Array = field(repr=False)

    def to_dict(self, draws: bool = False) -> dict[str, Any]:
        """Return plain numbers: of each measured quantity the mean, sd, standard error and quantiles.

        Draws without a direction are left out of those. With ``draws``, also the lists of all draws of |g_B|^2
        and of the angle. What is infinite or undefined is None, which JSON can hold.
        """
        row = self.numbers()
        if draws:
            row["draws"] = {"norm2": self.norm2.tolist(), "angle": self.angle.tolist()}
        plain: dict[str, Any] = for_json(row)
        return plain

    def numbers(self) -> dict[str, Any]:
        """Return what ``to_dict`` does, with infinities and NaN as they are."""
        row: dict[str, Any] = {
            "batch_size": self.batch_size,
            "noise_ratio": self.ratio,
            "signal_to_noise": self.signal_to_noise,
            "expected_norm2": self.expected_norm2,
            "expected_noise": self.expected_noise,
            "theory_cosine": self.theory_cosine,
            "theory_angle": self.theory_angle,
            "epoch": vars(self.epoch).copy(),
        }
        for name in MEASURED:
            row[name] = summarise(getattr(self, name))
        return row


@dataclass(frozen=True)
class LayerNoise:
    """The part of the gradient that belongs to one layer's weights.

    Attributes
    ----------
    name : str
    n_parameters : int
    grad_norm2, trace, noise_scale : float
        As in ``NoiseReport``; over the layers the first two sum up to those of the whole.
    """

    name: str
    n_parameters: int
    grad_norm2: float
    trace: float
    noise_scale: float


@dataclass(frozen=True)
class NoiseReport:
    """What ``gradient_noise`` measured.

    Attributes
    ----------
    n_samples : int
        N.
    grad_norm2 : float
        |G|^2, of the gradient of all N samples; for ``population="infinite"`` the estimate |G|^2 - S2/N of that of
        the population, which may come out negative.
    trace : float
        S2, the unbiased trace of the covariance of one sample's gradient.
    noise_scale : float
        S2/|G|^2, in samples (of draws with replacement S2 (N - 1)/N for S2); infinite where |G|^2 is not above 0.
    critical_batch_size : float
        The batch size with as much noise as signal, x = 1, in samples.
    draws : int
        Batches drawn for each size.
    population : {"finite", "infinite"}
    replacement : bool
    remainder : str
    by_batch_size : tuple of BatchNoise
    by_layer : tuple of LayerNoise
        First layer first; empty unless asked for.
    """

    n_samples: int
    grad_norm2: float
    trace: float
    noise_scale: float
    critical_batch_size: float
    draws: int
    population: str
    replacement: bool
    remainder: str
    by_batch_size: tuple[BatchNoise, ...]
    by_layer: tuple[LayerNoise, ...] = ()

    def to_dict(self, draws: bool = False) -> dict[str, Any]:
        """Return the report as plain numbers; ``by_batch_size`` is a list of rows (see ``BatchNoise.to_dict``).

        What is infinite or undefined is None, which JSON can hold.
        """
        numbers = vars(self).copy()
        numbers["by_batch_size"] = [row.to_dict(draws) for row in self.by_batch_size]
        numbers["by_layer"] = [vars(row).copy() for row in self.by_layer]
        plain: dict[str, Any] = for_json(numbers)
        return plain

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dict for each batch size: "angle_mean", "angle_q05", "epoch_steps" and so on."""
        return [dict(_flat(row.numbers())) for row in self.by_batch_size]

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return ``rows`` as comma-separated text below a line of names; write it to ``path``, if one is given."""
        text = io.StringIO()
        rows = self.rows()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        if path is not None:
            Path(path).write_text(text.getvalue(), encoding="utf-8")
        return text.getvalue()

    def to_frame(self) -> Any:
        """Return ``rows`` as a pandas data frame, indexed by batch size.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ModuleNotFoundError as error:
            message = "to_frame needs pandas: pip install pandas. rows and to_csv do not."
            raise ModuleNotFoundError(message) from error
        return pandas.DataFrame(self.rows()).set_index("batch_size")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the noise against the batch size: measured points, and the exact line.

        Returns
        -------
        Axes
        """
        from minibatch.plots import noise_by_batch_size

        if not self.draws:
            raise ValueError("there are no drawn batches to plot: gradient_noise was called with draws=0.")
        if not self.trace:
            raise ValueError("there is no noise to plot: all samples have the same gradient, tr(Sigma) is 0.")
        rows = self.by_batch_size
        finite = self.population == "finite" and not self.replacement
        return noise_by_batch_size(
            [row.batch_size for row in rows],
            [float(row.noise.mean()) for row in rows],
            None if finite else [row.expected_noise for row in rows],
            errors=[summarise(row.noise)["standard_error"] for row in rows] if self.draws > 1 else None,
            trace=self.trace,
            n_samples=self.n_samples if finite else None,
            noise_scale=self.noise_scale if math.isfinite(self.noise_scale) else None,
            ax=ax,
        )

    def table(self) -> str:
        """Return the report as text, a line for each batch size; then one for each layer, if asked for."""
        lines = [
            f"N = {self.n_samples:,} samples   |G|^2 = {self.grad_norm2:.4g}   tr(Sigma) = {self.trace:.4g}",
            f"noise scale = {_samples(self.noise_scale, self.grad_norm2)}",
            f"critical batch size = {_samples(self.critical_batch_size, self.grad_norm2)}",
            *self._drawn_from(),
            "",
            f"{'':>10} |{'|g_B|^2':^33}|{'signal to':^11}|{'cosine to G':^17}|{'angle to G (degrees)':^31}",
            f"{'batch size':>10} | {'exact':>10} {'measured':>10} {'+-':>9} | {'noise':>9} | "
            f"{'mean':>7} {'theory':>7} | {'mean':>5} {'sd':>5} {'5%':>5} {'95%':>5} {'theory':>6}",
        ]
        for row in self.by_batch_size:
            norm2, cosine, angle = (summarise(draws) for draws in (row.norm2, row.cosine, row.angle))
            lines.append(
                f"{row.batch_size:>10,} | {row.expected_norm2:>10.4g} {norm2['mean']:>10.4g} "
                f"{norm2['standard_error']:>9.2g} | {row.signal_to_noise:>9.3g} | {cosine['mean']:>7.3f} "
                f"{row.theory_cosine:>7.3f} | {angle['mean']:>5.1f} {angle['sd']:>5.1f} {angle['q05']:>5.1f} "
                f"{angle['q95']:>5.1f} {row.theory_angle:>6.1f}"
            )
        return "\n".join(line.rstrip() for line in lines + self._without_direction() + self._layer_lines())

    def epoch_table(self) -> str:
        """Return, for each batch size, what an epoch of such batches does with the remainder, as text."""
        lines = [
            f"An epoch of {self.n_samples:,} samples at fixed weights, remainder={self.remainder!r}: the mean m of "
            "its batch gradients, against G",
            f"{'batch size':>10} {'steps':>7} {'last batch':>11} {'E|g_last|^2':>12} {'E[m]':>8} "
            f"{'E|m - E[m]|^2':>14} {'measured':>10}",
        ]
        for row in self.by_batch_size:
            epoch = row.epoch
            lines.append(
                f"{row.batch_size:>10,} {epoch.steps:>7,} {epoch.last_batch:>11,} {epoch.last_norm2:>12.4g} "
                f"{f'{epoch.share:.3f} G':>8} {epoch.mean_error:>14.3g} {epoch.measured_error:>10.3g}"
            )
        return "\n".join(lines)

    def _drawn_from(self) -> list[str]:
        if self.replacement:
            return ["batches are drawn with replacement"]
        if self.population == "infinite":
            exact = "|G|^2 and the exact columns: estimates for an infinite population"
            return [f"{exact}; what is measured: against the G of these samples"]
        return []

    def _without_direction(self) -> list[str]:
        counts = {row.batch_size: int(np.isnan(row.angle).sum()) for row in self.by_batch_size}
        found = ", ".join(f"{size:,}: {count:,}" for size, count in counts.items() if count)
        if not found or min(counts.values()) == self.draws:  # where G is zero, the header says so
            return []
        return [f"gradients of zero, left out of cosine and angle (batch size: batches): {found}"]

    def _layer_lines(self) -> list[str]:
        if not self.by_layer:
            return []
        width = max(len("layer"), *(len(layer.name) for layer in self.by_layer))
        lines = [
            "",
            f"{'layer':<{width}} {'parameters':>11} {'|G|^2':>10} {'tr(Sigma)':>10} {'noise scale (samples)':>22}",
        ]
        for layer in self.by_layer:
            scale = f"{layer.noise_scale:,.1f}" if math.isfinite(layer.noise_scale) else "infinite"
            lines.append(
                f"{layer.name:<{width}} {layer.n_parameters:>11,} {layer.grad_norm2:>10.4g} {layer.trace:>10.4g} "
                f"{scale:>22}"
            )
        return lines

    def __str__(self) -> str:
        return self.table()


def summarise(draws: Array) -> dict[str, float]:
    """Return the mean, standard deviation, standard error of the mean and quantiles of draws that are not NaN.

    NaN without any; of a single one nothing is known of the spread.
    """
    known = draws[~np.isnan(draws)]
    if not len(known):
        return dict.fromkeys(("mean", "sd", "standard_error", *QUANTILES), math.nan)
    # Equal draws (all batches are the same at B = N) have no spread, not what rounding makes of one.
    sd = math.nan if len(known) == 1 else float(known.std(ddof=1)) if known.min() < known.max() else 0.0
    numbers = {"mean": float(known.mean()), "sd": sd, "standard_error": sd / math.sqrt(len(known))}
    quantiles = np.quantile(known, list(QUANTILES.values()))
    return numbers | {name: float(q) for name, q in zip(QUANTILES, quantiles, strict=True)}


def _samples(size: float, grad_norm2: float) -> str:
    why = "G is zero" if not grad_norm2 < 0 else "the estimate of |G|^2 is below zero"
    return f"{size:,.1f} samples" if math.isfinite(size) else f"infinite ({why})"


def _flat(numbers: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in numbers.items():
        pairs += _flat(value, f"{prefix}{name}_") if isinstance(value, dict) else [(prefix + name, value)]
    return pairs
