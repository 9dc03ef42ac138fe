"""What can be wrong with a comparison, and what to install where something is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minibatch.compare.comparison import Comparison

#: For each backend of Keras, what to install for the processor and for the graphics card.
INSTALL = {
    "tensorflow": ("pip install keras tensorflow", "pip install keras 'tensorflow[and-cuda]'"),
    "jax": ("pip install keras jax", "pip install keras 'jax[cuda12]'"),
    "torch": (
        "pip install keras; pip install torch --index-url https://download.pytorch.org/whl/cpu",
        "pip install keras torch",
    ),
}


class BackendMissingError(ImportError):
    """Keras, or the backend asked for, is not installed."""


class DeviceMissingError(RuntimeError):
    """A GPU was asked for, and the backend sees none."""


class BuildError(ValueError):
    """``build`` failed on a side, or made two models that are not the same."""


class ChildError(RuntimeError):
    """A child process ended, or answered with an error."""


class InterruptedComparison(KeyboardInterrupt):
    """Ctrl-C during a comparison; ``comparison`` holds the runs that were finished.

    Parameters
    ----------
    comparison : Comparison
    """

    def __init__(self, comparison: Comparison) -> None:
        super().__init__(f"interrupted after {len(comparison.runs)} runs; they are in the exception's .comparison")
        self.comparison = comparison


def backend_missing(backend: str, missing: str) -> BackendMissingError:
    """Return the error for a package that is missing, with what to install."""
    return BackendMissingError(
        f"comparing with Keras on {backend} needs {missing}, which is not installed.\n{how(backend)}"
    )


def device_missing(backend: str, seen: str) -> DeviceMissingError:
    """Return the error for a GPU that is missing, with what to install."""
    return DeviceMissingError(
        f"device='gpu' was asked for, and {backend} sees no GPU here (it sees: {seen}). Nothing was run; "
        f"device='auto' runs on the CPU where there is no GPU.\n{how(backend)}"
    )


def how(backend: str) -> str:
    """Return what to install for a backend of Keras, for CPU and for GPU."""
    cpu, gpu = INSTALL[backend]
    return f"  for the CPU:          {cpu}\n  for a GPU of NVIDIA:  {gpu}"
