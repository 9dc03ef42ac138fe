"""Learning rates that fall: by a rate, in stairs, along a power."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from minibatch.optimizers.schedules.schedule import LearningRateSchedule


class _RateDecay(LearningRateSchedule):
    """What falls with p = t / decay_steps at a ``decay_rate``."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self._check_steps("decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = (
            initial_learning_rate,
            decay_steps,
            decay_rate,
        )
        self.staircase, self.name = staircase, name or type(self).__name__

    def _progress(self, step: int) -> float:
        return step // self.decay_steps if self.staircase else step / self.decay_steps


class ExponentialDecay(_RateDecay):
    """initial_learning_rate decay_rate^p with p = t / decay_steps.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        After so many steps the rate is ``decay_rate`` times what it was.
    decay_rate : float
    staircase : bool, default False
        Round p down: the rate stays for ``decay_steps`` steps, then drops.
    name : str, optional

    Raises
    ------
    ValueError
        If ``decay_steps`` is not positive.
    """

    def __call__(self, step: int) -> float:
        return float(self.initial_learning_rate * self.decay_rate ** self._progress(step))


class InverseTimeDecay(_RateDecay):
    """initial_learning_rate / (1 + decay_rate p) with p = t / decay_steps.

    With ``decay_steps=1`` this is what ``decay=`` was in the optimizers of Keras 2.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    decay_rate : float
    staircase : bool, default False
        Round p down.
    name : str, optional

    Raises
    ------
    ValueError
        If ``decay_steps`` is not positive.
    """

    def __call__(self, step: int) -> float:
        return float(self.initial_learning_rate / (1 + self.decay_rate * self._progress(step)))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i], i being the number of boundaries that lie below t.

    Parameters
    ----------
    boundaries : sequence of int, rising
        At t = boundaries[0] the rate is still values[0].
    values : sequence of float, one more
    name : str

    Raises
    ------
    ValueError
        If there is not one value more than boundaries, or these do not rise.
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "PiecewiseConstantDecay: there must be one value more than boundaries; got "
                f"{len(boundaries)} boundaries and {len(values)} values."
            )
        if any(a >= b for a, b in pairwise(boundaries)):
            raise ValueError(f"PiecewiseConstantDecay: boundaries must rise; got {list(boundaries)}.")
        self.boundaries, self.values, self.name = boundaries, values, name

    def __call__(self, step: int) -> float:
        return float(self.values[bisect_left(self.boundaries, step)])


class PolynomialDecay(LearningRateSchedule):
    """end_learning_rate + (initial_learning_rate - end_learning_rate) (1 - p)^power, p = min(t / decay_steps, 1).

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    end_learning_rate : float, default 0.0001
    power : float, default 1
        1 is a straight line.
    cycle : bool, default False
        In place of staying at the end, start again with ``decay_steps`` made twice, three times, ... as long:
        always the first multiple that t does not exceed.
    name : str

    Raises
    ------
    ValueError
        If ``decay_steps`` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self._check_steps("decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle, self.name = end_learning_rate, power, cycle, name

    def __call__(self, step: int) -> float:
        length = self.decay_steps * (max(math.ceil(step / self.decay_steps), 1) if self.cycle else 1)
        p = min(step / length, 1.0)
        drop = self.initial_learning_rate - self.end_learning_rate
        return float(drop * (1 - p) ** self.power + self.end_learning_rate)
