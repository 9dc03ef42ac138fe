import matplotlib.pyplot as plt
import numpy as np
import pytest

import minibatch as mb
from minibatch.noise.training.monitor import GradientNoise
from minibatch.plots import noise_parts_over_training, noise_scale_over_training


def named(ax, label):
    (line,) = (line for line in ax.lines if line.get_label() == label)
    return line


def words(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_numbers_handed_in_are_the_numbers_drawn(drawn):
    steps, scale = np.arange(1, 51), np.geomspace(20.0, 900.0, 50)
    ax = drawn(noise_scale_over_training(steps, scale, batch_sizes=([1, 30], [16, 64]), n_samples=1437))
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(named(ax, "noise scale").get_xydata(), np.c_[steps, scale])
    used = named(ax, "batch size used")
    # Held from each step to the next, and the last to the end.
    np.testing.assert_array_equal(used.get_xydata(), [[1, 16], [30, 64], [50, 64]])
    assert used.get_drawstyle() == "steps-post"
    assert words(ax) == ["noise scale", "batch size used", "all 1,437 samples"]
    assert ax.get_ylim()[1] > 1437
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("samples", "training step")


def test_one_batch_size_throughout():
    ax = noise_scale_over_training([5, 6, 9], [10.0, 11.0, 12.0], batch_sizes=32)
    np.testing.assert_array_equal(named(ax, "batch size used").get_xydata(), [[5, 32], [9, 32]])


def test_infinite_and_past_infinity_stand_at_the_head(drawn):
    ax = drawn(noise_scale_over_training(range(1, 6), [10.0, np.inf, -70.0, 20.0, np.nan]))
    (head,) = (line for line in ax.lines if line.get_marker() == "^")
    np.testing.assert_array_equal(head.get_xdata(), [2, 3])
    assert "infinite, $|G|^2$ estimated ≤ 0: 2 of 5" in words(ax)
    assert "not a number: 1 of 5" in words(ax)
    assert not [line for line in ax.lines if line.get_marker() == "v"]


def test_in_the_median_what_is_past_infinity_is_largest():
    # More than half of the second half is past infinity: the median is, too, not some number below the rest.
    scale = np.where(np.arange(1000) % 5 < 3, -5.0, 40.0)
    scale[:500] = 10.0
    median = named(noise_scale_over_training(np.arange(1000), scale), "noise scale").get_ydata()
    np.testing.assert_array_equal(median[:90], 10.0)
    assert np.isnan(median[-90:]).all()


@pytest.mark.parametrize(
    "scale", [[np.nan, np.inf, -1.0], [0.0, 0.0, 0.0], [5.0], [1e-200, 1e200], np.geomspace(1.0, 1e9, 100_000)]
)
def test_awkward_values_draw_without_a_warning(scale, drawn, texts, boxes_apart):
    ax = drawn(noise_scale_over_training(np.arange(1, len(scale) + 1), scale, batch_sizes=32, n_samples=50_000))
    boxes_apart(texts(ax))


def test_the_parts_are_on_one_logarithmic_axis(drawn):
    steps, trace, signal = [1, 2, 3], [10.0, 9.0, 8.0], [0.5, -0.1, 0.2]
    ax = drawn(noise_parts_over_training(steps, trace, signal, title="Parts"))
    np.testing.assert_array_equal(named(ax, "tr(Σ), the noise of one sample").get_ydata(), trace)
    np.testing.assert_array_equal(named(ax, "$|G|^2$, the signal").get_ydata(), [0.5, np.nan, 0.2])
    assert "not positive: 1 of 3" in words(ax)
    assert ax.get_yscale() == "log"
    assert ax.get_title(loc="left") == "Parts"


def test_running_means_of_the_parts_are_as_far_apart_as_the_noise_scale_of_a_real_monitor(drawn):
    r = np.random.default_rng(0)
    x = r.normal(size=(120, 3))
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(mb.optimizers.SGD(0.02), "mse")
    monitor = GradientNoise(quantities=["noise_scale", "trace", "grad_norm2"], decay=0.9)
    model.fit(
        x, x @ [1.0, -2.0, 0.5] + 1.0 + r.normal(size=120), batch_size=20, epochs=4, verbose=0, callbacks=[monitor]
    )
    record = monitor.to_dict()
    steps, values = record["steps"], record["values"]
    ax = drawn(noise_parts_over_training(steps["trace"], values["trace"], values["grad_norm2"], decay=0.9))
    noise = named(ax, "tr(Σ), the noise of one sample").get_ydata()
    signal = named(ax, "$|G|^2$, the signal").get_ydata()
    both = np.isfinite(noise) & np.isfinite(signal)
    assert both.sum() > 12
    np.testing.assert_allclose((noise / signal)[both], np.array(values["noise_scale"])[both], rtol=1e-6)


def test_the_axes_handed_in_are_used_and_nothing_else_is_made(drawn):
    fig, (top, bottom) = plt.subplots(2, 1)
    assert drawn(noise_scale_over_training([1, 2], [3.0, 4.0], ax=top)) is top
    assert drawn(noise_parts_over_training([1, 2], [3.0, 4.0], [1.0, 1.0], ax=bottom)) is bottom
    assert fig.axes == [top, bottom]
    assert plt.get_fignums() == [fig.number]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1, 2], [1.0]), {}, "noise_scale must have a value for each of its 2 steps"),
        (([2, 1], [1.0, 1.0]), {}, "the steps of noise_scale must be at least 0 and increase"),
        (([1, 2], [1.0, 1.0]), {"batch_sizes": ([1, 2], [8])}, "batch_sizes must have a value for each"),
        (([1, 2], [1.0, 1.0]), {"batch_sizes": ([1], [0])}, "finite and at least 1; got 0"),
        (([1, 2], [1.0, 1.0]), {"batch_sizes": ([1], [np.inf])}, "finite and at least 1; got inf"),
        (([1, 2], [1.0, 1.0]), {"batch_sizes": [8, 16, 32]}, r"batch_sizes must be \(steps, sizes\)"),
        (([1, 2], [1.0, 1.0]), {"n_samples": 0}, "n_samples must be at least 1; got 0"),
    ],
)
def test_errors(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        noise_scale_over_training(*arguments, **options)
    assert not plt.get_fignums()


def test_errors_of_the_parts():
    with pytest.raises(ValueError, match="grad_norm2 must have a value for each of its 2 steps"):
        noise_parts_over_training([1, 2], [1.0, 1.0], [1.0])
    for decay in (1.0, -0.1):
        with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\)"):
            noise_parts_over_training([1], [1.0], [1.0], decay=decay)
    assert not plt.get_fignums()
