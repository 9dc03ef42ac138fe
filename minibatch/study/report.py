"""What a study of batch sizes found: means with intervals, paired differences, and whether the runs were enough."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minibatch.noise.report import for_json
from minibatch.study.intervals import Interval, mean_interval, t_quantile
from minibatch.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minibatch.plots import BatchSize

#: More seeds than this nobody runs: the verdict names no number then.
MOST_SEEDS = 1000


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
        """Return a setting minus the best, seed by seed: the mean of the differences, with its 95% interval.

        Student's paired t: what a seed does to both alike is in neither. Of a difference that is the same under
        every seed the interval is that one number.
        """
        return mean_interval((self.values(setting) - self.values(self.best)).tolist())

    @property
    def compared(self) -> tuple[Setting, ...]:
        """Each batch size at the best of its learning rates."""
        sizes = dict.fromkeys(setting.batch_size for setting in self.settings)
        return tuple(self._best([s for s in self.settings if s.batch_size == size]) for size in sizes)

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
        """Under how many of the seeds no other batch size did better than the best one: what a single run says."""
        values = np.stack([self.values(setting) for setting in self.compared])
        values = np.where(np.isfinite(values), values, -np.inf if self.larger_is_better else np.inf)
        tops = values.max(axis=0) if self.larger_is_better else values.min(axis=0)
        return int((values[self.compared.index(self.best)] == tops).sum())

    # In words -----------------------------------------------------------------------------------------------

    def verdict(self) -> str:
        """Return in words which batch size is best, and whether the runs were enough to say so."""
        n, best, name = len(self.seeds), self.best, self.metric.replace("_", " ")
        others = [setting for setting in self.compared if setting is not best]
        first = f"Best {name} on average: batch size {self._named(best)}, {_number(self.interval(best).mean)}."
        if not np.isfinite(self.values(best)).all():
            return f"No batch size has a {name} that is finite under every seed: there is nothing to compare."
        if not others:
            return f"{first} No other batch size was tried."
        if n == 1:
            return f"{first} That is one run of each: whether it is the best cannot be said. Give several seeds."
        doubtful = [setting for setting in others if self._is_doubtful(setting)]
        clear = [setting for setting in others if setting not in doubtful]
        if not doubtful:
            second = f"{n} seeds tell it apart from {self._listed(clear)}: the runs were enough."
        elif not clear:
            second = f"{n} seeds do not tell it apart from {self._listed(doubtful)}: the runs were not enough."
        else:
            second = (
                f"{n} seeds tell it apart from {self._listed(clear)}, but not from {self._listed(doubtful)}: for "
                "that the runs were not enough."
            )
        wins = f"Under {self.won} of the {n} seeds no other did better"
        wins += "." if self.won == n else f": one run alone might have named another ({n - self.won} of {n})."
        return " ".join([first, second, wins, *self._needed(doubtful)])

    def _is_doubtful(self, setting: Setting) -> bool:
        """Whether a setting is not told apart from the best; one that has diverged is."""
        return bool(np.isfinite(self.values(setting)).all()) and self.difference(setting).holds_zero

    def _needed(self, doubtful: Sequence[Setting]) -> list[str]:
        """Return how many seeds it would take, if the differences are what they seem to be."""
        if not doubtful:
            return []
        needed = [seeds_needed(self.difference(setting)) for setting in doubtful]
        if min(needed) > MOST_SEEDS:
            return [f"Differences as small as these would take more than {MOST_SEEDS:,} seeds."]
        nearest = doubtful[int(np.argmin(needed))]
        return [
            f"If the difference from {self._named(nearest)} is what it seems, about {min(needed):,} seeds would "
            "show it, as often as not."
        ]

    def _named(self, setting: Setting) -> str:
        size = "full" if setting.batch_size == self.n_samples else f"{setting.batch_size:,}"
        return size if setting.learning_rate is None else f"{size} (learning rate {setting.learning_rate:g})"

    def _listed(self, settings: Sequence[Setting]) -> str:
        *firsts, last = (self._named(setting) for setting in settings)
        return f"{', '.join(firsts)} and {last}" if firsts else last

    def table(self) -> str:
        """Return everything as text: the grid of several learning rates, the batch sizes compared, the verdict."""
        name, way = self.metric.replace("_", " "), "larger" if self.larger_is_better else "smaller"
        shown = ", ".join(map(str, self.seeds[:10])) + (", ..." if len(self.seeds) > 10 else "")
        epochs = f"{self.epochs:,} epoch{'s' if self.epochs != 1 else ''}"
        seeds = f"{len(self.seeds)} seed{'s' if len(self.seeds) != 1 else ''} ({shown})"
        parts = [f"{self.n_samples:,} samples, {epochs}, {seeds}: {name} at the end, {way} is better"]
        if len(self._rates) > 1:
            parts.append(_aligned(self._grid()))
        parts.append(_aligned(self._comparison()))
        if len(self.compared) > 1:
            parts.append("The epochs are the same for all; so smaller batches make more updates.")
        if len(self.seeds) > 1:
            parts[-1] += (
                "\n95% intervals, Student's t; differences are taken seed by seed: same weights, same order.\n"
                "Each interval is one by itself: of twenty such, where nothing differs, one leaves zero out."
            )
        if self.one_start:
            parts.append("All seeds began with the same weights (build() has a seed of its own, or draws none).")
        rates = self._rates
        edge = [s for s in self.compared if len(rates) > 1 and s.learning_rate in (rates[0], rates[-1])]
        if edge:
            parts.append(f"Best at the edge of what was tried, perhaps better beyond it: {self._listed(edge)}.")
        return "\n\n".join([*parts, textwrap.fill(self.verdict(), 110)])

    @property
    def _rates(self) -> list[float | None]:
        return list(dict.fromkeys(setting.learning_rate for setting in self.settings))

    def _grid(self) -> list[list[str]]:
        """Return a row for each batch size, a column for each learning rate."""
        at = {(setting.batch_size, setting.learning_rate): setting for setting in self.settings}
        rows = [["batch size \\ learning rate", *(f"{rate:g}" for rate in self._rates)]]
        for setting in self.compared:
            size = setting.batch_size
            label = "full" if size == self.n_samples else f"{size:,}"
            rows.append([label, *(self._cell(at[size, rate]) for rate in self._rates)])
        return rows

    def _cell(self, setting: Setting) -> str:
        found = self.interval(setting)
        if not math.isfinite(found.mean):
            return self._diverged(setting)
        half = "" if math.isnan(found.low) else f" +- {_number(found.mean - found.low)}"
        return f"{_number(found.mean)}{half}"

    def _diverged(self, setting: Setting) -> str:
        return f"not finite: {int((~np.isfinite(self.values(setting))).sum())} of {len(self.seeds)}"

    def _comparison(self) -> list[list[str]]:
        rates = len(self._rates) > 1
        head = ["batch size", *(["at its best rate"] if rates else []), "updates", "mean", "95% interval"]
        rows = [[*head, "minus the best", ""]]
        for setting in self.compared:
            found, gap = self.interval(setting), self.difference(setting)
            label = "full" if setting.batch_size == self.n_samples else f"{setting.batch_size:,}"
            row = [label, *([f"{setting.learning_rate:g}"] if rates else []), f"{setting.updates:,}"]
            if not math.isfinite(found.mean):
                row += [self._diverged(setting), "-", "-", ""]
            elif setting is self.best:
                row += [_number(found.mean), _between(found.low, found.high), "", "the best"]
            else:
                words = "" if math.isnan(gap.low) else "not told apart" if gap.holds_zero else "worse"
                between = f"{gap.mean:+.4g}" if math.isnan(gap.low) else _between(gap.low, gap.high, "+")
                row += [_number(found.mean), _between(found.low, found.high), between, words]
            rows.append(row)
        return rows

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
        words: Any = {"what": self.metric.replace("_", " "), "n_samples": self.n_samples, "ax": ax}
        if len(self._rates) > 1:
            return ends_by_learning_rate(ends, intervals, **words)
        [rate] = self._rates
        of_size = {size: numbers[rate] for size, numbers in ends.items()}
        return ends_by_batch_size(of_size, {size: found[rate] for size, found in intervals.items()}, **words)


def seeds_needed(difference: Interval) -> float:
    """Return how many seeds have an interval, on average, that just leaves out zero; infinite if none has.

    The smallest n with t_(n-1) sd / sqrt(n) < |mean|, for mean and sd as measured. With so many seeds a difference
    that is what it seems is shown about half of the time.

    Examples
    --------
    >>> seeds_needed(Interval(5, mean=1.0, low=-0.24, high=2.24, sd=1.0))
    7
    """
    if not abs(difference.mean) > 0:
        return math.inf
    for n in range(2, MOST_SEEDS + 1):
        if t_quantile(n - 1) * difference.sd / math.sqrt(n) < abs(difference.mean):
            return n
    return math.inf


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) >= 0.001 or value == 0 else f"{value:.2e}"


def _between(low: float, high: float, sign: str = "") -> str:
    if math.isnan(low):
        return "-"
    digits = ".4f" if max(abs(low), abs(high)) >= 0.001 or low == high == 0 else ".2e"
    return f"{low:{sign}{digits}} to {high:{sign}{digits}}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return cells in columns, to the right; the last one, which is words, to the left."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)]
        if not rows[0][-1]:
            cells[-1] = row[-1]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
