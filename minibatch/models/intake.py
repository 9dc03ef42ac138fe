"""From what a caller hands over to what a model is fed: checked, and cut into batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minibatch.batching import INFINITE_CARDINALITY, Batches, Dataset, total_steps
from minibatch.models import data
from minibatch.models.arguments import check_count
from minibatch.models.feed import NOTHING, Batch, Feed
from minibatch.results import plain
from minibatch.typing import Array
from minibatch.utils.py_dataset import PyDataset, passes

if TYPE_CHECKING:
    from minibatch.models.learner import Learner

#: Keras's default where ``batch_size`` is None.
DEFAULT_BATCH_SIZE = 32


class Intake:
    """Data for one model: its inputs and outputs by name, shape and loss.

    Parameters
    ----------
    model : Learner
    """

    def __init__(self, model: Learner) -> None:
        self.model = model

    # Whole sets ---------------------------------------------------------------------------------------------

    def feed(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        class_weight: Any = None,
        batch_size: int | str | None = None,
        shuffle: Any = False,
        steps: int | None = None,
        epochs: int = 1,
        what: str = "",
    ) -> Feed:
        """Check the data, once, and return them in batches: for training or evaluation."""
        if steps is not None:
            check_count("steps", steps)
        if _makes_batches(x):
            return self._stream(x, y, sample_weight, batch_size, steps, class_weight, epochs, bool(shuffle))
        batch = self.batch(x, y, sample_weight, class_weight, what)
        weights = [w for w in batch.weights if w is not None]
        inputs, outputs = len(batch.inputs), len(batch.inputs) + len(batch.targets)
        weighted = [w is not None for w in batch.weights]

        def convert(arrays: tuple[Array, ...]) -> Batch:
            given: list[Array | None] = [None] * len(weighted)
            if weights:
                rest = iter(arrays[outputs:])
                given = [next(rest) if there else None for there in weighted]
            return Batch(list(arrays[:inputs]), list(arrays[inputs:outputs]), given)

        return self._cut([*batch.inputs, *batch.targets, *weights], convert, batch_size, shuffle, steps)

    def inputs(self, x: Any, batch_size: int | str | None, steps: int | None) -> Feed:
        """Check the inputs, and return them in batches: for prediction."""
        if _makes_batches(x):
            feed = self._stream(_Epoch(x) if isinstance(x, Batches) else x, None, None, batch_size, steps, None)
            # A list is several inputs where it comes from Batches, which were handed such a list.
            parts = _parts if isinstance(x, Batches) else _unpacked
            feed.convert = lambda raw: Batch(self.checked_inputs(parts(raw)[0]), [], [])
            return feed
        return self._cut(
            self.checked_inputs(x), lambda arrays: Batch(list(arrays), [], []), batch_size, False, steps
        )

    def evaluation(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | str | None = None,
        steps: int | None = None,
        what: str = "",
    ) -> Feed:
        """Return data in order, for evaluation: every pass is the same, and stops after ``steps`` batches."""
        if isinstance(x, Batches):
            # Its first epoch, whichever it is at: watching does not move it on.
            feed = self.feed(_Epoch(x), y, sample_weight, batch_size=batch_size)
        else:
            size = (
                -(-len(_first(x)) // steps)
                if steps and batch_size is None and not _makes_batches(x)
                else batch_size
            )
            feed = self.feed(x, y, sample_weight, batch_size=size, what=what)
        return feed if steps is None else _Cut(feed, steps)

    def validation(self, given: Any, batch_size: int | str | None, steps: int | None) -> Feed:
        """Return the feed of ``validation_data``."""
        if steps is not None:
            check_count("validation_steps", steps)
        if _makes_batches(given):
            return self.evaluation(given, steps=steps)
        x, y, sample_weight = data.validation_arrays(given)
        return self.evaluation(x, y, sample_weight, batch_size, steps, what="validation ")

    def split(self, x: Any, y: Any, sample_weight: Any, fraction: float) -> tuple[Any, Any, Any, tuple[Any, ...]]:
        """Return data for training, and the validation data split off their end (see ``data.split``)."""
        if _makes_batches(x):
            raise ValueError("validation_split needs x and y as arrays; give validation_data instead.")
        return data.split(x, y, sample_weight, fraction)

    def _cut(
        self, arrays: Sequence[Array], convert: Any, batch_size: int | str | None, shuffle: Any, steps: int | None
    ) -> Feed:
        n = len(arrays[0])
        if batch_size is None:
            batch_size = -(-n // steps) if steps else DEFAULT_BATCH_SIZE
        # Batches in order need no seed, and must not draw one: watching changes nothing.
        batches = Batches(tuple(arrays), batch_size=batch_size, shuffle=shuffle, seed=None if shuffle else 0)
        return Feed(lambda: batches, len(batches), convert, steps, batches=batches)

    def _stream(
        self,
        batches: Any,
        y: Any,
        sample_weight: Any,
        batch_size: Any,
        steps: int | None,
        class_weight: Any,
        epochs: int = 1,
        shuffle: bool = False,
    ) -> Feed:
        """Return the feed of something that makes its own batches."""
        for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
            if value is not None:
                raise ValueError(f"x is a {type(batches).__name__}, which makes its own batches: leave {name} out.")

        if isinstance(batches, Batches):
            return self._of_batches(batches, steps, class_weight, epochs)

        def convert(raw: Any) -> Batch:
            x, y, weight = _unpacked(raw)
            if y is not None and not isinstance(y, list | tuple | Mapping) and np.ndim(y) == 0:
                raise ValueError(
                    f"the {type(batches).__name__} gave a single sample, not a batch: its y is {y!r}. A Dataset is "
                    "cut into batches by .batch(n)."
                )
            return self.batch(x, y, weight, class_weight)

        length = _length(batches)
        if steps is None and isinstance(batches, Dataset) and batches.cardinality() == INFINITE_CARDINALITY:
            raise ValueError("The Dataset never ends (repeat()): say how many steps make an epoch.")
        if isinstance(batches, PyDataset):
            if steps is None and length is None:
                raise ValueError(
                    "The PyDataset never ends (num_batches is None): say how many steps make an epoch."
                )
            return Feed(passes(batches, shuffle), length, convert, steps, source=batches)
        if hasattr(batches, "__getitem__") and not hasattr(batches, "__iter__"):
            return Feed(lambda: (batches[i] for i in range(length or 0)), length, convert, steps)
        run = batches.as_numpy_iterator if isinstance(batches, Dataset) else lambda: batches
        return Feed(run, length, convert, steps, once=isinstance(batches, Iterator))

    def _of_batches(self, batches: Batches, steps: int | None, class_weight: Any, epochs: int) -> Feed:
        """Return the feed of ``Batches``: their data are checked as a whole, once, not batch by batch."""
        n, size = batches.n_samples, batches.batch_size
        carry = batches.remainder == "carry"
        if carry and total_steps(n, size, epochs, "carry") == 0:
            raise ValueError(
                f"There is no step to make: with remainder='carry', {epochs} epochs of {n} samples do not fill one "
                f"batch of {size}."
            )
        if batches.y is None:
            raise ValueError("y is missing: training and evaluation need targets, Batches(x, y, ...).")
        self.batch(batches.x, batches.y, batches.sample_weight, class_weight)
        names = self.model.graph.input_names, self.model.graph.output_names
        axes = [1 + len(shape) for shape in self.model.input_shapes]

        def convert(raw: Any) -> Batch:
            x, y, weight = _parts(raw)
            inputs = data.entries("x", x, names[0])
            inputs = [part if part.ndim == n else part[:, None] for part, n in zip(inputs, axes, strict=True)]
            targets = self.model.objective.targets(data.entries("y", y, names[1]))
            weights = [None if w is None else w.reshape(-1) for w in self._by_output(weight)]
            if class_weight is not None:  # beside it, weights are those that remainder="weight" gives
                of_class = data.class_weights(class_weight, targets[0])
                weights = [of_class if w is None else of_class * w for w in weights]
            return Batch(inputs, targets, weights)

        return Feed(lambda: batches, len(batches), convert, steps, may_be_empty=carry, batches=batches)

    # One batch ----------------------------------------------------------------------------------------------

    def batch(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, what: str = "") -> Batch:
        """Return inputs, targets and weights as the passes want them, or say what does not fit."""
        objective = self.model.objective
        graph = self.model.graph
        if x is None or y is None:
            missing = "x" if x is None else "y"
            raise ValueError(f"{what}{missing} is missing: training and evaluation need inputs and targets.")
        targets = data.entries(f"{what}y", y, graph.output_names)
        first = data.entries(f"{what}x", x, graph.input_names)
        data.check_same_length(_named(f"{what}x", first) | _named(f"{what}y", targets))
        inputs = self._checked(first, what)
        targets = objective.targets(targets)
        for name, target in _named(f"{what}y", targets).items():
            data.warn_if_not_finite(target, name)
        objective.ready(targets)
        weights: list[Array | None]
        if class_weight is None:
            n = len(inputs[0])
            weights = [data.check_sample_weight(w, n) for w in self._by_output(sample_weight)]
        elif sample_weight is not None:
            raise ValueError("give class_weight or sample_weight, not both at the same time.")
        elif len(targets) > 1:
            raise ValueError("class_weight is for models with one output; give sample_weight instead.")
        else:
            weights = [data.class_weights(class_weight, targets[0])]
        return Batch(inputs, targets, weights)

    def _by_output(self, sample_weight: Any) -> list[Any]:
        """Return the weights of each output: its own, or those of all."""
        names = self.model.graph.output_names
        if isinstance(sample_weight, Mapping):
            if unknown := [name for name in sample_weight if name not in names]:
                raise ValueError(
                    f"sample_weight must be for the outputs {', '.join(map(repr, names))}; got {unknown[0]!r}."
                )
            return [sample_weight.get(name) for name in names]
        if len(names) > 1 and isinstance(sample_weight, list | tuple):
            return data.entries("sample_weight", sample_weight, names)
        return [sample_weight] * len(names)

    def checked_inputs(self, x: Any, what: str = "") -> list[Array]:
        """Return the inputs as arrays that fit the model."""
        if x is None:
            raise ValueError(f"{what}x is missing.")
        return self._checked(data.entries(f"{what}x", x, self.model.graph.input_names), what)

    def _checked(self, given: list[Any], what: str) -> list[Array]:
        model = self.model
        if model.built:
            model.gather()  # another model may have taken weights that the two share into its own vector
        if not model.built:
            if np.ndim(given[0]) == 0:
                data.check_same_length({f"{what}x": given[0]})
            model.build((None, *np.shape(given[0])[1:]))
        arrays = []
        for (name, array), layer in zip(_named(f"{what}x", given).items(), model.graph.input_layers, strict=True):
            checked = plain(data.check_samples(array, layer.input_shape, name))
            data.check_whole(checked, layer.whole, name)
            arrays.append(checked)
        data.check_same_length(_named(f"{what}x", arrays))
        return arrays


def _makes_batches(x: Any) -> bool:
    """Return whether x hands out batches of its own: Batches, a Dataset, a PyDataset or a generator."""
    if isinstance(x, np.ndarray | list | tuple | Mapping | str | bytes | set | frozenset):
        return False
    if hasattr(x, "__array__") or hasattr(x, "dtype"):
        return False
    return isinstance(x, Iterable) or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def _length(batches: Any) -> int | None:
    """Return how many batches there are in a pass, if they can tell."""
    if isinstance(batches, PyDataset):
        return batches.num_batches
    try:
        return len(batches)
    except TypeError:
        return None


def _parts(raw: Any) -> tuple[Any, Any, Any]:
    """Return (x, y, sample_weight) of a raw batch."""
    if not isinstance(raw, tuple):
        return raw, None, None
    if not 1 <= len(raw) <= 3:
        raise ValueError(f"a batch is x, (x, y) or (x, y, sample_weight); got {len(raw)} parts.")
    x, y, weight = (*raw, None, None)[:3]
    return x, y, weight


def _unpacked(raw: Any) -> tuple[Any, Any, Any]:
    """Return ``_parts``, of a list as of a tuple: Keras's rule, and what PyTorch's DataLoader gives."""
    return _parts(tuple(raw) if isinstance(raw, list) else raw)


def _named(name: str, entries: Sequence[Any]) -> dict[str, Any]:
    arrays = [data.as_array(entry, name) for entry in entries]
    if len(arrays) == 1:
        return {name: arrays[0]}
    return {f"{name}[{i}]": array for i, array in enumerate(arrays)}


def _first(x: Any) -> Any:
    """Return the only array of x, or the first."""
    return next(iter(x.values())) if isinstance(x, Mapping) else x[0] if isinstance(x, list | tuple) else x


class _Epoch:
    """The first epoch of ``Batches``, as often as it is iterated over."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return self.batches.steps(0)

    def __iter__(self) -> Any:
        return self.batches.epoch(0)


class _Cut(Feed):
    """The first steps of every pass."""

    def __init__(self, feed: Feed, steps: int) -> None:
        super().__init__(feed.run, min(steps, feed.length or steps), feed.convert, source=feed.source)
        self._limit = steps

    def _epoch(self, start: int) -> Iterator[Batch]:
        """Return the first batches of a new pass, from ``start`` on."""
        empty = True
        for raw in itertools.islice(self.run(), self._limit - start):
            empty = False
            yield self.convert(raw)
        if empty:
            raise ValueError(NOTHING)
