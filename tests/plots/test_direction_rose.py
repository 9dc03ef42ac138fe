import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Wedge

from minibatch.plots import batch_styles, direction_rose, direction_roses


@pytest.fixture
def angles():
    r = np.random.default_rng(0)
    return {
        "full": np.zeros(300),
        1: np.clip(r.normal(85, 9, 300), 0, 180),
        32: np.clip(r.normal(40, 8, 700), 0, 180),
    }


def wedges(ax, color):
    from matplotlib.colors import to_hex

    found = [p for p in ax.patches if isinstance(p, Wedge)]
    return [p for p in found if to_hex(p.get_facecolor()).upper() == color]


def shares_drawn(ax, color, bins):
    """The share that each sector's area stands for, from the shapes on the axes."""
    shares = np.zeros(bins)
    for wedge in wedges(ax, color):
        assert wedge.center == (0.0, 0.0)
        np.testing.assert_allclose(wedge.theta2 - wedge.theta1, 180 / bins)
        shares[round(wedge.theta1 * bins / 180)] = wedge.r**2
    return shares


def test_area_is_the_share_of_the_draws_and_every_rose_has_the_same(angles, drawn):
    before = {b: a.copy() for b, a in angles.items()}
    ax = drawn(direction_rose(angles, bins=18))
    styles = batch_styles(angles)
    for batch_size in (1, 32):
        a = angles[batch_size]
        shares = shares_drawn(ax, styles[batch_size].color, 18)
        np.testing.assert_allclose(shares, np.histogram(a, 18, (0, 180))[0] / len(a), atol=1e-12)
        np.testing.assert_allclose(shares.sum(), 1.0)
    assert all((angles[b] == before[b]).all() for b in angles)


@settings(max_examples=30, deadline=None)  # each draws a figure
@given(st.lists(st.floats(0.0, 180.0), min_size=2, max_size=40), st.integers(1, 72))
def test_shares_add_up_whatever_the_angles(values, bins):
    if max(values) - min(values) < 0.05:
        return
    ax = direction_rose({7: values}, bins=bins)
    np.testing.assert_allclose(shares_drawn(ax, batch_styles([7])[7].color, bins).sum(), 1.0)
    plt.close(ax.figure)


def test_draws_with_one_angle_are_a_ray_to_the_rim(angles, drawn):
    ax = drawn(direction_rose(angles, n_samples=300))
    color = batch_styles(angles, 300)["full"].color
    assert not wedges(ax, color)
    (ray,) = (line for line in ax.lines if line.get_color() == color)
    x, y = ray.get_xydata().T
    # Farther out than every sector, along G.
    assert x[-1] > max(w.r for w in ax.patches if isinstance(w, Wedge))
    np.testing.assert_array_equal(y, 0.0)


def test_the_angle_expected_is_marked_on_the_rim(angles, drawn):
    ax = drawn(direction_rose(angles, theory={1: 84.0, 32: 41.0}))
    marks = [line for line in ax.lines if isinstance(line.get_marker(), tuple)]
    places = [line.get_xydata()[0] for line in marks]
    np.testing.assert_allclose([np.degrees(np.arctan2(y, x)) for x, y in places], [84.0, 41.0])
    # The triangle points inwards: turned by its angle and a quarter.
    assert [line.get_marker()[2] for line in marks] == [174.0, 131.0]
    assert "expected" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_draws_without_direction_are_left_out_and_counted(angles, drawn):
    angles[32][:5] = np.nan
    ax = drawn(direction_rose(angles))
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "32, 5 without direction" in words
    np.testing.assert_allclose(shares_drawn(ax, batch_styles(angles)[32].color, 36).sum(), 1.0)


@pytest.mark.parametrize("n_sizes", [1, 5, 12])
def test_side_by_side_has_one_scale_and_nothing_overlaps(n_sizes, drawn, boxes_apart):
    r = np.random.default_rng(0)
    many = {2**k: np.clip(r.normal(85 - 6 * k, 6, 200), 0, 180) for k in range(n_sizes)}
    panels = direction_roses(many, theory={1: 85.0})
    assert [ax.get_title(loc="left") for ax in panels] == [s.label for s in batch_styles(many).values()]
    assert len({ax.get_xlim() for ax in panels}) == 1
    drawn(panels[0])
    for ax in panels:
        boxes_apart([*ax.texts, ax._left_title])
        assert ax.get_aspect() == 1.0


@pytest.mark.parametrize("n_sizes", [1, 3, 12])
def test_nothing_overlaps_when_overlaid(n_sizes, drawn, boxes_apart):
    r = np.random.default_rng(0)
    many = {2**k: np.clip(r.normal(85 - 6 * k, 6, 200), 0, 180) for k in range(n_sizes)}
    ax = drawn(direction_rose(many, theory={1: 85.0}))
    boxes_apart([*ax.texts, ax._left_title, ax.get_legend(), ax.xaxis.label])


def test_the_axes_handed_in_are_used_and_nothing_else_is_made(angles, drawn):
    fig, axes = plt.subplots(1, 3)
    assert drawn(direction_rose(angles, ax=axes[0], title="Roses")) is axes[0]
    assert axes[0].get_title(loc="left") == "Roses"
    panels = direction_roses(angles, axes=axes)
    assert list(panels) == list(axes)
    assert plt.get_fignums() == [fig.number]
    assert fig.axes == list(axes)


def test_errors(angles):
    for draw in (direction_rose, direction_roses):
        with pytest.raises(ValueError, match="at least one batch size"):
            draw({})
        with pytest.raises(ValueError, match=r"shape \(draws,\); got \(1, 2\)"):
            draw({32: [[1.0, 2.0]]})
        with pytest.raises(ValueError, match="at least one angle; got 2, all NaN"):
            draw({32: [np.nan, np.nan]})
        with pytest.raises(ValueError, match=r"from 0 to 180; got 181\.0"):
            draw({32: [1.0, 181.0]})
        with pytest.raises(ValueError, match="from 0 to 180; got inf"):
            draw({32: [1.0, np.inf]})
        with pytest.raises(ValueError, match=r"theory must be of batch sizes in angles.*\[64\]"):
            draw(angles, theory={64: 3.0})
        with pytest.raises(ValueError, match="bins must be a positive integer; got 0"):
            draw(angles, bins=0)
    assert not plt.get_fignums()
    with pytest.raises(ValueError, match="ordinary axes; got polar"):
        direction_rose(angles, ax=plt.subplot(projection="polar"))
    with pytest.raises(ValueError, match="as many as batch sizes, 3; got 2"):
        direction_roses(angles, axes=plt.subplots(1, 2)[1])
