from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minibatch.data import Dataset
from minibatch.utils import set_random_seed, split_dataset

N = np.arange(10)


def numbers(dataset: Any) -> list[int]:
    return [int(i) for i in dataset]


def test_structures() -> None:
    left, right = split_dataset((N, -N), left_size=3)
    assert [(int(a), int(b)) for a, b in left] == [(0, 0), (1, -1), (2, -2)]
    assert len(right) == 7
    left, _ = split_dataset([N, -N], left_size=1)
    assert isinstance(next(iter(left)), tuple)
    left, _ = split_dataset({"a": N, "b": N[:, None]}, right_size=8)
    assert [(int(e["a"]), e["b"].tolist()) for e in left] == [(0, [0]), (1, [1])]


def test_samples_between_the_parts_are_left_out() -> None:
    left, right = split_dataset(N, 0.2, 0.3)
    assert (numbers(left), numbers(right)) == ([0, 1], [7, 8, 9])


def test_a_dataset_and_its_batches() -> None:
    left, right = split_dataset(Dataset.range(10), right_size=4)
    assert (numbers(left), numbers(right)) == ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9])
    pairs = Dataset.from_tensor_slices((N, -N)).batch(4)
    left, right = split_dataset(pairs, left_size=0.5)
    assert [x.tolist() for x, _ in left] == [[0, 1, 2, 3], [4]]
    assert [y.tolist() for _, y in right] == [[-5, -6, -7, -8], [-9]]


def test_shuffling_is_repeatable_and_loses_nothing() -> None:
    parts = [[numbers(p) for p in split_dataset(N, 0.5, shuffle=True, seed=3)] for _ in range(2)]
    assert parts[0] == parts[1]
    assert sorted(parts[0][0] + parts[0][1]) == list(range(10))
    assert parts[0][0] != list(range(5))
    set_random_seed(1)
    first = numbers(split_dataset(N, 0.5, shuffle=True)[0])
    set_random_seed(1)
    assert numbers(split_dataset(N, 0.5, shuffle=True)[0]) == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": N}, "needs left_size or right_size"),
        ({"dataset": N, "left_size": 10}, "left_size must be an int from 1 to 9"),
        ({"dataset": N, "left_size": 1.0}, "a float between 0 and 1"),
        ({"dataset": N, "right_size": 0}, "right_size must be"),
        ({"dataset": N, "left_size": 0.6, "right_size": 0.6}, "at most 1"),
        ({"dataset": N, "left_size": 6, "right_size": 6}, "6 for the left and 6 for the right"),
        ({"dataset": N, "left_size": 0.01}, "0 for the left"),
        ({"dataset": (N, N[:3]), "left_size": 1}, "one number of samples"),
        ({"dataset": (), "left_size": 1}, "is empty"),
        ({"dataset": Dataset.range(0), "left_size": 1}, "is empty"),
        ({"dataset": Dataset.range(3).repeat(), "left_size": 1}, "never ends"),
        ({"dataset": N, "left_size": 1, "preferred_backend": "torch"}, "preferred_backend='torch' is not here"),
    ],
)
def test_values_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_dataset(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "abc", "left_size": 1}, "got str"),
        ({"dataset": [1, 2, 3], "left_size": 1}, "entry 0 should be a NumPy array; got int"),
        ({"dataset": N, "left_size": "half"}, r"left_size must be an int or a float; got 'half' \(str\)"),
        ({"dataset": N, "left_size": True}, "got True"),
    ],
)
def test_kinds_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        split_dataset(**arguments)
