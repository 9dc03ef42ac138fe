"""All of the curvature of a loss in one report, from one Hessian."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from minibatch.models import Model
from minibatch.noise.curvature.hessian import Hessian
from minibatch.noise.curvature.hutchinson import Estimate, check_draws
from minibatch.noise.curvature.lanczos import Eigenpairs
from minibatch.noise.curvature.measures import diagonal_of, top_of
from minibatch.noise.curvature.takeuchi import TIC, tic_of
from minibatch.noise.curvature.true_scale import TrueNoiseScale, true_noise_scale_of
from minibatch.utils.json_numbers import for_json


@dataclass(frozen=True)
class Curvature:
    """What ``loss_curvature`` measured.

    Attributes
    ----------
    n_samples, n_parameters : int
        N and D.
    eigenvalues : Eigenpairs
        The k largest.
    trace : Estimate
        tr(H).
    tic : TIC
        By the diagonal only where that is exact.
    noise : TrueNoiseScale
        B_noise, G'HG and learning rates.
    products : int
        Products with H that it all took.
    kinks : int
        See ``Hessian``: 0 where the loss is smooth at the weights.
    """

    n_samples: int
    n_parameters: int
    eigenvalues: Eigenpairs
    trace: Estimate
    tic: TIC
    noise: TrueNoiseScale
    products: int
    kinks: int

    @property
    def stable_learning_rate(self) -> float:
        """2/lambda_max: plain gradient descent, step after step, must stay below it, or it diverges.

        On a parabola each step multiplies the distance from the minimum along an eigenvector by 1 - lr lambda,
        below 1 in size where lr < 2/lambda (LeCun, Bottou, Orr and Mueller 1998, "Efficient BackProp", section 5).
        Cohen et al. 2021, arXiv 2103.00065, measure it in networks. ``noise.max_learning_rate``, the best of *one*
        step along G, can be far above: G may lie where the loss curves little. Infinite where the loss curves up in
        no direction; too large, if the eigenvalues have not converged.
        """
        largest = float(self.eigenvalues.values[0])
        return 2 / largest if largest > 0 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain numbers; eigenvectors are left out.

        What is infinite or undefined is None, which JSON can hold.
        """
        found = self.eigenvalues
        numbers = {
            "n_samples": self.n_samples,
            "n_parameters": self.n_parameters,
            "eigenvalues": found.values.tolist(),
            "residuals": found.residuals.tolist(),
            "converged": found.converged,
            "trace": self.trace.to_dict(),
            "tic": self.tic.to_dict(),
            "noise": self.noise.to_dict(),
            "stable_learning_rate": self.stable_learning_rate,
            "products": self.products,
            "kinks": self.kinks,
        }
        plain: dict[str, Any] = for_json(numbers)
        return plain

    def table(self) -> str:
        """Return the report as text."""
        found, noise = self.eigenvalues, self.noise
        state = "" if found.converged else "   (not converged)"
        downhill = "" if noise.grad_curvature > 0 else "   (not above 0: no best step, B_noise means nothing)"
        if self.tic.by_diagonal is None:
            by_diagonal = "not measured: it needs the exact diagonal, draws=None"
        else:
            doubt = f"   ({self.tic.not_positive:,} h_j not above 0: distrust it)" if self.tic.not_positive else ""
            by_diagonal = f"{self.tic.by_diagonal:.4g}{doubt}"
        limit = self.stable_learning_rate
        stable = "no limit: the loss curves up in no direction"
        if math.isfinite(limit):
            stable = f"stable below {limit:.4g} = 2 / largest eigenvalue (LeCun et al. 1998)"
        scale = Estimate(noise.noise_scale, noise.standard_error, noise.trace.draws)
        rows = {
            "largest eigenvalues of H": "  ".join(f"{value:.4g}" for value in found.values) + state,
            "tr(H)": str(self.trace),
            "TIC by the diagonal": by_diagonal,
            "TIC by the traces": f"{self.tic.by_trace:.4g}",
            "|G|^2": f"{noise.grad_norm2:.4g}",
            "G'HG": f"{noise.grad_curvature:.4g}{downhill}",
            "tr(H Sigma)": str(noise.trace),
            "B_noise": f"{scale} samples",
            "best rate of one step": f"{noise.max_learning_rate:.4g} without noise, "
            f"{noise.learning_rate(1):.4g} for single samples",
            "  on batches of B": "noise.learning_rate(B)",
            "step after step": stable,
        }
        lines = [
            f"N = {self.n_samples:,} samples   D = {self.n_parameters:,} parameters   "
            f"{self.products:,} products H v" + (f", {self.kinks:,} chunks at a kink" if self.kinks else "")
        ]
        lines += [f"{name:<25}  {value}" for name, value in rows.items()]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()


def loss_curvature(
    model: Model, x: Any, y: Any, *, k: int = 1, draws: int | None = 100, seed: int = 0
) -> Curvature:
    """Measure the curvature of the loss at the model's present weights, and the noise scale that goes with it.

    Parameters
    ----------
    model : Model
        Compiled. In inference mode; not changed.
    x, y : array_like, shapes (N, ...)
        At least two samples.
    k : int, default 1
        How many of the largest eigenvalues.
    draws : int or None, default 100
        Products for the trace and the diagonal, and again for tr(H Sigma); None for exact values, as where those
        take no more products.
    seed : int, default 0

    Returns
    -------
    Curvature

    Raises
    ------
    ValueError, TypeError
        As ``top_eigenvalues``, ``tic`` and ``true_noise_scale``.

    Examples
    --------
    >>> import minibatch as mb
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    >>> line.compile("sgd", "mse")
    >>> print(mb.noise.curvature.loss_curvature(line, [[1.0], [2.0]], [2.0, 4.0], k=2))
    N = 2 samples   D = 2 parameters   7 products H v
    largest eigenvalues of H   6.854  0.1459
    tr(H)                      7
    TIC by the diagonal        47.2
    TIC by the traces          25.14
    |G|^2                      136
    G'HG                       932
    tr(H Sigma)                520
    B_noise                    0.5579 samples
    best rate of one step      0.1459 without noise, 0.09366 for single samples
      on batches of B          noise.learning_rate(B)
    step after step            stable below 0.2918 = 2 / largest eigenvalue (LeCun et al. 1998)
    """
    draws = check_draws(draws)
    H = Hessian(model, x, y)
    found = top_of(H, k, seed=seed)
    diagonal = diagonal_of(H, draws, seed)
    noise = true_noise_scale_of(H, draws=draws, seed=seed)
    return Curvature(H.n_samples, H.size, found, diagonal.trace, tic_of(H, diagonal), noise, H.products, H.kinks)
