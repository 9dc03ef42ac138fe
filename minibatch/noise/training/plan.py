"""Which quantities are watched, and at which steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minibatch.utils.names import near_misses

#: What asks for no gradient of single samples.
PLAIN = ("loss", "batch_size", "grad_norm", "cosine_to_previous", "cosine_to_full", "update_size", "distance")
#: What follows from tr(Sigma) and |G|^2, which the gradients of two batch sizes give as well.
SPREAD = ("trace", "grad_norm2", "noise_scale", "signal_to_noise", "norm_test", "cabs")
#: What only the gradients of single samples give.
SINGLE = ("inner_product_test", "orthogonality_test", "gsnr", "eb", "alpha", "histogram", "histogram_2d")
NAMES = (*PLAIN, *SPREAD, *SINGLE)
#: What is of the spread of the samples in a batch: there is none in a batch of one.
OF_TWO = (*SPREAD, "inner_product_test", "orthogonality_test", "gsnr", "eb", "alpha")
#: What takes much longer than a step: by default once in an epoch.
COSTLY = ("cosine_to_full", "histogram", "histogram_2d")

EPOCH = "epoch"


@dataclass
class Due:
    """What is asked of a step.

    Attributes
    ----------
    number : int
        The step's, counted from 1.
    wanted : frozenset of str
        The quantities that are due.
    opens, closes : bool
        Whether alpha asks how this step begins; and how the one before ended, which is where this one begins.
    keeps : bool
        Whether the step after may ask for the product with this one's gradient.
    collects : bool
        Whether the gradients of single samples are needed.
    """

    number: int
    wanted: frozenset[str]
    opens: bool
    closes: bool
    keeps: bool
    collects: bool = False

    def __bool__(self) -> bool:
        return bool(self.wanted) or self.closes or self.keeps


class Plan:
    """When each quantity is due: for an interval k at steps 1, 1 + k, ...; for "epoch" at an epoch's first step.

    Parameters
    ----------
    quantities : None, str, list of str, or dict of str to int or "epoch"
        None is all. A list takes ``every`` for each, and "epoch" for what is costly; a dict says it for each.
    every : int or "epoch"

    Raises
    ------
    ValueError
        For an unknown name, or an interval that is neither a positive integer nor "epoch".
    TypeError
        If ``quantities`` is none of these.

    Examples
    --------
    >>> plan = Plan({"noise_scale": 2, "alpha": "epoch"})
    >>> [sorted(plan.due(step, first=step == 1)) for step in (1, 2, 3)]
    [['alpha', 'noise_scale'], [], ['noise_scale']]
    """

    def __init__(self, quantities: Any = None, every: int | str = 1) -> None:
        self.by_name = quantities is not None
        self.intervals: dict[str, int | str] = {}
        if isinstance(every, list | tuple | set | frozenset | Mapping) or every in NAMES:
            raise ValueError(
                f"every must be a positive number of steps, or 'epoch'; got {every!r}. What to measure is "
                f"quantities={every!r}."
            )
        checked = _interval("every", every)
        if quantities is None:
            quantities = NAMES
        elif isinstance(quantities, str):
            quantities = [quantities]
        if isinstance(quantities, Mapping):
            given: Iterable[tuple[Any, Any]] = quantities.items()
        elif isinstance(quantities, list | tuple | set | frozenset):
            given = [(name, EPOCH if name in COSTLY else checked) for name in quantities]
        else:
            raise TypeError(f"quantities must be a list of names, or a dict of intervals; got {quantities!r}.")
        for name, interval in given:
            if name not in NAMES:
                raise ValueError(f"there is no quantity {name!r}.{near_misses(str(name), NAMES)}")
            self.intervals[name] = _interval(f"the interval of {name!r}", interval)
        self._remember()

    def _remember(self) -> None:
        # The usual case costs nothing at a step: everything at every step, or once in an epoch.
        self._always: dict[bool, frozenset[str]] | None = None
        if all(interval in (1, EPOCH) for interval in self.intervals.values()):
            every_step = frozenset(name for name, interval in self.intervals.items() if interval == 1)
            self._always = {False: every_step, True: frozenset(self.intervals)}

    def due(self, step: int, first: bool) -> frozenset[str]:
        """Return what is due at a step, counted from 1; ``first`` is whether it is the first of its epoch."""
        if self._always is not None:
            return self._always[first]
        return frozenset(
            name
            for name, interval in self.intervals.items()
            if (first if isinstance(interval, str) else (step - 1) % interval == 0)
        )

    def may_be_due_after(self, name: str, step: int) -> bool:
        """Return whether a quantity may be due at the step after this one."""
        interval = self.intervals.get(name)
        return interval is not None and (isinstance(interval, str) or step % interval == 0)

    def leave_out(self, names: Iterable[str]) -> None:
        """Ask for these no more."""
        for name in list(names):
            del self.intervals[name]
        self._remember()


def _interval(what: str, interval: Any) -> int | str:
    if interval == EPOCH:
        return EPOCH
    if isinstance(interval, bool) or not isinstance(interval, int | np.integer) or interval < 1:
        raise ValueError(f"{what} must be a positive number of steps, or 'epoch'; got {interval!r}.")
    return int(interval)
