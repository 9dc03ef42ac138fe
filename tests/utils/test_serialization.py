from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.utils.names import NotHere, find
from minibatch.utils.serialization import Configurable, deserialize, plain, serialize


class Pair(Configurable):
    def __init__(self, a: int, b: float = 2.0) -> None:
        self.a, self.b = a, b


class Forgetful(Configurable):
    def __init__(self, a: int = 1) -> None:
        self.other = a


class Anything(Configurable):
    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = kwargs


def test_arguments() -> None:
    assert Pair(1).get_config() == {"a": 1, "b": 2.0}
    assert Pair.from_config({"a": 1, "b": 3.0}).b == 3.0
    assert list(inspect.signature(Pair).parameters) == ["a", "b"]
    assert list(inspect.signature(type("Bare", (Configurable,), {})).parameters) == []
    with pytest.raises(TypeError, match=r"Pair\(\) has no argument 'c'. Known: a, b"):
        Pair(1, c=2)
    assert Anything(c=2).kwargs == {"c": 2}
    with pytest.raises(TypeError, match="Forgetful keeps no attribute 'a'"):
        Forgetful().get_config()


def test_a_class_of_ones_own_is_read_from_who_hands_it_over() -> None:
    written = json.loads(json.dumps(serialize(Pair(np.int64(1), np.float32(0.5)), "things")))
    assert written == {
        "module": __name__,
        "class_name": "Pair",
        "config": {"a": 1, "b": 0.5},
        "registered_name": "Pair",
    }
    assert deserialize("thing", written, {}, {"Pair": Pair}).b == 0.5
    with pytest.raises(ValueError, match=r"hand it over as custom_objects={'Pair': Pair}"):
        deserialize("thing", written, {"Pair": Pair})  # a namesake in this library is another class
    registered = {"module": None, "class_name": "Pair", "config": {"a": 1}, "registered_name": "mine>Pair"}
    assert deserialize("thing", registered, {}, {"mine>Pair": Pair}).a == 1


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (3, TypeError, "a thing is read from a name or a dict with a 'class_name'; got 3"),
        ({"config": {}}, TypeError, "a 'class_name'"),
        ({"class_name": ["Pair"]}, TypeError, "a 'class_name'"),
        ({"class_name": "Pair", "config": [1]}, TypeError, "its 'config' should be a dict"),
        ({"class_name": "Pair", "config": {"z": 1}}, TypeError, "has no argument 'z'"),
        ({"class_name": "Pear", "config": {}}, ValueError, "Unknown thing 'Pear'"),
        ({"class_name": "function", "config": {}}, TypeError, "read from a name"),
        ({"module": "os", "class_name": "system", "config": {}}, ValueError, "a class of 'os'"),
        (
            {
                "class_name": "Pair",
                "config": {"a": {"class_name": "__numpy__", "config": {"value": [1], "dtype": "O"}}},
            },
            ValueError,
            "dtype must be one of",
        ),
        ({"class_name": "__lambda__", "config": {"value": "x"}}, ValueError, "Unknown thing '__lambda__'"),
    ],
)
def test_damaged(config: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        deserialize("thing", config, {"Pair": Pair})


def test_plain() -> None:
    made = plain({"a": np.arange(2), "b": (np.float32(0.5), [np.int64(1)]), "c": None})
    assert made == {"a": [0, 1], "b": (0.5, [1]), "c": None}
    assert type(made["b"][0]) is float


def test_what_keras_has_and_this_has_not() -> None:
    elsewhere = NotHere("losses", {"Dice": "BinaryCrossentropy"}, {"logcosh": "'log_cosh'"})
    assert elsewhere.explain("huber") is None
    with pytest.raises(
        ValueError, match=r"Unknown loss 'dice': Keras has 'dice' in keras.losses; .*: BinaryCrossentropy"
    ):
        find("loss", "dice", {"mse": 1}, elsewhere)
    with pytest.raises(ValueError, match="'logcosh' is a spelling of Keras 2; today it is 'log_cosh'"):
        find("loss", "logcosh", {"mse": 1}, elsewhere)
    for room in (mb.losses, mb.metrics, mb.activations, mb.initializers, mb.regularizers):
        with pytest.raises(
            AttributeError, match=f"module '{room.__name__}' has no attribute 'no_such_thing'.* Known: "
        ):
            room.no_such_thing  # noqa: B018
        for name in room.__all__:
            assert hasattr(room, name)
