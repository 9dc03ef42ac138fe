"""Learning rates along a cosine, once or with restarts."""

from __future__ import annotations

import math

from minibatch.optimizers.schedules.schedule import LearningRateSchedule


class CosineDecay(LearningRateSchedule):
    """A straight warm-up, then half a cosine (Loshchilov and Hutter 2017, eq. 5; Goyal et al. 2017, section 2.2).

    While t < warmup_steps, from initial_learning_rate straight to warmup_target. Then, from top = warmup_target,
    top ((1 - alpha) (1 + cos(pi p)) / 2 + alpha) with p = min((t - warmup_steps) / decay_steps, 1). Without a
    ``warmup_target`` there is no warm-up, whatever ``warmup_steps``, and top = initial_learning_rate.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        The length of the decay, the warm-up not counted.
    alpha : float, default 0
        Where the decay ends, as a part of its top.
    name : str
    warmup_target : float, optional
    warmup_steps : int, default 0

    Raises
    ------
    ValueError
        If ``decay_steps`` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self._check_steps("decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.alpha = initial_learning_rate, decay_steps, alpha
        self.name, self.warmup_target, self.warmup_steps = name, warmup_target, warmup_steps

    def __call__(self, step: int) -> float:
        start, top, wait = self.initial_learning_rate, self.warmup_target, self.warmup_steps
        if top is None:
            top, wait = start, 0
        if step < wait:
            return float(start + (top - start) * step / wait)
        p = min((step - wait) / self.decay_steps, 1.0)
        return float(top * _cosine(p, 1.0, self.alpha))


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine again and again (Loshchilov and Hutter 2017, eq. 5: SGDR).

    initial_learning_rate ((1 - alpha) m_mul^i (1 + cos(pi p)) / 2 + alpha), where i counts the restarts before t
    and p is the part of the period that has gone by. Period i has first_decay_steps t_mul^i steps.

    Parameters
    ----------
    initial_learning_rate : float
    first_decay_steps : int
    t_mul : float, default 2
        What each period is longer than the one before.
    m_mul : float, default 1
        What each period begins at, of the one before.
    alpha : float, default 0
        Where the decay ends, as a part of ``initial_learning_rate``.
    name : str

    Raises
    ------
    ValueError
        If ``first_decay_steps`` is not positive, or ``t_mul`` is below 1: then all periods together would end.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self._check_steps("first_decay_steps", first_decay_steps)
        if not t_mul >= 1:
            raise ValueError(f"CosineDecayRestarts: t_mul must be 1 or more; got {t_mul!r}.")
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self.t_mul, self.m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def __call__(self, step: int) -> float:
        if self.t_mul == 1:
            i, gone = divmod(step / self.first_decay_steps, 1)
        else:
            # The logarithm may err by a rounding, and a restart come a step early or late; so look once more.
            i = math.floor(math.log1p(step / self.first_decay_steps * (self.t_mul - 1)) / math.log(self.t_mul))
            i += (step >= self._start(i + 1)) - (step < self._start(i))
            gone = (step - self._start(i)) / (self._start(i + 1) - self._start(i))
        return float(self.initial_learning_rate * _cosine(gone, self.m_mul**i, self.alpha))

    def _start(self, i: int) -> float:
        """Return the first step of period i > 0: first_decay_steps (1 + t_mul + ... + t_mul^(i-1))."""
        return self.first_decay_steps * (self.t_mul**i - 1) / (self.t_mul - 1)


def _cosine(p: float, top: float, alpha: float) -> float:
    return (1 - alpha) * top * (1 + math.cos(math.pi * p)) / 2 + alpha
