"""The noise scale with the true curvature, and the learning rate that follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minibatch.models import Model
from minibatch.noise.curvature.hessian import MAX_DENSE, Hessian
from minibatch.noise.curvature.hutchinson import Estimate, check_draws, exact, mean_of
from minibatch.typing import Array


@dataclass(frozen=True)
class TrueNoiseScale:
    """How noise and curvature limit a step, where the loss is taken for a parabola.

    A step of learning rate eps along the gradient of a batch of B samples changes the loss on average by

        -eps |G|^2 + eps^2/2 (G'HG + tr(H Sigma)/B)

    (McCandlish et al. 2018, section 2.2), and all attributes follow from where that is smallest. They are the
    formulas' values, whatever the signs. Where G'HG <= 0 the loss does not curve up along G: the parabola has no
    lowest point, and a ``noise_scale`` or ``learning_rate`` that is negative says so, and nothing else.

    Attributes
    ----------
    n_samples : int
        N.
    grad_norm2 : float
        |G|^2.
    grad_curvature : float
        G'HG.
    trace : Estimate
        tr(H Sigma), Sigma being the covariance of one sample's gradient, with divisor N - 1.
    """

    n_samples: int
    grad_norm2: float
    grad_curvature: float
    trace: Estimate

    @property
    def noise_scale(self) -> float:
        """B_noise = tr(H Sigma)/(G'HG), in samples.

        The batch size at which noise takes half of what a step could gain; negative where just one of the two
        terms is. Infinite where G'HG is zero, as where G is.
        """
        return self.trace.value / self.grad_curvature if self.grad_curvature else math.inf

    @property
    def standard_error(self) -> float:
        """Of ``noise_scale``, over the draws; G'HG is exact."""
        return self.trace.standard_error / abs(self.grad_curvature) if self.grad_curvature else math.nan

    @property
    def max_learning_rate(self) -> float:
        """eps_max = |G|^2/(G'HG), the best learning rate of one step of plain SGD with no noise.

        Of one step only: taken again and again, it diverges where it is above 2 over the largest eigenvalue of H
        (``Curvature.stable_learning_rate``). Infinite where G'HG is zero; NaN where G is, since no step goes
        anywhere.
        """
        return self._quotient(0.0)

    def learning_rate(self, batch_size: int, finite: bool = False) -> float:
        """Return eps_opt(B) = eps_max/(1 + B_noise/B), the best learning rate of one step on a batch of B samples.

        Of one step only, as ``max_learning_rate``.

        Parameters
        ----------
        batch_size : int
            B.
        finite : bool, default False
            For batches of distinct ones of just these N samples, whose noise is less by the factor 1 - B/N: at
            B = N the result is ``max_learning_rate``. The paper's form is for a population without end.

        Raises
        ------
        ValueError
            If B is not a positive integer, or, if ``finite``, above N.
        """
        largest = self.n_samples if finite else math.inf
        if (
            isinstance(batch_size, bool)
            or not isinstance(batch_size, int | np.integer)
            or not (1 <= batch_size <= largest)
        ):
            limit = f" of at most {self.n_samples}" if finite else ""
            raise ValueError(f"batch_size must be a positive integer{limit}; got {batch_size!r}.")
        return self._quotient(1 / batch_size - (1 / self.n_samples if finite else 0))

    def _quotient(self, share: float) -> float:
        """Return |G|^2/(G'HG + share tr(H Sigma))."""
        curvature = self.grad_curvature + share * self.trace.value
        if self.grad_norm2 == 0:
            return math.nan
        return self.grad_norm2 / curvature if curvature else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "n_samples": self.n_samples,
            "grad_norm2": self.grad_norm2,
            "grad_curvature": self.grad_curvature,
            "trace": self.trace.to_dict(),
            "noise_scale": self.noise_scale,
            "standard_error": self.standard_error,
            "max_learning_rate": self.max_learning_rate,
        }


def true_noise_scale(model: Model, x: Any, y: Any, *, draws: int | None = 100, seed: int = 0) -> TrueNoiseScale:
    """Measure B_noise = tr(H Sigma)/(G'HG), the noise scale that takes the curvature into account.

    Where H is a multiple of the identity it is tr(Sigma)/|G|^2 (see ``noise_scale``); otherwise noise counts by
    how strongly the loss curves in its directions, and so does G.

    Parameters
    ----------
    model : Model
        Compiled. Measured at its present weights, in inference mode; not changed.
    x, y : array_like, shapes (N, ...)
        At least two samples.
    draws : int or None, default 100
        Products with H for tr(H Sigma), which is then an estimate with a standard error; None for its exact value,
        from N or D products. Where exactness takes no more products than draws, it is exact. A (draws, D) matrix
        is kept.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    TrueNoiseScale

    Raises
    ------
    ValueError
        For fewer than two samples, draws below 1, and as ``Hessian``.
    TypeError
        If a layer with weights has no rule for single samples.

    Notes
    -----
    With c_i = g_i - G and random signs z_i, w = sum_i z_i c_i / sqrt(N - 1) has E[w w'] = Sigma, so w'H w is an
    unbiased estimate of tr(H Sigma).

    Examples
    --------
    A line for (1, 2) and (2, 4), at zero weights: g = (-4, -4) and (-16, -8), G = (-10, -6), H = [[5, 3], [3, 2]].
    So |G|^2 = 136, G'HG = 932, and tr(H Sigma) = 520, from c = (6, 2) and (-6, -2):

    >>> import minibatch as mb
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    >>> line.compile("sgd", "mse")
    >>> found = mb.noise.curvature.true_noise_scale(line, [[1.0], [2.0]], [2.0, 4.0])
    >>> round(found.noise_scale, 4), round(found.max_learning_rate, 4)
    (0.5579, 0.1459)
    """
    return true_noise_scale_of(Hessian(model, x, y), draws=draws, seed=seed)


def true_noise_scale_of(H: Hessian, *, draws: int | None, seed: int) -> TrueNoiseScale:
    """Return what ``true_noise_scale`` does, of a Hessian that is there already."""
    draws = check_draws(draws)
    if H.n_samples < 2:
        raise ValueError(f"the spread of gradients needs at least 2 samples; got {H.n_samples}.")
    by_columns = H.size <= min(H.n_samples, MAX_DENSE)
    if draws is None or (H.size if by_columns else H.n_samples) <= draws:
        trace = exact(_by_columns(H) if by_columns else _by_samples(H))
    else:
        trace = mean_of([float(w @ (H @ w)) for w in _mixtures(H, draws, seed)])
    G = H.gradient
    return TrueNoiseScale(H.n_samples, float(G @ G), float(G @ (H @ G)), trace)


def _by_columns(H: Hessian) -> float:
    """Return tr(H Sigma) = sum_jk H_jk Sigma_jk: D products."""
    scatter = np.zeros(H.shape)
    for rows in H.sample_gradients():
        centred = rows - H.gradient
        scatter += centred.T @ centred
    return float((H.dense() * scatter).sum()) / (H.n_samples - 1)


def _by_samples(H: Hessian) -> float:
    """Return tr(H Sigma) = sum_i c_i'H c_i / (N - 1): N products."""
    total = 0.0
    for rows in H.sample_gradients():
        for c in rows - H.gradient:
            total += float(c @ (H @ c))
    return total / (H.n_samples - 1)


def _mixtures(H: Hessian, draws: int, seed: int) -> Array:
    """Return vectors w (draws, D) with E[w w'] = Sigma."""
    rng = np.random.default_rng(seed)
    W = np.zeros((draws, H.size))
    for rows in H.sample_gradients():
        W += rng.choice([-1.0, 1.0], (draws, len(rows))) @ (rows - H.gradient)
    return W / math.sqrt(H.n_samples - 1)
