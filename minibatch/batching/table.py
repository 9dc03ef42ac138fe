"""The arithmetic of an epoch as a table: all the remainder policies side by side."""

from __future__ import annotations

from itertools import pairwise
from typing import SupportsIndex

from minibatch.batching import arithmetic
from minibatch.batching.arithmetic import REMAINDERS

HEADERS = ("remainder", "steps per epoch", "batch sizes", "updates", "samples seen", "per epoch", "last batch")


def arithmetic_table(
    n_samples: SupportsIndex, batch_size: SupportsIndex | str | None, epochs: SupportsIndex = 1
) -> str:
    """Set out what every remainder policy makes of N samples in batches of B.

    Parameters
    ----------
    n_samples, batch_size, epochs : int
        N, B (or None or "full") and how many epochs.

    Returns
    -------
    str
        Several lines. Updates and samples seen are those of all epochs; the steps, sizes and last batch are
        those of one. For ``"carry"``, whose epochs differ, ``10-11`` is a range over the epochs.

    Raises
    ------
    TypeError, ValueError
        As `minibatch.batching.steps_per_epoch`.

    Examples
    --------
    >>> print(arithmetic_table(1050, 100, epochs=10))
    1,050 samples, batch size 100, remainder 50, 10 epochs
    <BLANKLINE>
    remainder  steps per epoch  batch sizes     updates  samples seen  per epoch  last batch
    keep                    11  10 x 100, 50        110        10,500    1,050.0          50
    drop                    10  10 x 100            100        10,000    1,000.0         100
    wrap                    11  11 x 100            110        11,000    1,100.0         100
    merge                   10  9 x 100, 150        100        10,500    1,050.0         150
    balance                 11  5 x 96, 6 x 95      110        10,500    1,050.0          95
    weight                  11  10 x 100, 50        110        10,500    1,050.0          50
    carry                10-11  100 each            105        10,500    1,050.0         100
    """
    N = arithmetic.check_integer(n_samples, "n_samples", at_least=1)
    B = arithmetic.resolve_batch_size(batch_size, N)
    E = arithmetic.check_integer(epochs, "epochs", at_least=1)
    rows = [HEADERS, *(_row(N, B, E, remainder) for remainder in REMAINDERS)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADERS))]
    plural = "" if E == 1 else "s"
    lines = [f"{N:,} samples, batch size {B:,}, remainder {N % B:,}, {E:,} epoch{plural}", ""]
    for row in rows:
        cells = [
            cell.ljust(width) if column in (0, 2) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _row(N: int, B: int, E: int, remainder: str) -> tuple[str, ...]:
    updates = arithmetic.total_steps(N, B, E, remainder)
    seen = arithmetic.samples_seen(updates, N, B, remainder) if updates else 0
    if remainder == "carry":
        ends = [k * N // B for k in range(min(E, B) + 1)]
        counts = [later - earlier for earlier, later in pairwise(ends)]
        low, high = min(counts), max(counts)
        steps = f"{low:,}" if low == high else f"{low:,}-{high:,}"
        sizes, last = (f"{B:,} each", f"{B:,}") if updates else ("none", "-")
    else:
        parts = arithmetic.runs(N, B, remainder)
        steps = f"{arithmetic.steps_per_epoch(N, B, remainder):,}"
        sizes = ", ".join(f"{count:,} x {size:,}" if count > 1 else f"{size:,}" for size, count in parts) or "none"
        last = f"{parts[-1][0]:,}" if parts else "-"
    return remainder, steps, sizes, f"{updates:,}", f"{seen:,}", f"{seen / E:,.1f}", last
