"""What a comparison is to do, in a folder that the parent writes and its children read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minibatch.compare import builds
from minibatch.typing import Array

#: float32 without TF32 is the default. The others are asked for, and stated.
PRECISIONS = ("float32", "float64", "tf32", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class Side:
    """One of those compared.

    Attributes
    ----------
    backend : str
        "minibatch", or the backend of Keras.
    device : {"cpu", "gpu", "auto"}
        As it was asked for.
    """

    backend: str
    device: str


@dataclass(frozen=True)
class Job:
    """The settings of a comparison.

    Attributes
    ----------
    epochs : int
    precision : str
        One of ``PRECISIONS``.
    noise_steps : tuple of int
        After how many updates the gradient noise is measured; -1 is after the last.
    noise_samples : int
        How many samples' gradients it is measured on.
    time_fit : bool
        Whether ``fit``'s own speed is measured, too.
    threads : int or None
        How many threads a library may compute with; None leaves it to the library.
    """

    epochs: int
    precision: str = "float32"
    noise_steps: tuple[int, ...] = (0, -1)
    noise_samples: int = 1024
    time_fit: bool = True
    threads: int | None = None

    @property
    def floatx(self) -> str:
        """The float type of data and weights."""
        return "float64" if self.precision == "float64" else "float32"


def write_job(folder: Path, job: Job, build: builds.Build | str, data: Mapping[str, Array]) -> None:
    """Write a job: ``job.json``, ``build.pkl`` and an array file for each of the data."""
    builds.pack(build, folder / "build.pkl")
    (folder / "job.json").write_text(json.dumps(asdict(job)))
    for name, array in data.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def read_job(folder: Path) -> tuple[Job, dict[str, Any]]:
    """Return the settings, and the data by name: x, y, and perhaps val_x, val_y."""
    settings = json.loads((folder / "job.json").read_text())
    job = Job(**settings | {"noise_steps": tuple(settings["noise_steps"])})
    data = {path.stem: np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))}
    return job, data
