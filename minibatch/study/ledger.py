"""The ends of a study's runs, kept in a file: what is there is not run again."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minibatch.models import Model
from minibatch.study.run import Arrays
from minibatch.typing import Array
from minibatch.utils.atomic import replacing

#: What a file says that it is.
KIND = "minibatch batch size study"

#: What says by itself how two studies differ.
READABLE = ("epochs", "float type")

#: Seed, batch size and learning rate.
Plan = tuple[int, int, float | None]


class Ledger:
    """The runs of one study, by seed, batch size and learning rate; in a file, if there is a path.

    The file is JSON, and written anew after each run, with what another study has written to it in the meantime:
    whenever a study is stopped, it has all runs that had ended.

    Parameters
    ----------
    path : path-like, optional
        Of a file that is there, or will be. Its folder must be there.
    about : mapping of str to object
        What the runs have in common, plain (see ``about_data`` and ``about_model``). Of others a file is refused.

    Raises
    ------
    ValueError
        If the file is of another study, which is said, or no such file at all.
    FileNotFoundError
        If there is no such folder.
    """

    def __init__(self, path: str | os.PathLike[str] | None, about: Mapping[str, Any]) -> None:
        self.path = None if path is None else Path(path).resolve()
        self.about = json.loads(json.dumps(about))
        self.starts: dict[int, str] = {}
        self.ends: dict[Plan, dict[str, float]] = {}
        if self.path is not None:
            self._read(self.path)
            self._write(self.path)

    def begin(self, seed: int, weights: Sequence[Array]) -> None:
        """Take in the weights that the runs of a seed begin with, or compare them with those that are known.

        Raises
        ------
        RuntimeError
            If an earlier run of this seed began with others.
        """
        began = digest(*weights)
        if self.starts.setdefault(seed, began) != began:
            before = "" if self.path is None else f" (or {self.path} is of another version of it)"
            raise RuntimeError(
                f"build() must return a model with the same initial weights after the same seed{before}."
            )

    def add(self, plan: Plan, end: dict[str, float]) -> None:
        """Take in how a run ended."""
        self.ends[plan] = end
        if self.path is not None:
            self._read(self.path)  # another study may have written to it in the meantime
            self._write(self.path)

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["kind"] != KIND:
                raise ValueError(f"of another kind: {found['kind']!r}")
            there = dict(found["about"])
            runs = [
                (
                    (int(run["seed"]), int(run["batch_size"]), run["learning_rate"]),
                    str(run["start"]),
                    {name: float(number) for name, number in run["end"].items()},
                )
                for run in found["runs"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise ValueError(f"{path} is no file of a study: it would be written over. Name another.") from error
        differing = [what for what in self.about if there.get(what) != self.about[what]]
        if differing:
            what = differing[0]
            why = f"other {what}"
            if what in READABLE:
                why = f"{what}: {there.get(what)} there, {self.about[what]} here"
            raise ValueError(f"the runs in {path} are of another study ({why}). Name another file.")
        for plan, start, end in runs:
            self.starts.setdefault(plan[0], start)
            self.ends.setdefault(plan, end)

    def _write(self, path: Path) -> None:
        runs = [
            {
                "seed": seed,
                "batch_size": size,
                "learning_rate": rate,
                "start": self.starts[seed],
                "end": {name: x if math.isfinite(x) else str(x) for name, x in end.items()},
            }
            for (seed, size, rate), end in sorted(self.ends.items(), key=repr)
        ]
        with replacing(path) as temporary:
            text = json.dumps({"kind": KIND, "about": self.about, "runs": runs}, indent=1, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")


def digest(*arrays: Array) -> str:
    """Return a short name of arrays, different for different shapes, types or numbers."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.shape} {array.dtype.str}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


def about_data(sets: Mapping[str, Arrays], epochs: int) -> dict[str, Any]:
    """Return what the runs' data and length are."""
    digests = {key: digest(*arrays) for key, arrays in sets.items()}
    return {"epochs": epochs, "training data": digests[""], "validation data": digests.get("val_")}


def about_model(model: Model, sets_rate: bool) -> dict[str, Any]:
    """Return what the runs' models are: their layers and how they are compiled, without names and initial weights.

    ``sets_rate`` is whether the study sets the learning rate, so that the model's own does not count.
    """
    optimizer = {**model.optimizer.get_config(), "class": type(model.optimizer).__name__}
    if sets_rate:
        optimizer.pop("learning_rate", None)
    graph = model.graph
    numbers = {layer: k for k, layer in enumerate(model.layers)}
    wiring = [[numbers.get(visit.layer), *visit.sources, visit.target] for visit in graph.visits]
    return {
        "float type": str(model.parameters.theta.dtype),
        "layers": [_plain(list(model.layers)), wiring, list(graph.outputs)],
        "optimizer": _plain(optimizer),
        "loss": _plain([model.compile_arguments["loss"], model.compile_arguments["loss_weights"]]),
        "metrics": _plain([metric.name for metric in model.objective.metrics]),
    }


def _plain(value: Any) -> Any:
    """Return what JSON can hold: of what has a configuration that, of a function its name.

    Without names and seeds, which count up or are drawn with every model that is built. (A model's file has the
    configurations with them, and cannot hold a function that is registered nowhere.)
    """
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items() if key not in ("name", "seed")}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return digest(value)
    if hasattr(value, "get_config"):
        return [type(value).__name__, _plain(value.get_config())]
    return getattr(value, "__name__", type(value).__name__)
