"""``plots/comparison.py`` and ``plots/sides.py``: the numbers drawn are the numbers given."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt

from minibatch.plots.comparison import seed_distributions, side_styles, step_differences, step_losses, throughput


@pytest.fixture(autouse=True)
def tidy() -> Any:
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


def test_a_difference_after_one_update_is_a_point() -> None:
    ax = step_differences({32: ([1, 2], [1e-7, 2e-7]), 1437: ([1], [1e-8])})
    ax.figure.canvas.draw()
    long, single = ax.lines
    assert long.get_marker() == "None"
    assert single.get_marker() not in ("", "None")


def test_a_path_of_one_step_is_points_on_a_plain_axis() -> None:
    """Where two libraries agree to rounding, the axis shows the loss, not the rounding with a number beside it."""
    ax = step_losses({"here": [2.3066450], "there": [2.3066451]}, title="Batch size 1,437")
    ax.figure.canvas.draw()
    assert all(line.get_marker() not in ("", "None") for line in ax.lines)
    assert ax.yaxis.get_offset_text().get_text() == ""
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert any(label.startswith("2.3") for label in labels)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1"]


def test_short_paths_are_drawn_step_by_step() -> None:
    losses = {"here": [2.0, 1.0, np.nan], "there": [2.0, 1.0, 0.5]}
    ax = step_losses(losses, title="Batch size 8")
    for line, values in zip(ax.lines, losses.values(), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["here", "there"]
    # Where the two agree both are seen: a broad pale line, and a thin one on top.
    assert ax.lines[0].get_linewidth() > 2 * ax.lines[1].get_linewidth()
    assert ax.lines[0].get_zorder() < ax.lines[1].get_zorder()


def test_long_paths_are_means_and_say_so() -> None:
    values = np.random.default_rng(0).random(1003)
    ax = step_losses({"here": values})
    assert ax.get_xlabel() == "step (means of 5)"
    y = ax.lines[0].get_ydata()
    np.testing.assert_allclose(y[:200], values[:1000].reshape(200, 5).mean(axis=1))
    assert y[-1] == pytest.approx(values[1000:].mean())
    assert ax.lines[0].get_xdata()[-1] == 1003


def test_differences_are_the_largest_so_far_and_agreement_lies_at_the_foot() -> None:
    ax = step_differences({8: (range(1, 6), [0.0, 1e-8, 1e-9, 3e-8, 2e-8])}, tolerance=1e-3, what="loss")
    np.testing.assert_allclose(ax.lines[0].get_ydata()[1:], [1e-8, 1e-8, 3e-8, 3e-8])
    assert 0 < ax.lines[0].get_ydata()[0] < 1e-8
    assert ax.lines[1].get_ydata()[0] == 1e-3
    assert ax.get_ylim()[1] > 1e-3
    ax.figure.canvas.draw()


def test_panels_that_share_an_axis_all_keep_their_curves_inside() -> None:
    """A later panel of small differences must not cut off an earlier one's large ones, nor the other way round."""
    panels = plt.subplots(1, 2, sharey=True)[1]
    step_differences({8: ([1, 2], [1e-7, 4e-2])}, tolerance=1e-3, ax=panels[0])
    step_differences({8: ([1, 2], [1e-9, 2e-9])}, tolerance=1e-3, ax=panels[1])
    panels[0].figure.canvas.draw()
    low, high = panels[0].get_ylim()
    assert low < 1e-9
    assert high > 4e-2


def test_no_difference_at_all_can_be_drawn() -> None:
    ax = step_differences({8: ([0, 1, 2], [0.0, 0.0, 0.0])})
    ax.figure.canvas.draw()
    assert ax.lines[0].get_xdata()[0] == 1


def test_throughput_and_its_crossover() -> None:
    series = {"cpu": ([8, 32], [100.0, 200.0]), "gpu": ([8, 32], [10.0, 4000.0])}
    ax = throughput(series, kinds={"gpu": "gpu"}, crossovers={"gpu": 14.0})
    for line, (sizes, rates) in zip(ax.lines, series.values(), strict=False):
        np.testing.assert_array_equal(line.get_xdata(), sizes)
        np.testing.assert_array_equal(line.get_ydata(), rates)
    assert [text.get_text() for text in ax.texts] == ["GPU ahead from 14"]
    styles = side_styles(series, {"gpu": "gpu"})
    assert styles["gpu"]["markerfacecolor"] == styles["gpu"]["color"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "32"]


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one side"):
        step_losses({})
    with pytest.raises(ValueError, match="at least one batch size"):
        step_differences({})
    with pytest.raises(ValueError, match=r"of one length; got \(2,\) and \(3,\)"):
        step_differences({8: ([1, 2], [1.0, 2.0, 3.0])})
    with pytest.raises(ValueError, match="at least one side"):
        throughput({})
    with pytest.raises(ValueError, match="must be above zero"):
        throughput({"here": ([8], [0.0])})
    with pytest.raises(ValueError, match="at least one side with one batch size"):
        seed_distributions({"here": {}})
    assert not plt.get_fignums()
