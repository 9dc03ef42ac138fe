import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.contour import ContourSet

from minibatch.plots import batch_styles, gradient_directions


@pytest.fixture
def paths():
    r = np.random.default_rng(0)
    way = np.linspace([-1.0, 1.0], [1.0, -0.5], 40)
    return {
        1: np.vstack([way[0], (way + r.normal(0, 0.2, way.shape))[1:]]),
        32: np.vstack([way[0], (way + r.normal(0, 0.05, way.shape))[1:]]),
        "full": way,
    }


@pytest.fixture
def bowl():
    xs, ys = np.linspace(-1.6, 1.6, 31), np.linspace(-1.4, 1.4, 25)
    return xs, ys, (xs - 1.0) ** 2 + 2.0 * (ys[:, None] + 0.5) ** 2


def path_lines(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_the_points_handed_in_are_the_points_drawn(paths, bowl, drawn):
    before = {b: path.copy() for b, path in paths.items()}
    ax = drawn(gradient_directions(paths, contours=bowl, n_samples=1437))
    lines = path_lines(ax)
    assert list(lines) == ["1 (stochastic)", "32", "full (1,437)"]
    for line, (batch_size, path) in zip(lines.values(), paths.items(), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), path)
        np.testing.assert_array_equal(path, before[batch_size])


def test_full_batch_on_top_and_stochastic_thin_beneath(paths):
    red, green, blue = path_lines(gradient_directions(paths)).values()
    assert red.get_zorder() < green.get_zorder() < blue.get_zorder()
    assert red.get_linewidth() < blue.get_linewidth() < green.get_linewidth()
    assert [line.get_color() for line in (red, green, blue)] == ["#C0281C", "#1FA97A", "#08357A"]


def test_contours_are_the_loss_between_its_extremes(paths, bowl, drawn):
    ax = drawn(gradient_directions(paths, contours=bowl, levels=9))
    filled, lines = (c for c in ax.collections if isinstance(c, ContourSet))
    assert len(lines.levels) == 9
    assert bowl[2].min() < lines.levels[0]
    assert lines.levels[-1] < bowl[2].max()
    assert (filled.levels[0], filled.levels[-1]) == (bowl[2].min(), bowl[2].max())
    np.testing.assert_allclose(ax.get_xlim(), (-1.6, 1.6))
    np.testing.assert_allclose(ax.get_ylim(), (-1.4, 1.4))
    given = [0.5, 1.0, 2.0]
    ax = drawn(gradient_directions(paths, contours=bowl, levels=given))
    assert list(ax.collections[-1].levels) == given


def test_contour_labels_keep_off_the_paths(paths, bowl, drawn):
    ax = drawn(gradient_directions(paths, contours=bowl))
    written = ax.texts or ax.collections[-1].labelTexts
    assert written
    points = ax.transData.transform(np.concatenate(list(paths.values())))
    for text in written:
        box = text.get_window_extent()
        inside = (points >= (box.x0, box.y0)) & (points <= (box.x1, box.y1))
        assert not inside.all(axis=1).any()


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_losses_that_are_not_finite_are_left_blank(paths, bowl, drawn, hole):
    Z = bowl[2].copy()
    Z[:5, :7] = hole
    drawn(gradient_directions(paths, contours=(bowl[0], bowl[1], Z)))


def test_a_flat_loss_and_a_path_of_one_point_draw_without_a_warning(bowl, drawn):
    drawn(gradient_directions({"full": [[0.0, 0.0]]}, contours=(bowl[0], bowl[1], np.ones_like(bowl[2]))))
    drawn(gradient_directions({"full": [[2.0, 3.0]]}))
    drawn(gradient_directions({1: [[0.0, 1.0], [5.0, 1.0]]}))


def test_labels_start_minimum_and_key(paths):
    ax = gradient_directions(paths, minimum=(1.0, -0.5), explained=(0.62, 0.041))
    assert ax.get_xlabel() == "PC 1 (62 % of variance)"
    assert ax.get_ylabel() == "PC 2 (4.1 % of variance)"
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(words) == sorted(["1 (stochastic)", "32", "full", "start", "minimum"])
    star = next(line for line in ax.lines if line.get_marker() == "*")
    np.testing.assert_array_equal(star.get_xydata(), [[1.0, -0.5]])
    named = gradient_directions(paths, labels=("slope", "intercept"), title="Regression")
    assert (named.get_xlabel(), named.get_ylabel()) == ("slope", "intercept")
    assert named.get_title(loc="left") == "Regression"


def test_the_axes_handed_in_are_used_and_nothing_else_is_made(paths, bowl, drawn):
    fig, (left, right) = plt.subplots(1, 2)
    assert drawn(gradient_directions(paths, contours=bowl, ax=left)) is left
    assert fig.axes == [left, right]
    assert plt.get_fignums() == [fig.number]
    assert not right.lines


def test_styles_handed_in_are_used(paths):
    styles = batch_styles([1, 8, 32, 128, "full"])
    line = path_lines(gradient_directions(paths, styles=styles))["32"]
    assert line.get_color() == styles[32].color
    with pytest.raises(ValueError, match=r"\[32\] missing"):
        gradient_directions(paths, styles=batch_styles([1, "full"]))


@pytest.mark.parametrize("n_between", [0, 1, 3, 6])
def test_nothing_overlaps(paths, bowl, drawn, texts, boxes_apart, n_between):
    many = {1: paths[1], **{2 ** (k + 1): paths[32] for k in range(n_between)}, "full": paths["full"]}
    ax = drawn(gradient_directions(many, contours=bowl, minimum=(1, -0.5), n_samples=1437))
    boxes_apart(texts(ax))
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1 - 1.0
    frame = ax.figure.bbox
    for text in texts(ax):
        box = text.get_window_extent()
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
        assert frame.y0 <= box.y0 <= box.y1 <= frame.y1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paths": {}}, "at least one batch size"),
        ({"paths": {32: np.zeros((5, 3))}}, r"paths\[32\] must have shape \(T, 2\).*got \(5, 3\)"),
        ({"paths": {32: [[0.0, np.inf]]}}, "point 0 is"),
        ({"contours": ([0, 1, 2], [0, 1], np.zeros((3, 2)))}, r"= \(2, 3\); got \(3, 2\)"),
        ({"contours": ([0, 0, 2], [0, 1], np.zeros((2, 3)))}, "increasing"),
        ({"contours": ([0, 1, 2], [0, 1], np.full((2, 3), np.nan))}, "it has none"),
        ({"minimum": (1.0, 2.0, 3.0)}, r"minimum must have shape \(2,\); got \(3,\)"),
        ({"explained": (0.5,)}, r"explained must have shape \(2,\)"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        gradient_directions(**{"paths": {1: np.zeros((2, 2))}, **change})
    assert not plt.get_fignums()
