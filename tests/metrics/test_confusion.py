"""Counts at thresholds, and what is made of them, worked by hand or counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibatch import metrics


@given(
    rows=st.lists(st.tuples(st.booleans(), st.integers(0, 10), st.integers(0, 3)), min_size=1, max_size=20),
    thresholds=st.lists(st.sampled_from([0.05, 0.2, 0.35, 0.5, 0.75, 0.9]), min_size=1, max_size=4),
    cut=st.integers(0, 20),
)
def test_counted_one_by_one(rows: list[tuple[bool, int, int]], thresholds: list[float], cut: int) -> None:
    y, p, w = (np.array(column, float) for column in zip(*rows, strict=True))
    p = p / 10
    expected = {
        "TruePositives": [((p > t) & (y == 1)) @ w for t in thresholds],
        "FalsePositives": [((p > t) & (y == 0)) @ w for t in thresholds],
        "TrueNegatives": [((p <= t) & (y == 0)) @ w for t in thresholds],
        "FalseNegatives": [((p <= t) & (y == 1)) @ w for t in thresholds],
    }
    # Predictions are compared in float32: keep away from where that differs.
    for name, counts in expected.items():
        metric = getattr(metrics, name)(thresholds=thresholds)
        for piece in (slice(cut), slice(cut, None)):
            if len(y[piece]):
                metric.update_state(y[piece], p[piece], w[piece])
        if not np.isin(p, thresholds).any():
            np.testing.assert_allclose(np.atleast_1d(metric.result()), counts)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), min_size=2, max_size=30))
def test_the_area_under_roc_is_the_chance_of_the_right_order(rows: list[tuple[bool, int]]) -> None:
    """Of a positive and a negative drawn at random, ties counting half (Hanley and McNeil 1982)."""
    y, rank = (np.array(column, int) for column in zip(*rows, strict=True))
    if y.min() == y.max():
        return
    p = (rank + 0.5) / 41  # 41 values, each between two thresholds of its own
    auc = metrics.AUC(num_thresholds=42)
    auc.update_state(y, p)
    pairs = np.sign(p[y == 1][:, None] - p[y == 0])
    assert auc.result() == pytest.approx((pairs.mean() + 1) / 2)


def test_precision_and_recall_of_the_top_k() -> None:
    y, p = [[0, 1, 1], [1, 0, 0]], [[0.1, 0.2, 0.6], [0.3, 0.5, 0.4]]
    # Of the first row 2 and 1 are the top 2, both right; of the second 1 and 2, both wrong.
    assert metrics.Precision(top_k=2)(y, p) == 2 / 4
    assert metrics.Recall(top_k=2)(y, p) == 2 / 3
    # Class 1 alone: predicted above 0.5 in neither row.
    assert metrics.Precision(class_id=1)(y, p) == 0
    assert metrics.Recall(class_id=1, thresholds=0.1)(y, p) == 1
    np.testing.assert_allclose(metrics.Precision(thresholds=[0.55, 0.25])(y, p), [1, 2 / 4])


def test_predictions_that_are_not_numbers_are_not_positive() -> None:
    for thresholds in (0.5, [0.0, 0.5, 1.0]):
        assert np.max(metrics.TruePositives(thresholds=thresholds)([1.0], [np.nan])) == 0


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"Recall: thresholds must lie in \[0, 1\]; got 1.5"):
        metrics.Recall(thresholds=1.5)
    with pytest.raises(ValueError, match=r"class_id needs predictions of shape \(N, classes\); got shape \(2,\)"):
        metrics.Precision(class_id=1)([0, 1], [0, 1])
    with pytest.raises(ValueError, match=r"Unknown curve 'RC'. Did you mean"):
        metrics.AUC(curve="RC")
    with pytest.raises(ValueError, match="num_thresholds must be above 1; got 1"):
        metrics.AUC(num_thresholds=1)
    with pytest.raises(ValueError, match="num_labels is for multi_label=True only"):
        metrics.AUC(num_labels=3)
    with pytest.raises(ValueError, match=r"needs predictions of shape \(N, 3\); got \(2, 2\)"):
        metrics.AUC(multi_label=True, num_labels=3)(np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match=r"must both have shape \(N, classes\); got \(2,\) and \(2,\)"):
        metrics.F1Score()([0, 1], [0, 1])
    for settings in ({"average": "mean"}, {"threshold": 0.0}, {"beta": 0.0}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            metrics.FBetaScore(**settings)


def test_state_goes_on_where_it_was(rng: np.random.Generator) -> None:
    y, p = rng.integers(2, size=(20, 3)), rng.random((20, 3))
    for name in sorted(set(metrics.METRICS) - {"mean", "sum", "mean_metric_wrapper"}):
        if "sparse" in name:
            continue
        whole, first, second = (metrics.get(name) for _ in range(3))
        whole.update_state(y, p)
        first.update_state(y[:12], p[:12])
        state = first.state_dict()
        second.load_state_dict(state)
        first.update_state(y[12:], p[12:])  # what was copied out stays as it was
        second.update_state(y[12:], p[12:])
        np.testing.assert_allclose(second.result(), whole.result(), rtol=1e-12)
        np.testing.assert_allclose(first.result(), whole.result(), rtol=1e-12)
        with pytest.raises(ValueError, match="has the state"):
            second.load_state_dict({})
