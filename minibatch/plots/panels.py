"""The panels of the cockpit: each draws one kind of number that was measured during a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from minibatch.plots.axes import finish_step_axis, plain_number, set_log_axis, spans_a_decade
from minibatch.plots.histograms import draw_histograms
from minibatch.plots.scale import draw_noise_scale, draw_parts
from minibatch.plots.series import QUANTITIES, Entry, draw_series
from minibatch.plots.style import GREENS, INK, MUTED, Dash

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minibatch.plots.series import Floats

#: A panel's heading, and what its key says.
Drawn: TypeAlias = tuple[str, list[Entry]]

# With the colours of QUANTITIES: lines that cross in a panel part in grey print, too.
_DASHES: tuple[Dash, ...] = ("-", (0, (4, 1.3)), "-")
# So many values from the end on, at least, have a distribution of their own.
_ENOUGH = 20


@dataclass(frozen=True)
class Run:
    """What was measured during a run, checked: by name (steps, values), and the two that are more than that."""

    series: dict[str, tuple[Floats, Floats]]
    batch_sizes: tuple[Floats, Floats] | None
    histograms: tuple[Floats, Floats, Floats] | None
    decay: float | None

    def has(self, *names: str) -> bool:
        return any(name in self.series for name in names)


def _draw_lines(ax: Axes, run: Run, names: Mapping[str, str], logarithmic: bool | None = None) -> list[Entry]:
    """Those of the named series that there are; logarithmic where asked, or, with None, where they call for it."""
    drawn = {name: run.series[name] for name in names if name in run.series}
    every = np.concatenate([values for _, values in drawn.values()])
    if logarithmic is None:
        logarithmic = spans_a_decade(every)
    entries: list[Entry] = []
    for color, dash, (name, (steps, values)) in zip(QUANTITIES, _DASHES, drawn.items(), strict=False):
        entries += draw_series(
            ax, steps, values, color=color, dash=dash, label=names[name], logarithmic=logarithmic
        )
    if logarithmic:
        set_log_axis(ax, every)
    finish_step_axis(ax, [steps for steps, _ in drawn.values()])
    return entries


def _loss(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    entries = _draw_lines(ax, run, {"loss": "of each batch"})
    ax.set_ylabel("loss (mean per sample)")
    return "Loss", entries


def _norms(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    entries = _draw_lines(ax, run, {"grad_norm": "gradient, $|g_B|$", "update_size": "update, |Δθ|"}, True)
    ax.set_ylabel("norm")
    return "Gradient and update", entries


def _noise_scale(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    return "Noise scale and batch size", draw_noise_scale(
        ax, *run.series["noise_scale"], run.batch_sizes, n_samples, run.decay
    )


def _parts(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    return "Noise and signal", draw_parts(ax, run.series.get("trace"), run.series.get("grad_norm2"), run.decay)


def _tests(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    names = {"norm_test": "norm", "inner_product_test": "inner product", "orthogonality_test": "orthogonality"}
    entries = _draw_lines(ax, run, names, True)
    ax.set_ylabel("noise over signal, of a batch")
    return "Tests of the batch size", entries


def _cosines(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    names = {"cosine_to_previous": "to the previous gradient", "cosine_to_full": "to the full gradient"}
    entries = _draw_lines(ax, run, names, False)
    ax.axhline(0.0, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1.0)
    low, _ = ax.get_ylim()
    ax.set_ylim(-1.05 if low < -0.5 else -0.55, 1.05)
    ax.set_ylabel("cosine")
    return "Direction", entries


def _signal(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    names = {"signal_to_noise": "whole gradient", "gsnr": "mean of entries (GSNR)"}
    entries = _draw_lines(ax, run, names, True)
    ax.set_ylabel("signal to noise")
    return "Signal to noise", entries


def _cabs(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    steps, values = run.series["cabs"]
    entries = draw_series(ax, steps, values, color=QUANTITIES[1], label="CABS asks for", logarithmic=True)
    sizes = np.empty(0)
    if run.batch_sizes is not None:
        at, sizes = run.batch_sizes
        entries += draw_series(
            ax, at, sizes, color=GREENS[1], label="batch size used", logarithmic=True, held=True, zorder=4.0
        )
    set_log_axis(ax, np.concatenate([values, sizes]))
    finish_step_axis(ax, [steps] if run.batch_sizes is None else [steps, run.batch_sizes[0]])
    ax.set_ylabel("samples")
    return "Batch size by CABS", entries


def _eb(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    from matplotlib.ticker import FixedLocator, NullLocator

    entries = _draw_lines(ax, run, {"eb": "EB criterion"}, False)
    line = ax.axhline(0.0, color=MUTED, linewidth=1.0, linestyle=(0, (2, 2)), zorder=1.0)
    values = run.series["eb"][1]
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() < -10.0:
        ax.set_yscale("symlog", linthresh=1.0, linscale=0.6)
        first = int(np.ceil(np.log10(-finite.min())))
        powers = 10.0 ** np.arange(0, first + 1)[:: max(1, -(-first // 4))]
        ax.yaxis.set_major_locator(FixedLocator([*(-powers[::-1]), 0.0, 1.0]))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(lambda value, _: plain_number(value))
        ax.set_ylim(1.5 * finite.min(), max(1.3, 1.5 * finite.max()))
    ax.set_ylabel("EB")
    return "Evidence to stop", [*entries, (line, "above: stop")]


def _alpha(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    values = run.series["alpha"][1]
    finite = values[np.isfinite(values)]
    low, high = (-1.5, 1.5) if not finite.size else np.quantile(finite, [0.01, 0.99])
    # Around -1 (no step at all), 0 (the minimum along the step) and 1 (as high on the other side).
    low, high = max(min(float(low), -1.5), -10.0), min(max(float(high), 1.5), 10.0)
    edges = np.linspace(low, high, 41)
    inside = finite[(finite >= low) & (finite <= high)]
    entries: list[Entry] = []
    if inside.size:
        bars = ax.bar(
            edges[:-1],
            100.0 * np.histogram(inside, edges)[0] / len(values),
            width=np.diff(edges),
            align="edge",
            color=QUANTITIES[1],
            alpha=0.35,
            linewidth=0.0,
        )
        entries.append((bars[0], "all steps"))
    last = values[-(len(values) // 10) :] if len(values) >= 10 * _ENOUGH else values[:0]
    late = last[np.isfinite(last) & (last >= low) & (last <= high)]
    if late.size >= _ENOUGH // 2:
        (outline,) = ax.plot(
            np.repeat(edges, 2),
            np.r_[0.0, np.repeat(100.0 * np.histogram(late, edges)[0] / len(last), 2), 0.0],
            color=INK,
            linewidth=1.3,
        )
        entries.append((outline, "last tenth"))
    from matplotlib.lines import Line2D

    if len(values) > inside.size:
        beyond = Line2D([], [], linestyle="none")
        words = f"beyond, or not finite: {plain_number(len(values) - inside.size)} of {plain_number(len(values))}"
        entries.append((beyond, words))
    ax.axvline(0.0, color=MUTED, linewidth=1.0, linestyle=(0, (2, 2)), zorder=1.0)
    ax.set_xlim(low, high)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("α: −1 no step, 0 at the minimum, 1 across it")
    ax.set_ylabel("share of steps (%)")
    return "Length of steps", entries


def _distance(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    entries = _draw_lines(ax, run, {"distance": "|θ − θ at the start|"}, False)
    ax.set_ylabel("distance")
    return "Distance from the start", entries


def _histograms(ax: Axes, run: Run, n_samples: int | None) -> Drawn:
    assert run.histograms is not None  # the panel is not drawn without
    draw_histograms(ax, *run.histograms, share=True, clipped=True)
    return "Entries of the gradient", []


def _measured(*names: str) -> Callable[[Run], bool]:
    return lambda run: run.has(*names)


#: Name of the panel: (whether there is something to draw, how).
PANELS: dict[str, tuple[Callable[[Run], bool], Callable[[Axes, Run, int | None], Drawn]]] = {
    "loss": (_measured("loss"), _loss),
    "norms": (_measured("grad_norm", "update_size"), _norms),
    "noise_scale": (_measured("noise_scale"), _noise_scale),
    "parts": (_measured("trace", "grad_norm2"), _parts),
    "tests": (_measured("norm_test", "inner_product_test", "orthogonality_test"), _tests),
    "cosines": (_measured("cosine_to_previous", "cosine_to_full"), _cosines),
    "signal": (_measured("signal_to_noise", "gsnr"), _signal),
    "cabs": (_measured("cabs"), _cabs),
    "eb": (_measured("eb"), _eb),
    "alpha": (_measured("alpha"), _alpha),
    "distance": (_measured("distance"), _distance),
    "histograms": (lambda run: run.histograms is not None, _histograms),
}
