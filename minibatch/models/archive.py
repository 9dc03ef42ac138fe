"""Writing a model into files: ``.keras`` and ``.weights.h5``, as Keras reads them."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minibatch import losses, metrics, optimizers
from minibatch.models.weights_file import read_weights, write_weights
from minibatch.utils.atomic import replacing

if TYPE_CHECKING:
    from minibatch.models.model import Model

#: The release of Keras whose format this is.
KERAS_FORMAT = "3.15.1"

PathLike = str | os.PathLike[str]


def description(model: Model) -> dict[str, Any]:
    """Return a model as Keras describes one: its class and how to make it again, without weights."""
    kind = "Sequential" if type(model).__name__ == "Sequential" else "Functional"
    # Keras's public namespace has no Functional: it writes the class's place in its source.
    module, registered = ("keras", None) if kind == "Sequential" else ("keras.src.models.functional", kind)
    return {"module": module, "class_name": kind, "config": model.get_config(), "registered_name": registered}


def save_model(model: Model, filepath: PathLike, overwrite: bool = True, **unknown: Any) -> None:
    """Write a model into a ``.keras`` file: layers, weights, and what it was compiled with, with its state.

    The file is written beside ``filepath`` first and then put in its place, so that a crash leaves the old one.

    Raises
    ------
    ValueError
        If the name does not end in ".keras", or the file exists and may not be overwritten.
    """
    path = Path(filepath)
    if path.suffix != ".keras":
        raise ValueError(f"a model is saved as a .keras file; got {str(filepath)!r}. Weights alone: save_weights.")
    if unknown:
        raise TypeError(f"save() has no argument {next(iter(unknown))!r}.")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists, and overwrite is False.")
    model.gather()
    if not model.weights and any(not layer.built for layer in model.layers):
        warnings.warn(
            f"model {model.name!r} is saved before it is built: the file holds its layers, but no weights.",
            stacklevel=3,
        )
    config = {**description(model), **_compile_config(model)}
    metadata = {
        "keras_version": KERAS_FORMAT,
        "date_saved": datetime.now(UTC).strftime("%Y-%m-%d@%H:%M:%S"),
        "saved_by": "minibatch",
    }
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr("metadata.json", json.dumps(metadata))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", _weights_bytes(model))


def save_weights(model: Model, filepath: PathLike, overwrite: bool = True) -> None:
    """Write the weights (and the optimizer's state) into a ``.weights.h5`` file."""
    path = _weights_path(filepath)
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists, and overwrite is False.")
    with replacing(path) as temporary:
        temporary.write_bytes(_weights_bytes(model))


def load_weights(model: Model, filepath: PathLike) -> None:
    """Read weights from a ``.weights.h5`` file, a ``.keras`` file, or a legacy ``.h5`` file.

    Raises
    ------
    ValueError
        If they do not fit the model, which is then left as it was; or the file is damaged.
    FileNotFoundError
        If there is no such file.
    """
    import h5py

    path = Path(filepath)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}.")
    model.gather()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, h5py.File(member(archive, "model.weights.h5"), "r") as file:
                read_weights(model, file)
        else:
            with h5py.File(path, "r") as file:
                read_weights(model, file)
    except (zipfile.BadZipFile, OSError, KeyError, EOFError) as error:
        raise ValueError(f"{path} holds no weights that can be read, or is damaged: {error}") from error


def _weights_path(filepath: PathLike) -> Path:
    if not str(filepath).endswith(".weights.h5"):
        raise ValueError(f"weights are saved as a .weights.h5 file; got {str(filepath)!r}.")
    return Path(filepath)


def _weights_bytes(model: Model) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_weights(model, file)
    return buffer.getvalue()


def member(archive: zipfile.ZipFile, name: str, most: int | None = None) -> io.BytesIO:
    """Return a member's bytes; its size, and that of the archive around it, are looked at first."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"the archive has no {name}.") from None
    # Keras stores its members as they are. One that claims to be far larger than it is packed is no such member.
    if info.file_size > (most or max(1 << 20, 1000 * info.compress_size)):
        raise ValueError(f"{name} claims {info.file_size:,} bytes: more than such a file can hold.")
    return io.BytesIO(archive.read(info))


def _compile_config(model: Model) -> dict[str, Any]:
    if not model.compiled:
        return {}
    given = model.compile_arguments
    return {
        "compile_config": {
            "optimizer": optimizers.serialize(model.optimizer),
            "loss": each(given["loss"], losses.serialize),
            "loss_weights": given["loss_weights"],
            "metrics": each(given["metrics"], metrics.serialize),
            "weighted_metrics": each(given["weighted_metrics"], metrics.serialize),
            "run_eagerly": False,
            "steps_per_execution": 1,
            "jit_compile": False,
        }
    }


def each(given: Any, function: Any) -> Any:
    """Return the function of every loss or metric in a list or dict of them; names and None stay as they are."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, list | tuple):
        return [each(entry, function) for entry in given]
    if isinstance(given, Mapping) and "class_name" not in given:
        return {name: each(entry, function) for name, entry in given.items()}
    return function(given)
