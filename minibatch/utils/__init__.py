"""Small tools under Keras's names (``keras.utils``)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from minibatch.utils.categorical import to_categorical
from minibatch.utils.normalization import normalize
from minibatch.utils.not_here import NOT_HERE
from minibatch.utils.py_dataset import PyDataset
from minibatch.utils.random import set_random_seed
from minibatch.utils.sequences import pad_sequences
from minibatch.utils.session import clear_session

if TYPE_CHECKING:
    from minibatch.utils.images import image_dataset_from_directory
    from minibatch.utils.model_plot import plot_model
    from minibatch.utils.progress import Progbar
    from minibatch.utils.split import split_dataset

#: Keras's older name for it.
Sequence = PyDataset

#: What stands on rooms that stand on this one, or needs more than NumPy: loaded when first asked for.
_LAZY = {
    "Progbar": "minibatch.utils.progress",
    "image_dataset_from_directory": "minibatch.utils.images",
    "plot_model": "minibatch.utils.model_plot",
    "split_dataset": "minibatch.utils.split",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        item = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = item
        return item
    raise NOT_HERE.attribute_error(name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Progbar",
    "PyDataset",
    "Sequence",
    "clear_session",
    "image_dataset_from_directory",
    "normalize",
    "pad_sequences",
    "plot_model",
    "set_random_seed",
    "split_dataset",
    "to_categorical",
]
