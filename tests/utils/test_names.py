from __future__ import annotations

import pytest

from minibatch.utils.names import find, near_misses, snake_case, unique_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dense", "dense"),
        ("Conv2D", "conv2d"),
        ("MaxPooling2D", "max_pooling2d"),
        ("InputLayer", "input_layer"),
        ("MeanSquaredError", "mean_squared_error"),
        ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy"),
    ],
)
def test_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_unique_names_count_from_the_second_on() -> None:
    assert [unique_name("dense") for _ in range(3)] == ["dense", "dense_1", "dense_2"]
    assert unique_name("flatten") == "flatten"


def test_near_misses() -> None:
    assert near_misses("adm", ["adam", "sgd"]) == " Did you mean 'adam'? Known: adam, sgd."
    assert near_misses("xyz", ["adam", "sgd"]) == " Known: adam, sgd."
    assert find("thing", "a", {"a": 1}) == 1
    with pytest.raises(ValueError, match=r"Unknown thing 'b'\. Known: a\."):
        find("thing", "b", {"a": 1})
