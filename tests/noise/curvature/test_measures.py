"""Eigenvalues, trace, diagonal, TIC and the true noise scale, each against a Hessian that is written out."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

import minibatch as mb
from minibatch.noise import per_sample_gradients
from minibatch.noise import statistics as noise_statistics
from minibatch.noise.curvature.hutchinson import exact
from minibatch.noise.curvature.measures import (
    dense_hessian,
    hessian_diagonal,
    hessian_trace,
    hessian_vector_product,
    top_eigenvalues,
)
from minibatch.noise.curvature.report import loss_curvature
from minibatch.noise.curvature.takeuchi import tic
from minibatch.noise.curvature.true_scale import TrueNoiseScale, true_noise_scale
from tests.noise.networks import cnn, mlp, samples


def line(zeros=True):
    """Return (model, x, y) with g = (-4, -4), (-16, -8), G = (-10, -6) and H = [[5, 3], [3, 2]] at zero weights."""
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros" if zeros else "ones")])
    model.compile("sgd", "mse")
    return model, np.array([[1.0], [2.0]]), np.array([2.0, 4.0])


@pytest.fixture
def network(float64):
    model = mlp()
    x, y = samples(model, 15)
    return model, x, y, dense_hessian(model, x, y)


# Eigenvalues, trace, diagonal -------------------------------------------------------------------------------------


def test_products(network):
    model, x, y, H = network
    v = np.random.default_rng(0).standard_normal(len(H))
    np.testing.assert_allclose(hessian_vector_product(model, x, y, v), H @ v, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("largest", [True, False])
def test_eigenvalues_of_a_network(network, largest):
    model, x, y, H = network
    found = top_eigenvalues(model, x, y, k=4, largest=largest)
    exact_values = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(found.values, exact_values[::-1][:4] if largest else exact_values[:4], rtol=1e-5)
    assert found.converged
    assert found.residuals.max() <= 1e-6 * np.abs(exact_values).max()


def test_eigenvalues_leave_frozen_weights_out(float64):
    model = mlp()
    model.layers[0].trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = samples(model, 15)
    last = model.layers[-1].count_params()
    assert not top_eigenvalues(model, x, y, k=last).vectors[:, :-last].any()
    with pytest.raises(ValueError, match=f"from 1 to {last}, the free parameters; got {last + 1}"):
        top_eigenvalues(model, x, y, k=last + 1)


def test_trace_and_diagonal(network):
    model, x, y, H = network
    assert hessian_trace(model, x, y, draws=None).value == pytest.approx(np.trace(H))
    np.testing.assert_allclose(hessian_diagonal(model, x, y).values, np.diag(H), atol=1e-12)
    # As many draws as parameters buy the exact value; one fewer, an estimate.
    assert hessian_trace(model, x, y, draws=len(H)).standard_error == 0
    found = hessian_diagonal(model, x, y, draws=len(H) - 1, seed=1)
    assert found.draws == len(H) - 1
    assert abs(found.trace.value - np.trace(H)) < 4 * found.trace.standard_error
    assert (np.abs(found.values - np.diag(H)) <= 5 * found.standard_errors + 1e-8).all()


def test_the_diagonal_beyond_what_is_written_out(network, monkeypatch):
    model, x, y, H = network
    monkeypatch.setattr("minibatch.noise.curvature.measures.MAX_DENSE", 3)
    np.testing.assert_allclose(hessian_diagonal(model, x, y).values, np.diag(H), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("draws", [0, -1, 1.5, True, "many"])
@pytest.mark.parametrize("measure", [hessian_trace, hessian_diagonal, tic, true_noise_scale, loss_curvature])
def test_draws_are_checked(measure, draws):
    with pytest.raises(ValueError, match="draws must be a positive integer, or None for an exact value; got"):
        measure(*line(), draws=draws)


# TIC --------------------------------------------------------------------------------------------------------------


def test_tic_by_hand():
    # C_jj = (16 + 256)/2 and (16 + 64)/2; by the diagonal 136/5 + 40/2, by the traces (136 + 40)/(5 + 2).
    found = tic(*line())
    assert found.by_diagonal == pytest.approx(136 / 5 + 40 / 2, rel=1e-6)
    assert found.by_trace == pytest.approx(176 / 7, rel=1e-6)
    assert found.not_positive == 0


def test_tic_of_a_network(network):
    model, x, y, H = network
    C, h = (per_sample_gradients(model, x, y) ** 2).mean(axis=0), np.diag(H)
    found = tic(model, x, y)
    assert found.by_diagonal == pytest.approx((C / (h + 1e-7)).sum(), rel=1e-6)
    assert found.by_trace == pytest.approx(C.sum() / (h.sum() + 1e-7), rel=1e-6)
    assert found.not_positive == (h <= 0).sum()


def test_tic_takes_no_quotients_of_an_estimated_diagonal(network):
    model, x, y, _ = network
    C = (per_sample_gradients(model, x, y) ** 2).mean(axis=0)
    found = tic(model, x, y, draws=20, seed=3)
    assert found.by_diagonal is None
    assert found.not_positive is None
    trace = hessian_trace(model, x, y, draws=20, seed=3).value
    assert found.by_trace == pytest.approx(C.sum() / (trace + 1e-7), rel=1e-6)


def test_tic_leaves_frozen_weights_out():
    model, x, y = line()
    model.layers[0].trainable = False
    frozen = mb.Sequential([mb.Input((1,)), *model.layers, mb.layers.Dense(1)])
    frozen.compile("sgd", "mse")
    frozen.layers[1].set_weights([[[1.0]], [0.0]])
    found = tic(frozen, x, y)
    # The last layer sees 0 for every sample: its kernel has no gradient and no curvature, 0/(0 + 1e-7). Its bias
    # has g = -2 y, C = (16 + 64)/2 and h = 2.
    assert found.by_diagonal == pytest.approx(40 / 2, rel=1e-6)
    assert found.not_positive == 0


# The true noise scale ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [mlp, cnn])
@pytest.mark.parametrize("n", [5, 200])  # fewer samples than parameters, and more
def test_trace_of_h_sigma(build, n, float64):
    model = build()
    x, y = samples(model, n)
    H, g = dense_hessian(model, x, y), per_sample_gradients(model, x, y)
    G, Sigma = g.mean(axis=0), np.cov(g.T)
    found = true_noise_scale(model, x, y, draws=None)
    assert found.trace.value == pytest.approx(np.trace(H @ Sigma), rel=1e-6)
    assert found.trace.draws == 0
    assert found.grad_norm2 == pytest.approx(G @ G)
    assert found.grad_curvature == pytest.approx(G @ H @ G, rel=1e-6)
    assert found.noise_scale == pytest.approx(np.trace(H @ Sigma) / (G @ H @ G), rel=1e-6)
    assert found.max_learning_rate == pytest.approx(G @ G / (G @ H @ G), rel=1e-6)


def test_estimates_scatter_around_the_exact_value_by_their_standard_error(float64):
    model = mlp()
    x, y = samples(model, 60)
    exactly = true_noise_scale(model, x, y, draws=None)
    found = [true_noise_scale(model, x, y, draws=12, seed=seed) for seed in range(40)]
    values = np.array([one.noise_scale for one in found])
    error = math.sqrt(np.mean([one.standard_error**2 for one in found]))
    assert all(one.trace.draws == 12 for one in found)
    assert abs(values.mean() - exactly.noise_scale) < 4 * error / math.sqrt(40)
    assert values.std(ddof=1) == pytest.approx(error, rel=0.5)


def test_exact_where_that_takes_no_more_products(float64):
    model = mlp()
    x, y = samples(model, 10)
    assert true_noise_scale(model, x, y, draws=10).trace.draws == 0
    assert true_noise_scale(model, x, y, draws=9).trace.draws == 9


@pytest.mark.parametrize("batch_size", [1, 2, 3, 6])
def test_every_batch_of_a_small_set(batch_size, float64):
    """Over all batches of B of 6 samples, E[g_B'H g_B] = G'HG + tr(H Sigma)(1/B - 1/N), exactly."""
    model = mlp()
    x, y = samples(model, 6)
    H, g = dense_hessian(model, x, y), per_sample_gradients(model, x, y)
    found = true_noise_scale(model, x, y, draws=None)
    batches = [g[list(chosen)].mean(axis=0) for chosen in itertools.combinations(range(6), batch_size)]
    expected = np.mean([b @ H @ b for b in batches])
    share = 1 / batch_size - 1 / 6
    assert found.grad_curvature + share * found.trace.value == pytest.approx(expected, rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_the_best_learning_rate_is_the_best(batch_size, float64):
    """A linear model's loss is a parabola: over all batches, the mean loss after a step is least at eps_opt(B)."""
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((5, 2)), rng.standard_normal(5)
    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    start, g = model.parameters.theta.copy(), per_sample_gradients(model, x, y)
    batches = [g[list(chosen)].mean(axis=0) for chosen in itertools.combinations(range(5), batch_size)]

    def mean_loss(eps):
        losses = []
        for g_B in batches:
            model.parameters.theta[...] = start - eps * g_B
            losses.append(model.loss_and_gradient(x, y)[0])
        model.parameters.theta[...] = start
        return np.mean(losses)

    a, b, _ = np.polyfit([0.0, 0.1, 0.2], [mean_loss(0.0), mean_loss(0.1), mean_loss(0.2)], 2)
    found = true_noise_scale(model, x, y)
    assert found.learning_rate(batch_size, finite=True) == pytest.approx(-b / (2 * a), rel=1e-6)


def test_the_papers_form():
    found = TrueNoiseScale(100, grad_norm2=3.0, grad_curvature=2.0, trace=exact(50.0))
    assert found.noise_scale == 25
    assert found.max_learning_rate == 1.5
    for B in (1, 25, 1000):
        assert found.learning_rate(B) == pytest.approx(1.5 / (1 + 25 / B))
    assert found.learning_rate(100, finite=True) == 1.5
    assert found.learning_rate(1, finite=True) > found.learning_rate(1)
    for bad in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="batch_size must be a positive integer; got"):
            found.learning_rate(bad)
    with pytest.raises(ValueError, match="of at most 100; got 101"):
        found.learning_rate(101, finite=True)


def test_where_h_is_a_multiple_of_the_identity_it_is_the_simple_noise_scale(float64):
    # The columns of x are orthogonal and of one length, so H = 2 X'X/N = 2 I.
    x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    y = np.array([1.0, 3.0, -2.0, 0.5])
    g = per_sample_gradients(model, x, y)
    G = g.mean(axis=0)
    simple = noise_statistics.noise_scale(noise_statistics.trace(g), G @ G)
    assert true_noise_scale(model, x, y).noise_scale == pytest.approx(simple, rel=1e-6)


def test_no_gradient_no_scale():
    model, x, y = line()
    model.set_weights([[[2.0]], [0.0]])
    found = true_noise_scale(model, x, y)
    assert found.grad_norm2 == 0
    assert found.noise_scale == math.inf
    assert math.isnan(found.max_learning_rate)
    assert math.isnan(found.learning_rate(1))
    assert math.isnan(found.standard_error)
    assert "inf samples" in loss_curvature(model, x, y).table()


@pytest.mark.parametrize(("share", "grows"), [(0.97, False), (1.03, True)])
def test_the_stable_learning_rate_is_where_descent_begins_to_diverge(share, grows):
    model, x, y = line()
    found = loss_curvature(model, x, y)
    # H = 2 [[5, 3], [3, 2]] / 2 has (7 + sqrt(45))/2 as its largest eigenvalue.
    assert found.stable_learning_rate == pytest.approx(4 / (7 + np.sqrt(45)), rel=1e-6)
    assert found.to_dict()["stable_learning_rate"] == found.stable_learning_rate
    model.compile(mb.optimizers.SGD(share * found.stable_learning_rate), "mse")
    losses = model.fit(x, y, batch_size="full", epochs=200, verbose=0).history["loss"]
    assert (losses[-1] > 10 * losses[0]) is grows


def test_the_best_rate_of_one_step_may_be_one_that_diverges():
    """G along the eigenvector of little curvature: the best of one step is 1/lambda_min, far above 2/lambda_max."""
    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    found = loss_curvature(model, np.array([[10.0, 0.0], [0.0, 1.0]]), np.array([1e-9, 5.0]))  # H = diag(100, 1)
    assert found.noise.max_learning_rate == pytest.approx(1.0, rel=1e-5)
    assert found.stable_learning_rate == pytest.approx(0.02, rel=1e-5)
    text = found.table()
    assert "best rate of one step      1 without noise" in text
    assert "stable below 0.02 = 2 / largest eigenvalue" in text


def test_where_the_loss_curves_down_along_g():
    # cos z at z = 0.5 has slope -sin z and curvature -cos z: G'HG < 0. In words: no best step.
    cosine = mb.activations.Activation(lambda z: np.cos(z))
    cosine.gradient(lambda dy, z, y: -dy * np.sin(z))

    class Itself(mb.losses.Loss):
        def call(self, y_true, y_pred):
            return y_pred.mean(axis=-1)

        def gradient(self, y_true, y_pred):
            return np.full_like(y_pred, 1 / y_pred.shape[-1])

    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, cosine, use_bias=False)])
    model.compile("sgd", Itself())
    model.set_weights([[[0.5]]])
    found = loss_curvature(model, [[1.0], [1.2]], [0.0, 0.0])
    assert found.noise.grad_curvature < 0
    assert found.noise.max_learning_rate < 0
    assert found.eigenvalues.values[0] == pytest.approx(-(np.cos(0.5) + 1.44 * np.cos(0.6)) / 2, rel=1e-6)
    assert found.tic.not_positive == 1
    assert "not above 0: no best step" in found.table()
    assert "no limit: the loss curves up in no direction" in found.table()
    assert found.to_dict()["stable_learning_rate"] is None
    assert "1 h_j not above 0: distrust it" in found.table()


def test_one_sample_has_no_spread():
    model, x, y = line()
    with pytest.raises(ValueError, match="at least 2 samples; got 1"):
        true_noise_scale(model, x[:1], y[:1])


# The report -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draws", [None, 30])
def test_the_report_gathers_what_the_functions_return(network, draws):
    model, x, y, H = network
    x, y = samples(model, 40)
    found = loss_curvature(model, x, y, k=2, draws=draws, seed=5)
    assert found.n_samples == 40
    assert found.n_parameters == len(H)
    assert found.trace == hessian_trace(model, x, y, draws=draws, seed=5)
    assert found.tic == tic(model, x, y, draws=draws, seed=5)
    assert found.noise == true_noise_scale(model, x, y, draws=draws, seed=5)
    np.testing.assert_array_equal(found.eigenvalues.values, top_eigenvalues(model, x, y, k=2, seed=5).values)
    assert found.kinks == 0
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["eigenvalues"] == found.eigenvalues.values.tolist()
    assert plain["noise"]["noise_scale"] == found.noise.noise_scale
    assert plain["products"] == found.products
    table = str(found)
    assert f"{found.trace.value:.4g}" in table
    assert f"{found.noise.noise_scale:.4g}" in table
    assert ("not measured" in table) == (draws == 30)
    assert max(map(len, table.splitlines())) <= 100


def test_what_is_infinite_or_undefined_is_none_in_the_dict():
    # G = 0: B_noise is infinite, and no learning rate is best.
    line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    line.compile("sgd", "mse")
    x, y = np.array([[1.0], [1.0], [-1.0], [-1.0]]), np.array([1.0, -1.0, 1.0, -1.0])
    numbers = json.loads(json.dumps(loss_curvature(line, x, y).to_dict(), allow_nan=False))
    assert numbers["noise"]["noise_scale"] is None
    assert numbers["noise"]["max_learning_rate"] is None
    assert numbers["trace"]["value"] == pytest.approx(4)


def test_where_nothing_is_free_it_says_so(float64):
    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1, trainable=False)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no free parameter, and so no eigenvalue"):
        top_eigenvalues(model, np.ones((3, 2)), np.ones(3))
