import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minibatch.plots import principal_plane


@st.composite
def some_paths(draw):
    D = draw(st.integers(2, 12))
    numbers = st.floats(-1e3, 1e3, allow_nan=False, width=32)
    labels = draw(st.lists(st.sampled_from([1, 8, 32, "full"]), min_size=1, max_size=4, unique=True))
    return {b: draw(arrays(np.float64, (draw(st.integers(1, 9)), D), elements=numbers)) for b in labels}


@settings(deadline=None)
@given(some_paths())
def test_axes_are_orthonormal_and_fractions_are_fractions(paths):
    plane = principal_plane(paths)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-12)
    assert plane.explained[0] >= plane.explained[1] >= 0.0
    assert plane.explained.sum() <= 1.0 + 1e-15


@settings(deadline=None)
@given(some_paths())
def test_projection_and_lift_undo_each_other_in_the_plane(paths):
    plane = principal_plane(paths)
    scale = 1.0 + max(np.abs(path).max() for path in paths.values())
    for label, path in paths.items():
        np.testing.assert_allclose(plane.project(path), plane.projected[label], atol=1e-12 * scale)
        again = plane.project(plane.lift(plane.projected[label]))
        np.testing.assert_allclose(again, plane.projected[label], atol=1e-11 * scale)
        # What the plane leaves out stands at right angles to it.
        rest = path - plane.lift(plane.projected[label])
        np.testing.assert_allclose(rest @ plane.axes.T, 0.0, atol=1e-11 * scale)
    np.testing.assert_allclose(plane.lift([[0.0, 0.0]])[0], plane.origin)


@settings(deadline=None)
@given(some_paths())
def test_the_same_paths_give_the_same_plane_and_are_not_touched(paths):
    before = {label: path.copy() for label, path in paths.items()}
    first, second = principal_plane(paths), principal_plane(paths)
    assert (first.axes == second.axes).all()
    for label, path in paths.items():
        np.testing.assert_array_equal(path, before[label])


def test_each_path_has_an_equal_say():
    # Repeating every point of a path k times changes how many updates it made, not where it went.
    r = np.random.default_rng(0)
    short, long = r.normal(size=(5, 7)), r.normal(size=(6, 7))
    plane = principal_plane({"full": short, 1: long})
    repeated = principal_plane({"full": short, 1: np.repeat(long, 40, axis=0)})
    np.testing.assert_allclose(repeated.axes, plane.axes, atol=1e-12)
    np.testing.assert_allclose(repeated.explained, plane.explained, atol=1e-12)


def test_equal_say_by_hand():
    # Path a varies by +-1 along axis 0 (variance 1), b by +-2 along axis 1 (variance 4), about one mean 0.
    # Half of each: 0.5 and 2, so axis 1 leads with 4/5, though a has a hundred times as many points.
    a = np.tile([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], (100, 1))
    b = np.array([[0.0, 2.0, 0.0], [0.0, -2.0, 0.0]])
    plane = principal_plane({1: a, "full": b})
    np.testing.assert_allclose(plane.explained, [0.8, 0.2], atol=1e-12)
    np.testing.assert_allclose(np.abs(plane.axes), [[0, 1, 0], [1, 0, 0]], atol=1e-12)
    # The origin is the mean of the final points (-1, 0, 0) and (0, -2, 0).
    np.testing.assert_allclose(plane.origin, [-0.5, -1.0, 0.0])


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)], ids=["more points", "more parameters"])
def test_one_path_is_plain_pca(shape):
    path = np.random.default_rng(1).normal(size=shape).cumsum(axis=0)
    plane = principal_plane({32: path})
    _, s, Vt = np.linalg.svd(path - path.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(plane.explained, s[:2] ** 2 / np.sum(s**2), rtol=1e-10)
    np.testing.assert_allclose(np.abs(np.sum(plane.axes * Vt[:2], axis=1)), 1.0, rtol=1e-10)
    # As in Li et al., the final point is at the origin.
    np.testing.assert_allclose(plane.projected[32][-1], 0.0, atol=1e-12)


def test_paths_start_at_the_upper_left():
    r = np.random.default_rng(2)
    for _ in range(20):
        path = r.normal(size=(30, 5)).cumsum(axis=0)
        start = principal_plane({1: path}).projected[1][0]
        assert start[0] <= 0.0 <= start[1]


def test_a_straight_line_and_a_standstill():
    line = principal_plane({"full": np.outer(np.arange(4.0), [3.0, 4.0, 0.0])})
    np.testing.assert_allclose(line.explained, [1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(line.axes[0], [0.6, 0.8, 0.0])
    still = principal_plane({"full": np.ones((3, 4))})
    np.testing.assert_array_equal(still.explained, [0.0, 0.0])
    np.testing.assert_array_equal(still.projected["full"], np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ({}, "at least one batch size"),
        ({32: np.zeros(3)}, r"paths\[32\] must have shape \(T, D\).*got \(3,\)"),
        ({"full": np.zeros((3, 1))}, r"D >= 2; got \(3, 1\)"),
        ({1: np.zeros((0, 3))}, r"got \(0, 3\)"),
        ({1: np.zeros((2, 3)), 2: np.zeros((2, 4))}, "same number of parameters"),
        ({1: np.array([[0.0, 1.0], [np.nan, 0.0]])}, "point 1 of 2 is not"),
    ],
)
def test_errors(paths, message):
    with pytest.raises(ValueError, match=message):
        principal_plane(paths)


def test_errors_of_project_and_lift():
    plane = principal_plane({1: np.eye(3)})
    with pytest.raises(ValueError, match=r"shape \(M, 3\); got \(2, 2\)"):
        plane.project(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"shape \(M, 2\); got \(3,\)"):
        plane.lift(np.zeros(3))
