import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection

from minibatch.plots import direction_spread
from minibatch.plots.spread import smoothed_density


@pytest.fixture
def angles():
    r = np.random.default_rng(0)
    return {
        "full": np.zeros(300),
        1: np.clip(r.normal(85, 9, 300), 0, 180),
        32: np.clip(r.normal(40, 8, 300), 0, 180),
    }


def marks(ax, marker):
    return [line for line in ax.lines if line.get_marker() == marker]


def test_medians_quartiles_and_theory_are_those_of_the_numbers(angles, drawn):
    before = {b: a.copy() for b, a in angles.items()}
    ax = drawn(direction_spread(angles, theory={1: 84.0, 32: 41.0}, n_samples=1437))
    rows = [angles[1], angles[32], angles["full"]]
    assert [line.get_xdata()[0] for line in marks(ax, "o")] == [np.median(a) for a in rows]
    assert [line.get_ydata()[0] for line in marks(ax, "o")] == [0.0, -1.0, -2.0]
    bars = [line for line in ax.lines if line.get_linewidth() == 4.0]
    for bar, a in zip(bars, rows, strict=True):
        np.testing.assert_allclose(bar.get_xdata(), np.quantile(a, [0.25, 0.75]))
    assert [line.get_xdata()[0] for line in marks(ax, "^")] == [84.0, 41.0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["1 (stochastic)", "32", "full (1,437)"]
    assert all((angles[b] == before[b]).all() for b in angles)


def test_ridges_where_there_is_a_shape_and_a_line_where_there_is_none(angles):
    ax = direction_spread(angles)
    assert sum(isinstance(c, PolyCollection) for c in ax.collections) == 2
    (upright,) = (c for c in ax.collections if isinstance(c, LineCollection))
    assert upright.get_segments()[0][0][0] == 0.0


@pytest.mark.parametrize(
    "values",
    [[30.0], [0.0, 0.0], [10.0, 20.0], [5.0] * 50, np.full(50, 1e-7), [0.0] * 99 + [40.0], [180.0, 0.0] * 9],
    ids=["one", "two equal", "two", "equal", "rounding", "one apart", "both ends"],
)
def test_degenerate_spreads_draw_without_a_warning(values, drawn):
    ax = drawn(direction_spread({32: values}))
    assert marks(ax, "o")[0].get_xdata()[0] == np.median(values)


def test_few_draws_are_drawn_one_by_one():
    ax = direction_spread({1: [80.0, 85.0, 91.0]})
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    assert [segment[0][0] for segment in lines.get_segments()] == [80.0, 85.0, 91.0]


def test_the_density_integrates_to_one_and_stays_within_the_angles():
    r = np.random.default_rng(3)
    for values in (r.normal(60, 10, 5000), np.abs(r.normal(0, 4, 5000)), 180 - np.abs(r.normal(0, 4, 5000))):
        grid, density = smoothed_density(values)
        assert grid[0] >= 0.0
        assert grid[-1] <= 180.0
        area = np.sum((density[1:] + density[:-1]) / 2.0 * np.diff(grid))
        np.testing.assert_allclose(area, 1.0, atol=0.01)


def test_the_density_of_a_normal_is_nearly_normal():
    grid, density = smoothed_density(np.random.default_rng(4).normal(60, 10, 20_000))
    normal = np.exp(-0.5 * ((grid - 60) / 10) ** 2) / (10 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(density, normal, atol=0.05 * normal.max())


def test_the_axes_handed_in_are_used_and_nothing_else_is_made(angles, drawn):
    fig, ax = plt.subplots()
    assert drawn(direction_spread(angles, ax=ax, title="Angles")) is ax
    assert fig.axes == [ax]
    assert plt.get_fignums() == [fig.number]
    assert ax.get_title(loc="left") == "Angles"
    assert "degrees" in ax.get_xlabel()
    assert "samples" in ax.get_ylabel()


@pytest.mark.parametrize("n_sizes", [1, 3, 12])
def test_nothing_overlaps(drawn, texts, boxes_apart, n_sizes):
    r = np.random.default_rng(0)
    many = {2**k: np.clip(r.normal(85 - 6 * k, 6, 200), 0, 180) for k in range(n_sizes)}
    ax = drawn(direction_spread(many, theory={1: 85.0}, n_samples=2048))
    boxes_apart(texts(ax))


def test_errors(angles):
    with pytest.raises(ValueError, match="at least one batch size"):
        direction_spread({})
    with pytest.raises(ValueError, match=r"angles\[32\] must have shape \(n,\); got \(2, 2\)"):
        direction_spread({32: [[1, 2], [3, 4]]})
    with pytest.raises(ValueError, match="at least one angle"):
        direction_spread({32: []})
    with pytest.raises(ValueError, match="from 0 to 180; got 181"):
        direction_spread({32: [1.0, 181.0]})
    with pytest.raises(ValueError, match="entry 1 is nan"):
        direction_spread({32: [1.0, np.nan]})
    with pytest.raises(ValueError, match=r"theory must be of batch sizes in angles.*\[64\]"):
        direction_spread(angles, theory={64: 3.0})
    assert not plt.get_fignums()
