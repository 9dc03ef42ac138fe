from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minibatch as mb
from minibatch.utils import image_dataset_from_directory as read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Cats of grey 10, 11, 12, dogs of 20 to 24, each 4 by 6; and what is no image."""
    for name, first, count in (("cats", 10, 3), ("dogs", 20, 5)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.fromarray(np.full((4, 6, 3), first + i, np.uint8)).save(tmp_path / name / f"{i}.png")
    (tmp_path / "cats" / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def greys(dataset: Any) -> list[int]:
    return [int(v) for batch in dataset for v in (batch[0] if isinstance(batch, tuple) else batch)[:, 0, 0, 0]]


def test_batches(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = read(folder, shuffle=False, batch_size=3, image_size=(2, 3))
    assert capsys.readouterr().out == "Found 8 files belonging to 2 classes.\n"
    assert len(dataset) == 3
    images, labels = next(iter(dataset))
    assert (images.shape, images.dtype, labels.dtype) == ((3, 2, 3, 3), np.float32, np.int32)
    assert greys(dataset) == [10, 11, 12, 20, 21, 22, 23, 24]
    assert [int(k) for _, labels in dataset for k in labels] == [0] * 3 + [1] * 5
    assert dataset.class_names == ["cats", "dogs"]
    assert [os.path.relpath(path, folder) for path in dataset.file_paths[:2]] == [
        os.path.join("cats", "0.png"),
        os.path.join("cats", "1.png"),
    ]


def test_labels(folder: Path) -> None:
    quiet: dict[str, Any] = {"shuffle": False, "image_size": 2, "verbose": False}
    (_, labels), *_ = read(folder, label_mode="categorical", **quiet)
    np.testing.assert_array_equal(labels, np.eye(2)[[0] * 3 + [1] * 5])
    (_, labels), *_ = read(folder, label_mode="binary", **quiet)
    assert labels.shape == (8, 1)
    assert labels.dtype == np.float32
    (_, labels), *_ = read(folder, class_names=["dogs", "cats"], **quiet)
    assert labels.tolist() == [0] * 5 + [1] * 3
    (_, labels), *_ = read(folder, labels=[7, 5, 5, 5, 5, 5, 5, 5], **quiet)
    assert labels.tolist() == [7] + [5] * 7
    (images,) = read(folder, labels=None, **quiet)
    assert images.shape == (8, 2, 2, 3)
    image, label = next(iter(read(folder, batch_size=None, **quiet)))
    assert (image.shape, int(label)) == ((2, 2, 3), 0)


def test_shuffling_takes_every_file_each_pass_in_another_order(folder: Path) -> None:
    dataset = read(folder, seed=1, image_size=2, verbose=False)
    first, second = greys(dataset), greys(dataset)
    assert sorted(first) == sorted(second) == [10, 11, 12, 20, 21, 22, 23, 24]
    assert first != second
    assert first == greys(read(folder, seed=1, image_size=2, verbose=False))


def test_subsets_part_the_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given: dict[str, Any] = {"validation_split": 0.25, "seed": 5, "image_size": 2}
    training, validation = read(folder, subset="both", **given)
    assert "Using 6 files for training.\nUsing 2 files for validation.\n" in capsys.readouterr().out
    assert sorted(greys(training) + greys(validation)) == [10, 11, 12, 20, 21, 22, 23, 24]
    assert greys(validation) == greys(validation)  # not shuffled again
    assert read(folder, subset="validation", **given).file_paths == validation.file_paths
    assert read(folder, subset="training", **given).file_paths == training.file_paths


@pytest.mark.parametrize(("color_mode", "channels"), [("grayscale", 1), ("rgb", 3), ("rgba", 4)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16", "1"])
def test_colour_modes(tmp_path: Path, mode: str, color_mode: Any, channels: int) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((3, 3), 200 * 256 + 7, np.uint16))
    else:
        image = Image.fromarray(np.full((3, 3), 255 if mode == "1" else 200, np.uint8)).convert(mode)
    image.save(tmp_path / "a.png")
    (images,) = read(tmp_path, labels=None, image_size=3, color_mode=color_mode, verbose=False)
    assert images.shape == (1, 3, 3, channels)
    np.testing.assert_array_equal(images[..., : min(channels, 3)], 255 if mode == "1" else 200)


def test_aspect_ratio(tmp_path: Path) -> None:
    # Columns of 0, 50, 100, 150, 200, 250, four pixels high.
    columns = np.tile(np.arange(0, 300, 50, dtype=np.uint8), (4, 1))
    Image.fromarray(columns).save(tmp_path / "a.png")
    given: dict[str, Any] = {"labels": None, "color_mode": "grayscale", "verbose": False, "image_size": (4, 4)}
    (cropped,) = read(tmp_path, crop_to_aspect_ratio=True, **given)
    np.testing.assert_array_equal(cropped[0, :, :, 0], columns[:, 1:5])
    (padded,) = read(tmp_path, pad_to_aspect_ratio=True, interpolation="nearest", **given)
    # 6 wide becomes 4; 4 high becomes 2.67, cut to 2 rows, after (4 - 2.67) / 2, cut to 0, rows of black.
    np.testing.assert_array_equal(padded[0, 2:], 0)
    assert padded[0, :2, :, 0].tolist() == [[0, 100, 150, 250]] * 2


def test_it_trains(folder: Path) -> None:
    model = mb.Sequential(
        [mb.Input((2, 2, 3)), mb.layers.Rescaling(1 / 255), mb.layers.Flatten(), mb.layers.Dense(2, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(read(folder, image_size=2, seed=0, verbose=False), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_mode": "float"}, "Unknown label_mode 'float'"),
        ({"color_mode": "rbg"}, "Did you mean 'rgb'"),
        ({"interpolation": "cubic"}, "Did you mean 'bicubic'"),
        ({"data_format": "channels_first"}, "Unknown data_format"),
        ({"format": "grain"}, "Unknown format 'grain'"),
        ({"image_size": (1, 2, 3)}, "image_size must be"),
        ({"labels": "cats"}, "labels must be 'inferred'"),
        ({"labels": [1, 2]}, "one entry for each of the 8 files; got 2"),
        ({"labels": None, "class_names": ["cats"]}, "leave it out"),
        ({"class_names": ["birds"]}, "'birds'"),
        ({"class_names": ["cats"], "label_mode": "binary"}, "exactly 2 classes"),
        ({"labels": [5] * 8, "label_mode": "categorical"}, "needs labels from 0 to 0"),
        ({"validation_split": 0.2}, "go together"),
        ({"subset": "both"}, "go together"),
        ({"validation_split": 2.0, "subset": "both", "seed": 1}, "between 0 and 1; got 2.0"),
        ({"validation_split": 0.5, "subset": "both"}, "needs a seed"),
        ({"validation_split": 0.01, "subset": "both", "seed": 1}, "No validation images"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "cannot both be True"),
    ],
)
def test_arguments_that_do_not_fit(folder: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(folder, verbose=False, **arguments)


def test_no_folder_and_no_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="No images found"):
        read(tmp_path, labels=None, verbose=False)


def test_without_pillow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install minibatch\[images\]"):
        read(folder)
