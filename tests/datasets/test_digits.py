from __future__ import annotations

import numpy as np
import pytest

from minibatch.datasets import digits


def test_shapes_and_values() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, x_test.shape, y_train.shape, y_test.shape) == (
        (1437, 8, 8),
        (360, 8, 8),
        (1437,),
        (360,),
    )
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    x, y = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    assert (x.min(), x.max()) == (0, 16)
    # The class counts of the UCI set (scikit-learn's load_digits has the same).
    np.testing.assert_array_equal(np.bincount(y), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    assert int(x.sum()) == 561718


def test_the_split_is_a_function_of_the_seed_and_loses_nothing() -> None:
    def rows(seed: int) -> np.ndarray:
        (x_train, _), (x_test, _) = digits.load_data(seed)
        return np.concatenate([x_train, x_test]).reshape(1797, 64)

    np.testing.assert_array_equal(rows(0), rows(0))
    assert not np.array_equal(rows(0), rows(1))
    np.testing.assert_array_equal(np.sort(rows(0), axis=0), np.sort(rows(1), axis=0))


@pytest.mark.parametrize("seed", [0, 3])
def test_every_digit_is_in_both_parts(seed: int) -> None:
    (_, y_train), (_, y_test) = digits.load_data(seed)
    assert set(y_train) == set(y_test) == set(range(10))
