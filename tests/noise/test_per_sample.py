from __future__ import annotations

import numpy as np
import pytest

import minibatch as mb
from minibatch.noise import per_sample, per_sample_gradients
from tests.noise.networks import cnn, mlp, samples


@pytest.mark.parametrize("build", [mlp, cnn])
def test_rows_are_the_gradients_of_single_samples(build, float64):
    model = build()
    x, y = samples(model, 7)
    rows = per_sample_gradients(model, x, y)
    assert rows.shape == (7, model.count_params())
    for i in range(7):
        _, alone = model.loss_and_gradient(x[i : i + 1], y[i : i + 1])
        np.testing.assert_allclose(rows[i], alone, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("build", [mlp, cnn])
def test_their_mean_is_the_gradient_of_the_batch(build, float64):
    model = build()
    x, y = samples(model, 9)
    np.testing.assert_allclose(
        per_sample_gradients(model, x, y).mean(axis=0), model.loss_and_gradient(x, y)[1], rtol=1e-10, atol=1e-14
    )


def test_chunks_change_nothing(monkeypatch, float64):
    model = cnn()
    x, y = samples(model, 10)
    whole = per_sample_gradients(model, x, y)
    monkeypatch.setattr(per_sample, "CHUNK", 3)
    np.testing.assert_allclose(per_sample_gradients(model, x, y), whole, rtol=1e-12, atol=1e-15)


def test_mean_squared_error_by_hand():
    # y_pred = 0, so l_i = y_i^2, dl/db = -2 y_i and dl/dW = -2 y_i x_i.
    line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    line.compile("sgd", "mse")
    rows = per_sample_gradients(line, [[1.0], [3.0]], [2.0, 5.0])
    np.testing.assert_allclose(rows, [[-4, -4], [-30, -10]])


def test_measuring_leaves_weights_gradient_and_dropout_as_they_were():
    model = mlp()
    x, y = samples(model, 8)
    model.fit(x, y, batch_size=4, epochs=1, verbose=0, shuffle=False)
    theta, gradient = model.parameters.theta.copy(), model.parameters.gradient.copy()
    state = model.get_layer(index=1).generator.bit_generator.state
    per_sample_gradients(model, x, y)
    np.testing.assert_array_equal(model.parameters.theta, theta)
    np.testing.assert_array_equal(model.parameters.gradient, gradient)
    assert model.get_layer(index=1).generator.bit_generator.state == state


def test_a_layer_without_a_rule_says_so():
    class Scale(mb.layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight((), "ones", name="factor")

        def forward(self, x, training=False):
            return self.factor.value * x, x

        def backward(self, dy, cache):
            self.factor.gradient[...] = (dy * cache).sum()
            return self.factor.value * dy

    model = mb.Sequential([mb.Input((2,)), Scale(name="scale")])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match=r"layer 'scale' \(Scale\) has no rule for per-sample gradients"):
        per_sample_gradients(model, np.ones((3, 2)), np.ones((3, 2)))


def test_an_uncompiled_model_is_refused():
    model = mb.Sequential([mb.Input((2,)), mb.layers.Dense(1)])
    with pytest.raises(ValueError, match="compile"):
        per_sample_gradients(model, np.ones((3, 2)), np.ones(3))


def test_a_loss_that_is_no_mean_is_refused():
    model = mlp()
    model.compile("sgd", mb.losses.SparseCategoricalCrossentropy(reduction="sum"))
    x, y = samples(model, 5)
    with pytest.raises(ValueError, match="reduction='sum': gradient noise is about batch gradients that are means"):
        per_sample_gradients(model, x, y)


def test_layers_used_twice_frozen_layers_penalties_and_normalization(float64):
    x = mb.Input((4,))
    shared = mb.layers.Dense(4, activation="tanh", kernel_regularizer="l2")
    h = mb.layers.Dense(4, trainable=False)(shared(shared(x)))
    h = mb.layers.BatchNormalization()(mb.layers.Add()([h, x]))
    model = mb.Model(x, mb.layers.Dense(3, activation="softmax")(h))
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = samples(model, 6)
    rows = per_sample_gradients(model, x, y)
    for i in range(6):
        _, alone = model.loss_and_gradient(x[i : i + 1], y[i : i + 1])
        np.testing.assert_allclose(rows[i], alone, rtol=1e-9, atol=1e-12)
    frozen = model.parameters.slices[model.layers[2].kernel]
    assert not rows[:, frozen].any()


def test_a_layer_frozen_between_two_fits_is_measured_after_the_next_compile(rng: np.random.Generator) -> None:
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(4, "tanh", name="first"), mb.layers.Dense(1)])
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    model.layers[0].trainable = False
    said = r"layer 'first' has trainable=False, but .* Compile the model again"
    with pytest.raises(ValueError, match=said):
        mb.noise.gradient_noise(model, x, y, batch_sizes=[2])
    with pytest.raises(ValueError, match=said):
        mb.noise.per_sample_gradients(model, x, y)
    with pytest.raises(ValueError, match=said):
        mb.noise.curvature.Hessian(model, x, y)
    with pytest.raises(ValueError, match=said):
        model.fit(x, y, verbose=0, callbacks=[mb.noise.GradientNoise()])
    model.compile("sgd", "mse")
    rows = mb.noise.per_sample_gradients(model, x, y)
    np.testing.assert_allclose(rows.mean(axis=0), model.loss_and_gradient(x, y)[1], rtol=1e-5, atol=1e-6)
    assert not rows[:, :16].any()
