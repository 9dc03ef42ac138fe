import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection

import minibatch as mb
from minibatch.plots import noise_by_batch_size

N, S2 = 1437, 16.0
SIZES = np.array([1, 8, 32, 128, N])
EXACT = S2 * (1 / SIZES - 1 / N)


def points(ax):
    """Measured points on the axes, as drawn: (batch size, noise)."""
    found = [c.lines[0].get_xydata()[0] for c in ax.containers]
    return np.array(found)


def line(ax, words):
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    return ax.get_legend().legend_handles[next(i for i, text in enumerate(texts) if words in text)]


def test_points_and_error_bars_are_the_numbers(drawn):
    errors = 0.1 * EXACT + 1e-6
    before = EXACT.copy()
    ax = drawn(noise_by_batch_size(SIZES, EXACT, errors=errors, trace=S2, n_samples=N))
    np.testing.assert_array_equal(points(ax), np.c_[SIZES, EXACT][:-1])
    for container, value, error in zip(ax.containers, EXACT, errors, strict=False):
        (bar,) = (c for c in container.lines[2] if isinstance(c, LineCollection))
        np.testing.assert_allclose(bar.get_segments()[0][:, 1], [value - error, value + error])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    np.testing.assert_array_equal(EXACT, before)


def test_the_exact_line_falls_to_zero_at_the_full_batch_and_the_other_does_not():
    ax = noise_by_batch_size(SIZES, EXACT, trace=S2, n_samples=N)
    solid = next(one for one in ax.lines if len(one.get_xdata()) == 400)
    B, noise = solid.get_xydata().T
    np.testing.assert_allclose(noise, S2 * (1 / B - 1 / N), rtol=1e-6)
    assert B.max() < N
    assert noise.min() < ax.get_ylim()[0] < 0.06 * S2 / N
    faint = next(one for one in ax.lines if one.get_linestyle() == "--")
    B, noise = faint.get_xydata().T
    np.testing.assert_allclose(noise, S2 / B)
    assert line(ax, "exact").get_color() == solid.get_color()


@pytest.mark.parametrize(("value", "words"), [(0.0, "zero"), (3e-17, "zero"), (-0.25, "−0.25")])
def test_what_is_not_positive_is_shown_at_the_foot(value, words, drawn):
    measured = np.r_[EXACT[:-1], value]
    ax = drawn(noise_by_batch_size(SIZES, measured, trace=S2, n_samples=N, errors=np.full(5, 0.01)))
    assert len(points(ax)) == 4
    assert words in [text.get_text() for text in ax.texts]
    (triangle,) = (one for one in ax.lines if one.get_marker() == "v")
    assert triangle.get_xdata()[0] == N
    box = triangle.get_window_extent()
    assert ax.bbox.y0 < box.y0 < ax.bbox.y0 + 0.1 * ax.bbox.height
    # The scale is that of the noise, not of the rounding.
    assert ax.get_ylim()[0] > 1e-5
    label = next(text for text in ax.texts if text.get_text() == words).get_window_extent()
    assert label.x1 <= ax.bbox.x1 + 1.0


@pytest.mark.parametrize(("scale", "mark"), [(66.0, "noise scale 66"), (12_345.0, "noise scale 12,345 →")])
def test_the_noise_scale_is_marked_or_named_at_the_edge(scale, mark, drawn):
    ax = drawn(noise_by_batch_size(SIZES, EXACT, trace=S2, n_samples=N, noise_scale=scale))
    assert any(text.get_text().startswith(mark) for text in ax.texts)
    uprights = [one for one in ax.lines if list(one.get_xdata()) == [scale, scale]]
    assert len(uprights) == (1 if scale < N else 0)


def test_expected_values_are_drawn_where_handed_in(drawn):
    ax = drawn(noise_by_batch_size(SIZES, 1.05 * EXACT, EXACT))
    np.testing.assert_array_equal(line(ax, "expected").get_color(), "#222222")
    drawn_line = next(one for one in ax.lines if len(one.get_xdata()) == 4)
    np.testing.assert_array_equal(drawn_line.get_xydata(), np.c_[SIZES, EXACT][:-1])


def test_errors_larger_than_the_value_draw_without_a_warning(drawn):
    drawn(noise_by_batch_size([1, 2], [1.0, 0.5], errors=[2.0, 3.0]))
    drawn(noise_by_batch_size([7], [1.0]))
    drawn(noise_by_batch_size([7], [0.0], trace=1.0, n_samples=7))


def test_the_axes_handed_in_are_used_and_nothing_else_is_made(drawn):
    fig, ax = plt.subplots()
    assert drawn(noise_by_batch_size(SIZES, EXACT, ax=ax, title="Noise")) is ax
    assert fig.axes == [ax]
    assert plt.get_fignums() == [fig.number]
    assert ax.get_title(loc="left") == "Noise"
    assert "samples" in ax.get_xlabel()


@pytest.mark.parametrize("sizes", [[1, N], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, N], range(1, 60)])
def test_nothing_overlaps(sizes, drawn, texts, boxes_apart):
    sizes = np.array(sizes)
    noise = S2 * (1 / sizes - 1 / N)
    ax = drawn(noise_by_batch_size(sizes, noise, trace=S2, n_samples=N, noise_scale=60.0))
    boxes_apart(texts(ax))
    boxes_apart(list(ax.texts))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1, 2], [1.0]), {}, r"measured must have shape \(2,\); got \(1,\)"),
        (([1, 2], [1.0, np.nan]), {}, "entry 1 is nan"),
        (([0, 2], [1.0, 1.0]), {}, "positive integers"),
        (([1.5], [1.0]), {}, "positive integers"),
        (([], []), {}, "at least one"),
        (([1, 2], [1.0, 1.0], [1.0]), {}, r"expected must have shape \(2,\)"),
        (([1, 2], [1.0, 1.0]), {"errors": [0.1, -0.1]}, "errors must not be negative"),
        (([1, 2], [1.0, 1.0]), {"trace": -1.0}, "trace must be"),
        (([1, 2], [1.0, 1.0]), {"noise_scale": np.inf}, "noise_scale must be"),
        (([1, 20], [1.0, 1.0]), {"n_samples": 10}, "at least the largest batch, 20; got 10"),
        (([1, 2], [0.0, -1.0]), {}, "no value"),
    ],
)
def test_errors(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        noise_by_batch_size(*arguments, **options)
    assert not plt.get_fignums()


def test_a_real_report_lies_on_the_line_within_its_errors(drawn):
    r = np.random.default_rng(1)
    x = r.normal(size=(60, 4))
    model = mb.Sequential([mb.Input((4,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    report = mb.noise.gradient_noise(model, x, x.sum(axis=1), batch_sizes=[1, 4, 16, 30, "full"], draws=400)
    ax = drawn(report.plot())
    measured = points(ax)
    rows = [row for row in report.by_batch_size if row.batch_size < 60]
    np.testing.assert_allclose(measured, [(row.batch_size, row.noise.mean()) for row in rows])
    for container, row in zip(ax.containers, rows, strict=True):
        (bar,) = (c for c in container.lines[2] if isinstance(c, LineCollection))
        low, high = bar.get_segments()[0][:, 1]
        np.testing.assert_allclose((high - low) / 2, row.noise.std(ddof=1) / 20, rtol=1e-9)
        np.testing.assert_allclose((high + low) / 2, row.noise.mean())
        # The line goes through the points: within four standard errors (seeded, so not by luck).
        assert abs(row.noise.mean() - row.expected_noise) < 2 * (high - low)
    solid = next(one for one in ax.lines if len(one.get_xdata()) == 400)
    B, noise = solid.get_xydata().T
    np.testing.assert_allclose(noise, report.trace * (1 / B - 1 / 60), rtol=1e-6)
    assert "zero" in [text.get_text() for text in ax.texts]
