"""``keras.preprocessing.sequence``."""

from __future__ import annotations

from typing import Any

from minibatch.utils.names import NotHere, each
from minibatch.utils.sequences import pad_sequences

_WINDOWS = "numpy.lib.stride_tricks.sliding_window_view, and Batches"

NOT_HERE = NotHere(
    "preprocessing.sequence",
    {},
    {
        "TimeseriesGenerator": _WINDOWS,
        **each("make_sampling_table skipgrams", "arrays of your own, made with NumPy"),
    },
)


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = ["pad_sequences"]
