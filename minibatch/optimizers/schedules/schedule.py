"""What every schedule is: a learning rate for a step."""

from __future__ import annotations

from minibatch.utils.serialization import Configurable


class LearningRateSchedule(Configurable):
    """A learning rate that depends on the step. Subclasses define ``__call__``.

    The arguments of the constructor, kept as attributes of the same names, are what ``get_config`` returns.

    Examples
    --------
    >>> import minibatch as mb
    >>> class Halving(mb.optimizers.schedules.LearningRateSchedule):
    ...     def __init__(self, start, every):
    ...         self.start, self.every = start, every
    ...     def __call__(self, step):
    ...         return self.start * 0.5 ** (step // self.every)
    >>> optimizer = mb.optimizers.SGD(Halving(0.8, every=10))
    >>> optimizer.iterations = 25
    >>> optimizer.learning_rate
    0.2
    """

    def __call__(self, step: int) -> float:
        """Return the learning rate of the step that comes after ``step`` steps."""
        raise TypeError(f"{type(self).__name__} must define __call__(step).")

    def _check_steps(self, argument: str, steps: float) -> None:
        if not steps > 0:
            raise ValueError(f"{type(self).__name__}: {argument} must be more than 0; got {steps!r}.")
