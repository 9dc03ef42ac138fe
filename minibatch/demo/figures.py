"""The demo's pictures, as files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from minibatch import plots
from minibatch.demo import line
from minibatch.demo.experiment import Experiment
from minibatch.plots.style import house_style
from minibatch.study import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 160


def draw_figures(experiment: Experiment, directory: Path) -> list[Path]:
    """Draw every figure as a PNG into the directory, which exists; return the paths."""
    # A figure made without pyplot needs no display, and no backend is chosen for the caller's process.
    from matplotlib.figure import Figure

    drawn = []
    for name, draw in _FIGURES.items():
        figure = Figure(layout="constrained")
        with house_style():
            draw(experiment, figure)
        path = directory / f"{name}.png"
        figure.savefig(path, dpi=DPI)
        drawn.append(path)
    return drawn


def _directions_line(experiment: Experiment, figure: Figure) -> None:
    figure.set_size_inches(7, 5.6)
    land = experiment.line
    updates = land.updates[1][-1]
    plots.gradient_directions(
        land.paths,
        contours=(land.xs, land.ys, land.loss),
        labels=("slope", "intercept"),
        minimum=land.minimum,
        n_samples=line.SAMPLES,
        ax=figure.subplots(),
        title=f"A straight line: {updates} updates each",
    )


def _directions_digits(experiment: Experiment, figure: Figure) -> None:
    figure.set_size_inches(7, 5.6)
    land = experiment.plane
    plots.gradient_directions(
        land.paths,
        contours=(land.xs, land.ys, land.loss),
        explained=land.explained,
        n_samples=experiment.n_samples,
        ax=figure.subplots(),
        title=f"The digits network, {experiment.settings['epochs']} epochs each",
    )


def _spread(experiment: Experiment, figure: Figure) -> None:
    rows = [row for row in experiment.noise_at_start.by_batch_size if row.batch_size in experiment.runs]
    figure.set_size_inches(7, 1.6 + 0.75 * len(rows))
    plots.direction_spread(
        {row.batch_size: row.angle for row in rows},
        theory={row.batch_size: row.theory_angle for row in rows},
        n_samples=experiment.n_samples,
        ax=figure.subplots(),
        title="Directions of batch gradients, at the start",
    )


def _noise(experiment: Experiment, figure: Figure) -> None:
    figure.set_size_inches(7, 5)
    report = experiment.noise_at_start
    rows = report.by_batch_size
    plots.noise_by_batch_size(
        [row.batch_size for row in rows],
        [row.noise.mean() for row in rows],
        errors=[row.noise.std(ddof=1) / math.sqrt(report.draws) for row in rows],
        trace=report.trace,
        n_samples=report.n_samples,
        noise_scale=report.noise_scale,
        ax=figure.subplots(),
    )


def _losses(experiment: Experiment, figure: Figure) -> None:
    figure.set_size_inches(11, 4.2)
    runs: dict[plots.BatchSize, Run] = dict(experiment.runs.items())
    plots.loss_curves(
        runs,
        axes=figure.subplots(1, 3, sharey=True),
        n_samples=experiment.n_samples,
        title="Training loss by batch size: three clocks, three stories",
    )


_FIGURES: dict[str, Callable[[Experiment, Figure], None]] = {
    "1-gradient-directions-line": _directions_line,
    "1-gradient-directions-digits": _directions_digits,
    "2-direction-spread": _spread,
    "3-noise-by-batch-size": _noise,
    "4-loss-curves": _losses,
}
