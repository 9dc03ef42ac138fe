"""An end to training when the gradient is no larger than its noise."""

from __future__ import annotations

import numpy as np

from minibatch.callbacks.callback import Logs
from minibatch.noise.training.acting import Acting
from minibatch.noise.training.monitor import GradientNoise


class EarlyStoppingEB(Acting):
    """Stops when the gradient is no larger than its noise: without a validation set.

    Parameters
    ----------
    patience : int, default 1
        After so many epochs in a row in which the mean of the criterion is above 0.
    start_from_epoch : int, default 0
        Earlier epochs are not judged.
    every : int, default 1
        Measure at so many steps' distance.
    verbose : {0, 1}
        1 says when it stops.
    monitor : GradientNoise, optional
        See ``Acting``; then its ``every`` counts.

    Attributes
    ----------
    stopped_epoch : int
        The epoch after which it stopped, counted from 0; -1 if it did not.

    Raises
    ------
    ValueError
        For a ``patience`` below 1.
    TypeError
        From ``fit``, where single samples have no gradient (BatchNormalization in training).

    Notes
    -----
    The criterion is ``elementwise.eb_criterion``: Mahsereci et al. 2017 (arXiv 1703.09580), eq. 7, for SGD without
    momentum. Deviation: there a single value above 0 stops; here the mean over an epoch's steps, which are noisy.
    In the logs it is "eb".

    It takes it that the entries of the gradient are Gaussian, and their variances known. From B samples these are
    estimated: where a gradient is nothing but Gaussian noise the criterion is -2/(B - 3) on average, so that small
    batches are stopped late, or not at all. Entries that are zero for most samples (behind a ReLU, of dark pixels)
    count the other way, and more: a small network on the digits (64-32-10, SGD(0.1), batches of 32, four seeds) is
    stopped after three to five epochs, at a test loss of 0.31 to 0.54, which in thirty goes on to 0.08. Look at
    "eb" in a history before you let it stop a fit.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(64, 3)), rng.normal(size=64)  # nothing to learn
    >>> line = mb.Sequential([mb.Input((3,)), mb.layers.Dense(1)])
    >>> line.compile(mb.optimizers.SGD(0.1), "mse")
    >>> stop = mb.noise.EarlyStoppingEB()
    >>> len(line.fit(x, y, batch_size=16, epochs=50, verbose=0, callbacks=[stop]).epoch) < 50
    True
    """

    state_names = ("stopped_epoch", "wait")

    def __init__(
        self,
        patience: int = 1,
        start_from_epoch: int = 0,
        every: int = 1,
        *,
        verbose: int = 0,
        monitor: GradientNoise | None = None,
    ) -> None:
        super().__init__(("eb",), every, monitor)
        if isinstance(patience, bool) or not isinstance(patience, int | np.integer) or patience < 1:
            raise ValueError(f"EarlyStoppingEB: patience must be a positive integer; got {patience!r}.")
        self.patience, self.start_from_epoch, self.verbose = patience, start_from_epoch, verbose
        self.stopped_epoch, self.wait = -1, 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self.stopped_epoch, self.wait = -1, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        ends = self.monitor.record.epoch_ends
        # The monitor of the fit, which comes before, has ended its epoch already.
        begin = (ends[-1] if ends else 0) if self._is_own else (ends[-2] if len(ends) > 1 else 0)
        criterion = self.monitor.record.series.mean_after("eb", begin)
        super().on_epoch_end(epoch, logs)
        if logs is not None:
            logs["eb"] = criterion
        if epoch < self.start_from_epoch:
            return
        self.wait = self.wait + 1 if criterion > 0 else 0
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.verbose:
                print(f"Epoch {epoch + 1}: early stopping, the gradient is no larger than its noise")
