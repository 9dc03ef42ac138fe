"""`GeneratorBatches`: batches that a plain generator makes, counted into epochs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, SupportsIndex

from minibatch.batching.arithmetic import check_integer


class GeneratorBatches:
    """Cut an endless iterator of ready-made batches into epochs of ``steps_per_epoch``.

    Parameters
    ----------
    batches : iterable
        Yields batches: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``, whichever its reader expects.
    steps_per_epoch : int
        At least 1.
    shuffle : bool
        Only False: an iterator has no order to shuffle.

    Raises
    ------
    TypeError
        If ``batches`` cannot be iterated over, or ``steps_per_epoch`` is not an integer.
    ValueError
        If ``shuffle`` is asked for, or ``steps_per_epoch`` is below 1; and, while iterating, if the
        iterator ends in mid-epoch.

    Examples
    --------
    >>> import itertools
    >>> batches = GeneratorBatches(itertools.count(), steps_per_epoch=3)
    >>> list(batches), list(batches)
    ([0, 1, 2], [3, 4, 5])
    """

    def __init__(
        self, batches: Iterable[Any], steps_per_epoch: SupportsIndex | None, *, shuffle: bool = False
    ) -> None:
        if not hasattr(batches, "__iter__"):
            raise TypeError(f"batches must be an iterator of batches; got {type(batches).__name__}.")
        if steps_per_epoch is None:
            raise ValueError(
                "A generator has no length: say how many of its batches make an epoch (steps_per_epoch)."
            )
        if shuffle is not False:
            raise ValueError(f"A generator has no order to shuffle: shuffle must be False; got {shuffle!r}.")
        self.steps_per_epoch = check_integer(steps_per_epoch, "steps_per_epoch", at_least=1)
        self._batches = iter(batches)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[Any]:
        """Take the next epoch's batches."""
        for step in range(self.steps_per_epoch):
            try:
                batch = next(self._batches)
            except StopIteration:
                raise ValueError(
                    f"The generator ended after {step} of the {self.steps_per_epoch} batches of this epoch; "
                    f"it must yield steps_per_epoch batches for every epoch."
                ) from None
            yield batch
