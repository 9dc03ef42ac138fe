"""What a study of batch sizes found: means with intervals, paired differences, and whether the runs were enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minibatch.study import words
from minibatch.study.intervals import Interval, mean_interval
from minibatch.typing import Array
from minibatch.utils.json_numbers import for_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minibatch.plots import BatchSize


@dataclass(frozen=True)
class Setting:
    """A batch size, perhaps with a learning rate, and how its runs ended.

    Attributes
    ----------
    batch_size : int
    learning_rate : float or None
        None where the study did not set it.
    updates : int
        Of each run.
    ends : dict of str to tuple of float
        Loss and metrics of the training set, and with "val_" of the validation set, at the end: one for each seed.
    """

    batch_size: int
    learning_rate: float | None
    updates: int
    ends: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class BatchSizeStudy:
    """What ``batch_size_study`` found.

    Attributes
    ----------
    n_samples, epochs : int
    seeds : tuple of int
    metric : str
        What decides.
    larger_is_better : bool
    one_start : bool
        Whether the seeds, though different, began with the same weights: they vary the order of the samples alone.
    settings : tuple of Setting
        From the smallest batch size to the largest, and for each from the smallest learning rate.
    """

    n_samples: int
    epochs: int
    seeds: tuple[int, ...]
    metric: str
    larger_is_better: bool
    one_start: bool
    settings: tuple[Setting, ...]

    def values(self, setting: Setting) -> Array:
        """Return the metric at the end of each run of a setting, one for each seed."""
        return np.array(setting.ends[self.metric])

    def interval(self, setting: Setting) -> Interval:
        """Return the mean over the seeds with its 95% interval (Student's t); NaN if a number is."""
        return mean_interval(self.values(setting).tolist())

    def difference(self, setting: Setting) -> Interval:
        """Return a setting minus the best, seed by seed: the mean of the differences, with its interval.

        Student's paired t: what a seed does to both alike is in neither. The intervals hold for all batch sizes
        together (see ``confidence``). Of a difference that is the same under every seed, of three or more, the
        interval is that one number.
        """
        return mean_interval((self.values(setting) - self.values(self.best)).tolist(), self.confidence)

    @property
    def confidence(self) -> float:
        """The level of one difference's interval, so that those of all k(k - 1)/2 pairs hold together at 95%.

        All pairs, not the k - 1 with the best, because which is the best was found in these same runs. Bonferroni's
        inequality: Dunn 1961, "Multiple comparisons among means".
        """
        k = len(self.settled)
        return 1 - 0.05 / max(1, k * (k - 1) // 2)

    @property
    def rates(self) -> list[float | None]:
        """The learning rates, from the smallest; [None] where the study set none."""
        return list(dict.fromkeys(setting.learning_rate for setting in self.settings))

    @property
    def compared(self) -> tuple[Setting, ...]:
        """Each batch size at the best of its learning rates."""
        sizes = dict.fromkeys(setting.batch_size for setting in self.settings)
        return tuple(self._best([s for s in self.settings if s.batch_size == size]) for size in sizes)

    @property
    def settled(self) -> tuple[Setting, ...]:
        """Those compared whose runs all ended with a finite number."""
        return tuple(setting for setting in self.compared if np.isfinite(self.values(setting)).all())

    @property
    def best(self) -> Setting:
        """The setting with the best mean; of equal ones the first."""
        return self._best(self.settings)

    def _best(self, settings: Sequence[Setting]) -> Setting:
        sign = 1 if self.larger_is_better else -1

        def rank(setting: Setting) -> float:
            mean = sign * float(self.values(setting).mean())
            return mean if math.isfinite(mean) else -math.inf

        return max(settings, key=rank)

    @property
    def won(self) -> int:
        """Under how many of the seeds no other batch size did better than the best one: what a single run says.

        Of those whose runs all ended with a finite number; 0 if none did.
        """
        if not self.settled:
            return 0
        values = np.stack([self.values(setting) for setting in self.settled])
        tops = values.max(axis=0) if self.larger_is_better else values.min(axis=0)
        return int((self.values(self.best) == tops).sum())

    # In words -----------------------------------------------------------------------------------------------

    def verdict(self) -> str:
        """Return in words which batch size is best, and whether the runs were enough to say so."""
        return words.verdict(self)

    def table(self) -> str:
        """Return everything as text: the grid of several learning rates, the batch sizes compared, the verdict."""
        return words.table(self)

    def __str__(self) -> str:
        return self.table()

    # Handed on ----------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return every number, plain; what is not finite is None, which JSON can hold."""

        def plain(found: Interval) -> dict[str, Any]:
            return {"mean": found.mean, "low": found.low, "high": found.high, "sd": found.sd}

        settings = [
            {
                "batch_size": setting.batch_size,
                "learning_rate": setting.learning_rate,
                "updates": setting.updates,
                "ends": {name: list(values) for name, values in setting.ends.items()},
                "interval": plain(self.interval(setting)),
                "minus_best": plain(self.difference(setting)),
            }
            for setting in self.settings
        ]
        numbers = vars(self) | {"seeds": list(self.seeds), "settings": settings, "verdict": self.verdict()}
        numbers["best"] = {"batch_size": self.best.batch_size, "learning_rate": self.best.learning_rate}
        result: dict[str, Any] = for_json(numbers)
        return result

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw every seed's number by batch size, with means and intervals; by learning rate, if there are several.

        Returns
        -------
        Axes
            ``.figure.savefig(path)`` saves it.
        """
        from minibatch.plots.study import ends_by_batch_size, ends_by_learning_rate

        ends: dict[BatchSize, dict[float | None, Array]] = {}
        intervals: dict[BatchSize, dict[float | None, tuple[float, float]]] = {}
        for setting in self.settings:
            found, size, rate = self.interval(setting), setting.batch_size, setting.learning_rate
            ends.setdefault(size, {})[rate] = self.values(setting)
            intervals.setdefault(size, {})[rate] = (found.low, found.high)
        how: Any = {"what": self.metric.replace("_", " "), "n_samples": self.n_samples, "ax": ax}
        if len(self.rates) > 1:
            return ends_by_learning_rate(ends, intervals, **how)
        [rate] = self.rates
        of_size = {size: numbers[rate] for size, numbers in ends.items()}
        return ends_by_batch_size(of_size, {size: found[rate] for size, found in intervals.items()}, **how)
