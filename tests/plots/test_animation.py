import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.animation import FuncAnimation, PillowWriter

from minibatch.plots import animate_directions, gradient_directions


@pytest.fixture
def paths():
    r = np.random.default_rng(0)
    way = np.linspace([-1.0, 1.0], [1.0, -0.5], 40)
    return {
        1: np.vstack([way[0], (way + r.normal(0, 0.2, way.shape))[1:]]),
        32: np.vstack([way[0], np.repeat(way, 4, axis=0) + r.normal(0, 0.05, (160, 2))]),
        "full": way[:5],
    }


@pytest.fixture
def shown():
    """Go to a frame of an animation."""

    def go(animation, frame):
        # The first drawing of the figure starts the animation; one that was never started warns.
        animation._fig.canvas.draw()
        animation._func(frame)
        animation._fig.canvas.draw()
        return animation._fig.axes[0]

    return go


def curves(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def everything(ax):
    return sorted((str(line.get_color()), str(line.get_marker()), line.get_xydata().tolist()) for line in ax.lines)


def test_the_last_frame_is_the_still_figure(paths, shown):
    still = gradient_directions(paths, n_samples=50, minimum=(1.0, -0.5))
    ax = shown(animate_directions(paths, n_samples=50, minimum=(1.0, -0.5), frames=20), 19)
    assert everything(ax) == everything(still)
    assert ax.get_xlim() == still.get_xlim()
    assert ax.get_title(loc="left") == still.get_title(loc="left")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        t.get_text() for t in still.get_legend().get_texts()
    ]


def test_at_first_nobody_has_moved(paths, shown):
    ax = shown(animate_directions(paths, frames=20), 0)
    for line, path in zip(curves(ax).values(), paths.values(), strict=True):
        np.testing.assert_array_equal(np.unique(line.get_xydata(), axis=0), path[:1])
    # Nor does a dot, or the edge beneath a path, lie ahead of it.
    starts = {tuple(path[0]) for path in paths.values()}
    assert {tuple(point) for line in ax.lines for point in line.get_xydata()} == starts


def test_each_is_where_its_time_says(shown):
    paths = {1: [[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]], "full": [[0.0, 0.0], [4.0, 4.0]]}
    times = {1: [10.0, 11.0, 13.0], "full": [10.0, 30.0]}
    # 85 % of 100 frames walk: frame 84 is the end of the walk, frame 21 a quarter of it, at 5 of 20.
    animation = animate_directions(paths, times=times, clock="updates", frames=100)
    ax = shown(animation, 21)
    quick, slow = curves(ax).values()
    np.testing.assert_allclose(slow.get_xydata()[-1], [1.0, 1.0])
    np.testing.assert_array_equal(quick.get_xydata(), paths[1])
    (counter,) = ax.texts
    assert counter.get_text() == "5.0 updates"
    ax = shown(animation, 4)
    moment = 20.0 * 4 / 84
    np.testing.assert_allclose(curves(ax)["full"].get_xydata()[-1], [moment / 5.0, moment / 5.0])
    np.testing.assert_allclose(
        shown(animation, 84).lines[0].get_xydata(), shown(animation, 99).lines[0].get_xydata()
    )


def test_without_times_all_arrive_together(paths, shown):
    animation = animate_directions(paths, frames=21)
    before = {b: line.get_xydata()[-1].copy() for b, line in curves(shown(animation, 16)).items()}
    after = {b: line.get_xydata()[-1].copy() for b, line in curves(shown(animation, 17)).items()}
    for (batch_size, last), path in zip(after.items(), paths.values(), strict=True):
        np.testing.assert_array_equal(last, path[-1])
        assert (before[batch_size] != last).any()


def test_it_can_be_saved_and_has_as_many_frames_as_asked(paths, tmp_path):
    images = pytest.importorskip("PIL.Image", reason="a GIF needs Pillow, the extra 'images'")
    animation = animate_directions(paths, frames=4, interval=100.0)
    assert isinstance(animation, FuncAnimation)
    animation.save(tmp_path / "paths.gif", writer=PillowWriter(fps=10), dpi=40)
    with images.open(tmp_path / "paths.gif") as gif:
        # A GIF keeps equal neighbours as one.
        assert 3 <= gif.n_frames <= 4
        assert gif.size == (256, 224)


def test_a_path_of_one_point_and_repeated_times(shown):
    shown(animate_directions({"full": [[1.0, 2.0]]}, frames=2), 1)
    paths = {1: [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]}
    ax = shown(animate_directions(paths, times={1: [0.0, 0.0, 0.0]}, frames=3), 0)
    np.testing.assert_array_equal(curves(ax)["1 (stochastic)"].get_xydata(), paths[1])


def test_the_axes_handed_in_keep_what_they_hold(paths, shown):
    fig, ax = plt.subplots(layout="constrained")
    (other,) = ax.plot(paths[1][:, 0], paths[1][:, 1], color="k", label="other")
    assert shown(animate_directions(paths, ax=ax, frames=3), 0) is ax
    np.testing.assert_array_equal(other.get_xydata(), paths[1])
    assert plt.get_fignums() == [fig.number]
    assert fig.get_layout_engine() is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 1}, "frames must be an integer from 2 to 1000; got 1"),
        ({"frames": 5000}, "got 5000"),
        ({"frames": 2.5}, r"got 2\.5"),
        ({"interval": 0.0}, r"interval must be a positive number of milliseconds; got 0\.0"),
        ({"times": {1: np.arange(40.0)}}, "times must have every batch size of paths; 32 is missing"),
        ({"times": {1: [1.0], 32: [1.0], "full": [1.0]}}, r"times\[1\] must have shape \(40,\); got \(1,\)"),
        (
            {"times": {b: -np.arange(n) for b, n in ((1, 40), (32, 161), ("full", 5))}},
            r"times\[1\] must not decrease",
        ),
    ],
)
def test_errors(paths, options, message):
    with pytest.raises(ValueError, match=message):
        animate_directions(paths, **options)
    assert not plt.get_fignums()


def test_paths_are_checked_as_for_the_still_figure():
    with pytest.raises(ValueError, match="at least one batch size"):
        animate_directions({})
    with pytest.raises(ValueError, match=r"shape \(T, 2\)"):
        animate_directions({1: np.zeros((3, 3))})
    assert not plt.get_fignums()
