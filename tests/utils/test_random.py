from __future__ import annotations

import random

import numpy as np
import pytest

import minibatch as mb
from minibatch.utils.random import next_seed, put_back


def draws() -> tuple[float, float, int]:
    return random.random(), np.random.random(), next_seed()  # noqa: NPY002


def test_one_call_restarts_python_numpy_and_the_library() -> None:
    mb.utils.set_random_seed(7)
    first = draws()
    assert draws() != first
    mb.utils.set_random_seed(7)
    assert draws() == first
    mb.utils.set_random_seed(np.int64(7))
    assert draws() == first


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "7", None, True])
def test_bad_seeds(seed: object) -> None:
    with pytest.raises(ValueError, match=r"seed must be an integer from 0 to 2\*\*32 - 1; got "):
        mb.utils.set_random_seed(seed)


def test_who_seeds_runs_of_their_own_leaves_the_scripts_be() -> None:
    mb.utils.set_random_seed(3)
    draws()
    with put_back():
        mb.utils.set_random_seed(7)
        draws()
    after = draws()
    mb.utils.set_random_seed(3)
    draws()
    assert draws() == after
