"""Folders of image files as a `Dataset`: listed now, read batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from minibatch.batching.dataset import Dataset
from minibatch.batching.prefetch import AUTOTUNE
from minibatch.utils.interpolation import INTERPOLATIONS, resize
from minibatch.utils.names import near_misses
from minibatch.utils.random import next_seed

if TYPE_CHECKING:
    from PIL import Image

FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
#: Each colour mode's name with Pillow.
_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}

Subset = Literal["training", "validation", "both"]


class ImageDataset(Dataset):
    """A `Dataset` of images that knows where they come from.

    Attributes
    ----------
    class_names : list of str or None
        The class of each label; None without labels.
    file_paths : list of str
        The files; without shuffling, in the order of the images.
    """

    class_names: list[str] | None
    file_paths: list[str]


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Literal["inferred"] | Sequence[int] | None = "inferred",
    label_mode: Literal["int", "categorical", "binary"] | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: Literal["grayscale", "rgb", "rgba"] = "rgb",
    batch_size: int | None = 32,
    image_size: int | tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Subset | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Make a `Dataset` of the image files below a folder, with one subfolder per class.

    Only the names of the files are read now; images are read when they are needed, in threads. Needs Pillow
    (``pip install minibatch[images]``).

    Parameters
    ----------
    directory : path
        Holds a folder of images for each class, where labels are inferred; else any tree of folders.
    labels : "inferred", sequence of int, or None
        One label for each file in the order of the sorted paths; by default the number of its class.
    label_mode : "int", "categorical", "binary" or None
        int32 (B,); float32 one-hot rows (B, K); float32 zeros and ones (B, 1), of two classes; or no labels.
    class_names : sequence of str, optional
        Which subfolders are the classes, in this order; by default all, sorted.
    color_mode : "grayscale", "rgb" or "rgba"
        1, 3 or 4 channels, converted as Pillow does.
    batch_size : int or None
        None yields single images.
    image_size : (int, int) or int
        The (height, width) that every image is resized to (see ``interpolation``).
    shuffle : bool, default True
        Whether to shuffle the files, and again (within 8 batches) each pass. False: sorted by class and path.
    seed : int, optional
        Of the shuffling; needed with ``validation_split``, and the same for both subsets.
    validation_split : float, optional
        The fraction of the files, at the end of the order, that is for validation.
    subset : "training", "validation" or "both"
        Which part to return; "both" returns a list of the two. Under one seed, the same files as in Keras.
    interpolation : str
        "bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian" or "mitchellcubic": as
        TensorFlow does it, without antialiasing.
    follow_links : bool, default False
        Whether to go into folders that are links.
    crop_to_aspect_ratio : bool, default False
        Whether to cut the image's middle to the proportions of ``image_size`` first.
    pad_to_aspect_ratio : bool, default False
        Whether to keep all of it, in its own proportions, on black.
    data_format : str, optional
        Only "channels_last".
    format : str
        Only "tf", the word for a `Dataset`.
    verbose : bool, default True
        Whether to print how many files were found.

    Returns
    -------
    ImageDataset, or list of two
        Of images (B, H, W, C), float32 from 0 to 255 (Keras: uint8 with "nearest"), or of pairs (images, labels).

    Raises
    ------
    ValueError
        If arguments do not fit each other or the folder.
    ImportError
        If Pillow is not installed.
    """
    height, width = (image_size, image_size) if isinstance(image_size, int) else _pair(image_size)
    interpolation = interpolation.lower()
    _check(label_mode, ("int", "categorical", "binary", None), "label_mode")
    _check(color_mode, tuple(_MODES), "color_mode")
    _check(interpolation, INTERPOLATIONS, "interpolation")
    _check(data_format, ("channels_last", None), "data_format")
    _check(format, ("tf",), "format")
    _check_split(validation_split, subset, shuffle, seed)
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio cannot both be True.")
    if not (
        labels is None or isinstance(labels, list | tuple) or (isinstance(labels, str) and labels == "inferred")
    ):
        raise ValueError(f"labels must be 'inferred', None, or a list or tuple of integers; got {labels!r}.")
    if label_mode is None:
        labels = None
    if class_names is not None and labels != "inferred":
        raise ValueError("class_names names the folders of inferred labels: leave it out, or labels.")
    _pillow()

    paths, numbers, names = _index(Path(directory), labels, class_names, follow_links)
    if verbose:
        print(f"Found {len(paths)} files{'' if names is None else f' belonging to {len(names)} classes'}.")
    targets = None if label_mode is None or names is None else _encoded(numbers, label_mode, names)
    if seed is None and shuffle:
        seed = next_seed() % 10**6
    order = np.arange(len(paths))
    if shuffle:
        np.random.RandomState(seed).shuffle(order)  # Keras's order under this seed
    cut = len(order) - int((validation_split or 0) * len(order))

    def read(path: Any) -> NDArray[np.float32]:
        with _pillow().open(str(path)) as image:
            pixels = _pixels(image, color_mode)
        if crop_to_aspect_ratio:
            pixels = _cropped(pixels, height, width)
        if pad_to_aspect_ratio:
            return _padded(pixels, height, width, interpolation)
        return resize(pixels, (height, width), interpolation)

    def part(rows: NDArray[np.intp], what: str, reshuffle: bool) -> ImageDataset:
        if not len(rows):
            raise ValueError(f"No {what}images found in {str(directory)!r}. Formats: {', '.join(FORMATS)}.")
        files = [paths[i] for i in rows]
        dataset = Dataset.from_tensor_slices(
            np.array(files) if targets is None else (np.array(files), targets[rows])
        )
        if reshuffle:
            dataset = dataset.shuffle(1024 if batch_size is None else 8 * batch_size, seed)
        if targets is None:
            dataset = dataset.map(read, AUTOTUNE)
        else:
            dataset = dataset.map(lambda path, label: (read(path), label), AUTOTUNE)
        if batch_size is not None:
            dataset = dataset.batch(batch_size)
        described = ImageDataset(dataset.prefetch(AUTOTUNE).as_numpy_iterator, dataset.cardinality())
        described.class_names, described.file_paths = names, files
        return described

    if verbose and subset in ("training", "both"):
        print(f"Using {cut} files for training.")
    if verbose and subset in ("validation", "both"):
        print(f"Using {len(order) - cut} files for validation.")
    if subset == "both":
        return [part(order[:cut], "training ", shuffle), part(order[cut:], "validation ", False)]
    if subset == "validation":
        return part(order[cut:], "validation ", shuffle)
    return part(order[:cut], "training " if subset else "", shuffle)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("reading images needs Pillow: pip install minibatch[images]") from error
    return Image


def _check(value: Any, known: Sequence[Any], name: str) -> None:
    if value not in known:
        words = [str(item) for item in known]
        raise ValueError(f"Unknown {name} {value!r}.{near_misses(str(value), words)}")


def _pair(image_size: Any) -> tuple[int, int]:
    if not isinstance(image_size, list | tuple) or len(image_size) != 2 or min(image_size) < 1:
        raise ValueError(f"image_size must be (height, width), each at least 1; got {image_size!r}.")
    return int(image_size[0]), int(image_size[1])


def _check_split(fraction: float | None, subset: str | None, shuffle: bool, seed: int | None) -> None:
    _check(subset, ("training", "validation", "both", None), "subset")
    if fraction and not 0 < fraction < 1:
        raise ValueError(f"validation_split must be between 0 and 1; got {fraction!r}.")
    if bool(fraction) != bool(subset):
        raise ValueError(
            f"validation_split and subset go together; got validation_split={fraction!r}, subset={subset!r}."
        )
    if fraction and shuffle and seed is None:
        raise ValueError("with validation_split, a shuffled order needs a seed, or the subsets would overlap.")


def _index(
    directory: Path, labels: Any, class_names: Sequence[str] | None, follow_links: bool
) -> tuple[list[str], list[int], list[str] | None]:
    """Return the paths of the files, the class of each, and the classes' names."""
    if not directory.is_dir():
        raise ValueError(f"directory must be a folder; {str(directory)!r} is none.")
    if labels != "inferred":
        paths = list(_files(directory, follow_links))
        if labels is None:
            return paths, [], None
        if len(labels) != len(paths):
            raise ValueError(f"labels must have one entry for each of the {len(paths)} files; got {len(labels)}.")
        return paths, [int(label) for label in labels], [str(label) for label in sorted(set(labels))]
    folders = sorted(entry.name for entry in directory.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if class_names is not None:
        missing = [name for name in class_names if name not in folders]
        if missing:
            raise ValueError(f"class_names must be folders of {str(directory)!r}: {folders}; {missing} are none.")
        folders = list(class_names)
    paths, numbers = [], []
    for number, name in enumerate(folders):
        here = list(_files(directory / name, follow_links))
        paths += here
        numbers += [number] * len(here)
    return paths, numbers, folders


def _files(folder: Path, follow_links: bool) -> Iterator[str]:
    for root, _, names in sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0]):
        for name in sorted(names):
            if name.lower().endswith(FORMATS):
                yield os.path.join(root, name)


def _encoded(numbers: Sequence[int], label_mode: str, names: Sequence[str]) -> NDArray[Any]:
    """Return the labels as ``label_mode`` wants them, a row for each file."""
    if label_mode == "int":
        return np.asarray(numbers, np.int32)
    if label_mode == "binary":
        if len(names) != 2:
            raise ValueError(f"label_mode='binary' needs exactly 2 classes; there are {len(names)}: {list(names)}.")
        return np.asarray(numbers, np.float32)[:, None]
    if numbers and not 0 <= min(numbers) <= max(numbers) < len(names):
        raise ValueError(
            f"label_mode='categorical' needs labels from 0 to {len(names) - 1}, as there are {len(names)} "
            f"different ones; got {min(numbers)} to {max(numbers)}."
        )
    return np.eye(len(names), dtype=np.float32)[np.asarray(numbers, np.intp)]


def _pixels(image: Image.Image, color_mode: str) -> NDArray[Any]:
    """Return an image, the first frame of an animation, as (H, W, C) of uint8."""
    if image.mode.startswith("I"):  # 16 bits a pixel, of which an image here has the upper 8
        image = _pillow().fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    pixels = np.asarray(image.convert(_MODES[color_mode]))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _cropped(pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return the largest part, from the middle, that is as wide for its height as (height, width)."""
    H, W, _ = pixels.shape
    h = max(min(H, int(W * height / width)), 1)
    w = max(min(W, int(H * width / height)), 1)
    top, left = (H - h) // 2, (W - w) // 2
    return pixels[top : top + h, left : left + w]


def _padded(pixels: NDArray[Any], height: int, width: int, interpolation: str) -> NDArray[np.float32]:
    """Return the whole image, as large as fits into (height, width), in the middle of zeros."""
    H, W, C = pixels.shape
    ratio = max(np.float32(W) / np.float32(width), np.float32(H) / np.float32(height))
    exact = np.float32(H) / ratio, np.float32(W) / ratio
    h, w = max(int(exact[0]), 1), max(int(exact[1]), 1)
    top, left = int((height - exact[0]) / 2), int((width - exact[1]) / 2)
    padded = np.zeros((height, width, C), np.float32)
    padded[top : top + h, left : left + w] = resize(pixels, (h, w), interpolation)
    return padded
