"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minibatch.callbacks.callback import Callback
from minibatch.utils.names import near_misses

Function = Callable[..., Any]

_EVENTS = tuple(name for name in dir(Callback) if not name.startswith("_") and callable(getattr(Callback, name)))


class LambdaCallback(Callback):
    """A callback from functions, without a class.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable, optional
        Called with (epoch, logs).
    on_train_begin, on_train_end : callable, optional
        Called with (logs).
    on_train_batch_begin, on_train_batch_end : callable, optional
        Called with (batch, logs).
    **others : callable
        Any other method of ``Callback`` by its name; as there, without ``self``.

    Raises
    ------
    TypeError
        If a name is no method of ``Callback``, or what it is given cannot be called.

    Examples
    --------
    >>> import minibatch as mb
    >>> model = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> say = mb.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, *logs))
    >>> history = model.fit([[1.0]], [2.0], epochs=2, verbose=0, callbacks=[say])
    0 loss
    1 loss
    """

    def __init__(
        self,
        on_epoch_begin: Function | None = None,
        on_epoch_end: Function | None = None,
        on_train_begin: Function | None = None,
        on_train_end: Function | None = None,
        on_train_batch_begin: Function | None = None,
        on_train_batch_end: Function | None = None,
        **others: Function,
    ) -> None:
        super().__init__()
        for name in others:
            if name not in _EVENTS:
                raise TypeError(
                    f"LambdaCallback: no method of Callback is called {name!r}.{near_misses(name, _EVENTS)}"
                )
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **others,
        }
        for name, function in given.items():
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"LambdaCallback: {name} must be a function; got {function!r}.")
            setattr(self, name, function)
