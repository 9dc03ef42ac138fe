"""Forward and backward passes beside the training, which leave no trace of themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minibatch.batching import Batches
from minibatch.models import Model
from minibatch.models.feed import Batch, Feed
from minibatch.models.network import Watch
from minibatch.noise.per_sample import CHUNK_BYTES, count
from minibatch.typing import Array

#: Samples of a pass over all data that go through the model at a time, at most.
CHUNK = 1024


@contextmanager
def untouched(model: Model) -> Iterator[None]:
    """Put back, at the end, what passes move: the gradient, moving averages, and the generators of dropout."""
    parameters = model.parameters
    gradient, state = parameters.gradient.copy(), parameters.state.copy()
    generators = [layer.generator for layer in model.layers if hasattr(layer, "generator")]
    positions = [generator.bit_generator.state for generator in generators]
    try:
        yield
    finally:
        parameters.gradient[...] = gradient
        parameters.state[...] = state
        for generator, position in zip(generators, positions, strict=True):
            generator.bit_generator.state = position


def differentiate(
    model: Model, batch: Batch, training: bool, watch: Watch | None = None
) -> tuple[float, list[Array], list[Any]]:
    """Run a batch forward and backward; return (loss, outputs, caches), the gradient is ``parameters.gradient``."""
    dtype = model.parameters.theta.dtype
    outputs, caches = model.forward([x.astype(dtype, copy=False) for x in batch.inputs], training)
    loss, _ = model.objective.differentiate(batch.targets, outputs, caches, batch.weights, watch)
    return loss, outputs, caches


def mean_norm2_of_halves(model: Model, batch: Batch) -> tuple[float, int]:
    """Return (the mean of |g_b|^2 over two halves of a batch, b), each run as a training step's batch would be.

    b is floor(B / 2); of an odd number of samples the last is left out.
    """
    b = count(batch) // 2
    lengths = []
    with untouched(model), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for half in (slice(0, b), slice(b, 2 * b)):
            differentiate(model, _part(batch, half), training=True)
            g = model.parameters.gradient
            lengths.append(float(np.dot(g, g)))
    return (lengths[0] + lengths[1]) / 2, b


def full_gradient(model: Model, data: list[Batch] | Feed) -> Array:
    """Return the gradient of the mean loss over all samples, (D,) float64, in inference mode.

    Parameters
    ----------
    model : Model
    data : list of Batch, or Feed
        All samples; of a feed, those of its ``Batches``, each once, whatever their order and remainder.
    """
    total = np.zeros(model.parameters.theta.size)
    samples = 0
    with untouched(model), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for batch in _chunks(model, data):
            differentiate(model, batch, training=False)
            total += count(batch) * model.parameters.gradient
            samples += count(batch)
    total /= samples
    return total


def _chunks(model: Model, data: list[Batch] | Feed) -> Iterator[Batch]:
    # Input, output and both gradients of each layer, about.
    activations = sum(math.prod(layer.output_shape or ()) for layer in model.layers)
    size = int(np.clip(CHUNK_BYTES // max(1, 4 * activations * model.parameters.theta.itemsize), 1, CHUNK))
    if isinstance(data, Feed):
        given = data.batches
        assert given is not None
        whole = Batches(
            given.x, given.y, batch_size=min(size, given.n_samples), shuffle=False, seed=0,
            sample_weight=given.sample_weight, scale=given.scale,
        )  # fmt: skip
        yield from map(data.convert, whole)
        return
    for batch in data:
        for start in range(0, count(batch), size):
            yield _part(batch, slice(start, start + size))


def _part(batch: Batch, rows: slice) -> Batch:
    """Return some samples of a batch, with their weights."""
    parts = ([None if array is None else array[rows] for array in arrays] for arrays in batch)
    return Batch(*parts)  # type: ignore[arg-type]  # an entry is None only where it was
