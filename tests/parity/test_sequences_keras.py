from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity.keras_reference import keras

import minibatch as mb
from minibatch.preprocessing.sequence import pad_sequences

SIDES = st.sampled_from(["pre", "post"])
NUMBERS = st.lists(st.lists(st.integers(-9, 9), max_size=6), min_size=1, max_size=5)
PAIRS = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4), min_size=1, max_size=4)


@given(
    st.one_of(NUMBERS, PAIRS),
    st.one_of(st.none(), st.integers(1, 7)),
    st.sampled_from(["int32", "float32", "int64"]),
    SIDES,
    SIDES,
    st.sampled_from([0.0, -1, 7.5]),
)
def test_it_is_as_keras_has_it(
    sequences: Any, maxlen: int | None, dtype: str, padding: str, truncating: str, value: float
) -> None:
    given_ = (sequences, maxlen, dtype, padding, truncating, value)
    expected, found = keras.utils.pad_sequences(*given_), mb.utils.pad_sequences(*given_)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@given(st.lists(st.lists(st.text("abc", max_size=3), max_size=3), min_size=1, max_size=3), SIDES)
def test_strings(sequences: list[list[str]], side: str) -> None:
    settings: dict[str, Any] = {"dtype": object, "value": "-", "padding": side}
    expected = keras.utils.pad_sequences(sequences, **settings)
    assert mb.utils.pad_sequences(sequences, **settings).tolist() == expected.tolist()


def test_arrays_and_no_sequences() -> None:
    found = pad_sequences([np.array([1, 2]), np.array([3])], padding="post")
    assert found.tolist() == [[1, 2], [3, 0]]
    assert pad_sequences([], maxlen=3).shape == keras.utils.pad_sequences([], maxlen=3).shape == (0, 3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sequences": 3}, "must be a list of sequences; got int"),
        ({"sequences": iter([[1]])}, "must be a list of sequences; got list_iterator"),
        ({"sequences": [[1], 3]}, "its entry 1 is 3"),
        ({"sequences": []}, "no sequences, so no longest: give maxlen"),
        ({"sequences": [[1]], "padding": "left"}, "padding must be 'pre' or 'post'; got 'left'"),
        ({"sequences": [[1]], "truncating": "left"}, "truncating must be 'pre' or 'post'; got 'left'"),
        ({"sequences": [[1]], "value": "x"}, "value 'x' is a string; dtype 'int32' is not"),
        (
            {"sequences": [[[1, 2]], [[1]]]},
            r"sequences\[1\] has entries of shape \(1,\); those before it have",
        ),
    ],
)
def test_what_is_refused_as_keras_refuses_it(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pad_sequences(**settings)
    with pytest.raises(ValueError):  # noqa: PT011  # in Keras's words
        keras.utils.pad_sequences(**settings)


@pytest.mark.parametrize("maxlen", [0, -1, 2.5, True])
def test_a_length_is_a_positive_integer(maxlen: Any) -> None:
    with pytest.raises(ValueError, match="maxlen must be a positive integer or None"):
        pad_sequences([[1, 2]], maxlen)
