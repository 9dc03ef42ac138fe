"""Products with the Hessian against matrices known by hand, by differences entry by entry, and by PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.noise.curvature import hessian as room
from minibatch.noise.curvature.hessian import Hessian
from tests.noise.networks import cnn, mlp, samples


def numerical_hessian(model, x, y):
    """Column j: the gradient's central difference by theta_j. Needs a float64 model; step as in gradient_check."""
    theta = model.parameters.theta
    assert theta.dtype == np.float64
    H = np.empty((theta.size, theta.size))
    for j in range(theta.size):
        here, step = theta[j], 1e-5
        theta[j] = here + step
        above = model.loss_and_gradient(x, y)[1]
        theta[j] = here - step
        below = model.loss_and_gradient(x, y)[1]
        theta[j] = here
        H[:, j] = (above - below) / (2 * step)
    return H


def regression(n=7, seed=0):
    """Return (model, x, y, H): a linear model, for which H = 2 X'X / N whatever the weights and y."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, 3)), rng.standard_normal(n)
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    X = np.column_stack([x, np.ones(n)])
    return model, x, y, 2 * X.T @ X / n


def test_linear_regression():
    model, x, y, expected = regression()
    np.testing.assert_allclose(Hessian(model, x, y).dense(), expected, rtol=1e-8, atol=1e-8)


def test_softmax_regression_is_its_gauss_newton_matrix():
    # The logits are linear in theta, so H = mean of J' (diag p - p p') J, with J = x (1, x_1, x_2) for each class.
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 2)), rng.integers(0, 3, 9)
    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    p = model.predict(x, verbose=0).astype(np.float64)
    X = np.column_stack([x, np.ones(9)])
    curve = np.einsum("nk,kl->nkl", p, np.eye(3)) - np.einsum("nk,nl->nkl", p, p)
    expected = np.einsum("na,nkl,nb->akbl", X, curve, X).reshape(9, 9) / 9
    np.testing.assert_allclose(Hessian(model, x, y).dense(), expected, atol=2e-7)  # p is float32


@pytest.mark.parametrize("build", [mlp, cnn])
def test_networks_entry_by_entry(build, float64):
    model = build()
    x, y = samples(model, 9)
    np.testing.assert_allclose(Hessian(model, x, y).dense(), numerical_hessian(model, x, y), rtol=1e-5, atol=1e-8)


def test_penalties_frozen_layers_normalization_and_a_layer_used_twice(float64):
    x = mb.Input((4,))
    shared = mb.layers.Dense(4, activation="tanh", kernel_regularizer=mb.regularizers.L1L2(0.1, 0.2))
    frozen = mb.layers.Dense(4, trainable=False)
    h = mb.layers.BatchNormalization()(mb.layers.Add()([frozen(shared(shared(x))), x]))
    model = mb.Model(x, mb.layers.Dense(3, activation="softmax")(h))
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = samples(model, 8)
    model.fit(x, y, epochs=2, batch_size=3, verbose=0)
    H = Hessian(model, x, y)
    expected = numerical_hessian(model, x, y)
    # The gradient of frozen weights is kept at zero, but others' do depend on them: those columns are left out.
    expected[:, ~H.free] = 0
    assert (~H.free).sum() == frozen.count_params()
    np.testing.assert_allclose(H.dense(), expected, rtol=1e-5, atol=1e-7)


def test_several_inputs_and_outputs_one_of_them_without_a_loss(float64):
    a, b = mb.Input((2,)), mb.Input((3,))
    h = mb.layers.Concatenate()([a, b])
    first, second = mb.layers.Dense(2, activation="tanh", name="first")(h), mb.layers.Dense(1, name="second")(h)
    third = mb.layers.Dense(2, name="third")(h)
    model = mb.Model([a, b], [first, second, third])
    losses = {"first": "mse", "second": "log_cosh"}
    model.compile("sgd", losses, loss_weights={"first": 0.5, "second": 2.0})
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((6, 2)), rng.standard_normal((6, 3))]
    y = [rng.standard_normal((6, 2)), rng.standard_normal((6, 1)), np.zeros((6, 2))]
    H = Hessian(model, x, y)
    np.testing.assert_allclose(H.dense(), numerical_hessian(model, x, y), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(H.gradient, model.loss_and_gradient(x, y)[1], rtol=1e-12, atol=1e-15)
    rows = np.concatenate(list(H.sample_gradients()))
    np.testing.assert_allclose(rows.mean(axis=0), H.gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kept", [room.KEPT_BYTES, 0])
def test_chunks_change_nothing(kept, monkeypatch):
    model = cnn()
    x, y = samples(model, 10)
    whole = Hessian(model, x, y)
    v = np.random.default_rng(1).standard_normal(whole.size)
    expected = whole @ v
    monkeypatch.setattr(room, "CHUNK", 3)
    monkeypatch.setattr(room, "KEPT_BYTES", kept)
    pieces = Hessian(model, x, y)
    np.testing.assert_allclose(pieces @ v, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(pieces.gradient, whole.gradient, rtol=1e-12, atol=1e-15)
    assert len(list(pieces.sample_gradients())) == (4 if kept else 10)


@given(seed=st.integers(0, 2**32 - 1), a=st.floats(-1e3, 1e3), b=st.floats(-1e3, 1e3))
@settings(max_examples=25, deadline=None)
def test_symmetric_and_linear(seed, a, b):
    rng = np.random.default_rng(seed)
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(4, "relu"), mb.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.parameters.theta[...] = rng.standard_normal(model.parameters.theta.size)
    H = Hessian(model, rng.standard_normal((30, 3)), rng.integers(0, 2, 30))
    u, v = rng.standard_normal((2, H.size))
    Hu, Hv = H @ u, H @ v
    assert u @ Hv == pytest.approx(v @ Hu, rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(H @ (a * u + b * v), a * Hu + b * Hv, rtol=1e-6, atol=1e-7 * (1 + abs(a) + abs(b)))


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_length_of_v_is_no_matter(scale):
    model, x, y, expected = regression()
    v = np.array([1.0, -2.0, 0.5, 3.0])
    np.testing.assert_allclose((Hessian(model, x, y) @ (scale * v)) / scale, expected @ v, rtol=1e-7)
    assert not (Hessian(model, x, y) @ np.zeros(4)).any()


def test_a_float32_model_is_measured_in_float64(float64):
    exact = mlp()
    x, y = samples(exact, 12)
    mb.config.set_floatx("float32")
    single = mlp()
    exact.parameters.theta[...] = single.parameters.theta
    assert single.parameters.theta.dtype == np.float32
    v = np.random.default_rng(2).standard_normal(exact.count_params())
    np.testing.assert_array_equal(Hessian(single, x, y) @ v, Hessian(exact, x, y) @ v)


# Kinks ------------------------------------------------------------------------------------------------------------


def one_unit(bias, loss="mse", activation="relu"):
    """Return y = f(x + bias) with kernel 1 and the given bias."""
    model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, activation)])
    model.compile("sgd", loss)
    model.set_weights([[[1.0]], [bias]])
    return model


@pytest.mark.parametrize("above", [1e-7, 5e-7, 1e-6, -1e-7, -5e-7, -1e-6])
@pytest.mark.parametrize("v", [(1.0, 0.0), (0.0, -1.0), (3.0, 1.0)])
def test_a_kink_within_the_step_is_stepped_around(above, v, float64):
    # z = x + b = above, y = 1. With z > 0 the loss is (z - 1)^2, H = 2 (1, 1)(1, 1)'; with z < 0 it is constant.
    H = Hessian(one_unit(above - 1.0), [[1.0]], [1.0])
    expected = 2 * np.full(2, v[0] + v[1]) if above > 0 else np.zeros(2)
    np.testing.assert_allclose(H @ v, expected, atol=1e-6)
    assert H.kinks == 0


def test_at_a_kink_the_product_is_the_mean_of_the_two_sides_and_is_counted(float64):
    H = Hessian(one_unit(-1.0), [[1.0]], [1.0])
    np.testing.assert_allclose(H @ [3.0, 1.0], [4.0, 4.0], atol=1e-6)  # half of 2 (3 + 1), and of 0
    assert H.kinks == 1


def test_a_symmetric_jump_shows_too(float64):
    # e = 0 with the loss |e|, whose slope is -1, 0 and 1: equal steps would see a slope of 1/h there.
    H = Hessian(one_unit(0.0, "mae", None), [[1.0]], [1.0])
    np.testing.assert_allclose(H @ [1.0, 0.0], [0.0, 0.0], atol=1e-6)
    assert H.kinks == 1


def test_blank_images_before_the_first_step():
    # Zero biases and blank borders: many a ReLU sits exactly at its corner. Products must not blow up there.
    model = cnn()
    x, y = samples(model, 6)
    x[:, :3] = 0
    H = Hessian(model, x, y)
    v = np.random.default_rng(0).choice([-1.0, 1.0], H.size)
    Hv = H @ v
    assert H.kinks > 0
    moved = cnn()
    for layer in moved.layers[:1]:
        layer.bias.assign(np.full(layer.bias.shape, -1e-3))  # off the corner: not far, and no kink any more
    smooth = Hessian(moved, x, y)
    assert np.linalg.norm(Hv) < 3 * np.linalg.norm(smooth @ v)
    assert smooth.kinks == 0


# Nothing changes --------------------------------------------------------------------------------------------------


def everything(model):
    parameters = model.parameters
    generators = [layer.generator.bit_generator.state for layer in model.layers if hasattr(layer, "generator")]
    return [parameters.theta.copy(), parameters.gradient.copy(), parameters.state.copy()], generators


def assert_unchanged(model, before, parameters):
    arrays, generators = everything(model)
    for now, then in zip(arrays, before[0], strict=True):
        np.testing.assert_array_equal(now, then)
    assert generators == before[1]
    assert model.parameters is parameters
    assert parameters.holds(model.weights)


def trained():
    model = mb.Sequential(
        [
            mb.Input((6,)),
            mb.layers.Dense(5, "relu"),
            mb.layers.BatchNormalization(),
            mb.layers.Dropout(0.5),
            mb.layers.Dense(3, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = samples(model, 20)
    model.fit(x, y, batch_size=8, epochs=1, verbose=0)
    return model, x, y


def test_the_model_is_not_changed_and_goes_on_as_if_not_watched():
    model, x, y = trained()
    before, parameters = everything(model), model.parameters
    H = Hessian(model, x, y)
    H.dense()
    list(H.sample_gradients())
    assert_unchanged(model, before, parameters)
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, shuffle=False)
    mb.utils.set_random_seed(1234)
    mb.utils.names.clear_names()
    other, x, y = trained()
    other.fit(x, y, batch_size=8, epochs=2, verbose=0, shuffle=False)
    np.testing.assert_array_equal(model.parameters.theta, other.parameters.theta)


def test_nor_by_an_exception_in_the_middle():
    class Failing(mb.layers.Layer):
        passes = 0

        def forward(self, x, training=False):
            Failing.passes += 1
            if Failing.passes == 4:
                raise RuntimeError("in the middle")
            return x, None

        def backward(self, dy, cache):
            return dy

    model = mb.Sequential([mb.Input((6,)), mb.layers.Dense(3, "relu"), Failing()])
    model.compile("sgd", "mse")
    x, y = np.ones((5, 6)), np.ones((5, 3))
    model.train_on_batch(x, y)
    before, parameters = everything(model), model.parameters
    H = Hessian(model, x, y)
    with pytest.raises(RuntimeError, match="in the middle"):
        H @ np.ones(H.size)
    assert_unchanged(model, before, parameters)
    # And the Hessian is still that of the same weights.
    np.testing.assert_array_equal(H @ np.ones(H.size), Hessian(model, x, y) @ np.ones(H.size))


def test_training_on_leaves_the_hessian_at_the_weights_it_was_made_at():
    model, x, y = trained()
    H = Hessian(model, x, y)
    v = np.ones(H.size)
    before = H @ v
    model.fit(x, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(H @ v, before)


# Bad input --------------------------------------------------------------------------------------------------------


def test_refusals():
    model, x, y, _ = regression()
    H = Hessian(model, x, y)
    with pytest.raises(ValueError, match=r"4 parameters, shape \(4,\); got shape \(3,\)"):
        H @ np.ones(3)
    with pytest.raises(ValueError, match=r"got shape \(4, 1\)"):
        H @ np.ones((4, 1))
    with pytest.raises(ValueError, match=r"v must be finite; v\[2\] is nan"):
        H @ np.array([0, 1, np.nan, np.inf])
    with pytest.raises(ValueError, match="real numbers; got dtype complex128"):
        H @ np.ones(4, dtype=complex)
    with pytest.raises(ValueError, match="compile"):
        Hessian(mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)]), x, y)
    with pytest.raises(ValueError, match="7"):
        Hessian(model, x, y[:-1])
    model.parameters.theta[0] = np.nan
    with pytest.raises(ValueError, match="the gradient is not finite"):
        Hessian(model, x, y)


def test_a_hessian_too_large_to_be_written_out_says_so(monkeypatch):
    model, x, y, _ = regression()
    monkeypatch.setattr(room, "MAX_DENSE", 3)
    with pytest.raises(ValueError, match="has 4 parameters: a Hessian is written out for 3 at most"):
        Hessian(model, x, y).dense()


@pytest.mark.parametrize("loss", [{"reduction": "sum"}, {"ignore_class": 0}])
def test_a_loss_that_is_no_mean_over_samples_is_refused(loss):
    model = mlp()
    model.compile("sgd", mb.losses.SparseCategoricalCrossentropy(**loss))
    with pytest.raises(ValueError, match=r"not a mean over samples|a mean over samples \(reduction"):
        Hessian(model, *samples(model, 5))


# PyTorch ----------------------------------------------------------------------------------------------------------


def unflatten(theta, shapes):
    parts, start = [], 0
    for shape in shapes:
        stop = start + int(np.prod(shape))
        parts.append(theta[start:stop].reshape(shape))
        start = stop
    return parts


# torch.func, when it is first imported, uses what PyTorch itself has deprecated.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", ["tanh", "mse", "cnn"])
def test_pytorch_has_the_same(name, float64):
    torch = pytest.importorskip("torch", reason="an optional second opinion: PyTorch is no dependency of the tests")
    F = torch.nn.functional
    rng = np.random.default_rng(5)
    if name == "cnn":
        layers = [
            mb.Input((6, 6, 2)),
            mb.layers.Conv2D(3, 3, padding="same", activation="relu"),
            mb.layers.MaxPooling2D(),
            mb.layers.Flatten(),
            mb.layers.Dense(3, "softmax"),
        ]
    else:
        layers = [
            mb.Input((4,)),
            mb.layers.Dense(5, "tanh"),
            mb.layers.Dense(3, None if name == "mse" else "softmax"),
        ]
    model = mb.Sequential(layers)
    model.compile("sgd", "mse" if name == "mse" else "sparse_categorical_crossentropy")
    model.parameters.theta[...] += 0.1 * rng.standard_normal(model.parameters.theta.size)
    x, y = samples(model, 20)
    y = rng.standard_normal((20, 3)) if name == "mse" else y
    shapes = [weight.shape for weight in model.weights]

    def loss(theta):
        W, b, V, c = unflatten(theta, shapes)
        inputs, targets = torch.tensor(x), torch.tensor(y)
        if name == "cnn":
            z = F.conv2d(inputs.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1), b, padding="same")
            h = F.max_pool2d(z.relu(), 2).permute(0, 2, 3, 1).reshape(20, -1)
        else:
            h = torch.tanh(inputs @ W + b)
        return F.mse_loss(h @ V + c, targets) if name == "mse" else F.cross_entropy(h @ V + c, targets)

    expected = torch.func.hessian(loss)(torch.tensor(model.parameters.theta)).numpy()
    H = Hessian(model, x, y)
    assert np.abs(H.dense() - expected).max() < 1e-8 * np.abs(expected).max()
    assert H.kinks == 0
