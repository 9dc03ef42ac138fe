"""The demo in words: its table, and what the table shows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minibatch.demo.experiment import Experiment
from minibatch.study.intervals import mcnemar

_Row = tuple[str, Callable[[int], str]]


def results_table(experiment: Experiment) -> str:
    """Return the table: a column for each batch size, a line for each quantity."""
    runs, at_end = experiment.runs, experiment.noise_at_end
    at_start = {row.batch_size: row for row in experiment.noise_at_start.by_batch_size}
    start, epochs = experiment.noise_at_start, experiment.settings["epochs"]

    def heading(size: int) -> str:
        return f"full ({size:,})" if size == experiment.n_samples else f"{size:,}"

    def end_angle(size: int) -> float:
        return float(at_end[size].by_batch_size[0].angle.mean())

    groups: list[tuple[str, list[_Row]]] = [
        ("An epoch", [
            ("steps per epoch", lambda b: f"{runs[b].steps_per_epoch:,}"),
            ("samples in the last batch", lambda b: f"{runs[b].last_batch:,}"),
        ]),
        (f"After {epochs} epochs", [
            ("updates", lambda b: f"{runs[b].updates[-1]:,}"),
            ("seconds of training", lambda b: f"{runs[b].seconds[-1]:.2f}"),
            ("train loss", lambda b: f"{runs[b].loss[-1]:.4f}"),
            ("test loss", lambda b: f"{runs[b].val_loss[-1]:.4f}"),
            ("train accuracy", lambda b: f"{runs[b].accuracy[-1]:.1%}"),
            ("test accuracy", lambda b: f"{runs[b].val_accuracy[-1]:.1%}"),
        ]),
        ("Gradient noise at the start (the same weights for all)", [
            ("tr(Sigma)", lambda b: f"{start.trace:.3g}"),
            ("|G|^2", lambda b: f"{start.grad_norm2:.3g}"),
            ("noise scale (samples)", lambda b: _scale(start.noise_scale)),
            ("mean angle to full gradient", lambda b: f"{at_start[b].angle.mean():.0f}\N{DEGREE SIGN}"),
        ]),
        ("Gradient noise at the end (where each run arrived)", [
            ("tr(Sigma)", lambda b: f"{at_end[b].trace:.3g}"),
            ("|G|^2", lambda b: f"{at_end[b].grad_norm2:.3g}"),
            ("noise scale (samples)", lambda b: _scale(at_end[b].noise_scale)),
            ("mean angle to full gradient", lambda b: f"{end_angle(b):.0f}\N{DEGREE SIGN}"),
        ]),
    ]  # fmt: skip
    label_width = 2 + max(len(label) for _, rows in groups for label, _ in rows)
    cells = [value(size) for _, rows in groups for _, value in rows for size in runs]
    width = 2 + max(len(text) for text in [*cells, *map(heading, runs)])

    def line(label: str, texts: list[str]) -> str:
        return label.ljust(label_width) + "".join(text.rjust(width) for text in texts)

    lines = [line("batch size", [heading(size) for size in runs])]
    lines.append("\N{BOX DRAWINGS LIGHT HORIZONTAL}" * len(lines[0]))
    for title, rows in groups:
        lines.append(title)
        lines += [line(f"  {label}", [value(size) for size in runs]) for label, value in rows]
    return "\n".join(lines)


def _scale(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "infinite"


def summary(experiment: Experiment) -> str:
    """Return a few sentences on what the table shows, made from its numbers."""
    runs, n_test = experiment.runs, experiment.settings["n_test"]
    sizes = list(runs)
    names = {size: "the full batch" if size == experiment.n_samples else f"batch {size:,}" for size in sizes}
    angles = {row.batch_size: row.angle.mean() for row in experiment.noise_at_start.by_batch_size}
    low, high = sizes[0], sizes[-1]
    best = max(sizes, key=lambda size: (runs[size].val_accuracy[-1], -runs[size].val_loss[-1]))
    accuracy = runs[best].val_accuracy[-1]
    scale = _scale(experiment.noise_at_start.noise_scale)

    def counted(number: int, noun: str) -> str:
        return f"{number:,} {noun}{'s' if number != 1 else ''}"

    sentences = []
    if len(sizes) > 1:
        sentences.append(
            f"The same {counted(experiment.settings['epochs'], 'epoch')} were "
            f"{counted(runs[low].updates[-1], 'update')} for {names[low]} and "
            f"{counted(runs[high].updates[-1], 'update')} for {names[high]}; at the start a step of {names[low]} "
            f"pointed {angles[low]:.0f}\N{DEGREE SIGN} away from the full gradient on average, one of "
            f"{names[high]} {angles[high]:.0f}\N{DEGREE SIGN} (noise scale {scale} samples)."
        )
    alike = [size for size in sizes if runs[size].val_accuracy[-1] == accuracy]
    if len(sizes) == 1:
        sentences.append(f"On the {n_test} test images {names[best]} got {accuracy:.1%}.")
        return " ".join(sentences)
    if len(alike) == 1:
        sentences.append(f"Best on the {n_test} test images was {names[best]} with {accuracy:.1%}.")
    else:
        equals = " and ".join(names[size] for size in alike)
        sentences.append(f"Best on the {n_test} test images were {equals} with {accuracy:.1%} each.")
    sentences += [*_not_told_apart(experiment, best, alike, names), ONE_RUN]
    return " ".join(sentences)


#: What no number of test images helps.
ONE_RUN = (
    "And this is one run of each: another seed has other initial weights and another order, and may have another "
    "best (`python -m minibatch study` runs several)."
)
#: Splits of the images that chance makes more often than this are not held to be a difference.
LIKELY = 0.05


def _not_told_apart(experiment: Experiment, best: int, alike: list[int], names: dict[int, str]) -> list[str]:
    """Return a sentence on those worse than the best that these test images do not tell apart, if there are any."""
    near: list[str] = []
    first = experiment.right[best]
    for size, right in experiment.right.items():
        own, other = int(np.sum(first & ~right)), int(np.sum(right & ~first))
        p = mcnemar(own, other)
        if size not in alike and p >= LIKELY:
            opening = "" if near else "images that only one of the two has right: "
            near.append(f"{names[size]} ({opening}{own:,} to {other:,}, p = {p:.2g})")
    if not near:
        return []
    it = "it" if len(alike) == 1 else names[best]
    return [
        f"They do not tell {it} apart from {' or '.join(near)}: chance alone splits images so more often than once "
        "in 20 (McNemar's exact test)."
    ]
