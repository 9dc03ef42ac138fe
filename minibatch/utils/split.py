"""One set of samples made into two."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from minibatch.batching.collate import collate
from minibatch.batching.dataset import INFINITE_CARDINALITY, Dataset
from minibatch.utils.random import next_seed

Size = int | float | None


def split_dataset(
    dataset: Any,
    left_size: Size = None,
    right_size: Size = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Dataset, Dataset]:
    """Split samples into a left and a right part: for training and validation, say.

    Parameters
    ----------
    dataset : ndarray, list, tuple or dict of ndarray, or Dataset
        Arrays with N samples each. A Dataset is read into memory; if it came from ``batch``, its samples are split,
        and both parts are batched alike.
    left_size, right_size : int or float, optional
        A number of samples (int), or a fraction of them (float, rounded), more than none and less than all. One
        that is not given is the rest. The left part is the first samples, the right part the last.
    shuffle : bool, default False
        Whether to shuffle the samples first.
    seed : int, optional
        Of the shuffling; under one seed, Keras's order. By default drawn from the library's stream.
    preferred_backend : str, optional
        Only None: what comes out is a ``minibatch.data.Dataset``.

    Returns
    -------
    tuple of two Dataset

    Raises
    ------
    TypeError
        If the data are of another kind, or a size is no number.
    ValueError
        If the sizes do not fit the number of samples, or arrays differ in length.

    Examples
    --------
    >>> left, right = split_dataset(np.arange(5), left_size=0.6)
    >>> [int(i) for i in left], [int(i) for i in right]
    ([0, 1, 2], [3, 4])
    """
    if preferred_backend is not None:
        raise ValueError(
            f"split_dataset: preferred_backend={preferred_backend!r} is not here; the parts are minibatch Datasets."
        )
    batch_size = dataset.batch_size if isinstance(dataset, Dataset) else None
    arrays = _arrays(dataset)
    n = _n_samples(arrays)
    left, right = _sizes(left_size, right_size, n)
    order = list(range(n))
    if shuffle:
        # Python's generator, because Keras's order under a seed is its; but one of our own, not the global one.
        random.Random(next_seed() % 10**6 if seed is None else seed).shuffle(order)
    parts = []
    for rows in (order[:left], order[n - right :]):
        part = Dataset.from_tensor_slices(_taken(arrays, np.asarray(rows)))
        parts.append(part if batch_size is None else part.batch(batch_size))
    return parts[0], parts[1]


def _arrays(dataset: Any) -> Any:
    """Return the samples as an array, or as a tuple or dict of arrays."""
    if isinstance(dataset, Dataset):
        if dataset.cardinality() == INFINITE_CARDINALITY:
            raise ValueError("split_dataset: the Dataset never ends; take(n) makes it finite.")
        elements = list(dataset if dataset.batch_size is None else dataset.unbatch())
        if not elements:
            raise ValueError("split_dataset: the Dataset is empty.")
        return collate(elements)
    if isinstance(dataset, np.ndarray):
        return dataset
    if not isinstance(dataset, list | tuple | Mapping):
        raise TypeError(
            "split_dataset takes a NumPy array, a list, tuple or dict of them, or a Dataset; got "
            f"{type(dataset).__name__}."
        )
    if not dataset:
        raise ValueError(f"split_dataset: the {type(dataset).__name__} of arrays is empty.")
    for key, array in dataset.items() if isinstance(dataset, Mapping) else enumerate(dataset):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"split_dataset: entry {key!r} should be a NumPy array; got {type(array).__name__}.")
    return dict(dataset) if isinstance(dataset, Mapping) else tuple(dataset)


def _n_samples(arrays: Any) -> int:
    named = _leaves(arrays)
    shapes = [array.shape for array in named]
    if not all(shapes) or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(f"split_dataset: all arrays need one number of samples; their shapes are {shapes}.")
    if not shapes[0][0]:
        raise ValueError("split_dataset: there are no samples.")
    return int(shapes[0][0])


def _leaves(arrays: Any) -> list[Any]:
    if isinstance(arrays, Mapping):
        return [leaf for part in arrays.values() for leaf in _leaves(part)]
    if isinstance(arrays, tuple):
        return [leaf for part in arrays for leaf in _leaves(part)]
    return [arrays]


def _taken(arrays: Any, rows: Any) -> Any:
    if isinstance(arrays, Mapping):
        return {key: _taken(part, rows) for key, part in arrays.items()}
    if isinstance(arrays, tuple):
        return tuple(_taken(part, rows) for part in arrays)
    return arrays[rows]


def _sizes(left_size: Size, right_size: Size, n: int) -> tuple[int, int]:
    """Return how many samples go to the left and how many to the right."""
    given = {"left_size": left_size, "right_size": right_size}
    if left_size is None and right_size is None:
        raise ValueError("split_dataset needs left_size or right_size.")
    counts: dict[str, int] = {}
    for name, size in given.items():
        if size is None:
            continue
        if isinstance(size, bool | np.bool) or not isinstance(size, int | float | np.integer | np.floating):
            raise TypeError(f"{name} must be an int or a float; got {size!r} ({type(size).__name__}).")
        whole = isinstance(size, int | np.integer)
        if not 0 < size < (n if whole else 1):
            wanted = f"an int from 1 to {n - 1}, or a float between 0 and 1"
            raise ValueError(f"{name} must be {wanted} ({n} samples); got {size!r}.")
        counts[name] = int(size) if whole else round(size * n)
    if isinstance(left_size, float) and isinstance(right_size, float) and left_size + right_size > 1:
        raise ValueError(f"left_size + right_size must be at most 1; got {left_size} + {right_size}.")
    left = counts["left_size"] if "left_size" in counts else n - counts["right_size"]
    right = counts.get("right_size", n - left)
    if left + right > n or not left or not right:
        raise ValueError(
            f"of {n} samples, {left} for the left and {right} for the right part do not make two parts."
        )
    return left, right
