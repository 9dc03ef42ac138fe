from __future__ import annotations

import importlib
from importlib.util import find_spec

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


def test_a_module_that_keras_has_is_explained_and_another_is_not() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"Keras has 'constraints'.*minibatch\.regularizers") as caught:
        importlib.import_module("minibatch.constraints")
    assert caught.value.name == "minibatch.constraints"
    with pytest.raises(ModuleNotFoundError, match=r"'mnist' in keras\.datasets.* digits"):
        importlib.import_module("minibatch.datasets.mnist")
    for name in ("minibatch.nonsense", "minibatch.layers.nonsense"):
        assert find_spec(name) is None
        with pytest.raises(ModuleNotFoundError, match=rf"^No module named '{name}'$"):
            importlib.import_module(name)
