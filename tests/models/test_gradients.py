"""The gradient of a whole model's loss, by every parameter and every input entry."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_check import check_model
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb
from minibatch.models.graph import Below

L = mb.layers
pytestmark = pytest.mark.usefixtures("float64")


def one_hot(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    return np.eye(k)[rng.integers(k, size=n)]


@pytest.mark.parametrize("ending", ["dense softmax", "activation softmax", "softmax inside", "no softmax"])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_and_crossentropy(ending: str, sparse: bool, weighted: bool, rng: np.random.Generator) -> None:
    """The first two endings go through the logits in one piece, the others do not; all have the same calculus."""
    last = {
        "dense softmax": [L.Dense(4, "softmax")],
        "activation softmax": [L.Dense(4), L.Activation("softmax")],
        "softmax inside": [L.Dense(4, "softmax"), L.Flatten()],
        "no softmax": [L.Dense(4, "sigmoid")],
    }[ending]
    model = mb.Sequential([mb.Input((3,)), L.Dense(5, "tanh"), *last])
    model.compile("sgd", ("sparse_" if sparse else "") + "categorical_crossentropy")
    assert model.objective.heads[0].on_logits == (ending in ("dense softmax", "activation softmax"))
    x, y = rng.normal(size=(6, 3)), one_hot(rng, 6, 4)
    check_model(model, x, y.argmax(1) if sparse else y, rng.uniform(0, 2, 6) if weighted else None)


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        mb.losses.CategoricalCrossentropy(label_smoothing=0.2),
        mb.losses.CategoricalCrossentropy(from_logits=True),
    ],
)
def test_a_convolutional_network(loss: object, rng: np.random.Generator) -> None:
    ending = L.Dense(3) if getattr(loss, "from_logits", False) or loss == "mse" else L.Dense(3, "softmax")
    model = mb.Sequential(
        [
            mb.Input((5, 6, 2)),
            L.Conv2D(3, 3, padding="same", activation="tanh"),
            L.Conv2D(2, (2, 3), strides=(1, 2)),
            L.Activation("sigmoid"),
            L.MaxPooling2D(2),
            L.Dropout(0.5),  # the identity in inference
            L.Flatten(),
            L.Dense(4, "elu"),
            ending,
        ]
    )
    model.compile("sgd", loss)
    check_model(model, rng.normal(size=(3, 5, 6, 2)), one_hot(rng, 3, 3))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_positions(sparse: bool, weighted: bool, rng: np.random.Generator) -> None:
    """One prediction at each of 4 positions: y_pred (N, 4, 3)."""
    model = mb.Sequential([mb.Input((4, 2)), L.Dense(3, "softmax")])
    model.compile("sgd", ("sparse_" if sparse else "") + "categorical_crossentropy")
    y = np.eye(3)[rng.integers(3, size=(5, 4))]
    w = rng.uniform(0, 2, 5) if weighted else None
    check_model(model, rng.normal(size=(5, 4, 2)), y.argmax(-1) if sparse else y, w)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 6))
def test_the_gradient_of_a_batch_is_the_mean_over_its_samples(seed: int, batch: int) -> None:
    rng = np.random.default_rng(seed)
    model = mb.Sequential(
        [mb.Input((4, 4, 1)), L.Conv2D(2, 3, activation="relu"), L.Flatten(), L.Dense(3, "softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = rng.normal(size=(batch, 4, 4, 1)), rng.integers(3, size=batch)
    loss, gradient = model.loss_and_gradient(x, y)
    alone = [model.loss_and_gradient(x[i : i + 1], y[i : i + 1]) for i in range(batch)]
    assert np.mean([value for value, _ in alone]) == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(np.mean([g for _, g in alone], axis=0), gradient, rtol=1e-9, atol=1e-12)


def test_loss_and_gradient_changes_nothing_and_returns_a_copy(rng: np.random.Generator) -> None:
    model = mb.Sequential([mb.Input((3,)), L.Dense(2), L.Dropout(0.5)])
    model.compile("adam", "mse")
    theta = model.parameters.theta.copy()
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    loss, gradient = model.loss_and_gradient(x, y)
    assert model.loss_and_gradient(x, y)[0] == loss  # inference mode: no dropout
    kept = gradient.copy()
    model.loss_and_gradient(-x, y)
    np.testing.assert_array_equal(gradient, kept)
    np.testing.assert_array_equal(model.parameters.theta, theta)
    assert model.optimizer.iterations == 0


def test_per_sample_gradients_through_the_watch(rng: np.random.Generator) -> None:
    """``differentiate_each`` shows each layer what it needs to know sample i's own gradient."""
    model = mb.Sequential(
        [mb.Input((4, 4, 1)), L.Conv2D(2, 2, activation="tanh"), L.Flatten(), L.Dense(3, "softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = rng.normal(size=(5, 4, 4, 1)), rng.integers(3, size=5)
    each: dict[object, object] = {}
    outputs, caches = model.forward([x])

    def watch(layer: L.Layer, dy: np.ndarray, cache: object) -> None:
        each.update(zip(layer.weights, layer.per_sample_gradients(dy, cache), strict=True))

    model.objective.differentiate_each([y], outputs, caches, watch)
    for i in range(5):
        _, gradient = model.loss_and_gradient(x[i : i + 1], y[i : i + 1])
        for weight, piece in model.parameters.slices.items():
            np.testing.assert_allclose(np.asarray(each[weight])[i].ravel(), gradient[piece], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", [mb.losses.CategoricalCrossentropy, mb.losses.SparseCategoricalCrossentropy])
def test_a_loss_told_to_expect_logits_after_a_softmax(loss: type[mb.losses.Loss], rng: np.random.Generator) -> None:
    """As in Keras: a warning, and the loss of the softmax's input, not a softmax of a softmax."""
    x, y = rng.normal(size=(4, 3)), np.arange(4) % 3
    targets = np.eye(3)[y] if loss is mb.losses.CategoricalCrossentropy else y
    model = mb.Sequential([mb.Input((3,)), L.Dense(3, "softmax")])
    model.compile("sgd", loss())
    expected = model.evaluate(x, targets, verbose=0)
    model.compile("sgd", loss(from_logits=True))
    with pytest.warns(UserWarning, match="from_logits=True, but the model ends in softmax"):
        assert model.evaluate(x, targets, verbose=0) == expected
    check_model(model, x, targets)


def convolutions() -> mb.Model:
    """Return a network in which gradients go through a ReLU in every way there is."""
    x = mb.Input((12, 12, 3))
    y = mb.layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    twice = mb.layers.Conv2D(16, 3, padding="same", activation="relu")
    y = twice(twice(y))
    pooled = mb.layers.MaxPooling2D()(y)
    bent = mb.layers.Activation("relu")(mb.layers.BatchNormalization()(y))
    both = mb.layers.Add()([mb.layers.MaxPooling2D()(bent), mb.layers.Conv2D(16, 3, strides=2, padding="same")(y)])
    both = mb.layers.Concatenate()([both, pooled])
    smooth = mb.layers.Conv2D(16, 3, activation="tanh")(both)
    return mb.Model(x, [mb.layers.Dense(1)(mb.layers.Flatten()(mb.layers.Conv2D(16, 2)(smooth))), smooth])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("loops", [True, False])
def test_a_gradient_through_the_relu_below_is_the_same(
    loops: bool, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not loops:
        monkeypatch.setattr("minibatch.layers.tiles.at_hand", lambda: False)
    mb.utils.set_random_seed(0)
    model = convolutions()
    x, y = rng.normal(size=(5, 12, 12, 3)), [rng.normal(size=(5, 1)), rng.normal(size=(5, 4, 4, 16))]
    seen: list[list[np.ndarray]] = [[], []]
    asked = []
    for k, least in enumerate((Below.least.fget, lambda self: None)):
        look = property(lambda self, least=least: asked.append(least(self)) or asked[-1])
        monkeypatch.setattr(Below, "least", look)
        outputs, caches = model.forward([x], training=True)
        dy = [2 * (output - wanted) for output, wanted in zip(outputs, y, strict=True)]
        dx = model.backward(dy, caches, [False, False], lambda layer, dz, cache, k=k: seen[k].append(dz))
        seen[k] += [model.parameters.gradient.copy(), dx[0]]
    assert asked.count(0.0) >= 4
    for through, apart in zip(*seen, strict=True):
        np.testing.assert_allclose(through, apart, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("upper", "place", "name"),
    [
        *[("Conv2D", 0, name) for name in ("forward", "linear", "linear_above", "activation_backward")],
        *[("Conv2D", 1, name) for name in ("forward", "linear", "linear_backward")],
        *[("MaxPooling2D", 0, name) for name in ("forward", "activation_backward")],
        *[("MaxPooling2D", 1, name) for name in ("forward", "backward", "pool", "pool_backward")],
    ],
)
@pytest.mark.parametrize("whole_class", [False, True])
def test_what_somebody_put_in_place_of_a_method_is_heeded(
    upper: str, place: int, name: str, whole_class: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = mb.layers.Conv2D(16, 3) if upper == "Conv2D" else mb.layers.MaxPooling2D()
    model = mb.Sequential([mb.Input((8, 8, 2)), mb.layers.Conv2D(16, 3, activation="relu"), above])
    model.compile("sgd", "mse")
    layer, below = model.layers[place], model.graph.way_back[0][-1]
    assert below.least == 0
    on = type(layer) if whole_class else layer
    own = getattr(on, name)
    monkeypatch.setattr(on, name, lambda *args, **kwargs: own(*args, **kwargs))
    assert below.least is None


def test_a_bias_gradient_of_ones_own_is_heeded(rng: np.random.Generator) -> None:
    class Frozen(mb.layers.Conv2D):
        def bias_backward(self, dz: np.ndarray) -> None:
            self.bias.gradient.fill(0)

    model = mb.Sequential([mb.Input((8, 8, 2)), Frozen(16, 3)])
    model.compile("sgd", "mse")
    gradient = model.loss_and_gradient(rng.normal(size=(3, 8, 8, 2)), rng.normal(size=(3, 6, 6, 16)))[1]
    assert gradient[:-16].any()
    assert not gradient[-16:].any()


def test_a_gradient_attached_anew_is_the_one_that_counts(rng: np.random.Generator) -> None:
    bent = mb.activations.Activation(mb.activations.relu.function)
    bent.gradient(mb.activations.relu._gradient)
    bent.floor = 0.0

    @bent.gradient
    def _(dy: np.ndarray, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 0 * dy

    lower = mb.layers.Conv2D(16, 3, activation=bent)
    model = mb.Sequential([mb.Input((8, 8, 2)), lower, mb.layers.MaxPooling2D()])
    model.compile("sgd", "mse")
    model.loss_and_gradient(rng.normal(size=(3, 8, 8, 2)), rng.normal(size=(3, 3, 3, 16)))
    assert not lower.kernel.gradient.any()


@pytest.mark.parametrize("given", [0, 2])
def test_a_pass_wants_as_many_arrays_as_there_are(given: int, rng: np.random.Generator) -> None:
    model = mb.Sequential([mb.Input((4,)), mb.layers.Dense(2)])
    x = rng.normal(size=(3, 4))
    with pytest.raises(ValueError, match=f"expected 1 inputs, in a list; got {given}"):
        model.forward([x] * given)
    outputs, caches = model.forward([x])
    with pytest.raises(ValueError, match=f"expected 1 gradients, in a list; got {given}"):
        model.backward(outputs * given, caches, [False])
    with pytest.raises(ValueError, match="expected 1 caches, in a list; got 0"):
        model.backward(outputs, [], [False])


def test_a_layer_of_ones_own_over_a_relu_is_asked_for_its_backward(rng: np.random.Generator) -> None:
    class Mine(mb.layers.Conv2D):
        def linear_backward(self, dz: np.ndarray, cache: object) -> np.ndarray:
            return 0 * super().linear_backward(dz, cache)

    lower = mb.layers.Conv2D(16, 3, activation="relu")
    model = mb.Sequential([mb.Input((8, 8, 2)), lower, Mine(16, 3)])
    model.compile("sgd", "mse")
    model.loss_and_gradient(rng.normal(size=(3, 8, 8, 2)), rng.normal(size=(3, 4, 4, 16)))
    assert not lower.kernel.gradient.any()
