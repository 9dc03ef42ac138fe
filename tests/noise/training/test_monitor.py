"""`GradientNoise` changes nothing, and its numbers are those of the gradients' rows."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.models.watcher import Watcher
from minibatch.noise import gradient_noise, per_sample_gradients
from minibatch.noise.training import elementwise, quantities, shares
from minibatch.noise.training import sums as room
from minibatch.noise.training.kept import Kept
from minibatch.noise.training.monitor import GradientNoise
from minibatch.noise.training.plan import NAMES, OF_TWO, SINGLE, SPREAD
from minibatch.noise.training.samples import Samples, dense_layers
from minibatch.noise.training.sums import sums
from minibatch.noise.training.travel import Travel
from tests.noise.networks import cnn, mlp, samples

L = mb.layers
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(50, 6)).astype(np.float32), rng.integers(0, 3, 50)
IMAGES = rng.normal(size=(50, 6, 5, 2)).astype(np.float32)
OPTIMIZERS = {
    "sgd": lambda: mb.optimizers.SGD(0.1),
    "momentum": lambda: mb.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: mb.optimizers.Adam(0.01),
}


def with_dropout(optimizer: str = "sgd", dropout: float = 0.4, penalty: Any = None) -> mb.Sequential:
    mb.utils.set_random_seed(3)
    model = mb.Sequential(
        [
            mb.Input((6,)),
            L.Dense(70, "relu"),
            L.Dropout(dropout),
            L.Dense(5, "tanh", kernel_regularizer=penalty),
            L.Dense(3, "softmax"),
        ]
    )
    model.compile(OPTIMIZERS[optimizer](), "sparse_categorical_crossentropy")
    return model


def with_normalization(optimizer: str = "sgd") -> mb.Sequential:
    mb.utils.set_random_seed(3)
    layers = [mb.Input((6,)), L.Dense(8, "relu"), L.BatchNormalization(), L.Dropout(0.3), L.Dense(3, "softmax")]
    model = mb.Sequential(layers)
    model.compile(OPTIMIZERS[optimizer](), "sparse_categorical_crossentropy")
    return model


def fit(model: mb.Sequential, *callbacks: Any, epochs: int = 2, **arguments: Any) -> mb.callbacks.History:
    x = X if model.input_shape == (None, 6) else IMAGES
    return model.fit(x, Y, batch_size=16, epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments)


def everything(model: mb.Sequential) -> list[np.ndarray]:
    return [
        model.parameters.theta,
        model.parameters.state,
        model.parameters.gradient,
        *model.optimizer.state.values(),
        *[layer.generator.random(3) for layer in model.layers if hasattr(layer, "generator")],
    ]


# --- watching changes nothing -------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", ["current", (X[:9], Y[:9])], ids=["current", "reference"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("name", NAMES)
def test_no_quantity_changes_a_bit(name: str, optimizer: str, batch: Any) -> None:
    bare = fit(plain := with_dropout(optimizer))
    monitor = GradientNoise(quantities={name: 1}, batch=batch)
    history = fit(watched := with_dropout(optimizer), monitor)
    for a, b in zip(everything(plain), everything(watched), strict=True):
        np.testing.assert_array_equal(a, b)
    assert history.history["loss"] == bare.history["loss"]
    measured = (
        monitor.record.histograms.steps + monitor.record.histograms.steps_2d
        if "histogram" in name
        else monitor.steps[name]
    )
    assert len(measured) > 0


@pytest.mark.parametrize("name", ["all", *(name for name in NAMES if name not in SINGLE)])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_nor_with_normalization(name: str, optimizer: str) -> None:
    fit(plain := with_normalization(optimizer))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some are left out is another test's
        fit(
            watched := with_normalization(optimizer), GradientNoise(quantities=None if name == "all" else {name: 1})
        )
    for a, b in zip(everything(plain), everything(watched), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_nor_on_images_or_at_intervals(optimizer: str) -> None:
    monitors = GradientNoise(every=3), GradientNoise(every=2, estimator="halves")
    thetas = []
    for callbacks in ((), monitors):
        model = cnn()
        model.compile(OPTIMIZERS[optimizer](), model.loss)
        fit(model, *callbacks)
        thetas.append(model.parameters.theta.copy())
    np.testing.assert_array_equal(*thetas)


# --- the numbers --------------------------------------------------------------------------------------------


class Truth(mb.callbacks.Callback):
    """Computes every quantity of a step from rows, one sample at a time, in the way of the definitions."""

    def __init__(self, order: Any) -> None:
        super().__init__()
        self.order = order
        self.found: list[dict[str, float]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.start = self.model.parameters.theta.copy()
        self.g_before: np.ndarray | None = None
        self.traces: list[float] = []
        self.signals: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        model = self.model
        x, y = self.order(batch)
        g = per_sample_gradients(model, x, y)
        B, mean = len(g), g.mean(axis=0)
        Q, G = mean @ mean, model.loss_and_gradient(*self.order(None))[1]
        S = g.var(axis=0, ddof=1).sum()
        N = len(self.order(None)[0])
        self.traces.append(S)
        self.signals.append(Q - S / B + S / N)
        decay = 0.99 ** np.arange(len(self.traces))[::-1]
        trace, signal = (float(np.average(v, weights=decay)) for v in (self.traces, self.signals))
        loss = model.loss_and_gradient(x, y)[0]
        variance = g.var(axis=0)
        unit = mean / np.sqrt(Q)
        self.found.append(
            {
                "loss": loss,
                "batch_size": B,
                "grad_norm": np.sqrt(Q),
                "trace": S,
                "grad_norm2": Q - S / B + S / N,
                "noise_scale": trace / signal if signal > 0 else math.inf,
                "signal_to_noise": max(signal, 0) / (trace * (1 / B - 1 / N)),
                "norm_test": np.sqrt(S / B / Q),
                "inner_product_test": np.sqrt((g @ mean).var(ddof=1) / B / Q**2),
                "orthogonality_test": np.sqrt(((g - np.outer(g @ unit, unit)) ** 2).sum() / ((B - 1) * B * Q)),
                "gsnr": (mean**2 / (variance + 1e-5)).mean(),
                "eb": 1 - B * (mean**2 / (g.var(axis=0, ddof=1) + 1e-5)).mean(),
                "cabs": model.optimizer.learning_rate * variance.sum() / loss,
                "cosine_to_full": mean @ G / np.sqrt(Q * (G @ G)),
            }
        )
        if self.g_before is not None:
            self.found[-1]["cosine_to_previous"] = (
                mean @ self.g_before / np.sqrt(Q * (self.g_before @ self.g_before))
            )
        self.g_before, self.theta_before, self.g, self.batch = mean, model.parameters.theta.copy(), g, (x, y)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        theta = self.model.parameters.theta
        self.found[-1]["update_size"] = np.linalg.norm(theta - self.theta_before)
        self.found[-1]["distance"] = np.linalg.norm(theta - self.start)
        self.found[-1]["update"] = theta - self.theta_before  # type: ignore[assignment]  # for alpha, by the test


def network(kind: str) -> mb.Sequential:
    if kind == "cnn":
        return cnn()
    if kind == "mlp":
        return with_dropout(dropout=0.0)
    if kind == "penalty":
        return with_dropout(dropout=0.0, penalty="l2")
    if kind == "shared":
        x = mb.Input((6,))
        shared = L.Dense(6, "tanh")
        frozen = L.Dense(9, "relu", trainable=False)
        model = mb.Model(x, L.Dense(3, "softmax")(L.LayerNormalization()(frozen(shared(shared(x))))))
    else:  # sequences: dense layers over positions
        mb.utils.set_random_seed(1)
        x = mb.Input((6,))
        h = L.Dense(7, "tanh", use_bias=False)(L.Reshape((3, 2))(x))
        model = mb.Model(x, L.Dense(3, "softmax")(L.Flatten()(h)))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("kind", ["mlp", "cnn", "penalty", "shared", "positions"])
def test_every_number_is_that_of_the_rows(kind: str, optimizer: str, float64: Any) -> None:
    model = network(kind)
    model.compile(OPTIMIZERS[optimizer](), model.loss)
    x = (IMAGES if kind == "cnn" else X).astype(np.float64)

    def batch(i: int | None) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(None) if i is None else slice(16 * i, 16 * i + 16)
        return x[rows], Y[rows]

    truth, monitor = Truth(batch), GradientNoise(quantities=dict.fromkeys(NAMES, 1))
    model.fit(x, Y, batch_size=16, epochs=1, shuffle=False, verbose=0, callbacks=[truth, monitor])
    found = monitor.steps
    for name in NAMES:
        if name == "alpha" or name.startswith("histogram"):
            continue
        steps, values = found[name]
        expected = [(k, step[name]) for k, step in enumerate(truth.found, 1) if name in step]
        assert steps.tolist() == [k for k, _ in expected], name
        active = sum(w.value.size for w in model.trainable_weights) / model.parameters.theta.size
        scale = 1 / active if name == "gsnr" else 1
        wanted = [value * scale for _, value in expected]
        if name == "eb":
            wanted = [1 - (1 - value) / active for _, value in expected]
        np.testing.assert_allclose(values, wanted, rtol=1e-8, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("kind", ["mlp", "cnn", "penalty"])
def test_alpha_is_that_of_rows_at_both_ends_of_the_step(kind: str, optimizer: str, float64: Any) -> None:
    model = network(kind)
    model.compile(OPTIMIZERS[optimizer](), model.loss)
    x = (IMAGES if kind == "cnn" else X).astype(np.float64)
    seen: list[dict[str, Any]] = []

    class Ends(mb.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            rows = slice(16 * batch, 16 * batch + 16)
            one_by_one = [self.model.loss_and_gradient(x[i : i + 1], Y[i : i + 1])[0] for i in range(len(x))[rows]]
            g = per_sample_gradients(self.model, x[rows], Y[rows])
            seen.append({"losses": np.array(one_by_one), "g": g, "theta": self.model.parameters.theta.copy()})

    monitor = GradientNoise(quantities={"alpha": 1})
    model.fit(x, Y, batch_size=16, epochs=1, shuffle=False, verbose=0, callbacks=[Ends(), monitor])
    expected = []
    for a, b in pairwise(seen):
        d = b["theta"] - a["theta"]
        t = np.linalg.norm(d)
        ends = []
        for end in (a, b):
            along = end["g"] @ d / t
            ends.append((end["losses"].mean(), end["losses"].var(ddof=1), along.mean(), along.var(ddof=1)))
        phi = np.array([[1, 0, 0], [1, t, t**2], [0, 1, 0], [0, 1, 2 * t]]).T
        seen_at = [ends[0][0], ends[1][0], ends[0][2], ends[1][2]]
        inverse = np.diag(1 / np.array([ends[0][1], ends[1][1], ends[0][3], ends[1][3]]))
        _, w1, w2 = np.linalg.inv(phi @ inverse @ phi.T) @ phi @ inverse @ seen_at
        expected.append(-1 if w2 < 0 else 2 * t * w2 / -w1 - 1)
    steps, values = monitor.steps["alpha"]
    assert steps.tolist() == list(range(1, len(seen)))
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-7)


def test_a_reference_batch_is_measured_by_itself_in_inference_mode(float64: Any) -> None:
    """With dropout, and with BatchNormalization, whose samples meet in training only."""
    x, y = X[:9].astype(np.float64), Y[:9]
    for model in (with_dropout(), with_normalization()):
        model.compile("adam", model.loss)
        rows: list[np.ndarray] = []

        class Look(Watcher):
            def differentiated(self, *shown: Any, rows: Any = rows, model: Any = model) -> None:
                rows.append(per_sample_gradients(model, x, y))

        model.watchers.append(Look())
        monitor = GradientNoise(batch=(x, y), quantities=dict.fromkeys(NAMES, 1))
        fit(model, monitor, epochs=1)
        found = monitor.steps
        for k, g in enumerate(rows):
            assert found["trace"][1][k] == pytest.approx(g.var(axis=0, ddof=1).sum())
            assert found["grad_norm"][1][k] == pytest.approx(np.linalg.norm(g.mean(axis=0)))
            assert found["batch_size"][1][k] == 9
            assert found["gsnr"][1][k] == pytest.approx(elementwise.mean_gsnr((g**2).mean(0), g.mean(0), 9))
            if k:
                u, v = rows[k - 1].mean(0), g.mean(0)
                cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
                assert found["cosine_to_previous"][1][k - 1] == pytest.approx(cosine)
        assert len(found["alpha"][1]) == len(rows) - 1


def test_the_reference_way_through_the_second_moments(float64: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("mlp", "cnn", "penalty", "positions"):
        model = network(kind)
        x, y = samples(model, 7)
        batch = model.checked(x, y)
        seen = Samples(model, 7, dense_layers(model))
        outputs, caches = model.forward(batch.inputs, True)
        model.objective.differentiate(batch.targets, outputs, caches, batch.weights, seen.visit)
        seen.finish()
        g = model.parameters.gradient
        rows = per_sample_gradients(model, x, y)
        expected = elementwise.signal_sums((rows**2).mean(axis=0), g, 7)
        np.testing.assert_allclose(seen.signal_sums_reference(g, 1e-5), expected, rtol=1e-9)
        kept = Kept()
        seen.affine = [kept.copied(part) for part in seen.affine]
        kept.keep(1, g, float(g @ g), seen)
        for piece in (1 << 22, 1 << 8):  # of a few pieces, and of many, side by side
            monkeypatch.setattr(shares, "PIECE", piece)
            monkeypatch.setattr(room, "SMALL", 0)
            found = sums(seen, g, epsilon=1e-5, kept=kept)
            np.testing.assert_allclose(found.signal, expected, rtol=1e-9)
            norm2, along, along_kept = found.each
            np.testing.assert_allclose(norm2, (rows**2).sum(axis=1), rtol=1e-9)
            np.testing.assert_allclose(along, rows @ g, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(along_kept, rows @ g, rtol=1e-9, atol=1e-12)
            expected_sums = norm2.sum(), along.sum(), (along**2).sum(), along.var(ddof=1)
            found_sums = found.norm2, found.along, found.along2, found.along_variance
            np.testing.assert_allclose(found_sums, expected_sums, rtol=1e-9)
            np.testing.assert_allclose(found.kept, (along_kept.mean(), along_kept.var(ddof=1)), rtol=1e-9)
            assert sums(seen, g).signal is None
        assert kept.product(g, None) == pytest.approx(float(g @ g))
        assert kept.product(g, seen) == pytest.approx(float(g @ g))
        v = np.random.default_rng(1).normal(size=g.shape)
        np.testing.assert_allclose(seen.times(v), rows @ v, rtol=1e-9, atol=1e-12)
        written = np.zeros_like(rows)
        for place in {(p.start, p.stop) for p, _ in seen.rows()}:
            parts = [part for p, part in seen.rows() if (p.start, p.stop) == place]
            written[:, slice(*place)] = np.concatenate(parts)
        np.testing.assert_allclose(written, rows, rtol=1e-9, atol=1e-12)


def test_histograms_are_those_of_the_rows(float64: Any) -> None:
    model = with_dropout(dropout=0.0)
    x = X.astype(np.float64)
    g = per_sample_gradients(model, x[:16], Y[:16])
    theta = model.parameters.theta.copy()
    monitor = GradientNoise(quantities={"histogram": 1, "histogram_2d": 2}, bins=11)
    model.fit(x, Y, batch_size=16, epochs=1, shuffle=False, verbose=0, callbacks=[monitor])
    one, two = monitor.to_dict()["histograms"], monitor.to_dict()["histograms_2d"]
    assert one["steps"] == [1, 2, 3, 4]
    assert two["steps"] == [1, 3]
    edges = np.array(one["edges"])
    assert edges[-1] == pytest.approx(np.abs(g).max())
    inner = np.clip(g, edges[0], edges[-1])
    # An entry at an edge, up to rounding, may be counted on either side of it.
    assert np.abs(np.array(one["counts"][0]) - np.histogram(inner, edges)[0]).sum() <= 4
    assert sum(one["counts"][0]) == g.size
    cells = np.histogram2d(inner.ravel(), np.tile(theta, 16), [edges, two["theta_edges"]])[0]
    assert np.abs(np.array(two["counts"][0]) - cells).sum() <= 8


# --- where single samples have no gradient -------------------------------------------------------------------


def test_what_was_asked_for_by_name_is_refused_and_says_why() -> None:
    with pytest.raises(TypeError, match=r"cannot measure gsnr: layer '.*' \(BatchNormalization\): in training its"):
        fit(with_normalization(), GradientNoise(quantities=["grad_norm", "gsnr"]))
    with pytest.raises(TypeError, match=r"cannot measure trace: layer '.*' \(BatchNormalization\)"):
        fit(with_normalization(), GradientNoise(quantities=["trace"], estimator="samples"))


def test_of_the_default_set_it_is_left_out_with_one_warning() -> None:
    monitor = GradientNoise()
    with pytest.warns(UserWarning, match="leaves out .*inner_product_test.*BatchNormalization") as caught:
        fit(with_normalization(), monitor)
    assert len(caught) == 1
    assert set(NAMES) - set(SINGLE) == set(monitor.steps)


def test_the_halves_of_a_batch_give_the_spread_where_samples_meet(float64: Any) -> None:
    model = with_normalization()
    twin = with_normalization()
    twin.set_weights(model.get_weights())
    monitor = GradientNoise(quantities=list(SPREAD))
    x = X.astype(np.float64)
    model.layers[2].rate = twin.layers[2].rate = 0.0  # no dropout: the halves see what the batch sees
    model.fit(x[:16], Y[:16], batch_size=16, epochs=1, shuffle=False, verbose=0, callbacks=[monitor])

    def norm2(rows: slice) -> float:
        outputs, caches = twin.forward([x[rows]], True)
        twin.objective.differentiate([Y[rows]], outputs, caches, [None])
        return float(twin.parameters.gradient @ twin.parameters.gradient)

    twin.checked(x, Y)
    whole = norm2(slice(0, 16))
    S, signal = quantities.two_batch_estimates((norm2(slice(0, 8)) + norm2(slice(8, 16))) / 2, 8, whole, 16, 16)
    assert monitor.steps["trace"][1][0] == pytest.approx(S)
    assert monitor.steps["grad_norm2"][1][0] == pytest.approx(signal)


def test_halves_on_request_agree_on_average_with_samples(float64: Any) -> None:
    traces = []
    for estimator in ("samples", "halves"):
        model = with_dropout(dropout=0.0)
        model.compile(mb.optimizers.SGD(0.0), model.loss)
        monitor = GradientNoise(quantities=["trace"], estimator=estimator)
        model.fit(X, Y, batch_size=10, epochs=60, verbose=0, callbacks=[monitor])
        traces.append(monitor.steps["trace"][1])
    assert traces[0].std() < traces[1].std()
    error = math.hypot(*(t.std() / math.sqrt(len(t)) for t in traces))
    assert abs(traces[0].mean() - traces[1].mean()) < 4 * error


def test_a_loss_that_is_no_mean_is_refused() -> None:
    model = mlp()
    model.compile("sgd", mb.losses.SparseCategoricalCrossentropy(reduction="sum"))
    with pytest.raises(ValueError, match="reduction='sum'"):
        fit(model, GradientNoise())


def test_a_stream_has_no_full_gradient_unless_it_is_given() -> None:
    def stream() -> Any:
        while True:
            yield X[:8], Y[:8]

    with pytest.raises(ValueError, match=r"cannot measure cosine_to_full.*give full"):
        mlp().fit(stream(), steps_per_epoch=2, verbose=0, callbacks=[GradientNoise(quantities=["cosine_to_full"])])
    with pytest.warns(UserWarning, match="leaves out cosine_to_full"):
        mlp().fit(stream(), steps_per_epoch=2, verbose=0, callbacks=[GradientNoise()])
    monitor = GradientNoise(full=(X, Y), quantities=["cosine_to_full", "trace"])
    mlp().fit(stream(), steps_per_epoch=2, verbose=0, callbacks=[monitor])
    assert len(monitor.steps["cosine_to_full"][0]) == 1


def test_the_full_gradient_of_batches_is_of_each_sample_once(float64: Any) -> None:
    for remainder in ("drop", "wrap", "weight"):
        model = with_dropout(dropout=0.0)
        x = X.astype(np.float64)
        g, G = model.loss_and_gradient(x[:16], Y[:16])[1], model.loss_and_gradient(x, Y)[1]
        monitor = GradientNoise(quantities=["cosine_to_full"])
        batches = mb.Batches(x, Y, batch_size=16, shuffle=False, remainder=remainder, seed=0)
        model.fit(batches, epochs=1, verbose=0, callbacks=[monitor])
        expected = g @ G / np.linalg.norm(g) / np.linalg.norm(G)
        assert monitor.steps["cosine_to_full"][1][0] == pytest.approx(expected)


# --- numbers that are none ----------------------------------------------------------------------------------


def test_gradients_that_are_not_finite_are_nan_and_stop_nothing() -> None:
    model = with_dropout()
    x = X.copy()
    x[:] = 1e30
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit's own, about the loss
        history = model.fit(x, Y, batch_size=16, epochs=2, verbose=0, callbacks=[m := GradientNoise()])
    assert len(history.epoch) == 2
    assert math.isnan(m.steps["gsnr"][1][-1])
    assert math.isnan(m.steps["noise_scale"][1][-1])
    assert math.isnan(history.history["trace"][-1])
    assert m.table()


def test_batches_of_one_sample() -> None:
    monitor = GradientNoise()
    with pytest.warns(UserWarning, match="need at least two samples") as warned:
        history = with_dropout().fit(X[:5], Y[:5], batch_size=1, epochs=1, verbose=0, callbacks=[monitor])
    for name in OF_TWO:
        assert name in str(warned[0].message)
        assert np.isnan(monitor.steps[name][1]).all(), name
    assert math.isnan(history.history["trace"][0])
    assert np.isfinite(monitor.steps["grad_norm"][1]).all()
    assert np.isfinite(monitor.steps["cosine_to_previous"][1]).all()


def test_a_zero_gradient_has_infinite_noise() -> None:
    model = mb.Sequential([mb.Input((1,)), L.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    monitor = GradientNoise()
    x = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    model.fit(x, [1.0, 1.0, -1.0, -1.0], batch_size=4, epochs=1, verbose=0, callbacks=[monitor])
    assert monitor.steps["grad_norm"][1][0] == 0
    assert monitor.steps["noise_scale"][1][0] == math.inf
    assert monitor.steps["norm_test"][1][0] == math.inf
    assert math.isnan(monitor.steps["cosine_to_full"][1][0])


# --- the callback -------------------------------------------------------------------------------------------


def test_logs_history_and_intervals() -> None:
    batch_logs: list[dict[str, float]] = []
    look = mb.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batch_logs.append(dict(logs)))
    monitor = GradientNoise(quantities={"grad_norm": 2, "noise_scale": 1, "cosine_to_full": "epoch", "alpha": 3})
    history = fit(with_dropout(), monitor, look)
    assert ["grad_norm" in logs for logs in batch_logs] == [True, False] * 4
    assert monitor.steps["grad_norm"][0].tolist() == [1, 3, 5, 7]
    assert monitor.steps["cosine_to_full"][0].tolist() == [1, 5]
    assert monitor.steps["alpha"][0].tolist() == [1, 4, 7]
    assert ["alpha" in logs for logs in batch_logs] == [False, True, False, False, True, False, False, True]
    values = monitor.steps["grad_norm"][1]
    assert history.history["grad_norm"] == pytest.approx([values[:2].mean(), values[2:].mean()])
    assert history.history["noise_scale"] == [monitor.steps["noise_scale"][1][i] for i in (3, 7)]
    assert monitor.averages.noise_scale == history.history["noise_scale"][-1]


def test_cosine_at_an_interval_is_still_to_the_step_before(float64: Any) -> None:
    every, sparse = (GradientNoise(quantities={"cosine_to_previous": k}) for k in (1, 3))
    fit(with_dropout(), every)
    fit(with_dropout(), sparse)
    steps, values = every.steps["cosine_to_previous"]
    chosen = np.isin(steps, [4, 7])
    np.testing.assert_allclose(sparse.steps["cosine_to_previous"][1], values[chosen])
    assert sparse.steps["cosine_to_previous"][0].tolist() == [4, 7]


def test_the_result_as_plain_numbers_a_table_and_a_file(tmp_path: Any) -> None:
    import json

    monitor = GradientNoise()
    fit(with_dropout(), monitor)
    result = json.loads(json.dumps(monitor.to_dict()))
    assert result["steps"].keys() == result["values"].keys() >= {"loss", "eb", "batch_size"}
    assert all(len(result["steps"][name]) == len(result["values"][name]) for name in result["steps"])
    assert result["batch_sizes"] == {"steps": list(range(1, 9)), "values": [16, 16, 16, 2] * 2}
    assert result["epochs"] == [4, 8]
    assert len(result["histograms"]["counts"][0]) + 1 == len(result["histograms"]["edges"])
    lines = monitor.table(3).splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:2] == ["step", "loss"]
    monitor.to_csv(tmp_path / "series.csv")
    written = (tmp_path / "series.csv").read_text().splitlines()
    assert len(written) == 9
    assert written[1].split(",")[0] == "1"
    assert GradientNoise().table() == "nothing was measured"


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("stop_at", [3, 4, 6])
def test_a_fit_taken_up_again_measures_what_it_would_have(stop_at: int, optimizer: str, tmp_path: Any) -> None:
    class Killed(Exception):  # noqa: N818 - not an error of the library
        pass

    def kill(batch: int, logs: Any) -> None:
        steps.append(batch)
        if len(steps) == stop_at:
            raise Killed

    whole, again = GradientNoise(), GradientNoise()
    expected = fit(with_dropout(optimizer), whole)
    steps: list[int] = []
    killer = mb.callbacks.LambdaCallback(on_train_batch_begin=kill)
    backup = mb.callbacks.BackupAndRestore(tmp_path, save_freq=1)
    with pytest.raises(Killed):
        fit(with_dropout(optimizer), GradientNoise(), killer, backup)
    steps = [0] * 100
    history = fit(with_dropout(optimizer), again, killer, mb.callbacks.BackupAndRestore(tmp_path, save_freq=1))
    np.testing.assert_equal(again.to_dict(), whole.to_dict())
    np.testing.assert_equal(history.history, expected.history)


def test_a_state_of_another_monitor_is_refused() -> None:
    monitor = GradientNoise(quantities=["eb"])
    fit(with_dropout(), monitor)
    with pytest.raises(ValueError, match="the state is of a monitor of eb; this one is of gsnr"):
        GradientNoise(quantities=["gsnr"]).load_state_dict(monitor.state_dict())


def test_a_second_fit_begins_a_new_series_also_after_an_error() -> None:
    model, monitor = with_dropout(), GradientNoise(quantities=["eb"])

    def stumble(batch: int, logs: Any) -> None:
        raise RuntimeError("stumbled")

    with pytest.raises(RuntimeError, match="stumbled"):
        fit(model, monitor, mb.callbacks.LambdaCallback(on_train_batch_begin=stumble))
    assert not model.watchers  # another monitor, or none, would be told of every step of the next fit
    fit(model, monitor, epochs=1)
    assert monitor.steps["eb"][0].tolist() == [1, 2, 3, 4]
    assert not model.watchers


def test_sample_weights_are_a_part_of_each_samples_gradient(float64: Any) -> None:
    weight = rng.random(50)
    model = with_dropout(dropout=0.0)
    x = X.astype(np.float64)
    g = per_sample_gradients(model, x, Y) * weight[:, None]
    monitor = GradientNoise(quantities=["trace", "grad_norm"])
    model.fit(x, Y, batch_size=50, epochs=1, sample_weight=weight, verbose=0, callbacks=[monitor])
    assert monitor.steps["trace"][1][0] == pytest.approx(g.var(axis=0, ddof=1).sum())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch": "all"}, "batch must be 'current' or a pair"),
        ({"batch": X}, "batch must be a pair"),
        ({"full": 3}, "full must be a pair"),
        ({"population": "endless"}, "unknown population 'endless'"),
        ({"estimator": "half"}, "unknown estimator 'half'.*'halves'"),
        ({"decay": 1.0}, r"decay must lie in \[0, 1\)"),
        ({"bins": 0}, "bins must be a positive integer"),
        ({"every": 0}, "every must be a positive"),
        ({"quantities": ["gnsr"]}, "no quantity 'gnsr'. Did you mean 'gsnr'"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GradientNoise(**arguments)


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.9), (0.9, 0.0)])
def test_alpha_where_the_optimizer_changes_its_ways_between_epochs(
    first: float, second: float, float64: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch's last step is remembered in one form, and asked for when the other is in use."""
    found = []
    for may_be_plain in (True, False):
        if not may_be_plain:
            monkeypatch.setattr(Travel, "is_plain", lambda self: False)
        model = with_dropout(dropout=0.0)
        optimizer = mb.optimizers.SGD(0.1, momentum=first)
        model.compile(optimizer, model.loss)
        change = mb.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs, o=optimizer: setattr(o, "momentum", second if epoch else first)
        )
        monitor = GradientNoise(quantities=["alpha", "cosine_to_previous"])
        fit(model, change, monitor)
        found.append(monitor.steps["alpha"])
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-6)
    assert found[0][0].tolist() == list(range(1, 8))


@pytest.mark.parametrize("given", [["noise_scale"], {"noise_scale": 1}, "noise_scale"])
def test_names_in_the_place_of_the_interval_are_shown_their_own(given):
    with pytest.raises(ValueError, match="What to measure is quantities="):
        GradientNoise(given)


def test_batches_of_one_sample_are_warned_of_once_and_by_name():
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(9, 3))
    y = x[:, 0]
    with pytest.warns(UserWarning, match="noise_scale, gsnr need at least two samples in a batch") as warned:
        history = model.fit(
            x,
            y,
            batch_size=1,
            epochs=2,
            verbose=0,
            callbacks=[GradientNoise(quantities=["grad_norm", "noise_scale", "gsnr"])],
        )
    assert len(warned) == 1
    assert np.isnan(history.history["noise_scale"]).all()
    # No word (a warning is an error here) where nothing of the kind is asked for, or there are samples for it.
    for quiet in (GradientNoise(quantities=["grad_norm"]), GradientNoise(quantities=["noise_scale"], batch=(x, y))):
        history = model.fit(x, y, batch_size=1, epochs=1, verbose=0, callbacks=[quiet])
    assert np.isfinite(history.history["noise_scale"]).all()


def test_the_noise_scale_lags_and_the_report_does_not():
    """At fixed weights the two agree; when the noise scale then jumps, the running mean is still behind."""
    x = np.random.default_rng(0).normal(size=(400, 3))
    y = x @ [1.0, 2.0, 3.0] + 0.3 * np.random.default_rng(1).normal(size=400)
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(mb.optimizers.SGD(0.0), "mse")
    monitor = GradientNoise(quantities=["noise_scale"])

    def exact():
        return gradient_noise(model, x, y, batch_sizes=[20], draws=0).noise_scale

    still = model.fit(x, y, batch_size=20, epochs=10, verbose=0, callbacks=[monitor]).history["noise_scale"][-1]
    assert still == pytest.approx(exact(), rel=0.05)
    model.compile(mb.optimizers.SGD(0.05), "mse")
    moving = model.fit(x, y, batch_size=20, epochs=2, verbose=0, callbacks=[monitor]).history["noise_scale"][-1]
    assert exact() > 10 * moving
