from __future__ import annotations

import numpy as np
import pytest
from gradient_check import assert_same_gradient, numerical_gradient

import minibatch as mb
from minibatch import regularizers
from minibatch.regularizers import Regularizer

ALL = [
    regularizers.L1(0.3),
    regularizers.L2(0.3),
    regularizers.L1L2(0.2, 0.5),
    regularizers.OrthogonalRegularizer(0.7),
    regularizers.OrthogonalRegularizer(0.7, mode="columns"),
]


@pytest.mark.parametrize("penalty", ALL, ids=lambda p: f"{type(p).__name__}-{getattr(p, 'mode', '')}")
@pytest.mark.parametrize("shape", [(4, 3), (2, 5), (1, 3)])
def test_gradient(penalty: Regularizer, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    w = rng.normal(size=shape)
    w_before = w.copy()
    assert_same_gradient("dw", penalty.gradient(w), numerical_gradient(lambda: penalty(w), w))
    np.testing.assert_array_equal(w, w_before)
    half = w.astype(np.float32)
    assert penalty.gradient(half).dtype == np.float32
    assert penalty(half) == pytest.approx(penalty(w), rel=1e-5)


def test_values_worked_by_hand() -> None:
    w = np.array([[1.0, -2.0], [0.0, 3.0]])
    assert regularizers.L1(0.1)(w) == pytest.approx(0.6)
    assert regularizers.L2(0.1)(w) == pytest.approx(1.4)
    assert regularizers.L1L2(0.1, 0.1)(w) == pytest.approx(2.0)
    np.testing.assert_allclose(regularizers.L1(0.1).gradient(w), [[0.1, -0.1], [0, 0.1]])
    np.testing.assert_allclose(regularizers.L2(0.1).gradient(w), 0.2 * w)
    # The rows (1, -2) and (0, 3) have the cosine -6 / (sqrt 5 * 3); there is one pair.
    assert regularizers.OrthogonalRegularizer(0.1)(w) == pytest.approx(0.1 * 2 / np.sqrt(5))
    assert regularizers.OrthogonalRegularizer()(np.zeros((3, 3))) == 0
    assert np.isfinite(regularizers.OrthogonalRegularizer().gradient(np.zeros((3, 3)))).all()


def test_get() -> None:
    assert regularizers.get(None) is None
    for name in ("l1", "L1", regularizers.L1, regularizers.l1):
        assert isinstance(regularizers.get(name), regularizers.L1)
    for name in ("l1_l2", "l1l2", "L1L2"):
        assert isinstance(regularizers.get(name), regularizers.L1L2)
    assert isinstance(regularizers.get("orthogonal_regularizer"), regularizers.OrthogonalRegularizer)
    with pytest.raises(ValueError, match=r"Unknown regularizer 'l3'. Did you mean"):
        regularizers.get("l3")
    with pytest.raises(TypeError, match="a function with its gradient"):
        regularizers.get(np.sum)


@pytest.mark.parametrize("penalty", ALL, ids=lambda p: f"{type(p).__name__}-{getattr(p, 'mode', '')}")
def test_written_and_read(penalty: Regularizer) -> None:
    again = regularizers.get(regularizers.serialize(penalty))
    assert type(again) is type(penalty)
    assert again.get_config() == penalty.get_config()


def test_bad_arguments() -> None:
    for value in (-1.0, np.nan, np.inf, "much", True):
        with pytest.raises(ValueError, match="l1 must be a number that is not negative"):
            regularizers.L1(value)
    with pytest.raises(ValueError, match=r"unknown mode 'row'. Did you mean 'rows'"):
        regularizers.OrthogonalRegularizer(mode="row")
    with pytest.raises(ValueError, match=r"is for matrices; got a weight of shape \(3,\)"):
        regularizers.OrthogonalRegularizer()(np.ones(3))


def test_a_penalty_of_ones_own() -> None:
    class Bare(Regularizer):
        pass

    with pytest.raises(TypeError, match=r"Bare must define __call__\(w\)"):
        Bare()(np.ones(2))
    with pytest.raises(TypeError, match=r"Bare must define gradient\(w\)"):
        Bare().gradient(np.ones(2))
    written = mb.regularizers.serialize(Bare())
    assert written["registered_name"] == "Bare"
    assert isinstance(mb.regularizers.deserialize(written, {"Bare": Bare}), Bare)
    with pytest.raises(ValueError, match="hand it over as custom_objects"):
        mb.regularizers.deserialize(written)
