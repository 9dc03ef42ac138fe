"""Data made ready, under Keras's older name for it (``keras.preprocessing``). What is here lives in ``utils``."""

from __future__ import annotations

from typing import Any

from minibatch import utils
from minibatch.preprocessing import sequence
from minibatch.utils.names import NotHere

NOT_HERE = NotHere(
    "preprocessing",
    {
        "image": "utils.image_dataset_from_directory, and the layers Rescaling, RandomFlip and RandomTranslation",
        "text": "class numbers of your own, utils.pad_sequences and the layer Embedding",
        "text_dataset_from_directory": "image_dataset_from_directory, a PyDataset, or arrays of your own",
        "timeseries_dataset_from_array": "numpy.lib.stride_tricks.sliding_window_view, and Batches",
    },
    {"timeseries": "numpy.lib.stride_tricks.sliding_window_view, and Batches"},
)


def __getattr__(name: str) -> Any:
    if name == "image_dataset_from_directory":
        return utils.image_dataset_from_directory
    raise NOT_HERE.attribute_error(name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = ["image_dataset_from_directory", "sequence"]
