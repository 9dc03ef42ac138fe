"""Reading whole models: ``.keras`` files, and Keras's legacy ``.h5``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minibatch import losses, metrics, optimizers
from minibatch.models.archive import PathLike, description, each, member
from minibatch.models.model import Model
from minibatch.models.sequential import Sequential
from minibatch.models.weights_file import read_weights

#: No description of a model is as long as this; a file that claims so is not read.
MOST_JSON_BYTES = 64 << 20


def load_model(
    filepath: PathLike,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Model:
    """Return the model in a ``.keras`` file, or in a legacy ``.h5`` file, written here or by Keras.

    Reading is safe by construction: there is no pickle and no lambda, and classes are looked up by name among this
    library's and ``custom_objects``, never imported by a name from the file.

    Parameters
    ----------
    filepath : path
    custom_objects : dict of str to class, optional
        Your own layers, losses, metrics, ... that the model is made of.
    compile : bool, default True
        Whether to compile it as it was when saved, with the optimizer's state.
    safe_mode : bool
        Keras's; there is no other mode here.

    Raises
    ------
    ValueError
        If the file is no model, or is damaged, or holds what is not here.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(filepath)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}.")
    try:
        if zipfile.is_zipfile(path):
            return _load_archive(path, custom_objects, compile)
        return _load_legacy(path, custom_objects, compile)
    except (
        zipfile.BadZipFile,
        json.JSONDecodeError,
        UnicodeDecodeError,
        OSError,
        KeyError,
        EOFError,
        AttributeError,
    ) as error:
        raise ValueError(f"{path} is not a model that can be read, or is damaged: {error}") from error


def model_from_config(given: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Model:
    """Return a new model from its description (``to_json``, ``config.json``); its weights are new.

    Classes are looked up by name among this library's layers and the ``custom_objects``; nothing is imported by a
    name from the file, and no code in it is run.

    Raises
    ------
    ValueError
        If a class is not here, or the description is damaged.
    """
    kind, config = given.get("class_name"), given.get("config")
    classes: dict[Any, type[Model]] = {"Sequential": Sequential, "Functional": Model, "Model": Model}
    if kind not in classes or not isinstance(config, Mapping):
        raise ValueError(f"expected the description of a Sequential or a Functional model; got class {kind!r}.")
    try:
        return classes[kind].from_config(config, custom_objects)
    except (KeyError, IndexError, AttributeError, TypeError) as error:
        raise ValueError(f"the description of a {kind} model cannot be used: {error}") from error


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """Return a new model from what ``to_json`` returned."""
    return model_from_config(json.loads(json_string), custom_objects)


def clone_model(model: Model) -> Model:
    """Return a model of the same layers with new weights."""
    return model_from_config(description(model), {type(layer).__name__: type(layer) for layer in model.layers})


def _load_archive(path: Path, custom_objects: Mapping[str, Any] | None, compile: bool) -> Model:
    import h5py

    with zipfile.ZipFile(path) as archive:
        config = json.load(member(archive, "config.json", MOST_JSON_BYTES))
        model = model_from_config(config, custom_objects)
        if compile and config.get("compile_config"):
            _compile(model, config["compile_config"], custom_objects)
        with h5py.File(member(archive, "model.weights.h5"), "r") as file:
            read_weights(model, file)
    return model


def _load_legacy(path: Path, custom_objects: Mapping[str, Any] | None, compile: bool) -> Model:
    import h5py

    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise ValueError(
                f"{path} holds weights, not a model: build the model, and load_weights into it."
                if "layers" in file or "layer_names" in file.attrs
                else f"{path} holds no model."
            )
        model = model_from_config(json.loads(file.attrs["model_config"]), custom_objects)
        training = json.loads(file.attrs["training_config"]) if "training_config" in file.attrs else None
        if compile and training:
            _compile(model, {**training, "optimizer": training.get("optimizer_config")}, custom_objects)
        read_weights(model, file)
    return model


def _compile(model: Model, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> None:
    custom = dict(custom_objects or {})
    model.compile(
        optimizer=optimizers.deserialize(config["optimizer"], custom),
        loss=each(config.get("loss"), lambda c: losses.deserialize(c, custom)),
        loss_weights=config.get("loss_weights"),
        metrics=each(config.get("metrics"), lambda c: metrics.deserialize(c, custom)),
        weighted_metrics=each(config.get("weighted_metrics"), lambda c: metrics.deserialize(c, custom)),
    )
