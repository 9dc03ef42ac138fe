"""Stretches: the runs of neighbouring parameters that an optimizer may treat alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minibatch.typing import Array

#: How many parameters are updated at a time. A rule reads and writes each of its vectors several times; a block of
#: this size (512 KiB of float32 in each) stays in the processor's cache between them, and is long enough for the
#: calls of NumPy's functions to cost little, also where two threads take turns at Python's lock.
BLOCK = 1 << 17

#: How many parameters a thread takes at a time where a compiled loop updates them: 3 us' work.
PIECE = 1 << 15

#: Where each weight that moves lies in the vector: by the weight itself, or by its path ("dense/kernel").
Slices = Mapping[Any, slice]


@dataclass(frozen=True)
class Stretch:
    """A run of parameters with one clipping factor, all of them decaying or none.

    Attributes
    ----------
    place : slice
    decays : bool
        Whether weight decay applies here.
    blocks : tuple of slice
        The same run, cut for the processor's cache.
    """

    place: slice
    decays: bool
    blocks: tuple[slice, ...]

    def of(self, vectors: Sequence[Array]) -> list[Array]:
        """Return this run of each of these vectors."""
        return [vector[self.place] for vector in vectors]


def stretches(
    size: int, slices: Slices | None, decays: Callable[[Any], bool], weight_by_weight: bool, block: int
) -> list[Stretch]:
    """Return the runs that make up these slices, neighbours joined where nothing tells them apart.

    Parameters
    ----------
    size : int
        The length D of the parameter vector.
    slices : mapping of weight or str to slice, optional
        None is the whole vector as one weight.
    decays : callable
        Whether weight decay applies to a weight.
    weight_by_weight : bool
        Keep one weight apart from the next: each has a norm of its own.
    block : int
        The most parameters in a block.

    Raises
    ------
    ValueError
        If slices overlap, or lie outside the vector.

    Examples
    --------
    >>> places = {"kernel": slice(0, 6), "bias": slice(6, 8), "frozen ends here": slice(12, 15)}
    >>> [run.place for run in stretches(15, places, lambda key: True, False, 4)]
    [slice(0, 8, None), slice(12, 15, None)]
    >>> stretches(15, places, lambda key: True, False, 4)[0].blocks
    (slice(0, 4, None), slice(4, 8, None))
    """
    if slices is None:
        slices = {"the whole vector": slice(0, size)}
    runs: list[tuple[int, int, bool]] = []
    reached = 0
    for key, place in sorted(slices.items(), key=lambda item: (item[1].start, item[1].stop)):
        if not reached <= place.start <= place.stop <= size or place.step not in (None, 1):
            raise ValueError(
                f"{key!r} is said to lie at {place} of {size} parameters: outside them, or overlapping."
            )
        reached = place.stop
        start, decaying = place.start, decays(key)
        if runs and not weight_by_weight and runs[-1][1:] == (start, decaying):
            start = runs.pop()[0]
        runs.append((start, place.stop, decaying))
    return [
        Stretch(
            slice(start, stop),
            decaying,
            tuple(slice(i, min(i + block, stop)) for i in range(start, stop, block)),
        )
        for start, stop, decaying in runs
    ]
