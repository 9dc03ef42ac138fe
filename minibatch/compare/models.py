"""The two models of the command line, written once in terms of the package they are given."""

from __future__ import annotations

from typing import Any

#: Names that ``--optimizer`` takes, and what they stand for; the learning rates suit the digits.
OPTIMIZERS = {
    "sgd": lambda K: K.optimizers.SGD(0.1),
    "momentum": lambda K: K.optimizers.SGD(0.02, momentum=0.9),
    "adam": lambda K: K.optimizers.Adam(0.001),
}


def mlp(K: Any, input_shape: tuple[int, ...] = (8, 8, 1), classes: int = 10, optimizer: str = "sgd") -> Any:
    """Return a compiled network of dense layers, 64-32.

    Parameters
    ----------
    K : module
        ``minibatch``, or ``keras``.
    input_shape : tuple of int, default (8, 8, 1)
        Of one sample.
    classes : int, default 10
    optimizer : {"sgd", "momentum", "adam"}

    Examples
    --------
    >>> import minibatch as mb
    >>> mlp(mb).count_params()
    6570
    """
    L = K.layers
    flat = [L.Flatten()] if len(input_shape) > 1 else []
    model = K.Sequential(
        [
            K.Input(input_shape),
            *flat,
            L.Dense(64, activation="relu"),
            L.Dense(32, activation="relu"),
            L.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(OPTIMIZERS[optimizer](K), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def cnn(K: Any, input_shape: tuple[int, ...] = (8, 8, 1), classes: int = 10, optimizer: str = "sgd") -> Any:
    """Return a compiled network of two convolutions and two dense layers.

    Parameters
    ----------
    K : module
        ``minibatch``, or ``keras``.
    input_shape : tuple of three int, default (8, 8, 1)
        Height, width and channels.
    classes : int, default 10
    optimizer : {"sgd", "momentum", "adam"}

    Raises
    ------
    ValueError
        If the samples are no images.

    Examples
    --------
    >>> import minibatch as mb
    >>> cnn(mb).count_params()
    9258
    """
    if len(input_shape) != 3:
        raise ValueError(f"the model 'cnn' wants images (N, height, width, channels); a sample has {input_shape}.")
    L = K.layers
    model = K.Sequential(
        [
            K.Input(input_shape),
            L.Conv2D(16, 3, padding="same", activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(32, 3, padding="same", activation="relu"),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dense(32, activation="relu"),
            L.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(OPTIMIZERS[optimizer](K), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


MODELS = {"mlp": mlp, "cnn": cnn}
