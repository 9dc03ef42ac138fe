"""A batch that grows when its gradient is too noisy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minibatch.callbacks.callback import Logs
from minibatch.noise.training.acting import Acting
from minibatch.noise.training.monitor import GradientNoise
from minibatch.utils.names import near_misses

#: What each test measures, and the theta of its authors' experiments.
TESTS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "norm": (("grad_norm", "trace"), 0.5),
    "inner_product": (("grad_norm", "inner_product_test"), 0.9),
    "cabs": (("cabs",), None),
}
#: A batch is changed by so much at least: each change makes the epoch's order anew.
LEAST_GROWTH = 1.1


class AdaptiveBatchSize(Acting):
    """Takes larger batches where the gradient of one has become too noisy.

    The larger batch is the very next one: the rest of the epoch's order is cut anew (see ``Batches.resize``). A fit
    that is taken up again by ``BackupAndRestore`` goes on with it.

    Parameters
    ----------
    test : {"norm", "inner_product", "cabs"}
        What says how large a batch must be. "norm": S / (theta^2 |g_B|^2), so that the standard deviation of g_B is
        at most theta times its length (Byrd et al. 2012, eq. 3.12). "inner_product": the same of its part along g_B
        (Bollapragada et al. 2017, eq. 2.6). "cabs": lr tr(Sigma) / loss (Balles et al. 2017, eq. 22), which
        supposes plain SGD and a loss whose least value is 0.
    theta : float, optional
        By default that of the authors' experiments: 0.5 for "norm", 0.9 for "inner_product"; "cabs" has none.
        With "norm" batches settle near theta^-2 - 1 noise scales: 3 for 0.5, a quarter for 0.9.
    max_batch_size : int, optional
        No larger than this; by default than the data.
    every : int, default 10
        Measure at so many steps' distance.
    max_growth : float, default 2
        By how much at a time.
    shrink : bool, default False
        Whether batches may become smaller again, down to the size that the fit began with.
    decay : float in [0, 1), default 0.9
        Of the running means of what is measured: one batch's test is noisy itself.
    effect : {"step", "epoch"}
        Whether a new size holds from the next step on, or from the next epoch.
    monitor : GradientNoise, optional
        See ``Acting``; then its ``every`` counts.

    Attributes
    ----------
    batch_size : int
        The present one.
    changes : list of [int, int]
        [the step after which it changed, the new size].

    Raises
    ------
    ValueError
        For arguments out of range; from ``fit``, if that is not fed arrays or ``Batches``, or these cannot be
        resized (``shuffle="batch"``, ``remainder="carry"``).
    TypeError
        From ``fit``, for "inner_product" where single samples have no gradient (BatchNormalization). The other two
        go on with the gradients of half batches there.

    Notes
    -----
    Puts "batch_size" into the logs: the present one; the number of steps of an epoch falls accordingly. The
    learning rate is left as it is. A short last batch is not measured. Deviations: the papers test single batches,
    without running means, and let the size jump.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(256, 3)), rng.normal(size=256)  # nothing but noise
    >>> line = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)])
    >>> line.compile("sgd", "mse")
    >>> adaptive = mb.noise.AdaptiveBatchSize(every=5, max_batch_size=64)
    >>> history = line.fit(x, y, batch_size=4, epochs=20, verbose=0, callbacks=[adaptive])
    >>> history.history["batch_size"][-1]
    64
    """

    state_names = ("batch_size", "changes", "_first", "_pending", "_means")

    def __init__(
        self,
        test: str = "norm",
        theta: float | None = None,
        max_batch_size: int | None = None,
        every: int = 10,
        *,
        max_growth: float = 2.0,
        shrink: bool = False,
        decay: float = 0.9,
        effect: str = "step",
        monitor: GradientNoise | None = None,
    ) -> None:
        for name, value, known in (("test", test, tuple(TESTS)), ("effect", effect, ("step", "epoch"))):
            if value not in known:
                raise ValueError(f"AdaptiveBatchSize: unknown {name} {value!r}.{near_misses(str(value), known)}")
        quantities, default = TESTS[test]
        super().__init__(quantities, every, monitor)
        if theta is not None and (default is None or not theta > 0):
            wanted = "no theta with test='cabs'" if default is None else "a theta above 0"
            raise ValueError(f"AdaptiveBatchSize: expected {wanted}; got {theta!r}.")
        if max_batch_size is not None and (
            isinstance(max_batch_size, bool)
            or not isinstance(max_batch_size, int | np.integer)
            or max_batch_size < 1
        ):
            raise ValueError(
                f"AdaptiveBatchSize: max_batch_size must be a positive integer; got {max_batch_size!r}."
            )
        if not max_growth > LEAST_GROWTH:
            raise ValueError(f"AdaptiveBatchSize: max_growth must be above {LEAST_GROWTH}; got {max_growth!r}.")
        if not 0 <= decay < 1:
            raise ValueError(f"AdaptiveBatchSize: decay must lie in [0, 1); got {decay!r}.")
        self.test, self.theta = test, float(theta or default or 1.0)
        self.max_batch_size, self.max_growth, self.shrink = max_batch_size, max_growth, shrink
        self.decay, self.effect = decay, effect
        self._feed: Any = None
        self._begin(0)

    def _begin(self, batch_size: int) -> None:
        self.batch_size = self._first = batch_size
        self.changes: list[list[int]] = []
        self._pending: int | None = None
        #: Running sums of what is divided, of what it is divided by, and of the weights of both.
        self._means = [0.0, 0.0, 0.0]

    def set_feed(self, feed: Any) -> None:
        super().set_feed(feed)
        self._feed = feed

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        batches = None if self._feed is None else self._feed.batches
        if batches is None:
            raise ValueError("AdaptiveBatchSize needs arrays or Batches as x: a stream makes its own batches.")
        batches.resize(batches.batch_size)  # says at once if it cannot be
        self._begin(batches.batch_size)

    def on_train_end(self, logs: Logs | None = None) -> None:
        super().on_train_end(logs)
        self._feed = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        if self._pending is not None:
            self._resize(self._pending)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        wanted = self._wanted(self.monitor.latest)
        if wanted is not None:
            if self.effect == "epoch":
                self._pending = wanted
            else:
                self._resize(wanted)
        if logs is not None:
            logs["batch_size"] = self.batch_size

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        if logs is not None:
            logs["batch_size"] = self.batch_size

    def _wanted(self, values: Mapping[str, float]) -> int | None:
        """Return the batch size to change to; None to leave it."""
        B = values.get("batch_size", 0)
        if self.batch_size > B or any(name not in values for name in TESTS[self.test][0]):
            return None
        if self.test == "cabs":
            above, below = values["cabs"], 1.0
        else:
            Q, theta2 = values["grad_norm"] ** 2, self.theta**2
            spread = values["trace"] if self.test == "norm" else values["inner_product_test"] ** 2 * B * Q
            above, below = spread, theta2 * Q
        if not (math.isfinite(above) and math.isfinite(below)):
            return None
        means = self._means
        self._means = [self.decay * m + (1 - self.decay) * v for m, v in zip(means, (above, below, 1), strict=True)]
        above, below, _ = self._means
        needed = above / below if below > 0 else math.inf
        limit = min(self.max_batch_size or math.inf, self._feed.batches.n_samples)
        most = max(limit, self._first)  # a fit that begins with more keeps it
        lowest = max(self.batch_size / self.max_growth, self._first) if self.shrink else self.batch_size
        size: int = math.ceil(min(max(needed, lowest), self.batch_size * self.max_growth, most))
        if size in (self._first, most) and size != self.batch_size:
            return size
        grown = size / self.batch_size
        return size if not 1 / LEAST_GROWTH < grown < LEAST_GROWTH else None

    def _resize(self, batch_size: int) -> None:
        self._feed.resize(batch_size)
        self.batch_size, self._pending = batch_size, None
        self.changes.append([self.monitor.step, batch_size])
