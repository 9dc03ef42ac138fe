from __future__ import annotations

import importlib
from collections.abc import Iterator

import numpy as np
import pytest
from parity.keras_reference import BOTH, keras

import minibatch as mb
import minibatch.backend as K
from minibatch.backend import set_epsilon


@pytest.fixture
def _epsilon() -> Iterator[None]:
    yield
    set_epsilon(1e-7)


def test_the_settings_are_the_librarys() -> None:
    for k in (library.backend for library in BOTH):
        assert (k.epsilon(), k.floatx(), k.image_data_format()) == (1e-7, "float32", "channels_last")
        k.set_floatx("float64")
        assert k.floatx() == "float64"
        k.set_floatx("float32")
        k.set_image_data_format("channels_last")
    assert mb.backend is K
    assert K.backend() == mb.config.backend() == "numpy"
    with pytest.raises(ValueError, match=r"channels come last.*got 'channels_first'"):
        K.set_image_data_format("channels_first")


@pytest.mark.usefixtures("_epsilon")
def test_the_fuzz_factor_is_that_of_the_losses() -> None:
    before = mb.losses.BinaryCrossentropy()([[1.0]], [[0.0]])
    for library in BOTH:
        library.config.set_epsilon(1e-2)
    theirs, mine = (k.losses.BinaryCrossentropy()(np.array([[1.0]]), np.array([[0.0]])).numpy() for k in BOTH)
    keras.config.set_epsilon(1e-7)
    assert mine == pytest.approx(theirs, rel=1e-5)
    assert mine < before / 3
    for wrong in (0, 1, -1e-3, float("nan")):
        with pytest.raises(ValueError, match="epsilon must lie between 0 and 1"):
            set_epsilon(wrong)
    assert K.epsilon() == 1e-2


def test_names_begin_again_and_are_numbered() -> None:
    for k in (library.backend for library in BOTH):
        k.clear_session()
        assert [k.get_uid("dense"), k.get_uid("dense"), k.get_uid("conv")] == [1, 2, 1]
    assert mb.layers.Dense(1).name == keras.layers.Dense(1).name == "dense_2"


def test_values_of_variables() -> None:
    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    K.set_value(model.optimizer.learning_rate, 0.25)
    assert K.get_value(model.optimizer.learning_rate) == 0.25
    K.set_value(model.layers[0].kernel, [[1.0], [2.0]])
    assert K.get_value(model.layers[0].kernel).tolist() == [[1.0], [2.0]]
    assert K.get_value(3.5) == 3.5
    with pytest.raises(TypeError, match=r"set_value sets a weight or optimizer\.learning_rate; got 3\.5"):
        K.set_value(3.5, 1.0)


@pytest.mark.parametrize(
    ("room", "name", "nearest"),
    [
        ("backend", "mean", "NumPy itself"),
        ("backend", "categorical_crossentropy", r"minibatch\.losses"),
        ("backend", "learning_phase", "training=True"),
        ("backend", "image_dim_ordering", "image_data_format"),
        ("preprocessing", "text", "pad_sequences"),
        ("preprocessing", "image", "image_dataset_from_directory"),
        ("preprocessing.sequence", "TimeseriesGenerator", "sliding_window_view"),
    ],
)
def test_what_is_not_here_names_the_nearest_thing(room: str, name: str, nearest: str) -> None:
    with pytest.raises(AttributeError, match=nearest):
        getattr(importlib.import_module(f"minibatch.{room}"), name)
    with pytest.raises(ImportError, match=nearest):
        exec(f"from minibatch.{room} import {name}")


def test_the_usual_imports() -> None:
    for line in (
        "from minibatch import backend as K; K.clear_session()",
        "import minibatch as keras; keras.preprocessing.sequence.pad_sequences([[1]])",
        "from minibatch.preprocessing import image_dataset_from_directory",
        "from minibatch.preprocessing.sequence import pad_sequences",
    ):
        exec(line)
    with pytest.raises(ImportError, match=r"utils\.image_dataset_from_directory"):
        exec("from minibatch.preprocessing.image import ImageDataGenerator")
