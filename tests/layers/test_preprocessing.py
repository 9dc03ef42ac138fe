from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gradient_check import check_layer
from hypothesis import given, settings
from hypothesis import strategies as st

import minibatch as mb


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("scale", "offset"), [(2, 0.0), (0.5, -1), ([1.0, 2.0, 3.0], 1), (2.0, [[1.0], [0.5]])])
def test_gradients_of_rescaling(scale: Any, offset: Any, rng: np.random.Generator) -> None:
    check_layer(mb.layers.Rescaling(scale, offset), rng.normal(size=(3, 2, 3)))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None, 2, [-1]])
@pytest.mark.parametrize("adapted", [True, False])
def test_gradients_of_normalization(invert: bool, axis: Any, adapted: bool, rng: np.random.Generator) -> None:
    layer = mb.layers.Normalization(axis, invert=invert)
    if adapted:
        layer.adapt(rng.normal(3, 2, (20, 2, 3)))
    check_layer(layer, rng.normal(size=(3, 2, 3)))


@pytest.mark.usefixtures("float64")
def test_normalization_and_its_inverse(rng: np.random.Generator) -> None:
    x = rng.normal(3, 2, (50, 4))
    there, back = mb.layers.Normalization(), mb.layers.Normalization(invert=True)
    there.adapt(x)
    back.adapt(x)
    y = there(x)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(back(y), x, atol=1e-12)
    np.testing.assert_allclose(there.mean, x.mean(axis=0, keepdims=True))
    np.testing.assert_allclose(there.variance, x.var(axis=0, keepdims=True))
    assert [w.name for w in there.weights] == ["mean", "variance", "count"]


@given(st.integers(1, 60), st.lists(st.integers(0, 60), max_size=5), st.floats(-1e4, 1e4))
@settings(max_examples=60, deadline=None)
def test_how_the_samples_are_split_into_batches_changes_nothing(n: int, cuts: list[int], mean: float) -> None:
    x = np.random.default_rng(n).normal(mean, 1, (n, 3))
    layer = mb.layers.Normalization()
    layer.adapt(np.split(x, sorted(min(cut, n) for cut in cuts)))  # some batches may be empty
    np.testing.assert_allclose(layer.adapt_mean.value, x.mean(axis=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(layer.adapt_variance.value, x.var(axis=0), rtol=1e-6, atol=1e-9)


def test_what_adapt_takes() -> None:
    x = np.arange(12).reshape(6, 2)

    class Batched:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, i: int) -> tuple[np.ndarray, None]:
            return x[3 * i : 3 * i + 3], None

    def generator() -> Iterator[np.ndarray]:
        yield x[:5]
        yield x[5:]

    for data in (x, [x[:4], x[4:]], generator(), Batched(), mb.Batches(x, batch_size=4)):
        layer = mb.layers.Normalization()
        layer.adapt(data)
        assert layer.adapt_mean.value.tolist() == [5, 6]
    model = mb.Sequential([mb.Input((2,)), layer, mb.layers.Dense(1)])
    layer.adapt(x + 1)  # in a model its weights are still its own
    assert layer.adapt_mean.value.tolist() == [6, 7]
    assert model.layers[0].mean.tolist() == [[6, 7]]


def test_in_a_model_the_shape_is_that_of_the_model() -> None:
    numbers = np.arange(8.0)
    layer = mb.layers.Normalization(axis=None, input_shape=[1])
    layer.adapt(numbers)
    assert layer(numbers).shape == (8,)
    model = mb.Sequential([layer, mb.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(numbers, numbers, verbose=0)
    before = model.predict(numbers, verbose=0)
    layer.adapt(numbers)
    assert layer(np.zeros((2, 3, 4))).shape == (2, 3, 4)
    assert (layer.input_shape, layer.output_shape, layer.mean.shape) == ((1,), (1,), (1, 1))
    np.testing.assert_array_equal(model.predict(numbers, verbose=0), before)
    layer = mb.layers.Normalization(axis=1)
    layer.adapt(np.ones((4, 2, 5)))
    assert layer(np.ones((4, 2))).shape == (4, 2)
    with pytest.raises(ValueError, match=r"was built for samples of shape \(2,\); got \(3,\)"):
        layer(np.ones((4, 3)))


def test_data_that_never_change_are_only_moved() -> None:
    layer = mb.layers.Normalization()
    layer.adapt(np.full((5, 1), 3.0))
    assert layer([[3.0]]).item() == 0


def test_what_is_not_known_yet() -> None:
    layer = mb.layers.Normalization()
    assert layer.mean is None
    assert layer.variance is None
    assert layer([[2.0]]).item() == 2
    assert mb.layers.Normalization(mean=1.0, variance=4.0)([[5.0]]).item() == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": 1.0}, "give both mean and variance, or neither"),
        ({"variance": [1.0]}, "give both mean and variance, or neither"),
        ({"mean": [1.0, 2.0], "variance": 1.0}, "must be of one shape"),
        ({"mean": [[1.0]], "variance": [[1.0]]}, "no more axes than axis has"),
        ({"axis": None, "mean": [1.0], "variance": [1.0]}, "no more axes than axis has"),
    ],
)
def test_means_and_variances_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mb.layers.Normalization(**arguments)


def test_more_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"a mean of shape \(2,\) does not fit the axes \(-1,\) of samples"):
        mb.layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0])(np.zeros((1, 3)))
    for axis, shape in ((0, (3,)), (2, (3,)), (-1, ())):
        with pytest.raises(ValueError, match="axis must name axes of a sample, or be None"):
            mb.layers.Normalization(axis).ensure_built(shape)
    with pytest.raises(ValueError, match="was given its mean and variance"):
        mb.layers.Normalization(mean=0.0, variance=1.0).adapt(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="adapt needs samples; got none"):
        mb.layers.Normalization().adapt(np.zeros((0, 2)))
    with pytest.raises(TypeError, match=r"adapt takes an array, or an iterable of batches .* yields float"):
        mb.layers.Normalization().adapt([1.0, 2.0])
    with pytest.raises(ValueError, match=r"scale has shape \(2,\), which does not fit samples of shape \(3,\)"):
        mb.layers.Rescaling([1.0, 2.0])(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"offset has shape \(1, 1\)"):
        mb.layers.Rescaling(1.0, [[1.0]])(np.zeros((1, 3)))
