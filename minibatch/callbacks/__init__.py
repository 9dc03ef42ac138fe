"""Callbacks: what watches or steers a fit (``keras.callbacks``)."""

from minibatch.callbacks.callback import Callback, CallbackList
from minibatch.callbacks.early_stopping import EarlyStopping
from minibatch.callbacks.history import History
from minibatch.callbacks.progbar import ProgbarLogger

__all__ = ["Callback", "CallbackList", "EarlyStopping", "History", "ProgbarLogger"]
