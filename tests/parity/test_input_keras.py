"""What an input says of its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, keras, largest_difference

import minibatch as mb


def classes_and_numbers(k: Any) -> Any:
    a, b = k.Input((5,), dtype="int32", name="a"), k.Input((2,), name="b")
    flat = k.layers.Flatten()(k.layers.Embedding(10, 3)(a))
    return k.Model([a, b], k.layers.Dense(2)(k.layers.Concatenate()([flat, b])))


def classes(k: Any) -> Any:
    layers = [k.layers.Embedding(10, 3), k.layers.Flatten(), k.layers.Dense(2)]
    return k.Sequential([k.Input((5,), dtype=np.int64), *layers])


@pytest.mark.parametrize("build", [classes_and_numbers, classes])
def test_files_carry_the_dtype_both_ways(build: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    x: Any = rng.integers(0, 10, (4, 5))
    if build is classes_and_numbers:
        x = [x, rng.normal(size=(4, 2)).astype("float32")]
    for i, (one, other) in enumerate((BOTH, BOTH[::-1])):
        model = build(one)
        model.save(path := tmp_path / f"{i}.keras")
        read = other.models.load_model(path)
        assert [i.dtype for i in read.inputs] == [i.dtype for i in model.inputs]
        assert "int" in read.inputs[0].dtype
        assert largest_difference(model.predict(x, verbose=0), read.predict(x, verbose=0)) < 1e-6
    assert [i.dtype for i in mb.models.clone_model(build(mb)).inputs] == [i.dtype for i in build(keras).inputs]


@pytest.mark.parametrize("dtype", ["int8", "uint8", np.int32, np.dtype("int64"), "float32"])
def test_dtypes_by_keras_names(dtype: Any) -> None:
    theirs, mine = (k.Input((2,), dtype=dtype).dtype for k in BOTH)
    assert mine == theirs
    assert mb.layers.Dense(1)(mb.Input((2,), dtype=dtype)).dtype == "float32"


@pytest.mark.parametrize("dtype", ["float16", "bool", "string", "int7", complex])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    for make in (mb.Input, mb.layers.InputLayer):
        with pytest.raises(ValueError, match="dtype must be one of whole numbers, such as 'int32'"):
            make((2,), dtype=dtype)


def test_an_input_of_whole_numbers_takes_no_others() -> None:
    x = mb.Input((2,), dtype="int8")
    model = mb.Model(x, mb.layers.Dense(1)(x))
    model.compile("sgd", "mse")
    for fine in (np.array([[1, 2]]), np.array([[1.0, -128.0]]), np.array([[True, False]])):
        model.fit(fine, np.ones(1), verbose=0)
    for wrong, named in (([[1.5, 2.0]], "1.5"), ([[1, 128]], "128")):
        with pytest.raises(ValueError, match=rf"x: the model takes whole numbers, of dtype int8; got {named}"):
            model.predict(np.array(wrong), verbose=0)
    with pytest.raises(ValueError, match=r"whole numbers, of dtype int8; got 0\.5"):
        model.fit(mb.data.Dataset.from_tensor_slices((np.array([[0.5, 1]]), np.ones(1))).batch(1), verbose=0)
