"""The table that ``model.summary()`` prints, in Keras's shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minibatch import config
from minibatch.layers import Layer


def summary_table(name: str, layers: Sequence[Layer], optimizer_params: int = 0) -> list[str]:
    """Return the lines of the table.

    Parameters
    ----------
    name : str
        The model's.
    layers : sequence of Layer
    optimizer_params : int
        Scalars that the optimizer keeps.
    """
    head = ("Layer (type)", "Output Shape", "Param #")
    rows = [
        (
            f"{layer.name} ({type(layer).__name__})",
            f"(None, {', '.join(map(str, layer.output_shape))})" if layer.output_shape is not None else "?",
            f"{layer.count_params():,}" if layer.built else "0 (unbuilt)",
        )
        for layer in layers
    ]
    least = (31, 22, 13)
    widths = [max(least[i], *(len(row[i]) for row in [head, *rows])) for i in range(3)]

    def line(left: str, middle: str, right: str, dash: str) -> str:
        return left + middle.join(dash * (width + 2) for width in widths) + right

    def text(cells: Sequence[str], bar: str) -> str:
        padded = [cells[0].ljust(widths[0]), cells[1].ljust(widths[1]), cells[2].rjust(widths[2])]
        return f"{bar} " + f" {bar} ".join(padded) + f" {bar}"

    body = [text(row, "│") for row in rows]
    between = line("├", "┼", "┤", "─")
    table = [row for pair in zip(body, [between] * len(body), strict=True) for row in pair][:-1]
    parameters = sum(layer.count_params() for layer in layers)
    totals = [
        f" Total params: {_count(parameters + optimizer_params)}",
        f" Trainable params: {_count(parameters)}",
        f" Non-trainable params: {_count(0)}",
    ]
    if optimizer_params:
        totals.append(f" Optimizer params: {_count(optimizer_params)}")
    return [
        f'Model: "{name}"',
        line("┏", "┳", "┓", "━"),
        text(head, "┃"),
        line("┡", "╇", "┩", "━"),
        *table,
        line("└", "┴", "┘", "─"),
        *totals,
    ]


def _count(scalars: int) -> str:
    """Return "2,410 (9.41 KB)"."""
    size = float(scalars * np.dtype(config.floatx()).itemsize)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{scalars:,} ({size:.2f} {unit})"
