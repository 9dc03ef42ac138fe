from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from gradient_check import check_layer, check_per_sample_gradients

import minibatch as mb

CASES = [
    ("ReLU", {}),
    ("ReLU", {"max_value": 1.0}),
    ("ReLU", {"max_value": 6}),
    ("ReLU", {"negative_slope": 0.2}),
    ("ReLU", {"threshold": 0.5}),
    ("ReLU", {"max_value": 1.5, "negative_slope": 0.1, "threshold": 0.4}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.0}),
    ("ELU", {}),
    ("ELU", {"alpha": 0.5}),
    ("PReLU", {}),
    ("PReLU", {"shared_axes": [1]}),
    ("PReLU", {"shared_axes": 2}),
    ("PReLU", {"shared_axes": (1, 2)}),
    ("Softmax", {}),
    ("Softmax", {"axis": 1}),
    ("Softmax", {"axis": 2}),
    ("Softmax", {"axis": [1, -1]}),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("kind", "arguments"), CASES, ids=str)
def test_gradients(kind: str, arguments: dict[str, Any], rng: np.random.Generator) -> None:
    layer = getattr(mb.layers, kind)(**arguments)
    x = rng.normal(0, 3, (4, 3, 2))
    check_layer(layer, x)
    check_per_sample_gradients(layer, x)


@pytest.mark.parametrize(("kind", "arguments"), CASES, ids=str)
def test_the_config_has_the_layers_arguments_and_no_others(kind: str, arguments: dict[str, Any]) -> None:
    layer = getattr(mb.layers, kind)(**arguments)
    config = layer.get_config()
    assert "activation" not in config
    assert type(layer).from_config(config).get_config() == config
    x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 3, 2)
    np.testing.assert_array_equal(copy.deepcopy(layer)(x), layer(x))


def test_a_softmax_at_the_end_is_absorbed_by_the_loss() -> None:
    """For logits 1000 apart the probability of the wrong class is 0, its logarithm -1000."""
    model = mb.Sequential([mb.Input((2,)), mb.layers.Softmax()])
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.evaluate([[1000.0, 0.0]], [1], verbose=0) == 1000
    (head,) = model.objective.heads
    assert head.on_logits


def test_a_softmax_over_another_axis_is_not() -> None:
    model = mb.Sequential([mb.Input((2, 2)), mb.layers.Softmax(axis=1)])
    model.compile("sgd", "categorical_crossentropy")
    assert not model.objective.heads[0].on_logits


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("ReLU", {"max_value": -1}, "ReLU: max_value must be a number, 0 or above; got -1"),
        ("ReLU", {"negative_slope": None}, "ReLU: negative_slope must be a number, 0 or above; got None"),
        ("ReLU", {"threshold": -0.1}, "ReLU: threshold must be a number"),
        ("LeakyReLU", {"negative_slope": "0.1"}, "LeakyReLU: negative_slope must be a number"),
        ("Softmax", {"axis": None}, "Softmax: axis must be an integer or a list of them; got None"),
    ],
)
def test_settings_that_are_refused(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(mb.layers, kind)(**arguments)


@pytest.mark.parametrize("axis", [0, 3, -3, [1, 0]])
def test_a_softmax_over_samples_is_refused(axis: Any) -> None:
    with pytest.raises(ValueError, match="axis must be of 1 to 2"):
        mb.layers.Softmax(axis).ensure_built((2, 3))


@pytest.mark.parametrize("axes", [0, [3], [-1]])
def test_prelu_cannot_share_an_axis_that_samples_have_not(axes: Any) -> None:
    with pytest.raises(ValueError, match="shared_axes must be of 1 to 2"):
        mb.layers.PReLU(shared_axes=axes).ensure_built((2, 3))


def test_the_name_that_keras_2_had_for_the_slope() -> None:
    with pytest.warns(UserWarning, match=r"LeakyReLU\(\): 'alpha' is .* of Keras 2; today it is negative_slope\."):
        layer = mb.layers.LeakyReLU(alpha=0.25)
    assert layer.negative_slope == 0.25
    np.testing.assert_array_equal(layer([[-4.0, 2.0]]), [[-1, 2]])
    with pytest.raises(ValueError, match=r"negative_slope must be a number, 0 or above; got None"):
        mb.layers.LeakyReLU(alpha=None)
