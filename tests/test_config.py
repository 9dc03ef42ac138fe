from __future__ import annotations

import numpy as np
import pytest

import minibatch as mb


def test_defaults() -> None:
    assert (mb.config.floatx(), mb.config.epsilon()) == ("float32", 1e-7)


@pytest.mark.usefixtures("float64")
def test_models_are_built_in_floatx() -> None:
    model = mb.Sequential([mb.Input((3,)), mb.layers.Dense(2)])
    assert model.parameters.theta.dtype == np.float64
    assert model.predict(np.zeros((1, 3), np.float32), verbose=0).dtype == np.float64


def test_unknown_float_types() -> None:
    with pytest.raises(ValueError, match="floatx must be one of float32, float64; got 'float16'"):
        mb.config.set_floatx("float16")
    assert mb.config.floatx() == "float32"


def test_an_attribute_that_is_not_there_gets_near_misses() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Sequental'\. Did you mean 'Sequential'"):
        mb.Sequental  # noqa: B018
    assert set(mb.__all__) <= set(dir(mb))
