"""A comparison as text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from minibatch.compare.comparison import Comparison
from minibatch.compare.run import SideInfo
from minibatch.study.intervals import difference_interval, mean_interval

#: Characters to a line of prose.
WIDTH = 110
#: Seeds that are named, at most.
SEEDS = 10

#: A heading, rows of cells, and what the columns mean.
Block = tuple[str, list[str], list[list[str]], str]


def whole(comparison: Comparison) -> str:
    """Return everything: one block of text below the other."""
    parts = [opening(comparison)]
    for title, head, rows, legend in blocks(comparison):
        below = f"\n{textwrap.fill(legend, WIDTH)}" if legend else ""
        parts.append(f"{title}\n{aligned(head, rows)}{below}")
    parts += [textwrap.fill(f"Note: {note}", WIDTH) for note in comparison.notes]
    parts += [failed(comparison)] if comparison.failures else []
    return "\n\n".join(parts)


def blocks(comparison: Comparison) -> list[Block]:
    """Return the tables, in the order of a report."""
    if comparison.settings["mode"] == "own":
        return [sides(comparison), *distributions(comparison), speed(comparison), memory(comparison)]
    found = [sides(comparison), agreement(comparison), outcome(comparison), speed(comparison), memory(comparison)]
    return found + ([noise(comparison)] if any(run.numbers["noise"] for run in comparison.runs.values()) else [])


def opening(comparison: Comparison) -> str:
    """Return a sentence or two: what was run."""
    s = comparison.settings
    what = (
        "each library's own initial weights, shuffling and fit"
        if s["mode"] == "own"
        else "the same initial weights and the same batches, step by step"
    )
    precision = {
        "float32": "float32; TF32 and mixed precision are off",
        "float64": "float64 on every side",
        "tf32": "TF32 is on in Keras; minibatch computes in float32",
    }.get(s["precision"], f"Keras in {s['precision']} (TF32 off); minibatch computes in float32")
    few = len(s["seeds"]) <= SEEDS
    seeds = ", ".join(map(str, s["seeds"] if few else s["seeds"][:SEEDS]))
    seeds += "" if few else f" and {len(s['seeds']) - SEEDS} more"
    epochs = f"{s['epochs']} epoch" + ("" if s["epochs"] == 1 else "s")
    threads = "" if s["threads"] is None else f" Threads of each library: {s['threads']}."
    return f"{s['n_samples']:,} samples, {epochs}, seeds {seeds}: {what}.\nPrecision: {precision}.{threads}"


def failed(comparison: Comparison) -> str:
    """Return what did not come to its end, and why."""
    return "\n".join(["Not finished:", *(f"  {line}" for line in failures(comparison))])


def failures(comparison: Comparison) -> list[str]:
    """Return each training that did not come to its end, and why."""
    return [
        f"{f.side}, batch size {f.batch_size}, seed {f.seed}: " + f.message.replace("\n", "\n    ")
        for f in comparison.failures
    ]


def sides(comparison: Comparison) -> Block:
    """Return who ran on what."""
    rows = []
    for side in comparison.sides:
        versions = ", ".join(f"{name} {version}" for name, version in side.versions.items())
        driver = f", driver {side.driver}" if side.driver else ""
        asked = "no GPU was found; " if side.fell_back else ""
        rows.append([side.label, side.device, f"{asked}{side.dtype_policy}, {versions}{driver}"])
    return "Who ran, and on what", ["side", "device", "precision, versions"], rows, ""


def agreement(comparison: Comparison) -> Block:
    """Return how far each side's path is from minibatch's: the worst of the seeds."""
    tolerance = comparison.settings["tolerance"]
    rows = []
    for size, side in _rows(comparison, others=True):
        pairs = comparison.pairs_of(side.name, size)
        if not pairs:
            continue
        partings = [pair.first_parting for pair in pairs if pair.first_parting is not None]
        angles = [max(pair.gradient_angles.values(), default=math.nan) for pair in pairs]
        rows.append(
            [
                f"{size:,}",
                side.label,
                f"{len(pairs[0].loss_difference):,}",
                _sci(max(pair.largest_loss_difference for pair in pairs)),
                f"step {min(partings):,}" if partings else "never",
                _sci(max(pair.final_weight_difference for pair in pairs)),
                _sci(max(angles)),
            ]
        )
    head = ["batch size", "side", "steps", "loss: largest", "parts", "weights at end", "gradient (deg)"]
    legend = (
        "Differences from minibatch; of several seeds, the worst. loss: |a - b| / max(1, |b|) of a step's loss; "
        f"parts: the first step where that is above {tolerance:g}; weights at end: the largest difference of a "
        "weight; gradient: the angle between the two libraries' gradients of the same samples."
    )
    return "Agreement, step by step", head, rows, legend


def outcome(comparison: Comparison) -> Block:
    """Return the history's last entries."""
    names = _history_names(comparison)
    rows = []
    for size, side in _rows(comparison):
        runs = comparison.of(side.name, size)
        if runs:
            last = [[run.numbers["history"].get(name, [math.nan])[-1] for run in runs] for name in names]
            rows.append([f"{size:,}", side.label, *(f"{sum(v) / len(v):.5f}" for v in last)])
    head = ["batch size", "side", *(name.replace("_", " ") for name in names)]
    return (
        "After the last epoch",
        head,
        rows,
        "Means over the seeds; loss is the epoch's running mean, as in Keras.",
    )


def distributions(comparison: Comparison) -> list[Block]:
    """Return, for the mode "own", each final number's mean and interval, and the differences."""
    found = []
    for name in final_names(comparison):
        rows = []
        for size, side in _rows(comparison):
            values = finals(comparison, side.name, size, name)
            if not values:
                continue
            own = mean_interval(values)
            row = [
                f"{size:,}",
                side.label,
                f"{own.n}",
                f"{own.mean:.4f}",
                _between(own.low, own.high),
                f"{own.sd:.4f}",
            ]
            mine = finals(comparison, "minibatch", size, name)
            if side.backend == "minibatch" or not mine:
                row += ["", ""]
            else:
                gap = difference_interval(values, mine)
                row += [_between(gap.low, gap.high), "no" if gap.holds_zero else "yes"]
            rows.append(row)
        head = ["batch size", "side", "seeds", "mean", "95% interval", "sd", "minus minibatch (95%)", "differs"]
        legend = "Each interval is one by itself: of twenty rows in which nothing differs, one says yes."
        if len(comparison.settings["seeds"]) == 1:
            legend = "One seed has no interval: give several."
        found.append((f"{name.replace('_', ' ').capitalize()}, over seeds", head, rows, legend))
    return found


def speed(comparison: Comparison) -> Block:
    """Return seconds per step and samples per second: medians over the seeds."""
    own = comparison.settings["mode"] == "own"
    rows = []
    for size, side in _rows(comparison):
        if not comparison.of(side.name, size):
            continue

        def number(name: str, form: Callable[[float], str], side: SideInfo = side, size: int = size) -> str:
            value = comparison.median(side.name, size, name)
            return "-" if value is None else form(value)

        if own:
            cells = [number("first_epoch_seconds", _seconds), number("fit_samples_per_second", _thousands)]
        else:
            names = ("first_step_seconds", "step_seconds", "compile_seconds")
            cells = [number(name, _seconds) for name in names]
            cells += [number(name, _thousands) for name in ("samples_per_second", "fit_samples_per_second")]
        rows.append([f"{size:,}", side.label, *cells])
    if own:
        head = ["batch size", "side", "first epoch", "samples/s of fit"]
        return "Speed", head, rows, _crossover_words(comparison)
    head = ["batch size", "side", "first step", "a step", "compile", "samples/s", "samples/s of fit"]
    legend = (
        "a step: the median of the rest, the loss waited for; compile: what the first step on each shape of batch "
        "took above a step (building, tracing, compiling); neither is known of a single step; samples/s: "
        "of those steps; of fit: of the library's own "
        "loop. "
    )
    return "Speed", head, rows, legend + _crossover_words(comparison)


def memory(comparison: Comparison) -> Block:
    """Return the peaks of the processes' memory, and of the devices'."""
    rows = []
    for size, side in _rows(comparison):
        if comparison.of(side.name, size):
            peaks = [comparison.median(side.name, size, name) for name in ("host_peak", "device_peak")]
            rows.append([f"{size:,}", side.label, *("-" if p is None else f"{p / 2**20:,.0f} MiB" for p in peaks)])
    legend = "Of the child process as a whole, with the library itself; device: what the GPU's allocator gave out."
    return "Peak memory", ["batch size", "side", "host", "device"], rows, legend


def noise(comparison: Comparison) -> Block:
    """Return the gradient's noise and direction, as each side's gradients have it; the first seed's."""
    rows = []
    seed = comparison.settings["seeds"][0]
    for size, side in _rows(comparison):
        run = comparison.runs.get((side.name, size, seed))
        for found in run.numbers["noise"] if run else ():
            angle, theory = (found[name] for name in ("angle", "theory_angle"))
            scale = found["noise_scale"]
            rows.append(
                [
                    f"{size:,}",
                    side.label,
                    f"{found['step']:,}",
                    f"{found['grad_norm2']:.6g}",
                    f"{found['trace']:.6g}",
                    f"{scale:,.5g}" if scale is not None else "infinite" if found["grad_norm2"] == 0 else "-",
                    "-" if angle is None else f"{angle:.3f}",
                    "-" if theory is None else f"{theory:.3f}",
                ]
            )
    samples = next((n["n_samples"] for run in comparison.runs.values() for n in run.numbers["noise"]), 0)
    head = ["batch size", "side", "after step", "|G|^2", "tr(Sigma)", "noise scale", "angle g_B, G", "theory"]
    legend = (
        f"On {samples:,} samples, seed {seed}; the noise scale in samples, the angles in degrees (the mean over "
        "batches of this size drawn from those samples; none where it has as many)."
    )
    return "Gradient noise and direction", head, rows, legend


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return cells in columns: words to the left, numbers to the right.

    Examples
    --------
    >>> print(aligned(["side", "steps"], [["here", "1,000"], ["there", "5"]]))
    side   steps
    here   1,000
    there      5
    """
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    left = [is_words(column[0], column[1:]) for column in columns]
    lines = []
    for row in (head, *rows):
        cells = [f"{c:<{w}}" if to_left else f"{c:>{w}}" for c, w, to_left in zip(row, widths, left, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def is_words(name: str, cells: Sequence[str]) -> bool:
    """Return whether a column holds words, which start at the left."""
    return name in _WORDS or not any(cell[:1].isdigit() for cell in cells)


_WORDS = ("side", "device", "precision, versions")


def final_names(comparison: Comparison) -> list[str]:
    """Return the names of the final numbers of the mode "own", the validation's if there is one."""
    names = list(dict.fromkeys(name for run in comparison.runs.values() for name in run.numbers.get("final", {})))
    return [name for name in names if name.startswith("final_val_")] or names


def finals(comparison: Comparison, side: str, size: int, name: str) -> list[float]:
    """Return a final number of each seed."""
    return [run.numbers["final"][name] for run in comparison.of(side, size) if name in run.numbers["final"]]


def _rows(comparison: Comparison, others: bool = False) -> list[tuple[int, SideInfo]]:
    chosen = comparison.sides[1:] if others else comparison.sides
    return [(size, side) for size in comparison.batch_sizes for side in chosen]


def _history_names(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(name for run in comparison.runs.values() for name in run.numbers["history"]))


def _crossover_words(comparison: Comparison) -> str:
    labels = {side.name: side.label for side in comparison.sides}
    sentences = []
    for (cpu, gpu), size in comparison.crossovers().items():
        if size is None:
            largest = comparison.batch_sizes[-1]
            sentences.append(f"{labels[gpu]} does not overtake {labels[cpu]} up to batch size {largest:,}.")
        elif size <= comparison.batch_sizes[0]:
            sentences.append(f"{labels[gpu]} is ahead of {labels[cpu]} at every batch size.")
        else:
            sentences.append(f"{labels[gpu]} overtakes {labels[cpu]} at a batch size of about {size:,.0f}.")
    return " ".join(sentences)


def _sci(value: float) -> str:
    return "-" if math.isnan(value) else "0" if value == 0 else f"{value:.1e}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.2f} ms"


def _thousands(value: float) -> str:
    return f"{value:,.0f}"


def _between(low: float, high: float) -> Any:
    return "-" if math.isnan(low) else f"{low:.4f} to {high:.4f}"
