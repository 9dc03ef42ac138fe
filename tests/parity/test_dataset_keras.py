"""``Dataset.concatenate`` and ``numpy()`` in a loop, beside tf.data's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.keras_reference import tf

import minibatch as mb

BOTH = (tf.data.Dataset, mb.data.Dataset)
KINDS = {
    "known": lambda d: d.range(3),
    "endless": lambda d: d.range(3).repeat(),
    "unknown": lambda d: d.range(3).filter(lambda i: i > 0),
}


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_one_dataset_after_another(first: str, second: str) -> None:
    theirs, mine = (KINDS[first](d).concatenate(KINDS[second](d)) for d in BOTH)
    assert mine.cardinality().numpy() == theirs.cardinality().numpy()
    assert [int(i) for i in mine.take(7)] == [int(i) for i in theirs.take(7)]


def test_a_loop_over_batches() -> None:
    x, y = np.arange(12, dtype=np.float32).reshape(6, 2), np.arange(6)

    def read(d: Any) -> Any:
        loop = d.from_tensor_slices((x, y)).batch(4).take(1)
        return [(a.numpy(), a[0].numpy().astype("uint8"), b.numpy()) for a, b in loop]

    theirs, mine = map(read, BOTH)
    for expected, found in zip(theirs[0], mine[0], strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
        assert type(found) is type(expected)
