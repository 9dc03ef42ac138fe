"""A study of batch sizes in words: the table, and a verdict."""

from __future__ import annotations

import bisect
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minibatch.study.intervals import Interval, t_quantile

if TYPE_CHECKING:
    from minibatch.study.report import BatchSizeStudy, Setting

#: More seeds than this nobody runs: the verdict names no number then.
MOST_SEEDS = 1000
#: Of fewer seeds than this a spread is known too roughly to say how many it would take.
FEWEST_SEEDS = 5


# The verdict -----------------------------------------------------------------------------------------------------


def verdict(study: BatchSizeStudy) -> str:
    """Return in words which batch size is best, and whether the runs were enough to say so."""
    name, n = study.metric.replace("_", " "), len(study.seeds)
    settled, best = study.settled, study.best
    if best not in settled:
        return f"No batch size has a {name} that is finite under every seed: there is nothing to compare."
    others = [setting for setting in settled if setting is not best]
    alike = [best, *(setting for setting in others if _is_alike(study, setting))]
    mean = rounded(study.interval(best))
    if len(alike) == 1:
        first = f"Best {name} on average: batch size {_named(study, best)}, {mean}."
    else:
        first = f"Best {name} on average: batch sizes {_listed(study, alike)}, with the same mean, {mean}."
    sentences = [first, *_left_out(study, [setting for setting in study.compared if setting not in settled])]
    if not others:
        return " ".join([*sentences, "There is no other batch size to compare it with."])
    if n == 1:
        sentences.append("That is one run of each: whether it is the best cannot be said. Give several seeds.")
        return " ".join(sentences)
    doubtful = [setting for setting in others if study.difference(setting).holds_zero]
    clear = [setting for setting in others if setting not in doubtful]
    it = "it" if len(alike) == 1 else _named(study, best)
    if not doubtful:
        sentences.append(f"{n} seeds tell it apart from {_listed(study, clear)}: the runs were enough.")
    elif not clear:
        unclear = _listed(study, doubtful)
        sentences.append(f"{n} seeds do not tell {it} apart from {unclear}: the runs were not enough.")
    else:
        sentences.append(
            f"{n} seeds tell {it} apart from {_listed(study, clear)}, but not from {_listed(study, doubtful)}: for "
            "that the runs were not enough."
        )
    won = study.won
    wins = f"Under {won} of the {n} seeds no other did better" + ("" if it == "it" else f" than {it}")
    sentences.append(wins + ("." if won == n else f": one run alone might have named another ({n - won} of {n})."))
    return " ".join([*sentences, *_needed(study, [setting for setting in doubtful if setting not in alike])])


def _left_out(study: BatchSizeStudy, lost: Sequence[Setting]) -> list[str]:
    """Return a sentence on those that did not end with a number under every seed."""
    if not lost:
        return []
    runs = [f"{_named(study, s)} ({_lost(study, s)} of {len(study.seeds)} runs)" for s in lost]
    return [f"Left out, for runs that did not end with a finite number: {_joined(runs)}."]


def _needed(study: BatchSizeStudy, doubtful: Sequence[Setting]) -> list[str]:
    """Return how many seeds it would take, if the differences are what they seem to be."""
    if not doubtful or len(study.seeds) < FEWEST_SEEDS:
        return []
    needed = [seeds_needed(study.difference(setting), study.confidence) for setting in doubtful]
    if min(needed) > MOST_SEEDS:
        return [f"Differences as small as these would take more than {MOST_SEEDS:,} seeds to show."]
    nearest = doubtful[int(np.argmin(needed))]
    return [
        f"If the difference from {_named(study, nearest)} is what it seems, about {min(needed):,} seeds would show "
        "it; whether it is, these runs cannot say."
    ]


def seeds_needed(difference: Interval, confidence: float = 0.95) -> float:
    """Return how many seeds have an interval, on average, that just leaves out zero; infinite if none has.

    The smallest n with t_(n-1) sd / sqrt(n) < |mean|, for mean and sd as measured.

    Examples
    --------
    >>> seeds_needed(Interval(5, mean=1.0, low=-0.24, high=2.24, sd=1.0))
    7
    """

    def enough(n: int) -> bool:
        return t_quantile(n - 1, confidence) * difference.sd / math.sqrt(n) < abs(difference.mean)

    n = 2 + bisect.bisect_left(range(2, MOST_SEEDS + 1), True, key=enough)
    return n if n <= MOST_SEEDS else math.inf


# The table -------------------------------------------------------------------------------------------------------


def table(study: BatchSizeStudy) -> str:
    """Return everything as text: the grid of several learning rates, the batch sizes compared, the verdict."""
    name, way = study.metric.replace("_", " "), "larger" if study.larger_is_better else "smaller"
    shown = ", ".join(map(str, study.seeds[:10])) + (", ..." if len(study.seeds) > 10 else "")
    epochs, seeds = _counted(study.epochs, "epoch"), _counted(len(study.seeds), "seed")
    parts = [f"{study.n_samples:,} samples, {epochs}, {seeds} ({shown}): {name} at the end, {way} is better"]
    if len(study.rates) > 1:
        parts.append(_aligned(_grid(study)))
    parts.append(_aligned(_comparison(study)))
    parts.append("\n".join(_notes(study)))
    return "\n\n".join([*filter(None, parts), textwrap.fill(verdict(study), 110)])


def _notes(study: BatchSizeStudy) -> list[str]:
    several, rates = len(study.compared) > 1, study.rates
    notes = []
    if several:
        notes.append("The epochs are the same for all; so smaller batches make more updates.")
    if len(study.seeds) > 1:
        notes.append("95% intervals, Student's t, which takes it that runs scatter about normally.")
    if len(study.seeds) > 1 and len(study.settled) > 1:
        notes += [
            "Differences are taken seed by seed: same weights, same order. Their intervals hold for all together:",
            "of twenty studies in which no size is better than another, one calls a size worse.",
        ]
    if len(rates) > 1 and several:
        notes += [
            "Each size's rate was chosen by these same numbers: a size with several good rates looks better than",
            "it is.",
        ]
    if study.one_start:
        notes.append("All seeds began with the same weights (build() has a seed of its own, or draws none).")
    edge = [s for s in study.compared if len(rates) > 1 and s.learning_rate in (rates[0], rates[-1])]
    if edge:
        notes.append(f"Best at the edge of what was tried, perhaps better beyond it: {_listed(study, edge)}.")
    return notes


def _grid(study: BatchSizeStudy) -> list[list[str]]:
    """Return a row for each batch size, a column for each learning rate."""
    at = {(setting.batch_size, setting.learning_rate): setting for setting in study.settings}
    rows = [["batch size \\ learning rate", *(f"{rate:g}" for rate in study.rates)]]
    for setting in study.compared:
        cells = [_cell(study, at[setting.batch_size, rate]) for rate in study.rates]
        rows.append([_size(study, setting), *cells])
    return rows


def _cell(study: BatchSizeStudy, setting: Setting) -> str:
    found = study.interval(setting)
    if not math.isfinite(found.mean):
        return f"not finite: {_lost(study, setting)} of {len(study.seeds)}"
    half = (found.high - found.low) / 2
    return rounded(found) + ("" if math.isnan(half) else f" +- {_places(half, found)}")


def _comparison(study: BatchSizeStudy) -> list[list[str]]:
    rates = len(study.rates) > 1
    head = ["batch size", *(["at its best rate"] if rates else []), "updates", "mean", "95% interval"]
    rows = [[*head, "minus the best", ""]]
    for setting in study.compared:
        found, gap = study.interval(setting), study.difference(setting)
        row = [_size(study, setting), *([f"{setting.learning_rate:g}"] if rates else []), f"{setting.updates:,}"]
        if not math.isfinite(found.mean):
            row += [f"not finite: {_lost(study, setting)} of {len(study.seeds)}", "-", "-", "left out"]
        elif setting is study.best:
            row += [rounded(found), _between(found), "", "the best"]
        else:
            words = "" if len(study.seeds) == 1 else "not told apart" if gap.holds_zero else "worse"
            words = "the same mean" if _is_alike(study, setting) else words
            between = rounded(gap, "+") if math.isnan(gap.low) else _between(gap, "+")
            row += [rounded(found), _between(found), between, words]
        rows.append(row)
    return rows


# Names and numbers -----------------------------------------------------------------------------------------------


def _is_alike(study: BatchSizeStudy, setting: Setting) -> bool:
    """Whether a mean is the best one, to the rounding of their sums."""
    return math.isclose(study.interval(setting).mean, study.interval(study.best).mean, rel_tol=1e-12)


def _lost(study: BatchSizeStudy, setting: Setting) -> int:
    return int((~np.isfinite(study.values(setting))).sum())


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def _size(study: BatchSizeStudy, setting: Setting) -> str:
    return "full" if setting.batch_size == study.n_samples else f"{setting.batch_size:,}"


def _named(study: BatchSizeStudy, setting: Setting) -> str:
    size = _size(study, setting)
    return size if setting.learning_rate is None else f"{size} (learning rate {setting.learning_rate:g})"


def _listed(study: BatchSizeStudy, settings: Sequence[Setting]) -> str:
    return _joined([_named(study, setting) for setting in settings])


def _joined(words: Sequence[str]) -> str:
    *firsts, last = words
    return f"{', '.join(firsts)} and {last}" if firsts else last


def rounded(found: Interval, sign: str = "") -> str:
    """Return a mean with as many digits as its interval leaves certain; with four, where it has none.

    Examples
    --------
    >>> rounded(Interval(5, 12320.4945, 11018.918, 13622.071, 1.0)), rounded(Interval(1, 0.97743, *[math.nan] * 3))
    ('12,300', '0.9774')
    """
    return _places(found.mean, found, sign)


def _between(found: Interval, sign: str = "") -> str:
    if math.isnan(found.low):
        return "-"
    return f"{_places(found.low, found, sign)} to {_places(found.high, found, sign)}"


def _places(value: float, found: Interval, sign: str = "") -> str:
    """Return a number to the place of the second digit of the interval's half width."""
    half = (found.high - found.low) / 2
    largest = max(abs(x) for x in (found.mean, found.low, found.high) if not math.isnan(x))
    exact = not half > 0  # also where there is none
    if largest == 0:
        return f"{0.0:{sign}.1f}"
    last = math.floor(math.log10(largest)) - 3 if exact else math.floor(math.log10(half)) - 1
    if last < -7 or last > 6:
        digits = max(0, math.floor(math.log10(largest)) - last)
        return f"{value:{sign}.{min(digits, 3)}e}"
    return f"{round(value, -last):{sign},.{max(0, -last)}f}"


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
