"""Figures are drawn into memory, and closed after each test."""

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import pytest

matplotlib.use("Agg")


@pytest.fixture
def drawn_figure() -> Iterator[Callable[[Any], Any]]:
    """Draw the figure of some axes, as saving it would (with every warning an error)."""
    from matplotlib import pyplot as plt

    def draw(ax: Any) -> Any:
        ax.figure.canvas.draw()
        return ax

    yield draw
    plt.close("all")
