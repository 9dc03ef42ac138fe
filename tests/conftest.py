"""What every test may lean on: a fixed seed, layer names from the start, and float64 where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import minibatch as mb
from minibatch.utils.names import clear_names


@pytest.fixture(autouse=True)
def _from_the_start() -> None:
    mb.utils.set_random_seed(1234)
    clear_names()


@pytest.fixture
def float64() -> Iterator[None]:
    """Models of this test are built in float64."""
    before = mb.config.floatx()
    mb.config.set_floatx("float64")
    yield
    mb.config.set_floatx(before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)
