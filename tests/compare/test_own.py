"""The mode "own", and the texts and figures of a comparison, on minibatch alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from compare.networks import small

import minibatch as mb
from minibatch.compare import Comparison
from minibatch.compare.training import spaced, timings
from minibatch.study.intervals import difference_interval, mean_interval

Alone = Callable[..., Comparison]
Blobs = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def own(alone: Alone, blobs: Blobs) -> Comparison:
    """Three seeds, two batch sizes; and a second side, made of the first, that is worse by 0.1."""
    x, y = blobs
    found = alone(small, x, y, validation_data=(x[:30], y[:30]), batch_sizes=[8, 40], seeds=[0, 1, 2], mode="own")
    found.sides.append(replace(found.sides[0], name="jax cpu", backend="jax"))
    for (_, size, seed), run in list(found.runs.items()):
        final = {name: value + 0.1 for name, value in run.numbers["final"].items()}
        found.runs["jax cpu", size, seed] = replace(run, side="jax cpu", numbers=run.numbers | {"final": final})
    return found


def test_each_seed_is_a_plain_fit(alone: Alone, blobs: Blobs) -> None:
    x, y = blobs
    found = alone(small, x, y, batch_sizes=[40], seeds=[6], epochs=2, mode="own")
    mb.utils.set_random_seed(6)
    model = small(mb)
    history = model.fit(x, y, batch_size=40, epochs=2, verbose=0).history
    run = found.runs["minibatch", 40, 6]
    assert run.numbers["history"].keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(run.numbers["history"][name], values, rtol=1e-6)
    assert run.numbers["final"]["final_loss"] == pytest.approx(model.evaluate(x, y, verbose=0)[0], rel=1e-6)
    assert not found.pairs


def test_the_table_has_the_means_and_intervals_of_the_seeds(own: Comparison) -> None:
    table = own.table()
    values = [own.runs["minibatch", 8, seed].numbers["final"]["final_val_loss"] for seed in (0, 1, 2)]
    interval = mean_interval(values)
    assert f"{interval.mean:.4f}  {interval.low:.4f} to {interval.high:.4f}" in table
    gap = difference_interval([value + 0.1 for value in values], values)
    assert f"{gap.low:.4f} to {gap.high:.4f}" in table
    assert "each library's own initial weights, shuffling and fit" in table
    assert "Agreement" not in table
    assert max(map(len, table.splitlines())) <= 116


def test_the_figure_has_every_seed(own: Comparison) -> None:
    figure = own.plot("distributions")
    figure.canvas.draw()
    panel = next(ax for ax in figure.axes if "loss" in ax.get_ylabel())
    drawn = sorted(y for line in panel.lines if line.get_marker() == "." for y in line.get_ydata())
    expected = sorted(run.numbers["final"]["final_val_loss"] for run in own.runs.values())
    np.testing.assert_allclose(drawn, expected)
    assert [label.get_text() for label in panel.get_xticklabels()] == ["8", "40"]
    assert "What each seed came to" in own.report()


def test_one_seed_says_that_it_has_no_interval(alone: Alone, blobs: Blobs) -> None:
    found = alone(small, *blobs, mode="own")
    assert "One seed has no interval" in found.table()
    found.plot().canvas.draw()


def test_nothing_finished_is_nothing_to_draw(alone: Alone, blobs: Blobs) -> None:
    found = alone(small, *blobs)
    found.runs.clear()
    with pytest.raises(ValueError, match="no training came to its end"):
        found.plot()
    assert "Who ran" in found.table()
    assert "<h1>" in found.report()


def test_float64_is_float64(alone: Alone, blobs: Blobs) -> None:
    single, double = (alone(small, *blobs, precision=precision) for precision in ("float32", "float64"))
    losses = [next(iter(found.runs.values())).loss for found in (single, double)]
    assert 0 < np.abs(losses[0] - losses[1]).max() < 1e-5  # the same, but for float32's rounding
    assert double.sides[0].dtype_policy == "float64"
    assert "float64 on every side" in double.table()


def test_threads_are_limited_and_stated(alone: Alone, blobs: Blobs) -> None:
    found = alone(small, *blobs, threads=1)
    assert found.settings["host"]["threads"]["OPENBLAS_NUM_THREADS"] == "1"  # as the child saw it
    assert "Threads of each library: 1." in found.table()


def test_a_training_that_diverges_is_kept_and_drawn(alone: Alone, blobs: Blobs) -> None:
    def build(K: Any) -> Any:
        model = K.Sequential([K.Input((4,)), K.layers.Dense(3)])
        model.compile(K.optimizers.SGD(1e30), "mse")
        return model

    x, y = blobs
    found = alone(build, x, np.eye(3)[y], epochs=3)
    assert not np.isfinite(next(iter(found.runs.values())).loss).all()
    found.plot("losses").canvas.draw()
    assert "Speed" in found.table()


@pytest.mark.parametrize("total", [1, 2, 5, 47, 48, 1000, 10**6])
def test_spaced_begins_ends_and_rises(total: int) -> None:
    points = spaced(total, 48)
    assert points[0] == 0
    assert points[-1] == total
    assert points == sorted(set(points))
    assert len(points) <= 49


def test_a_single_step_is_timed() -> None:
    found = timings(np.array([0.5]), np.array([4]))
    assert found["first_step_seconds"] == 0.5
    # Nobody can tell what of it was compiling: it is no measurement of a step.
    assert found["step_seconds"] is found["compile_seconds"] is found["samples_per_second"] is None
