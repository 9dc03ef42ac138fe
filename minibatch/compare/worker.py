"""The child process: one library, opened once, that trains what its parent asks for.

It reads a command a line from its standard input and answers in lines on what was its standard output; both are
JSON. Whatever else prints goes to the log. ``children`` is the other end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from minibatch.compare import builds, host
from minibatch.compare.errors import BackendMissingError, BuildError, DeviceMissingError
from minibatch.compare.job import Job, Side, read_job
from minibatch.compare.libraries import Library, Minibatch
from minibatch.compare.training import Trainer
from minibatch.typing import Array

#: Seconds between two words about progress.
TELL_EVERY = 0.2


def main(folder: str, backend: str, device: str) -> None:
    """Serve commands until the standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    answers = _answers_apart()
    worker = None
    for line in _lines():
        command = json.loads(line)
        try:
            if worker is None:
                worker = Worker(Path(folder), Side(backend, device), answers)
            done = worker.do(command)
        except Exception as error:
            _say(answers, {"error": _described(error)})
        else:
            _say(answers, {"done": done})


class Worker:
    """One library, and the data of one job.

    Parameters
    ----------
    folder : Path
        Where the job lies, and where results are put.
    side : Side
    answers : text file
    """

    def __init__(self, folder: Path, side: Side, answers: TextIO) -> None:
        self.folder, self.side, self.answers = folder, side, answers
        self.job, data = read_job(folder)
        self.library = open_library(side, self.job)
        build = builds.unpack(folder / "build.pkl")
        self.trainer = Trainer(self.library, build, self.job, {name: self._cast(a) for name, a in data.items()})
        self.last_told, self.untold = 0.0, 0

    def _cast(self, array: Array) -> Array:
        return array.astype(self.job.floatx) if array.dtype.kind == "f" else array

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry a command out; return its answer."""
        self.untold = 0
        match command["do"]:
            case "open":
                return self.library.describe() | {"host": host.describe()}
            case "draw":
                return self.draw(command["seed"])
            case "check":
                return self.check(command["seed"])
            case "steps":
                weights = _load_list(self._weights_file(command["seed"]))
                done = self.trainer.steps(command["batch_size"], command["seed"], weights, self.tell)
            case "own":
                done = self.trainer.own(command["batch_size"], command["seed"], self.tell)
            case "orders":
                from minibatch.compare.orders import orders_of_fit

                orders = orders_of_fit(self.library, command["n_samples"], command["epochs"], command["seed"])
                return {"orders": orders}
            case other:
                raise ValueError(f"unknown command {other!r}")
        numbers, arrays = done
        path = self.folder / f"{command['name']}.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]  # NumPy's stub takes the names for its own options
        return numbers | {"arrays": str(path)}

    def draw(self, seed: int) -> dict[str, Any]:
        """Draw initial weights for all sides."""
        model = self._built(seed)
        inputs, outputs = len(model.input_shapes), len(model.output_shapes)
        if inputs != 1 or outputs != 1:
            raise BuildError(
                "models with several inputs or outputs are not compared yet; build makes one with "
                f"{inputs} and {outputs}."
            )
        weights = [np.asarray(w) for w in model.get_weights()]
        np.savez(self._weights_file(seed), *weights)
        return {"shapes": [list(w.shape) for w in weights], "random_layers": _random_layers(model)}

    def check(self, seed: int) -> dict[str, Any]:
        """Build, and say whether the weights that were drawn fit."""
        shapes = [list(np.shape(w)) for w in self._built(seed).get_weights()]
        wanted = [list(w.shape) for w in _load_list(self._weights_file(seed))]
        if shapes != wanted:
            at = next(
                (i for i, pair in enumerate(zip(wanted, shapes, strict=False)) if pair[0] != pair[1]),
                min(len(wanted), len(shapes)),
            )
            here, there = (tuple(s[at]) if at < len(s) else "nothing" for s in (wanted, shapes))
            raise BuildError(
                f"build makes two models that differ: weight {at} has the shape {here} in minibatch and {there} in "
                f"Keras on {self.side.backend} ({len(wanted)} and {len(shapes)} weights in all)."
            )
        return {"shapes": shapes}

    def _built(self, seed: int) -> Any:
        try:
            return self.trainer.model(seed)
        except Exception as error:
            where = self.side.backend if self.side.backend == "minibatch" else f"Keras on {self.side.backend}"
            raise BuildError(f"build(K) failed in {where}: {type(error).__name__}: {error}") from error

    def _weights_file(self, seed: int) -> Path:
        return self.folder / f"initial-{seed}.npz"

    def tell(self, steps: int) -> None:
        """Tell the parent of so many more steps, not too often."""
        self.untold += steps
        if time.monotonic() - self.last_told > TELL_EVERY:
            _say(self.answers, {"progress": self.untold})
            self.last_told, self.untold = time.monotonic(), 0


def open_library(side: Side, job: Job) -> Library:
    """Return minibatch, or Keras on the side's backend and device."""
    if side.backend == "minibatch":
        return Minibatch(job.floatx)
    from minibatch.compare.keras_library import open_keras

    return open_keras(side.backend, side.device, job.precision)


def _load_list(path: Path) -> list[Array]:
    with np.load(path) as arrays:
        return [arrays[f"arr_{i}"] for i in range(len(arrays.files))]


def _random_layers(model: Any) -> list[str]:
    """Return the names of layers that draw random numbers in training: each library draws its own."""
    random = ("Dropout", "Noise", "Random")
    return [layer.name for layer in model.layers if any(word in type(layer).__name__ for word in random)]


def _described(error: Exception) -> dict[str, Any]:
    """Return an error as plain text, for the parent to raise."""
    kinds = {BackendMissingError: "backend", DeviceMissingError: "device", BuildError: "build"}
    return {
        "kind": next((kind for known, kind in kinds.items() if isinstance(error, known)), "other"),
        "message": str(error) if type(error) in kinds else f"{type(error).__name__}: {error}",
        "traceback": "".join(traceback.format_exception(error)),
    }


def _answers_apart() -> TextIO:
    """Return the pipe to the parent as a file of its own; what is printed from now on goes to the log."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _lines() -> Any:
    # Not `for line in sys.stdin`: it may read ahead, and wait.
    return iter(sys.stdin.readline, "")


def _say(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()
