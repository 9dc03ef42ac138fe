"""A learning rate as an optimizer shows it: a number, with what scripts ask of Keras's variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from minibatch.optimizers.settings import Settings


class Rate(float):
    """The learning rate as it was when it was asked for.

    Examples
    --------
    >>> import minibatch as mb
    >>> optimizer = mb.optimizers.SGD(0.1)
    >>> optimizer.learning_rate.assign(0.05)
    0.05
    >>> optimizer.learning_rate, optimizer.learning_rate.numpy()
    (0.05, 0.05)
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

    def numpy(self) -> float:
        """Return the plain number."""
        return float(self)

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)  # a copy is a number, and takes no optimizer with it
