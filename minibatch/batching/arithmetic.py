"""The arithmetic of epochs: integers in, integers out, no arrays.

Everything here follows from one description of an epoch, its *runs*: how many batches of which size,
in order. 1,050 samples in batches of 100 are ``[(100, 10), (50, 1)]`` under ``"keep"``; the seven
policies are seven ways to write that list (`runs`), and every other question is a sum over it.

Letters: N samples, B batch size, R = N mod B the remainder.
"""

from __future__ import annotations

from operator import index
from typing import Literal, SupportsIndex, TypeAlias, get_args

from minibatch.utils.names import near_misses

Remainder: TypeAlias = Literal["keep", "drop", "wrap", "merge", "balance", "weight", "carry"]
REMAINDERS: tuple[str, ...] = get_args(Remainder)


def runs(
    n_samples: SupportsIndex,
    batch_size: SupportsIndex | str | None,
    remainder: str = "keep",
    *,
    epoch: SupportsIndex = 0,
) -> list[tuple[int, int]]:
    """Describe an epoch as ``[(size, how many batches of that size in a row), ...]``.

    Parameters
    ----------
    n_samples : int
        N, at least 1.
    batch_size : int, None or "full"
        B, at least 1; it may exceed N. None and "full" mean all samples.
    remainder : {"keep", "drop", "wrap", "merge", "balance", "weight", "carry"}
        What becomes of the last R = N mod B samples; see ``docs/batching.md``.
    epoch : int
        Only ``"carry"`` asks: its epochs differ, because each is opened by what the last left over.

    Returns
    -------
    list of (int, int)
        Sizes and counts, both at least 1. Empty when the epoch has no batch at all (``"drop"`` with
        B > N, and some epochs of ``"carry"`` with B > N).

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer or out of range, or the policy's name is unknown.

    Examples
    --------
    >>> runs(1050, 100)
    [(100, 10), (50, 1)]
    >>> runs(1050, 100, "balance")
    [(96, 5), (95, 6)]
    """
    N = check_integer(n_samples, "n_samples", at_least=1)
    B = resolve_batch_size(batch_size, N)
    k = check_integer(epoch, "epoch", at_least=0)
    full, R = divmod(N, B)
    match check_remainder(remainder):
        case "keep" | "weight":
            parts = [(B, full), (R, 1)]
        case "drop":
            parts = [(B, full)]
        case "wrap":
            parts = [(B, -(-N // B))]
        case "merge":
            # With no full batch to join, the remainder is the batch.
            parts = [(B, full - 1), (B + R, 1)] if full else [(N, 1)]
        case "balance":
            K = -(-N // B)
            small, larger = divmod(N, K)
            parts = [(small + 1, larger), (small, K - larger)]
        case _:  # carry: epoch k ends with the last batch that its samples fill.
            parts = [(B, (k + 1) * N // B - k * N // B)]
    return [(size, count) for size, count in parts if size and count]


def steps_per_epoch(
    n_samples: SupportsIndex,
    batch_size: SupportsIndex | str | None,
    remainder: str = "keep",
    *,
    epoch: SupportsIndex = 0,
) -> int:
    """Count the batches, and so the updates, of one epoch.

    Parameters and errors are those of `runs`.

    Examples
    --------
    >>> steps_per_epoch(1050, 100)
    11
    >>> [steps_per_epoch(1050, 100, "carry", epoch=k) for k in range(4)]
    [10, 11, 10, 11]
    """
    return sum(count for _, count in runs(n_samples, batch_size, remainder, epoch=epoch))


def batch_sizes(
    n_samples: SupportsIndex,
    batch_size: SupportsIndex | str | None,
    remainder: str = "keep",
    *,
    epoch: SupportsIndex = 0,
) -> list[int]:
    """List the sizes of an epoch's batches, in order.

    Parameters and errors are those of `runs`.

    Examples
    --------
    >>> batch_sizes(1050, 100)
    [100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 50]
    """
    parts = runs(n_samples, batch_size, remainder, epoch=epoch)
    return [size for size, count in parts for _ in range(count)]


def last_batch_size(
    n_samples: SupportsIndex,
    batch_size: SupportsIndex | str | None,
    remainder: str = "keep",
    *,
    epoch: SupportsIndex = 0,
) -> int:
    """Return the size of an epoch's last batch; 0 if the epoch has none.

    Parameters and errors are those of `runs`.

    Examples
    --------
    >>> last_batch_size(1050, 100), last_batch_size(1050, 100, "merge")
    (50, 150)
    """
    parts = runs(n_samples, batch_size, remainder, epoch=epoch)
    return parts[-1][0] if parts else 0


def total_steps(
    n_samples: SupportsIndex,
    batch_size: SupportsIndex | str | None,
    epochs: SupportsIndex,
    remainder: str = "keep",
) -> int:
    """Count the updates of ``epochs`` epochs.

    For ``"carry"`` this is floor(epochs N / B), more than ``epochs`` times the first epoch's count.
    The other parameters and the errors are those of `runs`; ``epochs`` is at least 0.

    Examples
    --------
    >>> total_steps(1050, 100, 10), total_steps(1050, 100, 10, "drop"), total_steps(1050, 100, 10, "carry")
    (110, 100, 105)
    """
    E = check_integer(epochs, "epochs", at_least=0)
    if check_remainder(remainder) == "carry":
        N = check_integer(n_samples, "n_samples", at_least=1)
        return E * N // resolve_batch_size(batch_size, N)
    return E * steps_per_epoch(n_samples, batch_size, remainder)


def locate_step(
    step: SupportsIndex,
    n_samples: SupportsIndex,
    batch_size: SupportsIndex | str | None,
    remainder: str = "keep",
) -> tuple[int, int]:
    """Say in which epoch a step falls, and which batch of that epoch it is.

    Parameters
    ----------
    step : int
        Counted from 0 over the whole run.

    Returns
    -------
    epoch, batch : int
        Both counted from 0.

    Raises
    ------
    TypeError, ValueError
        As `runs`; also if there are no steps to count (``"drop"`` with B > N).

    Examples
    --------
    >>> locate_step(25, 1050, 100)
    (2, 3)
    """
    t = check_integer(step, "step", at_least=0)
    if check_remainder(remainder) == "carry":
        N = check_integer(n_samples, "n_samples", at_least=1)
        B = resolve_batch_size(batch_size, N)
        # Step t is complete once (t + 1) B samples have passed: in epoch ceil((t + 1) B / N) - 1.
        k = -(-(t + 1) * B // N) - 1
        return k, t - k * N // B
    return divmod(t, _steps_or_error(n_samples, batch_size, remainder))


def samples_seen(
    steps: SupportsIndex,
    n_samples: SupportsIndex,
    batch_size: SupportsIndex | str | None,
    remainder: str = "keep",
) -> int:
    """Count the samples that have passed through the first ``steps`` updates.

    A sample that is seen twice counts twice. Errors are those of `locate_step`.

    Examples
    --------
    >>> samples_seen(11, 1050, 100), samples_seen(12, 1050, 100), samples_seen(11, 1050, 100, "wrap")
    (1050, 1150, 1100)
    """
    t = check_integer(steps, "steps", at_least=0)
    N = check_integer(n_samples, "n_samples", at_least=1)
    if check_remainder(remainder) == "carry":
        return t * resolve_batch_size(batch_size, N)
    epochs, rest = divmod(t, _steps_or_error(N, batch_size, remainder))
    parts = runs(N, batch_size, remainder)
    seen = epochs * sum(size * count for size, count in parts)
    for size, count in parts:
        taken = min(rest, count)
        seen += size * taken
        rest -= taken
    return seen


def steps_for_samples(
    target: SupportsIndex,
    n_samples: SupportsIndex,
    batch_size: SupportsIndex | str | None,
    remainder: str = "keep",
) -> int:
    """Return the fewest steps after which at least ``target`` samples have been seen.

    The inverse of `samples_seen`, with its errors.

    Examples
    --------
    >>> steps_for_samples(1_000_000, 60_000, 32)
    31250
    """
    goal = check_integer(target, "target", at_least=0)
    N = check_integer(n_samples, "n_samples", at_least=1)
    if check_remainder(remainder) == "carry":
        return -(-goal // resolve_batch_size(batch_size, N))
    per_epoch = _steps_or_error(N, batch_size, remainder)
    parts = runs(N, batch_size, remainder)
    epochs, rest = divmod(goal, sum(size * count for size, count in parts))
    steps = epochs * per_epoch
    for size, count in parts:
        needed = min(-(-rest // size), count)
        steps += needed
        rest = max(rest - needed * size, 0)
    return steps


def batch_bytes(
    batch_size: SupportsIndex, values_per_sample: SupportsIndex, bytes_per_value: SupportsIndex = 4
) -> int:
    """Return the memory of one batch of inputs, in bytes.

    Parameters
    ----------
    batch_size : int
        Samples in the batch.
    values_per_sample : int
        The product of a sample's shape: 28 * 28 for a small grey image.
    bytes_per_value : int
        4 for float32, 8 for float64, 1 for uint8.

    Examples
    --------
    >>> batch_bytes(128, 28 * 28)
    401408
    """
    B = check_integer(batch_size, "batch_size", at_least=1)
    values = check_integer(values_per_sample, "values_per_sample", at_least=0)
    return B * values * check_integer(bytes_per_value, "bytes_per_value", at_least=1)


def resolve_batch_size(batch_size: SupportsIndex | str | None, n_samples: int) -> int:
    """Return B as an integer: None and "full" mean all ``n_samples``; anything odd is an error."""
    if batch_size is None or batch_size == "full":
        return n_samples
    if isinstance(batch_size, str):
        raise TypeError(f'batch_size must be an integer >= 1, None or "full"; got {batch_size!r}.')
    return check_integer(batch_size, "batch_size", at_least=1)


def check_remainder(remainder: str) -> str:
    """Return a policy's name, or raise a ValueError that names the near misses."""
    if remainder in REMAINDERS:
        return remainder
    raise ValueError(f"Unknown remainder policy {remainder!r}.{near_misses(remainder, REMAINDERS)}")


def check_integer(value: SupportsIndex, name: str, at_least: int) -> int:
    """Return ``value`` as an int; a bool, a float or a number below ``at_least`` is an error."""
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer >= {at_least}; got {value!r} ({type(value).__name__}).")
    if number < at_least:
        raise ValueError(f"{name} must be an integer >= {at_least}; got {number}.")
    return number


def _steps_or_error(n_samples: SupportsIndex, batch_size: SupportsIndex | str | None, remainder: str) -> int:
    steps = steps_per_epoch(n_samples, batch_size, remainder)
    if steps == 0:
        raise ValueError(no_step_message(index(n_samples), batch_size, remainder))
    return steps


def no_step_message(n_samples: int, batch_size: SupportsIndex | str | None, remainder: str) -> str:
    """Say why an epoch would make no step at all."""
    return (
        f"remainder={remainder!r} leaves no batch: {n_samples} samples do not fill one batch of {batch_size}. "
        f"Use a batch_size of at most {n_samples}, or another remainder policy, such as 'keep'."
    )
