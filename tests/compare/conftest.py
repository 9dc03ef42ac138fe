"""What these tests share: one comparison with real Keras, made once, as a user makes it from the shell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from minibatch.cli import main
from minibatch.compare import Comparison, side_by_side
from minibatch.compare.job import Side

matplotlib.use("Agg")


@dataclass
class AsTyped:
    """A command that was run: its status, what it printed and what it wrote."""

    status: int
    printed: str
    out: Path
    comparison: Comparison


@pytest.fixture(scope="session")
def typed(tmp_path_factory: pytest.TempPathFactory) -> AsTyped:
    """``minibatch compare`` with the MLP and TensorFlow: two batch sizes, two epochs."""
    out = tmp_path_factory.mktemp("compare") / "a" / "b"
    printed = StringIO()
    with redirect_stdout(printed):
        status = main(
            ["compare", "--batch-sizes", "100,32", "--seeds", "3", "--epochs", "2", "--out", str(out)]
        )  # fmt: skip
    return AsTyped(status, printed.getvalue(), out, Comparison.load(out))


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """120 points in three clouds, and their numbers."""
    rng = np.random.default_rng(5)
    y = np.arange(120) % 3
    return (rng.normal(size=(120, 4)) + 2 * np.eye(3, 4)[y]).astype("float32"), y


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Comparison]:
    """``side_by_side`` with no side but minibatch: children, failures and files, without waiting for Keras."""
    monkeypatch.setattr("minibatch.compare.runner._sides", lambda backend, device: [Side("minibatch", "cpu")])

    def run(build: Any, x: Any, y: Any, **options: Any) -> Comparison:
        options = {"batch_sizes": [40], "epochs": 1, "noise_steps": (), "time_fit": False} | options
        return side_by_side(build, x, y, **options)

    return run
