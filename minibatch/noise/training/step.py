"""The numbers of one step: from the gradient, and the gradients of its samples where there are any."""

from __future__ import annotations

import math
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minibatch.noise.training import quantities
from minibatch.noise.training.elementwise import EPSILON
from minibatch.noise.training.kept import Kept
from minibatch.noise.training.plan import SPREAD, Due
from minibatch.noise.training.samples import Samples
from minibatch.noise.training.sums import Sums, sums
from minibatch.typing import Array


@dataclass
class Step:
    """What a step was measured on, and its numbers.

    Attributes
    ----------
    due : Due
        What is asked of it.
    batch_size : int
        B.
    loss : float
    gradient : ndarray, shape (D,)
        g_B.
    samples : Samples or None
        The g_i, where they are known.
    halves : callable, optional
        Returns (mean |g_b|^2, b) of smaller batches, where they are not.
    n_samples : float
        N, where the batch was drawn from so many without replacement; or infinite.
    size : int
        The number of parameters that the gradient can move.
    kept : Kept or None
        The gradient of the step before, if the products with it are wanted.
    needs_norm2 : bool
        Whether anybody asks for Q.
    norm2 : float
        Q, known once ``measure`` has run.
    sums : Sums or None
        Over the samples; likewise.
    loss_variance : float
        Of the samples' losses, where alpha asks for it.
    values : dict of str to float
        What was measured, by name.
    late : (int, float) or None
        The number of the step before, and its alpha, which this one's batch has shown.
    """

    due: Due
    batch_size: int
    loss: float
    gradient: Array
    samples: Samples | None
    halves: Callable[[], tuple[float, int]] | None = None
    n_samples: float = math.inf
    size: int = 0
    kept: Kept | None = None
    needs_norm2: bool = True
    norm2: float = math.nan
    sums: Sums | None = None
    loss_variance: float = math.nan
    values: dict[str, float] = field(default_factory=dict)
    late: tuple[int, float] | None = None


@dataclass
class Averages:
    """Running means of S and G2, each on its own, as McCandlish et al. 2018, appendix A.1, take them.

    m <- decay m + (1 - decay) value, divided by 1 - decay^t, so that the first value counts as much as any other. A
    value that is not finite is left out.
    """

    decay: float
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0])
    weight: float = 0.0

    def add(self, trace: float, grad_norm2: float) -> None:
        """Take in one step's estimates."""
        if math.isfinite(trace) and math.isfinite(grad_norm2):
            new = 1 - self.decay
            self.sums = [self.decay * self.sums[0] + new * trace, self.decay * self.sums[1] + new * grad_norm2]
            self.weight = self.decay * self.weight + 1 - self.decay

    @property
    def trace(self) -> float:
        """The mean of S; NaN before there is one."""
        return self.sums[0] / self.weight if self.weight else math.nan

    @property
    def grad_norm2(self) -> float:
        """The mean of G2; NaN before there is one."""
        return self.sums[1] / self.weight if self.weight else math.nan

    @property
    def noise_scale(self) -> float:
        """Their ratio; infinite where the mean of G2 is not above zero."""
        return quantities.ratio_of(self.trace, self.grad_norm2)


def measure(
    step: Step, wanted: Set[str], averages: Averages, memory: dict[Any, Any], epsilon: float = EPSILON
) -> dict[str, float]:
    """Return the wanted numbers of a step that follow from its gradients alone, by name; fill in its Q.

    Where the gradient is not finite they are NaN. "cabs" is that for a learning rate of 1.
    """
    values: dict[str, float] = {}
    B, g = step.batch_size, step.gradient
    sum_norm2 = sum_along2 = math.nan
    signal = (math.nan, math.nan)
    if step.samples is not None:
        asks = epsilon if "gsnr" in wanted or "eb" in wanted else None
        step.sums = found = sums(step.samples, g, epsilon=asks, kept=step.kept, memory=memory)
        sum_norm2, sum_along2 = found.norm2, found.along2
        step.norm2 = found.along / B
        signal = found.signal or signal
    elif step.needs_norm2:
        step.norm2 = float(np.dot(g, g))
    Q = step.norm2
    if not math.isfinite(Q):
        return dict.fromkeys(wanted & _OF_GRADIENT, math.nan)
    if "grad_norm" in wanted:
        values["grad_norm"] = math.sqrt(max(Q, 0.0))
    if wanted & _OF_SPREAD:
        if step.samples is not None:
            S = quantities.trace_of_batch(sum_norm2, Q, B)
            G2 = quantities.signal_of_batch(Q, S, B, step.n_samples)
        else:
            S, G2 = _of_halves(step)
        _spread(values, step, wanted, averages, S, G2)
    if step.samples is not None:
        if "inner_product_test" in wanted:
            values["inner_product_test"] = quantities.inner_product_test(sum_along2, Q, B)
        if "orthogonality_test" in wanted:
            values["orthogonality_test"] = quantities.orthogonality_test(sum_norm2, sum_along2, Q, B)
        if "gsnr" in wanted:
            values["gsnr"] = signal[0] / step.size
        if "eb" in wanted:
            values["eb"] = 1 - B * signal[1] / step.size
    return values


_OF_SPREAD = frozenset(SPREAD)
_OF_GRADIENT = _OF_SPREAD | {"grad_norm", "inner_product_test", "orthogonality_test", "gsnr", "eb"}


def _of_halves(step: Step) -> tuple[float, float]:
    """Return (S, G2) of the whole batch and its halves; NaN where a batch has no halves, or nothing made them."""
    if step.halves is None or step.batch_size < 2:
        return math.nan, math.nan
    norm2, b = step.halves()
    return quantities.two_batch_estimates(norm2, b, step.norm2, step.batch_size, step.n_samples)


def _spread(
    values: dict[str, float], step: Step, wanted: Set[str], averages: Averages, trace: float, signal: float
) -> None:
    B, Q = step.batch_size, step.norm2
    averages.add(trace, signal)
    if "trace" in wanted:
        values["trace"] = trace
    if "grad_norm2" in wanted:
        values["grad_norm2"] = signal
    if "noise_scale" in wanted:
        values["noise_scale"] = averages.noise_scale
    if "signal_to_noise" in wanted:
        values["signal_to_noise"] = quantities.signal_to_noise(
            averages.trace, averages.grad_norm2, B, step.n_samples
        )
    if "norm_test" in wanted:
        values["norm_test"] = quantities.norm_test_of_trace(trace, Q, B)
    if "cabs" in wanted:
        values["cabs"] = quantities.cabs_batch_size(trace, B, 1.0, step.loss)
