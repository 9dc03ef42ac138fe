"""What a comparison asks of a library, and how minibatch answers it."""

from __future__ import annotations

import importlib.metadata
from typing import Any, Protocol

import numpy as np

from minibatch.compare import host
from minibatch.typing import Array


class Library(Protocol):
    """A library in which a model is built and trained.

    Attributes
    ----------
    package : module
        What ``build`` is given.
    """

    package: Any

    def describe(self) -> dict[str, Any]:
        """Return the device's kind ("cpu", "gpu") and name, the versions, and what is on and off."""

    def start(self, seed: int) -> None:
        """Make everything random that follows repeatable, and forget the models before."""

    def ran_on(self, model: Any) -> str:
        """Return where the model's weights lie: "cpu" or "gpu"."""

    def gradients(self, model: Any, x: Array, y: Array) -> Array:
        """Return each sample's gradient, in inference mode: (N, D), in the order of the trainable weights."""

    def restart_device_peak(self) -> None:
        """Forget the peak of the device's memory, where that can be done."""

    def device_peak(self) -> int | None:
        """Return the most of the device's memory that was in use, in bytes; None on a processor."""


def version_of(package: str) -> str:
    """Return the installed version of a distribution, or "" where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


class Minibatch:
    """minibatch itself, on the processor.

    Parameters
    ----------
    floatx : {"float32", "float64"}
    """

    def __init__(self, floatx: str) -> None:
        import minibatch

        minibatch.config.set_floatx(floatx)
        self.package: Any = minibatch

    def describe(self) -> dict[str, Any]:
        """Return the processor, and the BLAS that multiplies the matrices."""
        blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
        return {
            "kind": "cpu",
            "device": host.processor(),
            "versions": {
                "minibatch": self.package.__version__,
                "numpy": np.__version__,
                "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
            },
            "driver": None,
            "tf32": False,
            "dtype_policy": self.package.config.floatx(),
        }

    def start(self, seed: int) -> None:
        """Restart the stream of seeds."""
        self.package.utils.set_random_seed(seed)

    def ran_on(self, model: Any) -> str:
        """Return "cpu": there is nothing else here."""
        return "cpu"

    def gradients(self, model: Any, x: Array, y: Array) -> Array:
        """Return each sample's gradient, in one backward pass."""
        rows = self.package.noise.per_sample_gradients(model, x, y)
        places = model.parameters.slices
        return np.concatenate([rows[:, places[weight]] for weight in model.trainable_weights], axis=1)

    def restart_device_peak(self) -> None:
        """Do nothing: there is no device but the processor."""

    def device_peak(self) -> int | None:
        """Return None."""
        return None
