"""The UCI handwritten digits: 1,797 images of 8 x 8 (see DIGITS.md beside this file for source and licence)."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from minibatch.typing import Array

#: One image in five is for testing.
N_TRAIN = 1437


def load_data(seed: int = 0) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return (x_train, y_train), (x_test, y_test), as ``keras.datasets.mnist.load_data`` does.

    Parameters
    ----------
    seed : int, default 0
        Of the split: 1,437 images for training, 360 for testing. The file's order runs by writer, so the split
        is drawn at random.

    Returns
    -------
    x_train, x_test : ndarray of uint8, shapes (1437, 8, 8) and (360, 8, 8)
        Ink, 0 to 16.
    y_train, y_test : ndarray of uint8, shapes (1437,) and (360,)
        The digit.

    Examples
    --------
    >>> from minibatch.datasets import digits
    >>> (x_train, y_train), (x_test, y_test) = digits.load_data()
    >>> x_train.shape, y_test.shape, int(x_train.max())
    ((1437, 8, 8), (360,), 16)
    """
    with files(__package__).joinpath("digits.npz").open("rb") as file, np.load(file) as archive:
        images, labels = archive["images"], archive["labels"]
    # RandomState's streams are frozen by NumPy's policy, so the split stays the same across its versions.
    order = np.random.RandomState(seed).permutation(len(images))
    train, test = order[:N_TRAIN], order[N_TRAIN:]
    return (images[train], labels[train]), (images[test], labels[test])
