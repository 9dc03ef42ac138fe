"""Transposed matrices, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibatch.layers import turning


@pytest.mark.parametrize("square", [None, turning._plain_turn_square])
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    gaps=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    starts=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    wide=st.booleans(),
)
def test_a_matrix_is_turned_and_nothing_else_is_written(
    square: object, rows: int, columns: int, gaps: tuple[int, int], starts: tuple[int, int], wide: bool
) -> None:
    dtype = np.float64 if wide else np.float32
    x = np.arange(starts[0] + rows * (columns + gaps[0]), dtype=dtype)
    y = np.full(starts[1] + columns * (rows + gaps[1]), -1.0, dtype)
    expected = y.copy()
    matrix = x[starts[0] :].reshape(rows, columns + gaps[0])[:, :columns]
    expected[starts[1] :].reshape(columns, rows + gaps[1])[:, :rows] = matrix.T
    if square is None:
        turning.turn(x, starts[0], columns + gaps[0], rows, columns, y, starts[1], rows + gaps[1])
    else:  # the plain function that the compiled one is held equal to, square by square
        side = turning.VECTOR // x.itemsize
        for r in range(0, rows, side):
            for c in range(0, columns, side):
                at, to = starts[0] + r * (columns + gaps[0]) + c, starts[1] + c * (rows + gaps[1]) + r
                square(x, at, columns + gaps[0], rows - r, columns - c, y, to, rows + gaps[1])  # type: ignore[operator]  # None went the other way
    np.testing.assert_array_equal(y, expected)
