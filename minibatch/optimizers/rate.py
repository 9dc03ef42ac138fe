"""A learning rate as an optimizer shows it: a number, with what scripts ask of Keras's variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from minibatch.results import Number

if TYPE_CHECKING:
    from minibatch.optimizers.settings import Settings


class Rate(Number):
    """The learning rate as it was when it was asked for; a copy is a number, and takes no optimizer with it.

    Examples
    --------
    >>> import minibatch as mb
    >>> optimizer = mb.optimizers.SGD(0.1)
    >>> optimizer.learning_rate.assign(0.05)
    0.05
    >>> optimizer.learning_rate, optimizer.learning_rate.numpy()
    (0.05, np.float32(0.05))
    """

    _optimizer: Settings

    def __new__(cls, value: float, optimizer: Settings) -> Self:
        rate = super().__new__(cls, value)
        rate._optimizer = optimizer
        return rate

    def assign(self, value: Any) -> Rate:
        """Set the optimizer's learning rate, as ``optimizer.learning_rate = value`` does; return it."""
        self._optimizer.learning_rate = value
        return Rate(self._optimizer.rate_now(), self._optimizer)
