"""What the room shows: its names, what loads when, and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from minibatch import utils


def test_every_name_is_there() -> None:
    assert all(hasattr(utils, name) for name in utils.__all__)
    assert set(dir(utils)) == set(utils.__all__)
    assert utils.Sequence is utils.PyDataset


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("get_file", "nothing is downloaded"),
        ("register_keras_serializable", "custom_objects"),
        ("serialize_keras_object", "serialize"),
        ("deserialize_keras_object", "deserialize"),
        ("custom_object_scope", "custom_objects"),
        ("get_custom_objects", "custom_objects"),
        ("model_to_dot", "plot_model"),
        ("np_utils", "Keras 2"),
    ],
)
def test_what_is_refused_by_name(name: str, nearest: str) -> None:
    with pytest.raises(AttributeError, match=nearest):
        getattr(utils, name)


def test_each_name_can_be_imported_first() -> None:
    """No circle among the rooms, wherever one comes in."""
    code = "import importlib, sys; from minibatch.utils import {0}; assert callable({0})"
    for name in ("Progbar", "image_dataset_from_directory", "plot_model", "split_dataset"):
        subprocess.run([sys.executable, "-c", code.format(name)], check=True, timeout=60)


def test_images_are_not_needed_to_import_what_reads_them() -> None:
    code = "import sys; from minibatch.utils import image_dataset_from_directory; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
