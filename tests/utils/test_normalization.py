from __future__ import annotations

import numpy as np
import pytest

from minibatch.utils import normalize


def test_vectors_along_any_axis() -> None:
    x = np.array([[3.0, 4.0], [6.0, 8.0]])
    np.testing.assert_allclose(normalize(x), [[0.6, 0.8], [0.6, 0.8]])
    np.testing.assert_allclose(normalize(x, axis=0), x / np.sqrt([45.0, 80.0]))
    np.testing.assert_allclose(normalize(x, order=1), x / [[7.0], [14.0]])
    np.testing.assert_allclose(normalize(x, order=np.inf), x / [[4.0], [8.0]])


def test_zeros_stay_zeros_and_dtypes_stay() -> None:
    assert not normalize(np.zeros((2, 3))).any()
    assert normalize(np.ones(4, np.float32)).dtype == np.float32
    assert normalize(np.ones(4, int)).dtype == np.float64
    assert normalize([1, 2]).dtype == np.float32


def test_words_are_refused() -> None:
    with pytest.raises(TypeError, match="real numbers; got an array of <U1"):
        normalize(np.array(["a"]))
