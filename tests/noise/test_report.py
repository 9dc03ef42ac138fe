from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest

import minibatch as mb
from minibatch.noise import gradient_noise, per_sample_gradients, report
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
    numbers = json.loads(json.dumps(noise.to_dict()))
    assert [row["batch_size"] for row in numbers["by_batch_size"]] == [1, 30]
    assert numbers["by_batch_size"][0]["angle"]["mean"] == pytest.approx(noise.by_batch_size[0].angle.mean())
    assert set(numbers["by_batch_size"][0]["cosine"]) == {"mean", "sd", "standard_error", *report.QUANTILES}
    assert len(noise.to_dict(draws=True)["by_batch_size"][0]["draws"]["angle"]) == 20
    lines = str(noise).splitlines()
    assert len({len(line) for line in lines[2:]}) == 1
    assert "N = 30 samples" in lines[0]
    assert f"{noise.noise_scale:,.1f} samples" in lines[0]
    assert lines[-1].split()[0] == "30"


def test_a_zero_gradient_is_said_in_words():
    # y = 0 everywhere and a line through zero: every sample's gradient vanishes.
    line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    line.compile("sgd", "mse")
    noise = gradient_noise(line, np.ones((4, 1)), np.zeros(4), batch_sizes=[2], draws=3)
    assert noise.noise_scale == np.inf
    assert "infinite (G is zero)" in noise.table()
    assert np.isnan(noise.by_batch_size[0].angle).all()


@pytest.mark.parametrize("size", [0, -1, 21, 2.0, True, "half"])
def test_batch_sizes_outside_the_set_are_refused(size):
    model = mlp()
    x, y = samples(model, 20)
    with pytest.raises(ValueError, match=r"integers from 1 to 20, or 'full'; got "):
        gradient_noise(model, x, y, batch_sizes=[size])


@pytest.mark.parametrize("draws", [0, -3, 2.5, True])
def test_draws_must_be_positive(draws):
    model = mlp()
    x, y = samples(model, 20)
    with pytest.raises(ValueError, match="draws must be a positive integer; got"):
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
