"""A comparison's numbers, handed to the figures of ``minibatch.plots``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minibatch.compare import table
from minibatch.compare.comparison import Comparison
from minibatch.plots import comparison as plots
from minibatch.plots.style import house_style
from minibatch.study.intervals import mean_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Panels beside one another.
COLUMNS = 2


def names(comparison: Comparison) -> list[str]:
    """Return the names of the figures that this comparison has."""
    if not comparison.runs:
        return []
    if comparison.settings["mode"] == "own":
        return ["distributions", "throughput"] if table.final_names(comparison) else ["throughput"]
    return ["losses", *(["differences"] if comparison.pairs else []), "throughput"]


def draw(comparison: Comparison, what: str = "all") -> Figure:
    """Return one figure by its name, or "all" of them below one another.

    Raises
    ------
    ValueError
        If this comparison has no such figure.
    """
    # A figure made without pyplot needs no display, and no backend is chosen for the caller's process.
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    known = names(comparison)
    if not known:
        raise ValueError("there is nothing to draw: no training came to its end.")
    if what not in (*known, "all"):
        raise ValueError(f"there is no figure {what!r} of this comparison; there are {', '.join(known)}, all.")
    chosen = known if what == "all" else [what]
    # Room for a panel's title below the axis label of the one above.
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08)
    heights = [_FIGURES[name][1](comparison) for name in chosen]
    figure = Figure(figsize=(10.0, sum(heights)), layout=layout, facecolor="white")
    parts: Any = [figure]
    if len(chosen) > 1:
        parts = figure.subfigures(len(chosen), 1, height_ratios=heights)
    with house_style():
        for name, part in zip(chosen, parts, strict=True):
            _FIGURES[name][0](comparison, part)
    return figure


def _key(figure: Any, panels: Any) -> None:
    """Put one legend for all panels above them."""
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, handlelength=2.6)


def _losses(comparison: Comparison, figure: Any) -> None:
    seed = comparison.settings["seeds"][0]
    labels = {side.name: side.label for side in comparison.sides}
    sizes = [
        size for size in comparison.batch_sizes if any((name, size, seed) in comparison.runs for name in labels)
    ]
    rows = -(-len(sizes) // COLUMNS)
    panels = figure.subplots(rows, min(COLUMNS, len(sizes)), squeeze=False).ravel()
    for panel, size in zip(panels, sizes, strict=False):
        runs = {name: comparison.runs.get((name, size, seed)) for name in labels}
        plots.step_losses(
            {labels[name]: run.loss for name, run in runs.items() if run is not None},
            kinds={side.label: side.kind for side in comparison.sides},
            title=f"Batch size {size:,}",
            key=False,
            ax=panel,
        )
    for panel in panels[len(sizes) :]:
        panel.set_axis_off()
    _key(figure, panels)


def _differences(comparison: Comparison, figure: Any) -> None:
    seed = comparison.settings["seeds"][0]
    sides = [
        side for side in comparison.sides[1:] if any(pair.side == side.name for pair in comparison.pairs.values())
    ]
    panels = figure.subplots(len(sides), 2, squeeze=False, sharey="col")
    styles = plots.batch_styles(comparison.batch_sizes)
    for row, side in zip(panels, sides, strict=True):
        pairs = {size: comparison.pairs.get((side.name, size, seed)) for size in comparison.batch_sizes}
        there = {size: pair for size, pair in pairs.items() if pair is not None}
        plots.step_differences(
            {size: (range(1, len(p.loss_difference) + 1), p.loss_difference) for size, p in there.items()},
            tolerance=comparison.settings["tolerance"],
            what="loss difference, largest so far",
            title=f"{side.label}: the losses",
            styles=styles,
            ax=row[0],
        )
        plots.step_differences(
            {size: (p.weight_steps, p.weight_difference) for size, p in there.items()},
            what="weight difference, largest so far",
            title=f"{side.label}: the weights",
            styles=styles,
            ax=row[1],
        )


def _throughput(comparison: Comparison, figure: Any) -> None:
    own = comparison.settings["mode"] == "own"
    kinds = {side.label: side.kind for side in comparison.sides}
    shown = [("fit_samples_per_second", "By fit")] if own else [
        ("samples_per_second", "Step by step, the loss waited for"),
        ("fit_samples_per_second", "By fit"),
    ]  # fmt: skip
    shown = [
        (name, words) for name, words in shown if any(run.numbers.get(name) for run in comparison.runs.values())
    ]
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True).ravel()
    for panel, (name, words) in zip(panels, shown, strict=True):
        series: dict[str, tuple[list[int], list[float]]] = {}
        for side in comparison.sides:
            points = [(size, comparison.median(side.name, size, name)) for size in comparison.batch_sizes]
            known = [(size, value) for size, value in points if value is not None]
            if known:
                series[side.label] = [size for size, _ in known], [value for _, value in known]
        labels = {side.name: side.label for side in comparison.sides}
        crossings = {
            labels[gpu]: size
            for (cpu, gpu), size in comparison.crossovers().items()
            if size is not None and cpu.split()[0] == gpu.split()[0]
        }
        plots.throughput(
            series,
            kinds=kinds,
            crossovers=crossings if name != "fit_samples_per_second" or own else {},
            title=words,
            key=False,
            ax=panel,
        )
        panel.label_outer()
    _key(figure, panels)


def _distributions(comparison: Comparison, figure: Any) -> None:
    names = table.final_names(comparison)
    panels = figure.subplots(1, len(names), squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=True):
        values = {
            side.label: {size: table.finals(comparison, side.name, size, name) for size in comparison.batch_sizes}
            for side in comparison.sides
        }
        found = {
            label: {size: (v, *_bounds(v)) for size, v in by_size.items() if v} for label, by_size in values.items()
        }
        plots.seed_distributions(
            found,
            kinds={side.label: side.kind for side in comparison.sides},
            what=name.replace("_", " "),
            title="Every seed, the mean and its 95% interval",
            key=False,
            ax=panel,
        )
    _key(figure, panels)


def _bounds(values: list[float]) -> tuple[float, float, float]:
    found = mean_interval(values)
    return found.mean, found.low, found.high


def _rows_of_losses(comparison: Comparison) -> float:
    return 0.9 + 2.9 * -(-len(comparison.batch_sizes) // COLUMNS)


_FIGURES: dict[str, tuple[Callable[[Comparison, Any], None], Callable[[Comparison], float]]] = {
    "losses": (_losses, _rows_of_losses),
    "differences": (_differences, lambda comparison: 0.4 + 3.3 * (len(comparison.sides) - 1)),
    "throughput": (_throughput, lambda comparison: 4.2),
    "distributions": (_distributions, lambda comparison: 4.4),
}
