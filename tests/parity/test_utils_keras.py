"""``keras.utils`` and ``minibatch.utils`` on the same arrays and the same image files.

Keras decodes images and resizes them with TensorFlow, this library with Pillow and NumPy. PNGs decode alike; the
resized values differ by float32 rounding (below 0.001 of 255), and for "bicubic" by TensorFlow's table of 1024
weights (below 0.2).
"""

from __future__ import annotations

import inspect
import random
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity.keras_reference import BOTH, keras, tf
from PIL import Image

import minibatch as mb

RNG = np.random.default_rng(0)
TOLERANCE = {"nearest": 0.0, "bicubic": 0.2}


@pytest.mark.parametrize(
    "name",
    [
        "normalize",
        "split_dataset",
        "image_dataset_from_directory",
        "plot_model",
        "Progbar",
        "PyDataset",
        "clear_session",
    ],
)
def test_signatures(name: str) -> None:
    theirs, mine = (inspect.signature(attrgetter(f"utils.{name}")(lib)).parameters.values() for lib in BOTH)
    assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in theirs]


def test_every_name_of_keras_is_here_or_refused_by_name() -> None:
    for name in dir(keras.utils):
        if name.startswith("_"):
            continue
        if name not in mb.utils.__all__:
            with pytest.raises(AttributeError, match="nearest here"):
                getattr(mb.utils, name)


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("order", [1, 2, 3, np.inf])
@pytest.mark.parametrize("axis", [-1, 1])
def test_normalize(shape: tuple[int, ...], order: float, axis: int) -> None:
    if axis >= len(shape):
        return
    x = RNG.normal(size=shape)
    x[0] = 0
    theirs = keras.utils.normalize(x, axis, order).reshape(shape)  # of a vector, Keras makes a matrix of one row
    np.testing.assert_array_equal(mb.utils.normalize(x, axis, order), theirs)
    if order == np.inf:
        return  # Keras takes it of arrays only
    np.testing.assert_allclose(
        mb.utils.normalize(x.tolist(), axis, order), keras.utils.normalize(x.tolist(), axis, order), rtol=1e-6
    )


def elements(dataset: Any) -> list[Any]:
    return [tf.nest.map_structure(lambda part: np.asarray(part).tolist(), element) for element in dataset]


@pytest.mark.parametrize(
    "sizes", [(0.7, None), (None, 0.33), (3, None), (None, 4), (0.2, 0.5), (2, 0.5), (0.15, None)]
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_split_dataset(sizes: tuple[Any, Any], shuffle: bool) -> None:
    x, y = np.arange(22.0).reshape(11, 2), np.arange(11)
    before = random.getstate()
    for data in (x, (x, y), [x, y]):
        theirs, mine = (lib.utils.split_dataset(data, *sizes, shuffle=shuffle, seed=7) for lib in BOTH)
        assert [len(part) for part in mine] == [len(part) for part in theirs]
        assert [elements(part) for part in mine] == [elements(part) for part in theirs]
    random.setstate(before)


def test_split_batches() -> None:
    x, y = np.arange(11.0), np.arange(11)
    parts = [
        lib.utils.split_dataset(data.Dataset.from_tensor_slices((x, y)).batch(4), 0.6)
        for lib, data in ((keras, tf.data), (mb, mb.data))
    ]
    assert [elements(part) for part in parts[1]] == [elements(part) for part in parts[0]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of small images of many sizes, one of them in a folder below."""
    root = tmp_path_factory.mktemp("images")
    for name, count in (("b", 4), ("a", 5), ("c", 3)):
        for i in range(count):
            below = root / name / ("more" if i == 2 else "")
            below.mkdir(parents=True, exist_ok=True)
            size = (int(RNG.integers(3, 14)), int(RNG.integers(3, 14)), 3)
            Image.fromarray(RNG.integers(0, 256, size).astype(np.uint8)).save(below / f"{i}.png")
    return root


def read(folder: Path, **given: Any) -> tuple[Any, Any]:
    theirs, mine = (lib.utils.image_dataset_from_directory(str(folder), **given, verbose=False) for lib in BOTH)
    return theirs, mine


def same_batches(theirs: Any, mine: Any, tolerance: float = 0.001) -> None:
    assert len(theirs) == len(mine)
    for their, my in zip(theirs, mine, strict=True):
        for a, b in zip(tf.nest.flatten(their), tf.nest.flatten(my), strict=True):
            np.testing.assert_allclose(b, a.numpy(), atol=tolerance)
            assert b.shape == a.shape
            assert b.dtype == np.float32 or b.dtype == a.numpy().dtype


@pytest.mark.parametrize(
    "interpolation", ["nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"]
)
def test_images_in_order(folder: Path, interpolation: str) -> None:
    for size in ((5, 9), (16, 4)):
        theirs, mine = read(folder, shuffle=False, image_size=size, interpolation=interpolation, batch_size=5)
        assert (mine.class_names, mine.file_paths) == (theirs.class_names, theirs.file_paths)
        same_batches(theirs, mine, TOLERANCE.get(interpolation, 0.001))


@pytest.mark.parametrize(
    "given",
    [
        {"label_mode": "categorical"},
        {"label_mode": None},
        {"labels": None},
        {"labels": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]},
        {"class_names": ["c", "a", "b"]},
        {"class_names": ["c", "a"], "label_mode": "binary"},
        {"color_mode": "rgba"},
        {"batch_size": None},
        {"pad_to_aspect_ratio": True},
        {"image_size": 6},
    ],
)
def test_images_otherwise(folder: Path, given: dict[str, Any]) -> None:
    theirs, mine = read(folder, **{"shuffle": False, "image_size": (6, 7), **given})
    assert (mine.class_names, mine.file_paths) == (theirs.class_names, theirs.file_paths)
    same_batches(theirs, mine)


@pytest.mark.parametrize("size", [(6, 7), (4, 12), (12, 4)])
def test_images_cropped(folder: Path, size: tuple[int, int]) -> None:
    same_batches(*read(folder, shuffle=False, image_size=size, crop_to_aspect_ratio=True))
    same_batches(*read(folder, shuffle=False, image_size=size, pad_to_aspect_ratio=True))


@pytest.mark.parametrize("subset", ["training", "validation", "both"])
@pytest.mark.parametrize(("shuffle", "seed"), [(True, 3), (True, 123), (False, None)])
def test_subsets_hold_the_same_files(folder: Path, subset: Any, shuffle: bool, seed: int | None) -> None:
    given = {"validation_split": 0.3, "subset": subset, "shuffle": shuffle, "seed": seed, "image_size": (4, 4)}
    theirs, mine = read(folder, **given)
    if subset != "both":
        theirs, mine = [theirs], [mine]
    assert [part.file_paths for part in mine] == [part.file_paths for part in theirs]
    if subset == "both":
        same_batches(theirs[1], mine[1])  # the validation part is not shuffled again


def test_a_dataset_of_a_users_own_is_told_of_epochs() -> None:
    counts = []
    for lib in BOTH:

        class Ones(lib.utils.PyDataset):  # type: ignore[name-defined,misc]
            begun = ended = 0

            def __len__(self) -> int:
                return 4

            def __getitem__(self, index: int) -> Any:
                return np.ones((2, 3)), np.ones((2, 1))

            def on_epoch_begin(self) -> None:
                self.begun += 1

            def on_epoch_end(self) -> None:
                self.ended += 1

        data, held_out = Ones(), Ones()
        model = lib.Sequential([lib.Input((3,)), lib.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(data, validation_data=held_out, epochs=3, verbose=0)
        counts.append([(d.begun, d.ended) for d in (data, held_out)])
    theirs, mine = counts
    assert mine == [(3, 3), (3, 3)]
    assert [begun for begun, _ in theirs] == [3, 3]
    assert all(ended > 3 for _, ended in theirs)  # Keras ends an epoch before the first, too
