from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minibatch as mb


@given(labels=hnp.arrays(np.int64, hnp.array_shapes(max_dims=3), elements=st.integers(0, 9)))
def test_rows_are_one_hot_and_argmax_brings_the_labels_back(labels: np.ndarray) -> None:
    rows = mb.utils.to_categorical(labels, 10)
    squeezed = labels[..., 0] if labels.ndim > 1 and labels.shape[-1] == 1 else labels
    assert rows.shape == (*squeezed.shape, 10)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows.sum(axis=-1), 1)
    np.testing.assert_array_equal(rows.argmax(axis=-1), squeezed)


def test_num_classes_is_the_largest_label_plus_one() -> None:
    assert mb.utils.to_categorical([0, 4]).shape == (2, 5)
    assert mb.utils.to_categorical(np.array([[1], [2]], np.uint8)).shape == (2, 3)
    assert mb.utils.to_categorical([], 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, -1], 3, r"must lie in 0\.\.2 \(num_classes=3\); got -1"),
        ([0, 3], 3, r"must lie in 0\.\.2 \(num_classes=3\); got 3"),
        ([0, -1], None, r"got -1"),
        ([0.5], 3, "class numbers must be integers"),
        ([np.nan, 1.0], 3, "class numbers must be integers"),
        ([], None, "num_classes cannot be told from an empty array"),
    ],
)
def test_bad_labels(labels: object, classes: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mb.utils.to_categorical(labels, classes)
