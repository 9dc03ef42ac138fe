import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibatch.plots.axes import plain_number, set_log_axis, spans_a_decade
from minibatch.plots.series import QUANTITIES, checked_series, draw_series, running_median, without_dips


def draw(values, **options):
    options = {"color": "k", "label": "it", "logarithmic": False} | options
    ax = plt.subplots()[1]
    steps, values = checked_series("it", np.arange(1, len(values) + 1), values)
    return ax, draw_series(ax, steps, values, **options)


def at_edge(ax, marker):
    (found,) = (line for line in ax.lines if line.get_marker() == marker)
    return found


def test_few_values_are_the_line_itself():
    values = [3.0, np.nan, 1.0, 2.0]
    ax, _ = draw(values)
    line = next(line for line in ax.lines if line.get_label() == "it")
    np.testing.assert_array_equal(line.get_xydata(), np.c_[[1, 2, 3, 4], values])


def test_many_values_are_a_light_line_under_their_running_median(drawn):
    values = np.random.default_rng(0).normal(5.0, 1.0, 1000)
    ax, _ = draw(values)
    light, strong = drawn(ax).lines
    np.testing.assert_array_equal(light.get_ydata(), values)
    assert light.get_alpha() < 0.5
    assert light.get_linewidth() < strong.get_linewidth()
    assert light.get_zorder() < strong.get_zorder()
    steps, median = running_median(np.arange(1.0, 1001.0), values)
    np.testing.assert_array_equal(strong.get_xydata(), np.c_[steps, median])
    assert np.ptp(median) < 2.0 < np.ptp(values)


@pytest.mark.parametrize("n", [5_000, 100_000])
def test_very_many_values_keep_their_extremes_in_few_points(n):
    values = np.random.default_rng(0).normal(0.0, 1.0, n)
    values[n // 3], values[n // 2] = 50.0, -40.0
    light = draw(values)[0].lines[0]
    x, y = light.get_xydata().T
    assert len(x) <= 2400
    assert (y.max(), y.min()) == (50.0, -40.0)
    assert x[np.argmax(y)] == n // 3 + 1
    assert (np.diff(x) > 0).all()
    # What is drawn are values, each at its own step.
    np.testing.assert_array_equal(y, values[x.astype(int) - 1])


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=60), st.integers(1, 9)
)
def test_the_running_median_is_the_median_of_its_window(values, places):
    values = np.array(values, dtype=np.float64)
    steps, median = running_median(np.arange(len(values), dtype=np.float64), values, places)
    for step, got in zip(steps.astype(int), median, strict=True):
        window = values[max(0, step - 5) : step + 6]
        ranked = sorted(window[~np.isnan(window)])
        np.testing.assert_array_equal(got, ranked[(len(ranked) - 1) // 2] if ranked else np.nan)


def test_what_has_no_place_is_marked_at_the_edge_and_counted(drawn):
    values = [1.0, np.inf, -2.0, 0.0, np.nan, 5.0, np.inf]
    ax, entries = draw(values, logarithmic=True, beyond="past infinity")
    set_log_axis(ax, values)
    drawn(ax)
    assert [name for _, name in entries] == [
        "it",
        "past infinity: 2 of 7",
        "not positive: 2 of 7",
        "not a number: 1 of 7",
    ]
    for marker, steps, height in (("^", [2, 7], 0.965), ("v", [3, 4], 0.035), ("x", [5], 0.035)):
        marks = at_edge(ax, marker)
        np.testing.assert_array_equal(marks.get_xdata(), steps)
        box = marks.get_window_extent()
        middle = (box.y0 + box.y1) / 2.0
        np.testing.assert_allclose((middle - ax.bbox.y0) / ax.bbox.height, height, atol=0.02)


def test_on_a_linear_axis_a_negative_value_has_its_place():
    ax, entries = draw([1.0, -2.0, -np.inf])
    assert [name for _, name in entries] == ["it", "−inf: 1 of 3"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1.0, -2.0, np.nan])


def test_a_value_between_gaps_is_a_dot():
    values = np.ones(60)
    values[[9, 11]] = np.nan
    ax, _ = draw(values)
    (dot,) = (line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(dot.get_xydata(), [[11.0, 1.0]])


def test_many_marks_are_few_and_counted_in_full():
    ax, entries = draw(np.full(5000, np.nan))
    assert len(at_edge(ax, "x").get_xdata()) <= 80
    assert entries[-1][1] == "not a number: 5,000 of 5,000"


def test_a_short_batch_goes_and_an_edge_stays():
    sizes = np.full(900, 32.0)
    sizes[44::45] = 29.0
    sizes[500:] = 64.0
    steps, level = without_dips(np.arange(900.0), sizes)
    np.testing.assert_array_equal(steps, [0.0, 500.0, 899.0])
    np.testing.assert_array_equal(level, [32.0, 64.0, 64.0])


@pytest.mark.parametrize(
    "values",
    [[1.0], [30.0, 34.0], [1e-320, 1e308], [1e-300, 1e300], [0.5, 5e6], [np.nan], [-1.0, 0.0], [1.0, np.inf]],
)
def test_a_log_axis_has_two_ticks_or_more_and_holds_the_values(values, drawn):
    ax = plt.subplots()[1]
    set_log_axis(ax, values)
    drawn(ax)
    low, high = ax.get_ylim()
    inside = [v for v in values if np.isfinite(v) and 1e-299 < v < 1e299]
    assert all(low < v < high for v in inside if v > 0)
    ticks = [t for t in ax.get_yticks() if low <= t <= high]
    assert 2 <= len(ticks) <= 9
    assert len({plain_number(t) for t in ticks}) == len(ticks)


@settings(max_examples=40, deadline=None)  # each makes a figure
@given(st.floats(1e-250, 1e250), st.floats(1.0, 1e12))
def test_log_ticks_are_increasing_whatever_the_range(low, factor):
    ax = plt.figure().add_subplot()
    set_log_axis(ax, [low, low * factor])
    ticks = ax.get_yticks()
    assert len(ticks) >= 2
    assert (np.diff(ticks) > 0).all()
    plt.close(ax.figure)


def test_whether_values_call_for_a_log_axis():
    assert spans_a_decade([1.0, 10.0, np.nan, np.inf])
    assert not spans_a_decade([1.0, 9.0])
    assert not spans_a_decade([0.0, 1.0, 100.0])
    assert not spans_a_decade([np.nan])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234.0, "1,234"),
        (0.05, "0.05"),
        (-0.25, "−0.25"),
        (1e6, "$10^{6}$"),
        (-2e-9, r"$−2\times 10^{-9}$"),
        (-1e7, "$−10^{7}$"),
        (9.9999999e6, "$10^{7}$"),
    ],
)
def test_numbers_on_the_axes(value, text):
    assert plain_number(value) == text


@pytest.mark.parametrize(
    ("steps", "values", "message"),
    [
        ([], [], r"steps of it must have shape \(n,\), n >= 1; got \(0,\)"),
        ([1, 2], [1.0], r"it must have a value for each of its 2 steps; got shape \(1,\)"),
        ([2, 2], [1.0, 1.0], "steps of it must be at least 0 and increase"),
        ([-1, 2], [1.0, 1.0], "at least 0"),
        ([1, np.nan], [1.0, 1.0], "at least 0"),
        ([[1, 2]], [[1.0, 1.0]], "shape"),
    ],
)
def test_errors(steps, values, message):
    with pytest.raises(ValueError, match=message):
        checked_series("it", steps, values)


def test_quantities_part_in_grey_print():
    def lightness(color):
        c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return 116.0 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16.0

    np.testing.assert_allclose([lightness(color) for color in QUANTITIES], [13.0, 35.0, 59.0], atol=0.5)
