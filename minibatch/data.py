"""Pipelines under tf.data's names: ``import minibatch as tf`` and ``tf.data.Dataset`` reads as it did.

What is here lives in ``minibatch.batching``.
"""

from minibatch.batching import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY,
    Dataset,
)

__all__ = ["AUTOTUNE", "INFINITE_CARDINALITY", "UNKNOWN_CARDINALITY", "Dataset"]
