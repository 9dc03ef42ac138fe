"""Gradient noise and direction from per-sample gradients, whichever library they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minibatch.compare.libraries import Library
from minibatch.noise import statistics
from minibatch.typing import Array

#: The matrix of the samples' gradients holds no more numbers than this (256 MB in float64).
NUMBERS = 1 << 25
#: How many batches are drawn to measure their direction.
DRAWS = 200


@dataclass(frozen=True)
class Sampled:
    """The gradients of some samples at some weights.

    Attributes
    ----------
    gradients : ndarray, shape (n, D)
        float64.
    G : ndarray, shape (D,)
        Their mean.
    """

    gradients: Array
    G: Array

    def at(self, batch_size: int) -> dict[str, Any]:
        """Return the noise of batches of a size drawn from these samples, as plain numbers.

        |G|^2, tr(Sigma) and the noise scale are those of the samples; the angle between g_B and G (degrees) is
        measured on drawn batches, and as theory has it. A size of n or more has no noise among n samples: None.
        """
        n = len(self.gradients)
        norm2, trace = float(self.G @ self.G), statistics.trace(self.gradients)
        numbers = {
            "n_samples": n,
            "grad_norm2": norm2,
            "trace": trace,
            "noise_scale": _finite(statistics.noise_scale(trace, norm2)),
            "angle": None,
            "theory_angle": None,
        }
        if batch_size < n and norm2 > 0:
            angles = self._angles(batch_size)
            ratio = statistics.noise_ratio(norm2, trace, batch_size, n)
            numbers["angle"] = _finite(float(angles.mean()))
            numbers["theory_angle"] = math.degrees(math.acos(float(statistics.cosine_theory(ratio))))
        return numbers

    def _angles(self, batch_size: int) -> Array:
        # The same draws on every side: what differs is the gradients.
        rng = np.random.default_rng(batch_size)
        n = len(self.gradients)
        members = rng.random((DRAWS, n)).argpartition(batch_size - 1, axis=1)[:, :batch_size]
        chosen = np.zeros((DRAWS, n))
        np.put_along_axis(chosen, members, 1 / batch_size, axis=1)
        return angle(chosen @ self.gradients, self.G)


def angle(vectors: Array, direction: Array) -> Array:
    """Return the angle in degrees between each row and a direction; NaN where one of them is zero.

    Computed from both legs of the triangle: the inverse cosine alone is blind to angles below 1e-6 degrees.

    Examples
    --------
    >>> angle(np.array([[1.0, 1.0], [1.0, 1e-9]]), np.array([2.0, 0.0])).round(9).tolist()
    [45.0, 5.7e-08]
    """
    length = np.linalg.norm(direction)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = direction / length
        along = vectors @ unit
        across = np.linalg.norm(vectors - along[..., None] * unit, axis=-1)
        degrees = np.degrees(np.arctan2(across, along))
    return np.asarray(np.where((along == 0) & (across == 0), np.nan, degrees))


def sample(library: Library, model: Any, x: Array, y: Array, n_samples: int) -> Sampled | None:
    """Return the gradients of some samples, the same on every side.

    None where there are fewer than two, or the gradients are too long for the memory set aside.
    """
    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    n = min(len(x), n_samples, NUMBERS // max(parameters, 1))
    if n < 2 or not parameters:
        return None
    chosen = np.sort(np.random.default_rng(0).permutation(len(x))[:n])
    gradients = library.gradients(model, x[chosen], y[chosen]).astype(np.float64)
    return Sampled(gradients, gradients.mean(axis=0))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
