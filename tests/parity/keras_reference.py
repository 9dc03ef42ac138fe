"""Real Keras on TensorFlow, quietly, and twins: one model built in both libraries from the same weights.

Nothing here is optional: without Keras these tests fail.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# TensorFlow 2.21's oneDNN kernels write past their memory in small convolutions' gradients (seen: "free(): invalid
# next size", in one run of ten, without this library). Its own kernels do not.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what TensorFlow's own imports deprecate is not ours to mend
    import keras
    import tensorflow as tf  # noqa: F401  (for tests that differentiate)

import minibatch as mb
from minibatch.datasets import digits

assert keras.backend.backend() == "tensorflow"

BOTH = (keras, mb)


def twins(build: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Return (Keras's model, ours) from ``build(library)``, with Keras's initial weights in both."""
    theirs, mine = build(keras), build(mb)
    mine.set_weights(theirs.get_weights())
    return theirs, mine


def some_digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n images (n, 8, 8, 1) in [0, 1] and their labels."""
    (x, y), _ = digits.load_data()
    return (x[:n, ..., None] / 16).astype("float32"), y[:n].astype("int64")


def largest_difference(a: Any, b: Any) -> float:
    return float(np.max(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))))
