from __future__ import annotations

import json
import math
from itertools import combinations, product

import numpy as np
import pytest

import minibatch as mb
from minibatch.batching import REMAINDERS, Batches
from minibatch.noise import gradient_noise, measure, per_sample_gradients, report
from tests.noise.networks import cnn, mlp, samples


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))))


@pytest.mark.parametrize("build", [mlp, cnn])
def test_exact_columns_follow_from_the_gradients(build):
    model = build()
    x, y = samples(model, 12)
    g = per_sample_gradients(model, x, y).astype(np.float64)
    G = g.mean(axis=0)
    s2 = np.sum((g - G) ** 2) / 11
    noise = gradient_noise(model, x, y, batch_sizes=[3], draws=10)
    row = noise.by_batch_size[0]
    assert noise.n_samples == 12
    assert noise.grad_norm2 == pytest.approx(G @ G)
    assert noise.trace == pytest.approx(s2)
    assert noise.noise_scale == pytest.approx(s2 / (G @ G))
    assert row.expected_norm2 == pytest.approx(G @ G + s2 * (1 / 3 - 1 / 12))
    assert row.expected_noise == pytest.approx(s2 * (1 / 3 - 1 / 12))
    assert row.theory_angle == pytest.approx(np.degrees(np.arccos(row.theory_cosine)))


@pytest.mark.parametrize("n_samples", [8, 60], ids=["by products (N < D)", "by gradients (N > D)"])
def test_measured_draws_are_gradients_of_real_batches(n_samples):
    # Every batch of the set, and what a backward pass on it gives; each draw must be one of them.
    model = mlp()
    assert 8 < model.count_params() < 60
    x, y = samples(model, n_samples)
    row = gradient_noise(model, x, y, batch_sizes=[2], draws=300).by_batch_size[0]
    G = model.loss_and_gradient(x, y)[1].astype(np.float64)
    real = []
    for members in combinations(range(n_samples), 2):
        g = model.loss_and_gradient(x[list(members)], y[list(members)])[1].astype(np.float64)
        real.append((g @ g, angle(g, G)))
    norms, angles = np.array(real).T
    for drawn, expected in ((row.norm2, norms), (row.angle, angles)):
        nearest = np.abs(drawn[:, None] - expected).min(axis=1)
        assert nearest.max() < 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(row.angle, np.degrees(np.arccos(row.cosine)), atol=1e-5)
    # 300 draws of the many batches: their mean is the mean over all, within five standard errors.
    for drawn, expected in ((row.norm2, norms), (row.angle, angles)):
        assert abs(drawn.mean() - expected.mean()) < 5 * drawn.std() / np.sqrt(300)


def test_measured_means_agree_with_the_exact_values():
    model = mlp()
    x, y = samples(model, 200)
    for row in gradient_noise(model, x, y, batch_sizes=[1, 10, 50, 150], draws=2000).by_batch_size:
        error = row.norm2.std(ddof=1) / np.sqrt(2000)
        assert abs(row.norm2.mean() - row.expected_norm2) < 5 * error
        np.testing.assert_allclose(row.norm2 - row.noise, row.norm2[0] - row.noise[0])


def test_full_batch_has_no_noise_at_all():
    model = mlp()
    x, y = samples(model, 20)
    row = gradient_noise(model, x, y, batch_sizes=["full"], draws=5).by_batch_size[0]
    assert row.batch_size == 20
    assert row.expected_noise == 0
    np.testing.assert_array_equal(row.noise, 0)
    np.testing.assert_allclose(row.angle, 0, atol=1e-6)
    np.testing.assert_allclose(row.cosine, 1)


def test_what_one_size_measures_does_not_depend_on_the_others():
    model = mlp()
    x, y = samples(model, 30)
    alone = gradient_noise(model, x, y, batch_sizes=[4], draws=50)
    among = gradient_noise(model, x, y, batch_sizes=[1, 16, 4, "full"], draws=50)
    np.testing.assert_array_equal(alone.by_batch_size[0].angle, among.by_batch_size[2].angle)
    other = gradient_noise(model, x, y, batch_sizes=[4], draws=50, seed=1)
    assert not np.array_equal(alone.by_batch_size[0].angle, other.by_batch_size[0].angle)


def test_dict_is_json_and_table_says_what_it_holds():
    model = mlp()
    x, y = samples(model, 30)
    noise = gradient_noise(model, x, y, batch_sizes=[1, "full"], draws=20)
    numbers = json.loads(json.dumps(noise.to_dict(), allow_nan=False))
    assert numbers["by_batch_size"][1]["signal_to_noise"] is None  # no noise at B = N: infinite
    assert [row["batch_size"] for row in numbers["by_batch_size"]] == [1, 30]
    assert numbers["by_batch_size"][0]["angle"]["mean"] == pytest.approx(noise.by_batch_size[0].angle.mean())
    assert set(numbers["by_batch_size"][0]["cosine"]) == {"mean", "sd", "standard_error", *report.QUANTILES}
    assert len(noise.to_dict(draws=True)["by_batch_size"][0]["draws"]["angle"]) == 20
    lines = str(noise).splitlines()
    assert len({len(line) for line in lines[5:]}) == 1
    assert "N = 30 samples" in lines[0]
    assert f"{noise.noise_scale:,.1f} samples" in lines[1]
    assert f"{noise.critical_batch_size:,.1f} samples" in lines[2]
    assert lines[-1].split()[0] == "30"


def test_a_zero_gradient_is_said_in_words():
    # y = 0 everywhere and a line through zero: every sample's gradient vanishes.
    line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    line.compile("sgd", "mse")
    noise = gradient_noise(line, np.ones((4, 1)), np.zeros(4), batch_sizes=[2], draws=3)
    assert noise.noise_scale == np.inf
    assert "infinite (G is zero)" in noise.table()
    assert np.isnan(noise.by_batch_size[0].angle).all()


def a_line(x, y):
    """A line through zero, at weight zero: g_i = -2 y_i (x_i, 1)."""
    line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    line.compile("sgd", "mse")
    return line, np.array(x, float)[:, None], np.array(y, float)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("population", "words"),
    [("finite", "infinite (G is zero)"), ("infinite", "infinite (the estimate of |G|^2 is below zero)")],
)
def test_a_zero_mean_of_gradients_that_are_not(population, words):
    line = a_line([1, 1, -1, -1], [1, -1, 1, -1])
    noise = gradient_noise(*line, batch_sizes=[1, "full"], draws=5, by_layer=True, population=population)
    assert f"noise scale = {words}" in noise.table()
    assert noise.by_batch_size[0].signal_to_noise == 0
    assert noise.by_layer[0].grad_norm2 == noise.grad_norm2  # one layer: the same estimate
    if population == "finite":
        assert np.isnan(noise.by_batch_size[1].ratio)  # at B = N neither noise nor signal
    json.dumps(noise.to_dict(draws=True), allow_nan=False)


def test_gradients_that_are_all_alike_have_no_noise_at_all():
    # In 23 of 30 such sets what rounding left of tr(Sigma) was not zero.
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x = np.repeat(rng.normal(size=(1, 3)), 7 + 10 * seed, axis=0)
        model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(5, "tanh"), mb.layers.Dense(1)])
        model.compile("sgd", "mse")
        noise = gradient_noise(model, x, np.ones(len(x)), batch_sizes=[1, 5], draws=3, by_layer=True)
        assert noise.trace == noise.noise_scale == 0
        assert all(layer.trace == 0 for layer in noise.by_layer)
        for row in noise.by_batch_size:
            np.testing.assert_array_equal(row.noise, 0)
            np.testing.assert_array_equal(row.angle, 0)
        with pytest.raises(ValueError, match=r"all samples have the same gradient, tr\(Sigma\) is 0"):
            noise.plot()


def test_batches_whose_gradient_is_zero_are_left_out_of_the_angles():
    # Half of the samples are fitted: a batch of one of them has no direction, the others' angles are known.
    line = a_line([1, 1, 1, 1], [0, 0, 1, 1])
    noise = gradient_noise(*line, batch_sizes=[1, 3], draws=200)
    one, three = noise.by_batch_size
    fitted = int(np.isnan(one.angle).sum())
    assert 60 < fitted < 140
    np.testing.assert_array_equal(one.norm[np.isnan(one.angle)], 0)
    assert one.to_dict()["angle"]["mean"] == pytest.approx(0, abs=1e-5)  # all gradients lie along G
    assert one.to_dict()["norm2"]["mean"] == pytest.approx((200 - fitted) / 200 * 8)
    assert not np.isnan(three.angle).any()
    assert noise.table().splitlines()[-1].endswith(f"(batch size: batches): 1: {fitted}")


def test_a_single_draw_has_no_spread_that_is_known():
    from matplotlib import pyplot

    model = mlp()
    noise = gradient_noise(model, *samples(model, 20), batch_sizes=[2, 5], draws=1)
    row = noise.by_batch_size[0].to_dict()
    assert row["norm2"]["mean"] == pytest.approx(noise.by_batch_size[0].norm2[0])
    assert row["norm2"]["sd"] is row["norm2"]["standard_error"] is None
    pyplot.close(noise.plot().figure)


def test_what_cannot_be_measured_is_refused():
    model = mlp()
    x, y = samples(model, 20)
    for options, message in (
        ({"batch_sizes": None}, r"batch_sizes must be a list, such as \[1, 32, 'full'\]; got None"),
        ({"seed": "a"}, "seed must be an integer; got 'a'"),
        ({"replacement": True, "population": "infinite"}, "choose one of the two"),
    ):
        with pytest.raises(ValueError, match=message):
            gradient_noise(model, x, y, **{"batch_sizes": [2]} | options)
    with pytest.raises(TypeError, match=r"must be a model of minibatch; got builtins\.dict"):
        gradient_noise({}, x, y, batch_sizes=[2])
    model.trainable = False
    with pytest.raises(ValueError, match="has no trainable weights: there is no gradient to measure"):
        gradient_noise(model, x, y, batch_sizes=[2])


@pytest.mark.parametrize("measured", [gradient_noise, per_sample_gradients])
def test_a_loss_that_leaves_targets_out_is_refused(measured):
    # The mean over those that count is no mean over samples: at B = N it would differ from G by their share.
    model = mb.Sequential([mb.Input((4,)), mb.layers.Dense(3, "softmax")])
    model.compile("sgd", mb.losses.SparseCategoricalCrossentropy(ignore_class=2))
    with pytest.raises(ValueError, match=r"leaves some targets out \(ignore_class\)"):
        measured(
            model, np.ones((6, 4)), [0, 1, 2, 0, 1, 2], **{"batch_sizes": [2]} if measured is gradient_noise else {}
        )


@pytest.mark.parametrize("size", [0, -1, 21, 2.0, True, "half"])
def test_batch_sizes_outside_the_set_are_refused(size):
    model = mlp()
    x, y = samples(model, 20)
    with pytest.raises(ValueError, match=r"integers from 1 to 20, or 'full'; got "):
        gradient_noise(model, x, y, batch_sizes=[size])


@pytest.mark.parametrize("draws", [-3, 2.5, True])
def test_draws_are_counted(draws):
    model = mlp()
    x, y = samples(model, 20)
    with pytest.raises(ValueError, match="draws must be an integer, 0 or above; got"):
        gradient_noise(model, x, y, batch_sizes=[2], draws=draws)


def test_one_sample_has_no_spread():
    model = mlp()
    x, y = samples(model, 1)
    with pytest.raises(ValueError, match="at least 2 samples; got 1"):
        gradient_noise(model, x, y, batch_sizes=[1])


def test_gradients_that_are_not_finite_name_the_sample():
    model = mlp()
    x, y = samples(model, 5)
    x[3, 0] = np.inf
    with (
        pytest.warns(UserWarning, match="row 3"),
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match="gradient of sample 3 is not finite"),
    ):
        gradient_noise(model, x, y, batch_sizes=[1])


def test_running_every_batch_backward_gives_the_same(monkeypatch):
    """Beyond the size at which all products are made, drawn batches are run: the same batches."""
    model = cnn()
    x, y = samples(model, 30)
    sizes = [1, 7, 20, "full"]
    by_products = gradient_noise(model, x, y, batch_sizes=sizes, draws=15)
    gradient = model.parameters.gradient.copy()
    monkeypatch.setattr(measure, "PRODUCTS_BYTES", 0)
    monkeypatch.setattr(measure, "CHUNK", 6)
    by_passes = gradient_noise(model, x, y, batch_sizes=sizes, draws=15)
    for a, b in zip(by_products.by_batch_size, by_passes.by_batch_size, strict=True):
        np.testing.assert_allclose(a.norm2, b.norm2, rtol=1e-4)
        np.testing.assert_allclose(a.angle, b.angle, rtol=1e-3, atol=1e-3)
        assert a.epoch.measured_error == pytest.approx(b.epoch.measured_error, rel=1e-3)
        assert a.expected_norm2 == b.expected_norm2
    np.testing.assert_array_equal(model.parameters.gradient, gradient)


def test_layers_add_up_to_the_whole():
    model = cnn()
    x, y = samples(model, 25)
    noise = gradient_noise(model, x, y, batch_sizes=[4], draws=5, by_layer=True)
    assert [layer.name for layer in noise.by_layer] == [
        layer.name for layer in model.layers if layer.count_params()
    ]
    assert sum(layer.n_parameters for layer in noise.by_layer) == model.count_params()
    assert sum(layer.trace for layer in noise.by_layer) == pytest.approx(noise.trace)
    assert sum(layer.grad_norm2 for layer in noise.by_layer) == pytest.approx(noise.grad_norm2)
    rows = per_sample_gradients(model, x, y).astype(np.float64)
    conv = model.layers[0]
    part = np.hstack([rows[:, model.parameters.slices[weight]] for weight in conv.weights])
    assert noise.by_layer[0].trace == pytest.approx(part.var(axis=0, ddof=1).sum(), rel=1e-5)
    assert conv.name in noise.table()
    assert gradient_noise(model, x, y, batch_sizes=[4], draws=5).by_layer == ()


def test_with_replacement_the_variance_is_that_of_independent_draws():
    model = mlp()
    x, y = samples(model, 40)
    noise = gradient_noise(model, x, y, batch_sizes=[4, 40], draws=4000, replacement=True)
    g = per_sample_gradients(model, x, y).astype(np.float64)
    sigma2 = g.var(axis=0).sum()
    for row in noise.by_batch_size:
        assert row.expected_noise == pytest.approx(sigma2 / row.batch_size, rel=1e-5)
        error = row.norm2.std(ddof=1) / np.sqrt(4000)
        assert abs(row.norm2.mean() - row.expected_norm2) < 5 * error
        assert row.norm2.std() > 0


@pytest.mark.parametrize("remainder", ["keep", "drop", "weight", "merge"])
def test_with_replacement_an_epoch_misses_some_samples(remainder):
    """Over all ways to draw the samples of an epoch."""
    model = mlp()
    x, y = samples(model, 3)
    g = per_sample_gradients(model, x, y).astype(np.float64)
    gram = g @ g.T
    epoch = gradient_noise(model, x, y, batch_sizes=[2], draws=0, replacement=True, remainder=remainder)
    of_epoch = [len(rows) for rows in mb.Batches(x, batch_size=2, remainder=remainder, seed=0).epoch_indices(0)]
    shares = []
    for drawn in product(range(3), repeat=sum(of_epoch)):
        rest, share = list(drawn), np.zeros(3)
        for size in of_epoch:
            of_batch = size / 2 if remainder == "weight" else 1.0
            for i in rest[:size]:
                share[i] += of_batch / size / len(of_epoch)
            rest = rest[size:]
        shares.append(share)
    away = np.array(shares) - np.mean(shares, axis=0)
    expected = np.einsum("di,ij,dj->d", away, gram, away).mean()
    found = epoch.by_batch_size[0].epoch
    assert found.mean_error == pytest.approx(expected, rel=1e-5)
    assert math.isnan(found.measured_error)


def test_an_infinite_population():
    model = mlp()
    x, y = samples(model, 40)
    finite = gradient_noise(model, x, y, batch_sizes=[8], draws=10)
    infinite = gradient_noise(model, x, y, batch_sizes=[8], draws=10, population="infinite")
    assert infinite.grad_norm2 == pytest.approx(finite.grad_norm2 - finite.trace / 40)
    assert infinite.by_batch_size[0].expected_noise == pytest.approx(finite.trace / 8)
    assert infinite.noise_scale == infinite.critical_batch_size
    assert finite.critical_batch_size == pytest.approx(1 / (1 / finite.noise_scale + 1 / 40))
    np.testing.assert_array_equal(infinite.by_batch_size[0].norm2, finite.by_batch_size[0].norm2)
    many = gradient_noise(model, x, y, batch_sizes=[20], draws=2000, by_layer=True, population="infinite")
    row = many.by_batch_size[0].to_dict()
    assert abs(row["noise"]["mean"] - row["expected_noise"]) < 5 * row["noise"]["standard_error"]
    assert sum(layer.grad_norm2 for layer in many.by_layer) == pytest.approx(many.grad_norm2)
    assert "estimates for an infinite population" in many.table()
    with pytest.raises(ValueError, match=r"unknown population 'infinit'\. Did you mean 'infinite'"):
        gradient_noise(model, x, y, batch_sizes=[8], population="infinit")


def test_a_linear_model_with_known_covariance(float64):
    """At w = 0 the gradient of (w.x - y)^2 is -2 y x: with y = 1 its covariance is 4 cov(x)."""
    rng = np.random.default_rng(0)
    x = rng.normal([1.0, -2.0, 0.5], [0.5, 1.0, 2.0], (5000, 3))
    line = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    line.compile("sgd", "mse")
    noise = gradient_noise(line, x, np.ones(5000), batch_sizes=[10], draws=200, population="infinite")
    trace, norm2 = 4 * (0.25 + 1 + 4), 4 * (1 + 4 + 0.25)
    assert noise.trace == pytest.approx(trace, rel=0.05)
    assert noise.grad_norm2 == pytest.approx(norm2, rel=0.05)
    assert noise.trace == pytest.approx(4 * x.var(axis=0, ddof=1).sum())
    assert noise.by_batch_size[0].expected_norm2 == pytest.approx(norm2 + trace / 10, rel=0.05)


@pytest.mark.parametrize("remainder", REMAINDERS)
def test_an_epochs_mean_gradient(remainder):
    """The error of an epoch's unweighted mean, over all draws, against real epochs of ``Batches``."""
    model = mlp()
    x, y = samples(model, 23)
    noise = gradient_noise(model, x, y, batch_sizes=[5], draws=4000, remainder=remainder)
    epoch = noise.by_batch_size[0].epoch
    g = per_sample_gradients(model, x, y).astype(np.float64)
    G = g.mean(axis=0)
    batches = Batches(np.arange(23), batch_size=5, remainder=remainder, seed=1)
    errors = []
    for k in range(0, 4000):
        members = batches.epoch_indices(0) if remainder == "carry" else batches.epoch_indices(k)
        weights = [len(rows) / 5 if remainder == "weight" else 1.0 for rows in members]
        mean = sum(w * g[rows].mean(axis=0) for w, rows in zip(weights, members, strict=True)) / len(members)
        errors.append(((mean - epoch.share * G) ** 2).sum())
        if remainder == "carry":
            batches = Batches(np.arange(23), batch_size=5, remainder=remainder, seed=k + 2)
    assert epoch.steps == len(members)
    assert epoch.last_batch == len(members[-1])
    assert epoch.share == pytest.approx(0.92 if remainder == "weight" else 1)
    error = np.std(errors) / np.sqrt(4000)
    assert abs(np.mean(errors) - epoch.mean_error) <= 5 * error + 1e-12
    assert abs(epoch.measured_error - epoch.mean_error) <= 10 * error + 1e-12
    assert f"remainder={remainder!r}" in noise.epoch_table()
    assert len({len(line) for line in noise.epoch_table().splitlines()[1:]}) == 1


def test_no_draws_leave_the_exact_columns():
    model = mlp()
    x, y = samples(model, 20)
    noise = gradient_noise(model, x, y, batch_sizes=[4], draws=0)
    row = noise.by_batch_size[0]
    assert row.expected_norm2 == gradient_noise(model, x, y, batch_sizes=[4]).by_batch_size[0].expected_norm2
    assert row.norm2.shape == (0,)
    assert "nan" in noise.table()
    with pytest.raises(ValueError, match="draws=0"):
        noise.plot()


def test_rows_csv_and_frame_hold_the_same(tmp_path):
    pandas = pytest.importorskip("pandas", reason="the data frame is for those who have pandas")
    model = mlp()
    x, y = samples(model, 20)
    noise = gradient_noise(model, x, y, batch_sizes=[2, 5, "full"], draws=30)
    text = noise.to_csv(tmp_path / "noise.csv")
    read = pandas.read_csv(tmp_path / "noise.csv", index_col="batch_size")
    assert text == (tmp_path / "noise.csv").read_text()
    frame = noise.to_frame()
    pandas.testing.assert_frame_equal(read, frame, check_exact=False)
    assert list(frame.index) == [2, 5, 20]
    assert frame.loc[5, "angle_mean"] == pytest.approx(noise.by_batch_size[1].angle.mean())
    assert frame.loc[5, "epoch_steps"] == 4


def test_plot_draws_the_measured_points():
    from matplotlib import pyplot

    model = mlp()
    x, y = samples(model, 20)
    ax = gradient_noise(model, x, y, batch_sizes=[2, 5], draws=30).plot()
    assert ax.get_xscale() == ax.get_yscale() == "log"
    gradient_noise(model, x, y, batch_sizes=[2, 5], draws=30, replacement=True).plot(ax=ax)
    pyplot.close(ax.figure)


def test_normalization_in_inference_mode_is_measured_and_penalties_count(float64):
    model = mb.Sequential(
        [
            mb.Input((4,)),
            mb.layers.Dense(5, kernel_regularizer="l2"),
            mb.layers.BatchNormalization(),
            mb.layers.Dense(3, "softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = samples(model, 15)
    noise = gradient_noise(model, x, y, batch_sizes=[3], draws=5)
    _, G = model.loss_and_gradient(x, y)
    assert noise.grad_norm2 == pytest.approx(float(G @ G))
    rows = per_sample_gradients(model, x, y)
    assert noise.trace == pytest.approx(rows.var(axis=0, ddof=1).sum())
    members = measure.orders(15, 5, 0)[:, :3]
    np.testing.assert_allclose(
        noise.by_batch_size[0].norm2, [(rows[m].mean(axis=0) ** 2).sum() for m in members], rtol=1e-10
    )


def test_a_remainder_policy_that_is_not_one_is_refused():
    model = mlp()
    x, y = samples(model, 20)
    with pytest.raises(ValueError, match="kepp"):
        gradient_noise(model, x, y, batch_sizes=[3], remainder="kepp")
