"""What a fit is fed: batches of (x, y) or (x, y, sample_weight), from wherever they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from minibatch.batching import Batches
from minibatch.typing import Array

Batch = tuple[Array, Array, Array | None]


class Feed:
    """Batches ready for a step: targets checked, and always a triple.

    Parameters
    ----------
    batches : Batches
        Of (x, y) or (x, y, sample_weight).
    targets : callable, optional
        Turns a batch's y into what the loss wants; None where that has been done for the whole set.
    """

    def __init__(self, batches: Batches, targets: Callable[[Any], Array] | None = None) -> None:
        self.batches = batches
        self.targets = targets

    def __len__(self) -> int:
        return len(self.batches)

    def next_epoch(self) -> Iterator[Batch]:
        """Return the batches of the next epoch."""
        return self._triples(self.batches)

    def once(self) -> Iterator[Batch]:
        """Return the batches of one pass, for evaluation: it leaves ``next_epoch`` where it was."""
        return self._triples(self.batches.epoch(0))

    def _triples(self, batches: Iterable[Any]) -> Iterator[Batch]:
        for x, y, *weight in batches:
            yield x, self.targets(y) if self.targets else y, weight[0] if weight else None
