"""`Batches`: epoch after epoch of mini-batches, exact, repeatable and resumable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from minibatch.batching import arithmetic, order
from minibatch.batching.blocks import Blocks
from minibatch.batching.gather import ROWS_AHEAD
from minibatch.batching.order import Indices
from minibatch.batching.sources import open_sources
from minibatch.batching.structure import batch_maker, components

# Batches are gathered several at a time and handed out as disjoint slices of one fresh block, so that the
# cost of a call is shared between them. A block holds no more than this: it is what is read ahead, and what
# stays in memory when only one of its batches is kept.
BLOCK_BYTES, BLOCK_BATCHES = 1 << 21, 64


class Batches:
    """Mini-batches of arrays, epoch after epoch.

    ``for batch in batches`` runs the next epoch. A batch is ``(x_b, y_b)``, or ``x_b`` alone if there is no
    y; ``(x_b, y_b, w_b)`` if there are sample weights or the remainder is ``"weight"``. Where x or y is a
    tuple or dict of arrays, so is its part of the batch.

    Parameters
    ----------
    x, y : array-like, or tuple or dict of them
        Samples along the first axis, the same number N in each component. Arrays, memory maps, frames,
        h5py datasets, zarr arrays, anything with ``__len__`` and ``__getitem__`` on integer arrays.
    batch_size : int, None or "full"
        B; None and "full" mean all samples.
    shuffle : bool, "batch", "buffer", "replacement" or "stratified"
        True: a new permutation in each epoch. False: the order of the data. "batch": only within each B
        consecutive samples (Keras). "buffer": through a buffer of ``buffer_size`` samples (tf.data).
        "replacement": each sample drawn anew from all (i.i.d. SGD). "stratified": permuted, with the
        classes of y spread evenly over the epoch.
    remainder : {"keep", "drop", "wrap", "merge", "balance", "weight", "carry"}
        What becomes of the last N mod B samples; see ``docs/batching.md``.
    seed : int, optional
        From 0 to 2**64 - 1. Epoch k under a seed is the same everywhere and always. By default drawn
        from the library's stream (``set_random_seed``).
    buffer_size : int, optional
        For ``shuffle="buffer"`` alone, which needs it.
    sample_weight : array (N,), or a list, tuple or dict of them, one for each output, optional
        A weight per sample, handed out with its sample.
    scale : float, optional
        Hand out the uint8 components of x as float32, multiplied by ``scale`` (1/255 for images), in one
        pass over memory.
    reuse_buffer : bool
        If True, a batch may be overwritten as soon as the next one is asked for; this saves an
        allocation per batch. By default a batch that was handed out is never overwritten.

    Attributes
    ----------
    n_samples, batch_size : int
        N and B (B resolved: never None or "full"; the present one, after ``resize``).
    x, y, shuffle, remainder, seed, buffer_size, sample_weight, scale, reuse_buffer
        As given, or drawn.

    Raises
    ------
    TypeError, ValueError
        If the components differ in length or are empty, an option is unknown or out of range, or the
        policy leaves no batch at all. A source whose length changes later is found at the next epoch.

    Examples
    --------
    >>> x, y = np.arange(5.0), np.arange(5)
    >>> batches = Batches(x, y, batch_size=2, shuffle=False)
    >>> len(batches)
    3
    >>> for x_b, y_b in batches:
    ...     print(x_b, y_b)
    [0. 1.] [0 1]
    [2. 3.] [2 3]
    [4.] [4]
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: SupportsIndex | str | None = 32,
        shuffle: bool | str = True,
        remainder: str = "keep",
        seed: SupportsIndex | None = None,
        buffer_size: SupportsIndex | None = None,
        sample_weight: Any = None,
        scale: float | None = None,
        reuse_buffer: bool = False,
    ) -> None:
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self.remainder = arithmetic.check_remainder(remainder)
        self.scale, self.reuse_buffer = None if scale is None else float(scale), bool(reuse_buffer)
        self._sources, self.n_samples = open_sources(x, y, sample_weight, scale)
        self.batch_size = arithmetic.resolve_batch_size(batch_size, self.n_samples)
        self._made_with = self.batch_size  # what ``resize`` may have changed since
        self._cut: tuple[int, list[tuple[int, int]]] = (-1, [])  # an epoch, and its batches before the last resize
        self.shuffle = order.check_shuffle(shuffle)
        if (self.shuffle == "buffer") != (buffer_size is not None):
            raise ValueError(f'buffer_size goes with shuffle="buffer"; got {buffer_size!r}, shuffle={shuffle!r}.')
        self.buffer_size = (
            None if buffer_size is None else arithmetic.check_integer(buffer_size, "buffer_size", at_least=1)
        )
        if seed is None:
            from minibatch.utils.random import next_seed

            seed = next_seed()
        self.seed = arithmetic.check_integer(seed, "seed", at_least=0)
        if self.seed > order.MASK:
            raise ValueError(f"seed must be below 2**64; got {self.seed}.")
        self._classes = order.class_codes(y, self.n_samples) if self.shuffle == "stratified" else None
        if self.remainder != "carry" and self.steps(0) == 0:
            raise ValueError(arithmetic.no_step_message(self.n_samples, self.batch_size, remainder))

        if self.remainder == "weight" or sample_weight is not None:
            # np.empty stands for the weights, where only the policy gives any.
            self._make_batches = batch_maker((x, y, np.empty(0) if sample_weight is None else sample_weight))
        else:
            self._make_batches = batch_maker(x if y is None else (x, y))
        self._next = (0, 0)  # the epoch and batch at which the next iterator starts
        self._position = (0, 0)  # the epoch of the last batch handed out, and how many of that epoch

    # --- an epoch ------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of batches of the next epoch (only ``"carry"`` has epochs that differ)."""
        return self.steps(self._next[0])

    def steps(self, k: int) -> int:
        """Return the number of batches of epoch k."""
        return sum(count for _, count in self._runs(k))

    def _runs(self, k: int) -> list[tuple[int, int]]:
        """Return epoch k as runs (see ``arithmetic.runs``); of one that was resized the rest has the new size."""
        before = self._cut[1] if self._cut[0] == k else []
        rest = self.n_samples - sum(size * count for size, count in before)
        if rest < 1:
            return before
        return before + arithmetic.runs(rest, self.batch_size, self.remainder, epoch=k)

    def order(self, k: int) -> Indices:
        """Return the order of epoch k's samples, before they are cut into batches: (N,) intp."""
        N = self.n_samples
        match self.shuffle:
            case True:
                return order.permutation(N, self.seed, k)
            case "batch":
                return order.shuffled_blocks(N, self.batch_size, self.seed, k)
            case "buffer":
                return order.buffered(N, self.buffer_size or N, self.seed, k)
            case "replacement":
                return order.drawn(N, self.seed, k)
            case "stratified" if self._classes is not None:
                return order.stratified(self._classes, self.seed, k)
            case _:
                return np.arange(N)

    def epoch_indices(self, k: int) -> list[Indices]:
        """Return the indices of the samples in each of epoch k's batches, a list of (size,) intp."""
        rows, low, batches = self._rows(k), 0, []
        for size, count in self._runs(k):
            batches += list(rows[low : low + size * count].reshape(count, size))
            low += size * count
        return batches

    def epoch(self, k: int, start: int = 0) -> Iterator[Any]:
        """Iterate over epoch k's batches, from batch ``start``: a pure function of (seed, k, start).

        Raises
        ------
        ValueError
            If k or start is out of range, or a source's length has changed.
        """
        arithmetic.check_integer(k, "epoch", at_least=0)
        arithmetic.check_integer(start, "start", at_least=0)
        if start > self.steps(k):
            raise ValueError(f"start must be at most {self.steps(k)}, the batches of epoch {k}; got {start}.")
        for name, source in self._sources.items():
            if len(source) != self.n_samples:
                raise ValueError(f"{name} had {self.n_samples} samples, and now has {len(source)}.")
        return self._run(k, start)

    def _run(self, k: int, start: int) -> Iterator[Any]:
        memory = {name: Blocks(overwrite=self.reuse_buffer) for name in self._sources}
        for size, count, rows in self._blocks(k, start):
            series: list[Iterable[NDArray[Any]]] = []
            for name, source in self._sources.items():
                block = memory[name].empty((count * size, *source.shape), source.dtype)
                source.read(rows, block)
                series.append([block[:]] if count == 1 else block.reshape(count, size, *source.shape))
            if self.remainder == "weight":
                share = np.float32(min(size / self.batch_size, 1.0))
                if self.sample_weight is None:
                    series.append(np.full((count, size), share, np.float32))
                for k, _ in enumerate(components(self.sample_weight, ""), 1):  # they come last
                    series[-k] = [weights * share for weights in series[-k]]
            yield from self._make_batches(series)
            del block, series  # or they would count as readers of the block

    def _blocks(self, k: int, start: int) -> Iterator[tuple[int, int, Indices]]:
        """Cut epoch k, from batch ``start``, into blocks: (batch size, batches, their rows and some beyond)."""
        rows, low = self._rows(k), 0
        row_bytes = sum(s.dtype.itemsize * math.prod(s.shape) for s in self._sources.values())
        for size, count in self._runs(k):
            per_block = min(max(BLOCK_BYTES // max(size * row_bytes, 1), 1), BLOCK_BATCHES)
            skipped = min(start, count)
            start -= skipped
            for first in range(skipped, count, per_block):
                batches = min(per_block, count - first)
                place = low + first * size
                yield size, batches, rows[place : place + batches * size + ROWS_AHEAD]
            low += size * count

    def _rows(self, k: int) -> Indices:
        """Return the rows of epoch k's batches, one batch after the other."""
        N, B = self.n_samples, self.batch_size
        if self.remainder == "wrap":
            return np.resize(self.order(k), sum(size * count for size, count in self._runs(k)))
        if self.remainder != "carry":
            return self.order(k)
        # Batches are cut from the orders of all epochs, laid end to end: epoch k has those that end in it.
        first, last = k * N // B * B, (k + 1) * N // B * B
        orders = [self.order(j) for j in range(first // N, k + 1)]
        return np.concatenate(orders)[first - first // N * N :][: last - first]

    # --- epoch after epoch ---------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:
        """Run the next epoch (or, after `from_state`, the rest of the one that was interrupted)."""
        k, start = self._next
        batches = self.epoch(k, start)
        self._next, self._position = (k + 1, 0), (k, start)
        return self._counted(batches, k, start)

    def _counted(self, batches: Iterator[Any], k: int, step: int) -> Iterator[Any]:
        while True:
            size = self.batch_size
            for batch in batches:
                step += 1
                self._position = k, step
                yield batch
                if self.batch_size != size:
                    batches = self._run(k, step)
                    break
            else:
                break
        self._position = k + 1, 0

    def resize(self, batch_size: SupportsIndex | str | None) -> None:
        """Cut what is to come into batches of another size: the rest of the epoch under way, and all later epochs.

        The order of the samples stays; the remainder policy is that of what is left.

        Raises
        ------
        ValueError
            If the order or the cut of an epoch hangs together with the batch size: ``shuffle="batch"``,
            ``remainder="carry"``; or if there would be no batch.

        Examples
        --------
        >>> batches = Batches(np.arange(9), batch_size=2, shuffle=False)
        >>> for batch in batches:
        ...     print(batch)
        ...     batches.resize(4)
        [0 1]
        [2 3 4 5]
        [6 7 8]
        """
        size = arithmetic.resolve_batch_size(batch_size, self.n_samples)
        if self.shuffle == "batch" or self.remainder == "carry":
            what = 'shuffle="batch"' if self.shuffle == "batch" else 'remainder="carry"'
            raise ValueError(f"with {what} an epoch depends on its batch size: it cannot be changed in its course.")
        if self.remainder == "drop" and size > self.n_samples:
            raise ValueError(arithmetic.no_step_message(self.n_samples, size, self.remainder))
        epoch, step = self._position
        before: list[tuple[int, int]] = []
        for run, count in self._runs(epoch):
            before.append((run, min(count, max(0, step - sum(n for _, n in before)))))
        self._cut, self.batch_size = (epoch, [run for run in before if run[1]]), size

    def state(self) -> dict[str, Any]:
        """Return what has been handed out so far, and the options that decide what comes next.

        Returns
        -------
        dict
            Small, of plain numbers and strings (JSON will do): the epoch of the last iterator, how many
            batches it has handed out (``step``), ``n_samples``, ``seed`` and the other options; "resized".

        Examples
        --------
        >>> batches = Batches(np.arange(6), batch_size=2, seed=0)
        >>> state = [batches.state() for _ in batches][1]  # in mid-epoch, after two batches
        >>> resumed = Batches.from_state(state, np.arange(6))
        >>> np.array_equal(next(iter(resumed)), batches.epoch_indices(0)[2])
        True
        """
        epoch, step = self._position
        if step and step >= self.steps(epoch):
            epoch, step = epoch + 1, 0
        options = {name: getattr(self, name) for name in _OPTIONS} | {"batch_size": self._made_with}
        state = {"version": 1, "epoch": epoch, "step": step, "n_samples": self.n_samples, **options}
        if self.batch_size != self._made_with or self._cut[0] >= 0:
            cut = [list(run) for run in self._cut[1]]
            state["resized"] = {"batch_size": self.batch_size, "epoch": self._cut[0], "before": cut}
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any], x: Any, y: Any = None, *, sample_weight: Any = None) -> Batches:
        """Continue where `state` was taken: the next ``iter`` starts with the very next batch.

        Parameters
        ----------
        state : dict
            As `state` returned it.
        x, y, sample_weight
            The same data.

        Raises
        ------
        ValueError
            If the state is not one of these, or the data do not have as many samples as it says.
        """
        missing = {"version", "epoch", "step", "n_samples", *_OPTIONS} - set(state)
        if missing or state["version"] != 1:
            problem = f"lacks {', '.join(sorted(missing))}" if missing else f"has version {state['version']!r}"
            raise ValueError(f"This is no state of Batches that this library knows (version 1): it {problem}.")
        batches = cls(x, y, sample_weight=sample_weight, **{name: state[name] for name in _OPTIONS})
        if batches.n_samples != state["n_samples"]:
            raise ValueError(f"The state is of {state['n_samples']} samples; x has {batches.n_samples}.")
        resized = state.get("resized")
        if resized is not None:
            batches.batch_size = int(resized["batch_size"])
            batches._cut = int(resized["epoch"]), [(int(size), int(count)) for size, count in resized["before"]]
        batches._next = batches._position = state["epoch"], state["step"]
        batches.epoch(*batches._next)  # checks that there is such a batch
        return batches


_OPTIONS = ("batch_size", "shuffle", "remainder", "seed", "buffer_size", "scale", "reuse_buffer")
