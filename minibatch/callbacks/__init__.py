"""Callbacks: what watches or steers a fit (``keras.callbacks``)."""

from __future__ import annotations

from typing import Any

from minibatch.callbacks.backup import BackupAndRestore
from minibatch.callbacks.callback import Callback, CallbackList
from minibatch.callbacks.checkpoint import ModelCheckpoint
from minibatch.callbacks.csv_logger import CSVLogger
from minibatch.callbacks.early_stopping import EarlyStopping
from minibatch.callbacks.history import History
from minibatch.callbacks.lambda_callback import LambdaCallback
from minibatch.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from minibatch.callbacks.monitor import MonitorCallback
from minibatch.callbacks.nan import TerminateOnNaN
from minibatch.callbacks.progbar import ProgbarLogger
from minibatch.callbacks.swap_ema import SwapEMAWeights
from minibatch.utils.names import NotHere

NOT_HERE = NotHere(
    "callbacks",
    {
        "OrbaxCheckpoint": "ModelCheckpoint, or BackupAndRestore for a fit that may be killed",
        "RemoteMonitor": "CSVLogger, or a LambdaCallback that sends the logs",
        "TensorBoard": "CSVLogger for the numbers, minibatch.plots for the figures",
    },
)


def __getattr__(name: str) -> Any:
    raise NOT_HERE.attribute_error(name, __all__)


__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TerminateOnNaN",
]
