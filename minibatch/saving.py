"""Models as files (``keras.saving``). What is here lives in ``minibatch.models``."""

from __future__ import annotations

from typing import Any

from minibatch.models.archive import load_weights, save_model, save_weights
from minibatch.models.loading import load_model
from minibatch.utils.names import NotHere, each

_CUSTOM = "load_model(path, custom_objects={'Mine': Mine}); nothing is registered"

NOT_HERE = NotHere(
    "saving",
    {
        **each("CustomObjectScope custom_object_scope get_custom_objects", _CUSTOM),
        **each("get_registered_name get_registered_object register_keras_serializable", _CUSTOM),
        "KerasFileEditor": "load_model, and layer.set_weights",
        "serialize_keras_object": "serialize of the room: minibatch.losses.serialize",
        "deserialize_keras_object": "deserialize of the room: minibatch.losses.deserialize",
    },
)


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = ["load_model", "load_weights", "save_model", "save_weights"]
