from __future__ import annotations

import pytest

from minibatch import callbacks


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("TensorBoard", "CSVLogger"), ("RemoteMonitor", "LambdaCallback"), ("OrbaxCheckpoint", "Model")],
)
def test_what_keras_has_and_this_library_has_not(name: str, nearest: str) -> None:
    with pytest.raises(
        AttributeError, match=f"Keras has '{name}' in keras.callbacks; this library has not.*{nearest}"
    ):
        getattr(callbacks, name)
    with pytest.raises(ImportError):
        exec(f"from minibatch.callbacks import {name}")


def test_a_misspelt_name() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'EarlyStoping'.*EarlyStopping"):
        _ = callbacks.EarlyStoping
