from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minibatch as mb
from minibatch.batching import Batches
from minibatch.study import BatchSizeStudy, Setting, batch_size_study
from minibatch.study.intervals import Interval, t_quantile
from minibatch.study.words import seeds_needed


def build() -> mb.Sequential:
    model = mb.Sequential([mb.Input((4,)), mb.layers.Dense(8, "relu"), mb.layers.Dropout(0.1), mb.layers.Dense(1)])
    model.compile(mb.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return model


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    return x, (x @ [1.0, -1.0, 0.5, 2.0]).astype(np.float32)


def study_of(values: dict[int, list[float]], larger: bool = True, **changes) -> BatchSizeStudy:
    settings = tuple(Setting(size, None, 10, {"val_accuracy": tuple(row)}) for size, row in values.items())
    seeds = tuple(range(len(next(iter(values.values())))))
    given = {"n_samples": 100, "epochs": 2, "metric": "val_accuracy", "one_start": False} | changes
    return BatchSizeStudy(seeds=seeds, larger_is_better=larger, settings=settings, **given)


def test_a_run_is_a_plain_fit_under_its_seed(data):
    x, y = data
    found = batch_size_study(
        build, x, y, batch_sizes=[32, 8, "full"], epochs=2, seeds=[3, 9], validation_data=(x[:20], y[:20])
    )
    assert [(s.batch_size, s.updates) for s in found.settings] == [(8, 16), (32, 4), (60, 2)]
    for k, seed in enumerate([3, 9]):
        for setting in found.settings:
            mb.utils.set_random_seed(seed)
            model = build()
            model.fit(Batches(x, y, batch_size=setting.batch_size, seed=seed), epochs=2, verbose=0)
            loss, mae = model.evaluate(x[:20], y[:20], batch_size="full", verbose=0)
            assert (setting.ends["val_loss"][k], setting.ends["val_mae"][k]) == (loss, mae)
            assert setting.ends["loss"][k] == model.evaluate(x, y, batch_size="full", verbose=0)[0]
    assert not found.larger_is_better
    assert not found.one_start


def test_learning_rates_are_set_and_each_batch_size_is_compared_at_its_best(data):
    x, y = data
    rates = [0.1, 1e-4, 0.01]
    found = batch_size_study(
        build, x, y, batch_sizes=[8, "full"], epochs=2, seeds=2, learning_rates=rates, metric="loss"
    )
    assert [(s.batch_size, s.learning_rate) for s in found.settings] == [
        (b, rate) for b in (8, 60) for rate in sorted(rates)
    ]
    for size, chosen in zip((8, 60), found.compared, strict=True):
        means = {s.learning_rate: np.mean(s.ends["loss"]) for s in found.settings if s.batch_size == size}
        assert chosen.learning_rate == min(means, key=means.get)
    text = found.table()
    assert "0.0001" in text
    assert "at its best rate" in text
    assert "perhaps better beyond it: 8 (learning rate 0.1) and full (learning rate 0.1)" in text
    assert found.plot().get_xscale() == "log"


def test_paired_differences_by_hand():
    # Differences 32 - 16: -2, -4, -6, -4: mean -4, sd sqrt(8/3); t(3) = 3.182; half 3.182 sqrt(8/3)/2 = 2.598.
    # The sides' own spreads, sd above 10, would have hidden it.
    found = study_of({16: [50.0, 60.0, 70.0, 80.0], 32: [48.0, 56.0, 64.0, 76.0]})
    assert found.best.batch_size == 16
    gap = found.difference(found.settings[1])
    assert (gap.mean, gap.sd) == (-4.0, pytest.approx(math.sqrt(8 / 3)))
    assert (gap.low, gap.high) == (pytest.approx(-6.598, abs=1e-3), pytest.approx(-1.402, abs=1e-3))
    assert "4 seeds tell it apart from 32: the runs were enough. Under 4 of the 4 seeds" in found.verdict()
    assert found.confidence == pytest.approx(0.95)
    assert "worse" in found.table()


def test_runs_that_were_not_enough_say_so_and_how_many_might_be():
    # Differences 64 - 16: -3, +1, -2, 0, -1: mean -1, sd sqrt(10/4) = 1.581. Of three pairs one is taken at
    # 1 - 0.05/3, whose t(n-1) 1.581/sqrt(n) < 1 first at n = 18: 2.671 * 1.581 / sqrt(17) = 1.024, 2.655 * 1.581 /
    # sqrt(18) = 0.989.
    rows = {16: [50.0] * 5, 64: [47.0, 51.0, 48.0, 50.0, 49.0], 99: [9.0, 8.0, 7.0, 8.0, 8.0]}
    found = study_of(rows)
    words = found.verdict()
    assert "tell it apart from 99, but not from 64: for that the runs were not enough." in words
    assert "Under 4 of the 5 seeds no other did better: one run alone might have named another (1 of 5)" in words
    assert "from 64 is what it seems, about 18 seeds would show it; whether it is, these runs cannot say" in words
    assert "not told apart" in found.table()
    four = study_of({size: row[:4] for size, row in rows.items()})
    assert "about" not in four.verdict()  # of a spread that is known so roughly no number follows


@pytest.mark.parametrize("k", [2, 4, 8])
def test_where_nothing_differs_one_study_of_twenty_calls_a_size_worse(k):
    """The best is picked by the same runs: at 95% each, of eight sizes half of all studies would."""
    rng = np.random.default_rng(k)
    worse = 0
    for runs in rng.normal(size=(600, k, 6)):
        found = study_of({2**i: row.tolist() for i, row in enumerate(runs)})
        worse += any(not found.difference(setting).holds_zero for setting in found.settings)
    assert worse / 600 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_two_seeds_with_one_difference_do_not_tell():
    """Of 360 images right or wrong, equal differences are chance in one of twenty pairs of equal models."""
    found = study_of({16: [351 / 360, 350 / 360], 32: [350 / 360, 349 / 360]})
    assert found.difference(found.settings[1]).holds_zero
    assert "2 seeds do not tell it apart from 32" in found.verdict()


def test_equal_means_are_no_best():
    found = study_of({16: [0.97, 0.98, 0.97], 32: [0.98, 0.97, 0.97], 64: [0.95, 0.96, 0.95]})
    assert "batch sizes 16 and 32, with the same mean, 0.973. 3 seeds tell 16 apart from 64" in found.verdict()
    assert "no other did better than 16" in found.verdict()
    assert "the same mean" in found.table()


def test_a_setting_with_a_lost_run_is_not_called_told_apart():
    found = study_of({16: [0.3] * 4 + [0.31] * 4, 32: [0.2] * 7 + [math.nan]}, larger=False)
    assert "Left out, for runs that did not end with a finite number: 32 (1 of 8 runs)" in found.verdict()
    assert "told apart" not in found.table()
    assert "tell it apart" not in found.verdict()


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([12320.49, 11018.92, 13622.07], "12,300 9,100 to 15,600"),
        ([0.00121, 0.001212, 0.001209], "0.0012103 0.0012065 to 0.0012141"),
        ([1e17, 2e17, 3e16], "1.1e+17 -1.0e+17 to 3.2e+17"),
        ([0.5, 0.5, 0.5], "0.5000 0.5000 to 0.5000"),
    ],
)
def test_a_number_has_the_digits_that_its_interval_leaves(values, shown):
    assert shown in " ".join(study_of({16: values}, larger=False).table().split())


def test_smaller_can_be_better():
    found = study_of({16: [0.3, 0.4], 32: [0.1, 0.2]}, larger=False)
    assert (found.best.batch_size, found.won) == (32, 2)
    assert found.difference(found.settings[0]).mean == pytest.approx(0.2)


@given(
    st.lists(
        st.lists(st.floats(-10, 10).map(lambda v: round(v, 3)), min_size=3, max_size=3), min_size=2, max_size=4
    ),
    st.booleans(),
)
def test_the_best_is_the_best_mean_and_no_other_beats_it_on_average(rows, larger):
    found = study_of({16 * (k + 1): row for k, row in enumerate(rows)}, larger)
    means = [np.mean(row) for row in rows]
    assert found.values(found.best).mean() == (max(means) if larger else min(means))
    sign = 1 if larger else -1
    assert all(sign * found.difference(setting).mean <= 1e-12 for setting in found.settings)
    best = rows[found.settings.index(found.best)]
    assert found.won == sum(all(sign * b >= sign * row[k] for row in rows) for k, b in enumerate(best))
    assert found.verdict()
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_a_setting_that_diverged_is_never_best_and_is_no_doubt(drawn_figure):
    found = study_of({16: [math.nan, math.inf], 32: [0.1, 0.2], 64: [0.2, 0.3]}, larger=False)
    assert found.best.batch_size == 32
    assert "not finite: 2 of 2" in found.table()
    assert "Left out, for runs that did not end with a finite number: 16 (2 of 2 runs)." in found.verdict()
    assert found.to_dict()["settings"][0]["interval"]["mean"] is None
    drawn_figure(found.plot())
    lost = study_of({16: [math.nan, 1.0], 32: [0.1, math.nan]})
    assert "nothing to compare" in lost.verdict()
    assert lost.table()


def test_one_seed_and_one_batch_size_have_no_verdict():
    assert "That is one run of each" in study_of({16: [0.3], 32: [0.1]}).table()
    lost = study_of({16: [math.nan], 32: [0.8], 64: [0.7]}).verdict()
    assert "Left out, for runs that did not end with a finite number: 16 (1 of 1 runs). That is one run" in lost
    alone = study_of({100: [0.3, 0.5]})
    assert "batch size full, 0.4. There is no other batch size to compare it with." in alone.verdict()
    assert "more updates" not in alone.table()


def test_the_figure_shows_every_run_and_the_means(drawn_figure):
    values = {16: [0.95, 0.97, 0.96], 64: [0.90, 0.94, 0.93]}
    found = study_of(values)
    ax = drawn_figure(found.plot())
    rows = [tuple(line.get_ydata()) for line in ax.lines]
    for pair in zip(*values.values(), strict=True):
        assert pair in rows
    for k, row in enumerate(values.values()):
        marked = [line for line in ax.lines if list(line.get_xdata()) == [k]]
        assert [line.get_ydata()[0] for line in marked] == [pytest.approx(np.mean(row))]
        bars = [tuple(line.get_ydata()) for line in ax.lines if list(line.get_xdata()) == [k, k]]
        interval = found.interval(found.settings[k])
        assert bars == [(interval.low, interval.high)]


def test_weights_that_no_seed_changes_are_pointed_out(data):
    x, y = data

    def seeded() -> mb.Sequential:
        mb.utils.set_random_seed(1)
        return build()

    found = batch_size_study(seeded, x, y, batch_sizes=[8, 16], epochs=1, seeds=2, metric="loss")
    assert found.one_start
    assert "All seeds began with the same weights" in found.table()


def test_a_build_that_differs_from_call_to_call_is_found_out(data):
    count = iter(range(10))

    def fickle() -> mb.Sequential:
        model = build()
        model.parameters.theta[0] += next(count)
        return model

    with pytest.raises(RuntimeError, match="same initial weights after the same seed"):
        batch_size_study(fickle, *data, batch_sizes=[8, 16], epochs=1, seeds=1, metric="loss")


def test_progress_counts_the_runs(data):
    told = []
    batch_size_study(
        build, *data, batch_sizes=[16, "full"], epochs=1, seeds=2, metric="loss", progress=lambda *p: told.append(p)
    )
    assert told[0] == ("seed 0, batch size 16", 0, 4)
    assert told[-1] == ("", 4, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_sizes": []}, "batch_sizes must be different ones"),
        ({"batch_sizes": [60, "full"]}, "batch_sizes must be different ones"),
        ({"batch_sizes": [0]}, "batch_sizes must be integers, 1 or more; got 0"),
        ({"seeds": 0}, "seeds must be integers, 1 or more; got 0"),
        ({"seeds": [1.5]}, "seeds must be integers, 0 or more; got 1.5"),
        ({"batch_sizes": 4}, "batch_sizes must be several, in a list; got 4"),
        ({"batch_sizes": "full"}, "batch_sizes must be several, in a list; got 'full'"),
        ({"learning_rates": 0.1}, "learning_rates must be several, in a list; got 0.1"),
        ({"learning_rates": [0.1, float("nan")]}, "learning_rates must be numbers, 0 or more; got nan"),
        ({"learning_rates": ["a"]}, "learning_rates must be numbers, 0 or more; got 'a'"),
        ({"validation_data": (1, 2, 3)}, r"validation_data must be a pair \(x, y\); got 3 entries"),
        ({"seeds": [1, 1]}, "seeds must be"),
        ({"learning_rates": []}, "learning_rates must be different ones"),
        ({"epochs": 0}, "epochs must be"),
        ({"metric": "val_loss"}, "no 'val_loss' at the end of a run; there are loss, mae.*Give validation_data"),
        ({"metric": "mea"}, "no 'mea'.*mae"),
    ],
)
def test_errors(data, changes, message):
    arguments = {"batch_sizes": [16], "epochs": 1, "seeds": 1, "metric": "loss"} | changes
    with pytest.raises(ValueError, match=message):
        batch_size_study(build, *data, **arguments)


@given(st.floats(0.05, 5), st.floats(0.1, 3))
def test_seeds_needed_is_the_first_number_that_is_enough(mean, sd):
    n = seeds_needed(Interval(5, mean, 0.0, 0.0, sd))
    if math.isinf(n):
        assert t_quantile(999) * sd / math.sqrt(1000) >= mean
        return
    assert t_quantile(n - 1) * sd / math.sqrt(n) < mean
    assert n == 2 or t_quantile(n - 2) * sd / math.sqrt(n - 1) >= mean


def test_no_difference_takes_no_number_of_seeds():
    assert math.isinf(seeds_needed(Interval(5, 0.0, -1.0, 1.0, 1.0)))


@pytest.mark.parametrize("made", [None, mb.Sequential([mb.Input((4,)), mb.layers.Dense(1)])], ids=["none", "plain"])
def test_build_must_return_a_compiled_model(made, data) -> None:
    arguments = {"batch_sizes": [8], "epochs": 1, "seeds": 1, "metric": "loss"}
    with pytest.raises(ValueError, match=r"build\(\) must return a compiled model; it returned"):
        batch_size_study(lambda: made, *data, learning_rates=[0.1], **arguments)
