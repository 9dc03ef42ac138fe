"""What a fit is fed: batches, from wherever they come, brought into one form."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from minibatch.batching import Batches
from minibatch.typing import Array
from minibatch.utils.py_dataset import PyDataset


class Batch(NamedTuple):
    """The samples of one step: a list of inputs, and one entry for each output."""

    inputs: list[Array]
    targets: list[Array]
    weights: list[Array | None]

    def rows(self, place: slice) -> Batch:
        """Return a batch of some of the samples."""
        return Batch(
            [x[place] for x in self.inputs],
            [y[place] for y in self.targets],
            [None if w is None else w[place] for w in self.weights],
        )


_ONCE = "A generator can be run through once only: let it yield for ever, or hand over what can be iterated again."
#: Of an epoch, or a validation, without a batch.
NOTHING = f"The data gave no batch for this epoch. {_ONCE}"


class Feed:
    """Passes over data, cut into epochs.

    Parameters
    ----------
    run : callable
        Starts a pass over the data: returns an iterator of raw batches.
    length : int or None
        The number of batches of a pass; None where it is not known.
    convert : callable
        Makes a ``Batch`` of a raw batch.
    steps_per_epoch : int, optional
        By default a pass is an epoch. Otherwise an epoch takes so many batches on from where the last one stopped;
        where a pass ends short of that, so does the epoch, with a warning, and the next begins a new pass (Keras's
        rule); or there is no next, if there is a single pass.
    may_be_empty : bool
        Whether an epoch without a batch is no mistake: where batches are carried over from epoch to epoch.
    batches : Batches, optional
        What the passes are over, if it is that: then the feed can be put back to where it was.
    source : PyDataset, optional
        What the passes are over, if it is that: it is told where an epoch begins and ends.
    once : bool, default False
        Whether there is a single pass, as over a generator.
    """

    def __init__(
        self,
        run: Callable[[], Iterable[Any]],
        length: int | None,
        convert: Callable[[Any], Batch],
        steps_per_epoch: int | None = None,
        may_be_empty: bool = False,
        batches: Batches | None = None,
        source: PyDataset | None = None,
        once: bool = False,
    ) -> None:
        self.run = run
        self.length = length
        self.convert = convert
        self.steps_per_epoch = steps_per_epoch
        self.may_be_empty = may_be_empty
        self.batches = batches
        self.source = source
        self.once = once
        self._dry = False
        self._pass: Iterator[Any] | None = None
        self._seen = 0
        self._resized = False

    @property
    def steps(self) -> int | None:
        """The number of steps of an epoch, as far as it is known."""
        return self.steps_per_epoch or self.length

    def next_epoch(self, start: int = 0) -> Iterator[Batch]:
        """Return the batches of the next epoch, or, after ``restore``, the rest of one from step ``start``.

        Raises
        ------
        ValueError
            If there is not a single one.

        Warns
        -----
        UserWarning
            If there are fewer than ``steps_per_epoch``.
        """
        if self.source is not None:
            self.source.on_epoch_begin()
        yield from self._epoch(start)
        if self.source is not None:
            self.source.on_epoch_end()

    def _epoch(self, start: int) -> Iterator[Batch]:
        if self._pass is None or (self.steps_per_epoch is None and not start and not self.once):
            if self._resized and self.batches is not None:
                self.length = len(self.batches)
            self._pass, self._seen = iter(self.run()), 0
        if start and start == self.steps_per_epoch:
            self._pass = None if self._seen == self.length else self._pass
            return
        step = start
        for step, raw in enumerate(self._pass, start + 1):
            self._seen += 1
            yield self.convert(raw)
            if step == self.steps_per_epoch:
                break
        else:
            self._pass = None
            self.length = self.length or step
            if step == 0 and not self.may_be_empty:
                raise ValueError(NOTHING)
            if self.steps_per_epoch is not None:
                self._dry = self.once
                warnings.warn(
                    f"The data ran out after {step} of the {self.steps_per_epoch} steps of this epoch; training "
                    + (f"ends with it. {_ONCE}" if self.once else "goes on with the next."),
                    stacklevel=3,
                )
        if self._seen == self.length:
            self._pass = None

    def goes_on(self) -> bool:
        """Return whether there is a batch for another epoch, after the first.

        Warns
        -----
        UserWarning
            If there is none, unless the epoch before has warned of that.
        """
        if not self.once or self._dry:
            return not self._dry
        rest = iter(self.run())
        for first in rest:
            # What had to be taken to find that out comes first.
            self._pass = itertools.chain((first,), rest)
            return True
        warnings.warn(f"The data ran out; training ends here. {_ONCE}", stacklevel=3)
        return False

    def blocks(self, rows: int = 0) -> Iterator[tuple[Batch, list[slice]]]:
        """Yield the batches of an epoch together, about so many rows at a time, and where in them each batch lies.

        Only over ``Batches`` that are in order; 0 rows is a batch at a time, over anything.
        """
        if not rows:
            yield from ((batch, [slice(None)]) for batch in self.next_epoch())
            return
        assert self.batches is not None
        given, size = self.batches, self.batches.batch_size
        larger = Batches(given.x, batch_size=rows // size * size, shuffle=False, seed=given.seed)
        for block in map(self.convert, larger.epoch(0)):
            n = len(block.inputs[0])
            yield block, [slice(start, start + size) for start in range(0, n, size)]

    def resize(self, batch_size: int) -> None:
        """Go on with batches of another size from the next one on; only over ``Batches`` (see their ``resize``)."""
        assert self.batches is not None
        self.batches.resize(batch_size)
        self._resized = True
        if self._pass is not None:
            self.length = self.batches.steps(self.batches.state()["epoch"])

    def state(self) -> dict[str, Any]:
        """Return where the feed is, in plain numbers; only over ``Batches``."""
        assert self.batches is not None
        return {"batches": self.batches.state(), "seen": self._seen, "in_pass": self._pass is not None}

    def restore(self, state: dict[str, Any]) -> None:
        """Go to where another feed over the same data was.

        Raises
        ------
        ValueError
            If the data or the way they are cut differ.
        """
        assert self.batches is not None
        old, new = state["batches"], self.batches.state()
        moving = ("epoch", "step", "seed", "resized")
        differing = [key for key in new if key not in moving and old.get(key) != new[key]]
        if differing:
            key = differing[0]
            raise ValueError(
                f"the backup is of a fit with {key} = {old.get(key)!r}, this one has {new[key]!r}; delete it to "
                "start from the beginning."
            )
        batches = self.batches
        restored = Batches.from_state(old, batches.x, batches.y, sample_weight=batches.sample_weight)
        self.batches, self.run = restored, lambda: restored
        self._seen = int(state["seen"])
        if "resized" in old:
            self._resized, self.length = True, len(restored)
        # A pass of which every batch was handed out has none left; its Batches stand before the next one.
        done = self._seen == self.length if not self._resized else self._seen > 0 and not old["step"]
        rest = iter(()) if done else iter(restored)
        self._pass = rest if state["in_pass"] else None
