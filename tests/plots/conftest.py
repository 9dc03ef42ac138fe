"""Figures are drawn into memory, and closed after each test."""

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import pytest

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    """No global setting may change, whatever a test draws; no figure is left open."""
    from matplotlib import pyplot as plt

    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


@pytest.fixture
def drawn() -> Callable[[Any], Any]:
    """Draw the figure of some axes, as saving it would (with every warning an error)."""

    def draw(ax: Any) -> Any:
        ax.figure.canvas.draw()
        return ax

    return draw


@pytest.fixture
def boxes_apart() -> Callable[[list[Any]], None]:
    """Fail if any two of these drawn artists overlap by more than a pixel."""

    def check(artists: list[Any]) -> None:
        boxes = [(artist, artist.get_window_extent()) for artist in artists]
        for i, (first, a) in enumerate(boxes):
            for second, b in boxes[i + 1 :]:
                across = min(a.x1, b.x1) - max(a.x0, b.x0)
                down = min(a.y1, b.y1) - max(a.y0, b.y0)
                assert across <= 1.0 or down <= 1.0, f"{first} overlaps {second}: {a}, {b}"

    return check


@pytest.fixture
def texts() -> Callable[[Any], list[Any]]:
    """What is written around a plot: title, key, axis labels, tick labels; the visible ones."""

    def collect(ax: Any) -> list[Any]:
        ticks = []
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            low, high = sorted(limits)
            ticks += [
                tick.label1
                for tick in axis.get_major_ticks()
                if tick.label1.get_visible() and tick.label1.get_text() and low <= tick.get_loc() <= high
            ]
        title = next(t for t in (ax._left_title,) if t.get_text())
        found = [title, ax.xaxis.label, ax.yaxis.label, *ticks]
        if ax.get_legend() is not None:
            found.append(ax.get_legend())
        return [t for t in found if not hasattr(t, "get_text") or t.get_text().strip()]

    return collect
