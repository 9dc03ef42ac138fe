"""Let arrays of any size go through the compiled loops, or none; plain loops with the compiler off."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest

import minibatch.activations.rectifier_kernels
import minibatch.layers.dropout_kernels
import minibatch.layers.pooling_kernels
import minibatch.optimizers.update_kernels  # noqa: F401  # before PLAIN says anything else: what is plain stays plain
from minibatch import compiling, passes


@contextlib.contextmanager
def in_one_pass() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(passes, "LARGE", 0)
        patch.setattr(compiling, "PLAIN", False)
        yield


@contextlib.contextmanager
def by_formula() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(passes, "LARGE", float("inf"))
        yield


def assert_same_bits(mine: np.ndarray, expected: np.ndarray) -> None:
    """One float type, one shape, the same numbers, and zeros of the same sign."""
    assert mine.dtype == expected.dtype
    np.testing.assert_array_equal(mine, expected)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(mine)[number], np.signbit(expected)[number])
