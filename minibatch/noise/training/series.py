"""What was measured in the course of a training: for each quantity its steps and values."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minibatch.typing import Array


class Series:
    """Numbers by name, each with the step that it is of.

    Examples
    --------
    >>> series = Series()
    >>> series.add(1, {"alpha": 0.5})
    >>> series["alpha"]
    (array([1]), array([0.5]))
    """

    def __init__(self) -> None:
        #: What was added, as it was: this is all that happens during a step.
        self.added: list[tuple[int, dict[str, float]]] = []
        self._entries: dict[str, tuple[list[int], list[float]]] = {}
        self._seen = 0

    def add(self, step: int, values: dict[str, float]) -> None:
        """Append the values of a step, by name."""
        self.added.append((step, values))

    @property
    def entries(self) -> dict[str, tuple[list[int], list[float]]]:
        """The steps and values by name."""
        for step, values in self.added[self._seen :]:
            for name, value in values.items():
                steps, numbers = self._entries.setdefault(name, ([], []))
                steps.append(step)
                numbers.append(value)
        self._seen = len(self.added)
        return self._entries

    def __getitem__(self, name: str) -> tuple[Array, Array]:
        steps, values = self.entries.get(name, ([], []))
        return np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64)

    def names(self) -> list[str]:
        """Return the names, in the order in which they were first measured."""
        return list(self.entries)

    def mean_after(self, name: str, step: int) -> float:
        """Return the mean of the values of later steps that are numbers; NaN if there is none."""
        total, number = 0.0, 0
        steps, values = self.entries.get(name, ([], []))
        for at, value in zip(reversed(steps), reversed(values), strict=True):
            if at <= step:
                break
            if value == value:
                total, number = total + value, number + 1
        return total / number if number else math.nan

    def state_dict(self) -> dict[str, Any]:
        """Return everything, as arrays."""
        return {name: list(self[name]) for name in self.entries}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state_dict`` returned."""
        self.added, self._seen = [], 0
        self._entries = {
            name: (np.asarray(steps).astype(int).tolist(), np.asarray(values, dtype=float).tolist())
            for name, (steps, values) in state.items()
        }

    def rows(self) -> list[dict[str, float]]:
        """Return one dict for each step at which anything was measured: "step" and the values."""
        rows: dict[int, dict[str, float]] = {}
        for name, (steps, values) in self.entries.items():
            for step, value in zip(steps, values, strict=True):
                rows.setdefault(step, {"step": step})[name] = value
        return [rows[step] for step in sorted(rows)]

    def to_csv(self, path: Any) -> None:
        """Write a line for each step, a column for each quantity; empty where it was not measured."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["step", *self.entries], restval="")
            writer.writeheader()
            writer.writerows(self.rows())

    def table(self, lines: int = 12) -> str:
        """Return the series as text: about so many of the steps, evenly spread, the first and the last among them.

        A quantity that was not measured at such a step is shown by its last value before it.
        """
        rows, names = self.rows(), self.names()
        if not rows:
            return "nothing was measured"
        latest: dict[str, float] = {}
        filled = [dict(latest := {**latest, **row}) for row in rows]
        chosen = sorted({round(i) for i in np.linspace(0, len(rows) - 1, min(lines, len(rows)))})
        widths = {name: max(len(name), 9) for name in names}
        text = ["  ".join([f"{'step':>7}", *(f"{name:>{widths[name]}}" for name in names)])]
        for i in chosen:
            cells = [f"{_shown(filled[i].get(name)):>{widths[name]}}" for name in names]
            text.append("  ".join([f"{int(filled[i]['step']):>7,}", *cells]))
        return "\n".join(text)


def _shown(value: float | None) -> str:
    """Return a number in nine characters at most; "-" where there is none."""
    if value is None:
        return "-"
    if math.isfinite(value) and value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:.3g}"
