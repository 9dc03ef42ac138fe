"""What a comparison keeps of one training, and of two laid side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minibatch.typing import Array


@dataclass(frozen=True)
class SideInfo:
    """Who was compared, and what it ran on.

    Attributes
    ----------
    name : str
        "minibatch", or backend and device: "tensorflow cpu". The key of its runs.
    backend : str
        "minibatch", "tensorflow", "jax" or "torch".
    asked : str
        The device asked for: "cpu", "gpu" or "auto".
    kind : {"cpu", "gpu"}
        What it runs on.
    device : str
        The device's name, as the backend has it.
    versions : dict of str
    driver : str or None
        Of the graphics card.
    tf32 : bool
    dtype_policy : str
        "float32" unless mixed precision, or float64, was asked for.
    """

    name: str
    backend: str
    asked: str
    kind: str
    device: str
    versions: dict[str, str]
    driver: str | None
    tf32: bool
    dtype_policy: str

    @property
    def label(self) -> str:
        """For a reader: "minibatch (CPU)", "Keras/jax (GPU)"."""
        library = self.backend if self.backend == "minibatch" else f"Keras/{self.backend}"
        return f"{library} ({self.kind.upper()})"

    @property
    def fell_back(self) -> bool:
        """Whether a GPU would have been taken, and there was none."""
        return self.backend != "minibatch" and self.asked == "auto" and self.kind == "cpu"


@dataclass(frozen=True)
class Run:
    """One training, by one side.

    Attributes
    ----------
    side : str
        The name of its ``SideInfo``.
    batch_size, seed : int
    numbers : dict
        Step by step: ``steps``, ``history`` (by epoch), ``first_step_seconds``, ``step_seconds`` (median of the
        rest), ``compile_seconds``, ``samples_per_second`` (of steps; these three are None where there is no rest),
        ``fit_samples_per_second``, ``host_peak`` and ``device_peak`` (bytes), ``noise`` (a list, one entry for each
        step measured), ``jit_compile``, ``optimizer``. In the mode "own": ``history``, ``final``,
        ``first_epoch_seconds`` and the rest that applies.
    loss, seconds : ndarray, shape (T,)
        Of each step; empty in the mode "own".
    """

    side: str
    batch_size: int
    seed: int
    numbers: dict[str, Any]
    loss: Array = field(repr=False)
    seconds: Array = field(repr=False)

    @property
    def key(self) -> tuple[str, int, int]:
        """Side, batch size and seed."""
        return self.side, self.batch_size, self.seed


@dataclass(frozen=True)
class Pair:
    """minibatch and one other side, on the same path.

    Attributes
    ----------
    side : str
        The other.
    batch_size, seed : int
    loss_difference : ndarray, shape (T,)
        |mine - theirs| / max(1, |theirs|) of each step's loss.
    weight_steps, weight_difference : ndarray, shape (K,)
        After how many updates, and the largest difference of a weight there.
    first_parting : int or None
        The first step, counted from 1, whose losses part by more than the tolerance.
    gradient_angles : dict of int to float
        At the steps where noise was measured: the angle (degrees) between the two libraries' gradients of the same
        samples.
    gradient_differences : dict of int to float
        There, |G_mine - G_theirs| / |G_theirs|.
    """

    side: str
    batch_size: int
    seed: int
    loss_difference: Array = field(repr=False)
    weight_steps: Array = field(repr=False)
    weight_difference: Array = field(repr=False)
    first_parting: int | None
    gradient_angles: dict[int, float]
    gradient_differences: dict[int, float]

    @property
    def final_weight_difference(self) -> float:
        """The largest difference of a weight at the end."""
        return float(self.weight_difference[-1])

    @property
    def largest_loss_difference(self) -> float:
        """Of all steps."""
        return float(self.loss_difference.max())


@dataclass(frozen=True)
class Failure:
    """A training that did not come to its end.

    Attributes
    ----------
    side : str
    batch_size, seed : int
    message : str
        What the child said.
    """

    side: str
    batch_size: int
    seed: int
    message: str
