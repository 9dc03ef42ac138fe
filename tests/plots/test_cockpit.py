import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

import minibatch as mb
from minibatch.noise.training.monitor import GradientNoise
from minibatch.plots import cockpit

PANELS = [
    "loss",
    "norms",
    "noise_scale",
    "parts",
    "tests",
    "cosines",
    "signal",
    "cabs",
    "eb",
    "alpha",
    "distance",
    "histograms",
]


@pytest.fixture(scope="module")
def measured():
    """What a monitor of a real training hands over."""
    r = np.random.default_rng(0)
    x = r.normal(size=(130, 6)).astype(np.float32)
    y = (x[:, 0] + 0.5 * r.normal(size=130) > 0).astype(int)
    model = mb.Sequential([mb.Input((6,)), mb.layers.Dense(8, "relu"), mb.layers.Dense(2, "softmax")])
    model.compile(mb.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    monitor = GradientNoise()
    model.fit(x, y, batch_size=32, epochs=12, verbose=0, callbacks=[monitor])
    return monitor.to_dict()


def only(record, *names):
    return {part: {name: record[part][name] for name in names} for part in ("steps", "values")}


def named(ax, label):
    (line,) = (line for line in ax.lines if line.get_label() == label)
    return line


def words(ax):
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_a_real_record_has_every_panel_with_its_numbers(measured, drawn):
    panels = cockpit(measured, n_samples=130)
    assert list(panels) == PANELS
    drawn(panels["loss"])
    steps, values = measured["steps"], measured["values"]
    for panel, label, name in (
        ("loss", "of each batch", "loss"),
        ("norms", "gradient, $|g_B|$", "grad_norm"),
        ("norms", "update, |Δθ|", "update_size"),
        ("tests", "norm", "norm_test"),
        ("tests", "inner product", "inner_product_test"),
        ("tests", "orthogonality", "orthogonality_test"),
        ("cosines", "to the previous gradient", "cosine_to_previous"),
        ("cosines", "to the full gradient", "cosine_to_full"),
        ("signal", "mean of entries (GSNR)", "gsnr"),
        ("cabs", "CABS asks for", "cabs"),
        ("eb", "EB criterion", "eb"),
        ("distance", "|θ − θ at the start|", "distance"),
    ):
        line = named(panels[panel], label)
        np.testing.assert_array_equal(line.get_xdata(), steps[name])
        np.testing.assert_array_equal(line.get_ydata(), values[name])
    used = named(panels["noise_scale"], "batch size used")
    np.testing.assert_array_equal(used.get_ydata(), measured["batch_sizes"]["values"])
    assert panels["noise_scale"].get_ylim()[1] > 130
    (mesh,) = (c for c in panels["histograms"].collections if isinstance(c, QuadMesh))
    counts = np.array(measured["histograms"]["counts"])
    np.testing.assert_allclose(mesh.get_array().filled(0), (counts / counts.sum(axis=1, keepdims=True)).T)


def test_panels_only_for_what_was_measured(measured, drawn):
    panels = cockpit(only(measured, "noise_scale", "cosine_to_full", "update_size"))
    assert list(panels) == ["norms", "noise_scale", "cosines"]
    drawn(panels["norms"])
    assert words(panels["norms"]) == ["update, |Δθ|"]
    assert words(panels["cosines"]) == ["to the full gradient"]
    assert "batch size used" not in words(panels["noise_scale"])
    # No empty axes are left behind.
    assert set(panels["norms"].figure.axes) == set(panels.values())


@pytest.mark.parametrize("n_panels", [1, 2, 3, 4, 5, 7, 11])
def test_any_number_of_panels_has_a_page(n_panels):
    names = ["loss", "grad_norm", "noise_scale", "trace", "norm_test", "gsnr", "cabs", "eb", "alpha", "distance"]
    names = [*names, "cosine_to_full"][:n_panels]
    panels = cockpit({"steps": {n: [1, 2] for n in names}, "values": {n: [1.0, 2.0] for n in names}})
    assert len(panels) == n_panels
    boxes = [ax.get_position() for ax in panels.values()]
    assert len({(round(b.x0, 3), round(b.y0, 3)) for b in boxes}) == n_panels


def test_it_can_be_read_at_1600_by_1100(measured, drawn, texts, boxes_apart):
    panels = cockpit(measured, n_samples=130)
    figure = panels["loss"].figure
    assert tuple(figure.get_size_inches() * 100) == (1600.0, 1100.0)
    drawn(panels["loss"])
    everything = [figure._suptitle]
    for ax in panels.values():
        everything += texts(ax)
        assert ax.get_window_extent().height > 180
    boxes_apart(everything)
    for text in everything:
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= 1601 and box.y0 >= -1 and box.y1 <= 1101  # noqa: PT018 - one box, inside


def test_the_title_knows_the_batch_sizes_but_not_the_remainders():
    n = 90
    sizes = np.full(n, 32)
    sizes[8::9] = 29
    record = {
        "steps": {"loss": list(range(1, n + 1))},
        "values": {"loss": [1.0] * n},
        "batch_sizes": {"steps": list(range(1, n + 1)), "values": sizes.tolist()},
    }
    title = cockpit(record)["loss"].figure._suptitle.get_text()
    assert title == "One run, 90 steps, batch size 32"
    record["batch_sizes"]["values"][45:] = [64] * 45
    assert cockpit(record)["loss"].figure._suptitle.get_text().endswith("batch sizes 32 to 64")
    assert cockpit(record, title="Mine")["loss"].figure._suptitle.get_text() == "Mine"


def test_alpha_is_a_distribution_that_counts_what_it_leaves_out(drawn):
    values = np.r_[np.linspace(-0.9, 0.9, 290), [np.nan, np.inf, -50.0, 60.0], np.full(6, 0.02)]
    record = {"steps": {"alpha": np.arange(1, 301)}, "values": {"alpha": values}}
    ax = drawn(cockpit(record)["alpha"])
    heights = np.array([bar.get_height() for bar in ax.patches])
    np.testing.assert_allclose(heights.sum(), 100.0 * 296 / 300)
    # The last tenth: 30 values, of which four have no place.
    assert "last tenth" in words(ax)
    outline = next(line for line in ax.lines if len(line.get_xdata()) == 82)
    np.testing.assert_allclose(outline.get_ydata()[1:-1:2].sum(), 100.0 * 26 / 30)
    assert "beyond, or not finite: 4 of 300" in words(ax)


def test_evidence_far_below_zero_does_not_hide_what_is_near(drawn):
    record = {"steps": {"eb": [1, 2, 3]}, "values": {"eb": [-1e6, -2.0, 0.5]}}
    ax = drawn(cockpit(record)["eb"])
    assert ax.get_yscale() == "symlog"
    to_pixels = ax.transData.transform
    assert to_pixels((3, 0.5))[1] - to_pixels((2, -2.0))[1] > 0.1 * ax.bbox.height
    assert "above: stop" in words(ax)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -3.0, 1e300, 1e-300])
@pytest.mark.parametrize("n", [1, 250])
def test_awkward_values_draw_without_a_warning(value, n, drawn):
    names = (
        "loss grad_norm trace grad_norm2 noise_scale signal_to_noise cosine_to_full norm_test gsnr cabs eb alpha"
    )
    values = np.full(n, value)
    record = {"steps": {}, "values": {}}
    for name in names.split():
        record["steps"][name], record["values"][name] = list(range(1, n + 1)), values.tolist()
    panels = cockpit(record)
    drawn(panels["loss"])
    if not np.isfinite(value):
        assert any(f"{n} of {n}" in text for text in words(panels["loss"]))


def test_none_stands_for_what_json_cannot_hold():
    record = {"steps": {"loss": [1, 2, 3]}, "values": {"loss": [1.0, None, 2.0]}}
    assert "not a number: 1 of 3" in words(cockpit(record)["loss"])


def test_100_000_steps_are_thinned(drawn):
    n = 100_000
    names = ["loss", "noise_scale", "cosine_to_previous", "trace", "grad_norm2"]
    values = np.abs(np.random.default_rng(0).normal(1.0, 0.2, n)) + 1e-3
    record = {"steps": dict.fromkeys(names, np.arange(1, n + 1)), "values": dict.fromkeys(names, values)}
    panels = cockpit(record)
    drawn(panels["loss"])
    assert max(len(line.get_xdata()) for ax in panels.values() for line in ax.lines) <= 2400
    light = panels["loss"].lines[0]
    assert (light.get_ydata().min(), light.get_ydata().max()) == (values.min(), values.max())


def test_a_figure_handed_in_is_used_and_kept_as_it_is(measured):
    figure = Figure(figsize=(16, 11), layout="constrained")
    left, right = figure.subfigures(1, 2)
    panels = cockpit(only(measured, "loss", "eb"), figure=right)
    assert all(ax in right.axes for ax in panels.values())
    assert not left.axes
    assert not plt.get_fignums()
    assert tuple(figure.get_size_inches()) == (16.0, 11.0)
    plain = Figure(figsize=(16, 11))
    cockpit(only(measured, "loss"), figure=plain)
    assert plain.get_layout_engine() is None


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, r"must have 'steps' and 'values', by name; \['steps', 'values'\] missing"),
        ({"steps": {}, "values": {"loss": [1.0]}}, "every name of its values; 'loss' is missing"),
        ({"steps": {"loss": [1, 2]}, "values": {"loss": [1.0]}}, "loss must have a value for each of its 2 steps"),
        (
            {"steps": {"loss": [2, 1]}, "values": {"loss": [1.0, 1.0]}},
            "steps of loss must be at least 0 and increase",
        ),
        ({"steps": {}, "values": {}}, "nothing to draw"),
        ({"steps": {"loss": []}, "values": {"loss": []}}, r"nothing to draw: it has values of \['loss'\]"),
        (
            {"steps": {}, "values": {}, "batch_sizes": {"steps": [1], "values": [0]}},
            "batch_sizes must be finite and at least 1",
        ),
        ({"steps": {}, "values": {}, "histograms": {"steps": [1]}}, r"\['edges', 'counts'\] missing"),
    ],
)
def test_errors(record, message):
    with pytest.raises(ValueError, match=message):
        cockpit(record)
    assert not plt.get_fignums()


def test_a_decay_that_is_none(measured):
    with pytest.raises(ValueError, match="decay must lie in"):
        cockpit(measured, decay=1.0)
    panels = cockpit(only(measured, "trace", "grad_norm2"), decay=None)
    np.testing.assert_array_equal(
        named(panels["parts"], "tr(Σ), the noise of one sample").get_ydata(), measured["values"]["trace"]
    )


def test_the_monitor_itself_is_drawn_with_its_own_decay(drawn):
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(40, 3))
    monitor = GradientNoise(quantities=["noise_scale", "trace", "grad_norm2"], decay=0.5)
    model.fit(x, x[:, 0], batch_size=8, epochs=2, verbose=0, callbacks=[monitor])
    panels = cockpit(monitor)
    drawn(panels["parts"])
    assert "noise scale (lags: of means over ~2)" in words(panels["noise_scale"])
    mean = named(panels["parts"], "tr(Σ), the noise of one sample")
    assert mean.get_ydata()[-1] == pytest.approx(monitor.averages.trace)
    with pytest.raises(TypeError, match="a record must be a GradientNoise"):
        cockpit(model)


def test_batches_of_one_sample_have_no_panels_of_crosses(drawn):
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(12, 3))
    monitor = GradientNoise()
    with pytest.warns(UserWarning, match="two samples"):
        model.fit(x, x[:, 0], batch_size=1, epochs=1, verbose=0, callbacks=[monitor])
    panels = cockpit(monitor)
    assert set(panels) == {"loss", "norms", "cosines", "distance", "histograms"}
    drawn(panels["loss"])
    assert "batch size 1 (without what needs two samples" in panels["loss"].figure._suptitle.get_text()
    # What is no number in larger batches is shown, not hidden.
    record = monitor.to_dict()
    record["batch_sizes"]["values"] = [2] * 12
    assert "noise_scale" in cockpit(record)
