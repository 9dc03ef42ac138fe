from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from minibatch.batching import Batches
from minibatch.demo import draw_figures, results_table, run_experiment, summary
from minibatch.demo.experiment import build_network, digit_vectors, updates_in_all
from minibatch.demo.line import RATE, START, line_data, line_landscape
from minibatch.noise import gradient_noise


@pytest.fixture(scope="module")
def experiment():
    return run_experiment([32, "full", 200], seed=1, epochs=2)


def test_runs_start_from_the_same_weights_and_see_the_same_order(experiment):
    assert list(experiment.runs) == [32, 200, 1437]
    starts = [run.path[0] for run in experiment.runs.values()]
    for start in starts:
        np.testing.assert_array_equal(start, build_network(1).parameters.theta)
    assert len({run.loss[0] for run in experiment.runs.values()}) == 1
    train, _ = digit_vectors()
    np.testing.assert_array_equal(
        Batches(*train, batch_size=32, seed=1).order(0), Batches(*train, batch_size=200, seed=1).order(0)
    )


def test_arithmetic_of_the_runs(experiment):
    # 1437 = 44 * 32 + 29 = 7 * 200 + 37.
    assert [(r.steps_per_epoch, r.last_batch) for r in experiment.runs.values()] == [(45, 29), (8, 37), (1, 1437)]
    assert [run.updates[-1] for run in experiment.runs.values()] == [90, 16, 2]


def test_noise_at_start_and_end_are_reports_at_those_weights(experiment):
    train, _ = digit_vectors()
    model = build_network(1)
    again = gradient_noise(model, *train, batch_sizes=[32], draws=10, seed=1)
    assert again.trace == experiment.noise_at_start.trace
    sizes = [row.batch_size for row in experiment.noise_at_start.by_batch_size]
    assert sizes == sorted({1, 2, 4, 8, 16, 32, 64, 128, 200, 256, 512, 1024, 1437})
    model.parameters.theta[...] = experiment.runs[200].theta
    again = gradient_noise(model, *train, batch_sizes=[200], draws=10, seed=1)
    assert again.trace == experiment.noise_at_end[200].trace


def test_plane_holds_the_paths_and_the_loss_there(experiment):
    plane = experiment.plane
    assert plane.loss.shape == (len(plane.ys), len(plane.xs))
    assert 0.9 < sum(plane.explained) <= 1 + 1e-9
    for size, run in experiment.runs.items():
        assert plane.paths[size].shape == (len(run.path), 2)
        assert len(plane.updates[size]) == len(run.path)
        assert plane.xs[0] < plane.paths[size][:, 0].min()
        assert plane.paths[size][:, 1].max() < plane.ys[-1]
    assert plane.loss.min() < experiment.runs[1437].loss[0] < plane.loss.max()


def test_table_shows_every_quantity_for_every_size(experiment):
    lines = results_table(experiment).splitlines()
    assert lines[0].split() == ["batch", "size", "32", "200", "full", "(1,437)"]
    assert len({len(line) for line in lines if line.startswith("  ")}) == 1
    rows = {line[: line.index("  ", 3)].strip(): line for line in lines if line.startswith("  ")}
    assert rows["updates"].split()[1:] == ["90", "16", "2"]
    assert rows["samples in the last batch"].split()[-3:] == ["29", "37", "1,437"]
    for label in (
        "seconds of training",
        "train loss",
        "test accuracy",
        "tr(Sigma)",
        "|G|^2",
        "noise scale (samples)",
    ):
        assert label in rows


def test_summary_is_made_from_the_numbers(experiment):
    text = summary(experiment)
    best = max(experiment.runs, key=lambda size: experiment.runs[size].val_accuracy[-1])
    assert "90 updates for batch 32 and 2 updates for the full batch" in text
    assert f"{experiment.runs[best].val_accuracy[-1]:.1%}" in text


def with_right(experiment, **rows):
    """The same experiment, as if its runs had had these test images right."""
    right = {32: rows["b32"], 200: rows["b200"], 1437: rows["full"]}
    runs = {
        size: dataclasses.replace(run, val_accuracy=[float(right[size].mean())])
        for size, run in experiment.runs.items()
    }
    return dataclasses.replace(experiment, right=right, runs=runs)


def test_right_is_what_the_accuracy_is_of(experiment):
    for size, run in experiment.runs.items():
        assert experiment.right[size].mean() == pytest.approx(run.val_accuracy[-1], abs=1e-9)


def test_best_is_no_verdict_where_chance_splits_the_images_as_well(experiment):
    """355 against 350 of 360: half a 95% interval of 98.6% is 1.2 points, and the two are 1.4 apart."""
    best, second, worst = (np.arange(360) < n for n in (355, 350, 100))
    text = summary(with_right(experiment, b32=best, b200=second, full=worst))
    # 5 images to none: p = 2/2^5. The full batch has 255 to none against it.
    assert "was batch 32 with 98.6%. They do not tell it apart from batch 200 (images that only" in text
    assert "one of the two has right: 5 to 0, p = 0.062): chance alone" in text
    assert "full batch (" not in text
    text = summary(with_right(experiment, b32=best, b200=np.arange(360) < 349, full=worst))
    assert "apart" not in text  # 6 to none: p = 2/2^6 = 0.03
    assert "this is one run of each: another seed" in text


def test_images_that_both_get_right_say_nothing(experiment):
    """350 and 340 right, but not the same ones: 20 to 10, p = 0.099, where 10 to 0 would be p = 0.002."""
    best, second = np.arange(360) < 350, np.arange(360) >= 20
    text = summary(with_right(experiment, b32=best, b200=second, full=second))
    split = "or the full batch (20 to 10, p = 0.099)"
    assert "batch 200 (images that only one of the two has right: 20 to 10, p = 0.099)" in text
    assert split in text


def test_equal_accuracies_are_no_best(experiment):
    best, other, worst = np.arange(360) < 350, np.arange(360) >= 10, np.arange(360) < 345
    text = summary(with_right(experiment, b32=best, b200=other, full=worst))
    assert "Best on the 360 test images were batch 32 and batch 200 with 97.2% each." in text
    assert (
        "They do not tell batch 32 apart from the full batch (images that only one of the two has right: 5" in text
    )


def test_everything_is_json(experiment):
    numbers = json.loads(json.dumps(experiment.to_dict(), allow_nan=False))
    assert [run["batch_size"] for run in numbers["runs"]] == [32, 200, 1437]
    assert len(numbers["noise_at_start"]["by_batch_size"][0]["draws"]["angle"]) == 1000
    assert {len(right) for right in numbers["right"].values()} == {360}
    assert len(numbers["line"]["paths"]["100"]) == 67


def test_figures_are_drawn(experiment, tmp_path):
    paths = draw_figures(experiment, tmp_path)
    assert [path.name for path in paths] == [
        "1-gradient-directions-line.png",
        "1-gradient-directions-digits.png",
        "2-direction-spread.png",
        "3-noise-by-batch-size.png",
        "4-loss-curves.png",
    ]
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 20_000


def test_one_batch_size_alone_works(tmp_path):
    alone = run_experiment(["full"], seed=0, epochs=1)
    assert "full (1,437)" in results_table(alone)
    assert "On the 360 test images the full batch got" in summary(alone)
    assert len(draw_figures(alone, tmp_path)) == 5


def test_updates_in_all_counts_both_trainings():
    assert updates_in_all([32, "full"], epochs=3) == 2 * 3 * (45 + 1)


def test_the_line_is_least_squares_and_its_paths_are_real_steps():
    land = line_landscape(seed=0)
    x, y = (a.astype(np.float64)[:, 0] for a in line_data())
    slope, intercept = np.polyfit(x, y, 1)
    np.testing.assert_allclose(land.minimum, [slope, intercept], rtol=1e-6)
    assert {size: path.shape for size, path in land.paths.items()} == {1: (67, 2), 100: (67, 2), 1050: (67, 2)}
    # The full batch's first step, by hand.
    error = START[0] * x + START[1] - y
    step = [START[0] - RATE * 2 * np.mean(error * x), START[1] - RATE * 2 * np.mean(error)]
    np.testing.assert_allclose(land.paths[1050][1], step, rtol=1e-5)
    # The closed-form surface is the mean squared error.
    at = (3, 5)
    error = land.xs[at[1]] * x + land.ys[at[0]] - y
    assert math.isclose(land.loss[at], np.mean(error**2), rel_tol=1e-6)
