"""`GradientNoise`: what the gradients of a training say, measured while it runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from minibatch.callbacks.callback import Callback, Logs
from minibatch.models.feed import Feed
from minibatch.noise.per_sample import check_mean
from minibatch.noise.training.measuring import OF_SINGLE, OF_SPREAD, Measuring
from minibatch.noise.training.plan import OF_TWO, Plan
from minibatch.noise.training.record import Record
from minibatch.noise.training.step import Averages
from minibatch.typing import Array
from minibatch.utils.names import near_misses


class GradientNoise(Callback):
    """Measures, as a fit goes on, how noisy its gradients are; and changes nothing in it.

    The gradients of the single samples of a batch follow from what its backward pass has in hand anyway (see
    ``PerSample``), so that most of the quantities cost a part of a step.

    Parameters
    ----------
    every : int or "epoch", default 1
        Measure at steps 1, 1 + every, 1 + 2 every, ...; "epoch": at the first step of each epoch.
    quantities : list of str, or dict of str to int or "epoch", optional
        What to measure, from the list below; a dict has an interval for each. By default all that the model allows,
        at ``every``; the full gradient and the histograms, which take much longer than a step, once in an epoch.
    batch : "current" or (x, y)
        What to measure on: the batch that the step is made with, in its own backward pass; or these samples, in a
        pass of their own, in inference mode, which makes the points of a series comparable.
    full : (x, y), optional
        The data whose gradient "cosine_to_full" compares with. By default what the fit is fed, if that is arrays or
        ``Batches``.
    population : {"finite", "infinite"}
        Whether |G|^2 is that of the N samples that the batches are drawn from; or, as in McCandlish et al. 2018, of
        an infinite population that they came from. Batches of a stream, or drawn with replacement, are of the
        latter.
    estimator : {"auto", "samples", "halves"}
        How tr(Sigma) and |G|^2 are estimated: from the gradients of single samples, or from those of the batch and
        of its halves, which take another pass (see ``two_batch_estimates``). "auto" takes the latter where single
        samples have no gradient of their own: with BatchNormalization in training, where they meet in a batch.
    decay : float in [0, 1), default 0.99
        Of the running means of tr(Sigma) and |G|^2 that the noise scale is the ratio of: over about 1/(1 - decay),
        so 100 measurements, whatever an epoch's length. Smaller is quicker and noisier; see the notes.
    bins : int, default 60
        Of the histograms.

    Attributes
    ----------
    steps : dict of str to (ndarray, ndarray)
        The steps, counted from 1, and the values of each quantity.
    latest : dict of str to float
        What was measured at the last step; empty if nothing was.
    averages : Averages
        The running means: ``averages.trace``, ``averages.grad_norm2``, ``averages.noise_scale``.

    Raises
    ------
    ValueError
        For an unknown quantity (the message lists near misses), an interval below 1, and other arguments out of
        range; from ``fit``, if the loss of a batch is no mean over its samples.
    TypeError
        From ``fit``, if a quantity was asked for by name that needs the gradients of single samples, and a layer
        has none.

    Warns
    -----
    UserWarning
        Once, where quantities of the default set cannot be measured: which, and why. At the start of a fit whose
        batches are of one sample: what needs two is NaN then.

    Notes
    -----
    The quantities, each with its formula in ``quantities``, ``elementwise`` or ``parabola``:

    - "loss", "batch_size", "grad_norm": of the batch, from before the step.
    - "trace", "grad_norm2": this step's estimates of tr(Sigma) and |G|^2; "noise_scale", "signal_to_noise": from
      their running means over about the last 100 measurements.
    - "norm_test", "inner_product_test", "orthogonality_test"; "cabs", a batch size; "gsnr"; "eb", above 0 where
      training should stop.
    - "cosine_to_previous": to the gradient of the step before; "cosine_to_full": to that of all samples, in
      inference mode at the same weights.
    - "update_size", "distance": of the weights after the step, from before it and from the start of the fit. (Of
      plain SGD the update is taken to be -lr g, which it is to the rounding of the weights.)
    - "alpha": where the step ended on the parabola along it. The next step's batch sees the end, so that it is
    known
      one step later, and is logged then; that of an epoch's last step is in the series alone.
    - "histogram", "histogram_2d": of the entries of the g_i, and of these against the weights. Not in the logs.

    They land in the batch logs of the steps at which they are measured, and in the epoch's logs and the history:
    the mean of the epoch's measurements that are numbers (NaN if there was none), and for the noise scale its
    value at the epoch's end. "loss" and "batch_size" are left out there. A fit begins a new series. What is in the
    logs, any callback can act on, and ``verbose=1`` prints: for a short line name a few quantities, or fit with
    ``verbose=0`` and print from the history.

    **The noise scale lags.** It is no number of the present weights: it is the mean of tr(Sigma) over the mean of
    |G|^2 of the last 100 measurements or so (McCandlish et al. 2018, appendix A.1), in which the steps with a large
    |G|^2 weigh most. While the loss falls and the noise scale grows it is behind, often by a factor of two or more.
    ``gradient_noise`` on all samples has the number of the present weights, exactly; that one scatters from step to
    step as |G|^2 does. For a trend or a choice made while training, take this; for a statement about a model as it
    is, that. "trace" and "grad_norm2" in the history are means over one epoch: their ratio lags less, and scatters
    more.

    A sample's weight, and its class's, is a part of g_i; so is the gradient of the weights' penalties. A gradient
    that is not finite gives NaN, which the running means leave out; so does, where a spread is needed, a batch of
    one sample. Where the gradient is zero the noise scale is infinite.

    In float32 the variance of an entry is a small difference where its mean is large beside its spread, as with
    targets of a thousand that nobody has standardised: "gsnr" and "eb" are then off by up to some per cent, and
    mean nothing with targets of ten thousand. ``config.set_floatx("float64")`` has no such limit.

    The first use on a machine compiles the loops, which takes some seconds.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> x = np.arange(8.0)[:, None]
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    >>> line.compile(mb.optimizers.SGD(0.01), "mse")
    >>> monitor = mb.noise.GradientNoise(quantities=["noise_scale", "grad_norm"])
    >>> history = line.fit(x, 2 * x[:, 0] + 1, batch_size=4, epochs=3, verbose=0, callbacks=[monitor])
    >>> sorted(history.history)
    ['grad_norm', 'loss', 'noise_scale']
    >>> monitor.steps["grad_norm"][0]
    array([1, 2, 3, 4, 5, 6])
    """

    def __init__(
        self,
        every: int | str = 1,
        quantities: Any = None,
        batch: Any = "current",
        *,
        full: Any = None,
        population: str = "finite",
        estimator: str = "auto",
        decay: float = 0.99,
        bins: int = 60,
    ) -> None:
        super().__init__()
        self.plan = Plan(quantities, every)
        if isinstance(batch, str) and batch != "current":
            raise ValueError(f"batch must be 'current' or a pair (x, y); got {batch!r}.")
        for name, pair in (("batch", batch), ("full", full)):
            if not (pair is None or isinstance(pair, str)) and not (
                isinstance(pair, tuple | list) and len(pair) == 2
            ):
                raise ValueError(f"{name} must be a pair (x, y); got {type(pair).__name__}.")
        for name, value, known in (
            ("population", population, ("finite", "infinite")),
            ("estimator", estimator, ("auto", "samples", "halves")),
        ):
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}.{near_misses(str(value), known)}")
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1); got {decay!r}.")
        self.batch, self.full = batch, full
        self.population, self.estimator = population, estimator
        self.decay, self.bins = decay, bins
        self._feed: Feed | None = None
        self._measuring: Measuring | None = None
        self._begin()

    def _begin(self) -> None:
        self.record = Record(self.decay, self.bins)
        self.step = 0
        self.latest: dict[str, float] = {}
        self._first_of_epoch = True

    # The fit ------------------------------------------------------------------------------------------------

    def set_feed(self, feed: Any) -> None:
        self._feed = feed

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._begin()
        model, feed = self.model, self._feed
        if any(name in OF_SPREAD | OF_SINGLE for name in self.plan.intervals):
            check_mean(model)
        reference = None if isinstance(self.batch, str) else model.checked(*self.batch)
        full = [model.checked(*self.full)] if self.full is not None else feed
        self._measuring = Measuring(
            model, self.plan, self.record, self.population, self.estimator, feed, reference, full
        )
        batches = None if feed is None else feed.batches
        if "cosine_to_full" in self.plan.intervals and self.full is None and batches is None:
            why = "the fit is not fed arrays or Batches, whose full gradient could be computed; give full=(x, y)."
            self._measuring.leave_out(["cosine_to_full"], why, ValueError)
        of_two = [name for name in self.plan.intervals if name in OF_TWO]
        if of_two and reference is None and batches is not None and batches.batch_size == 1:
            warnings.warn(
                f"GradientNoise: {', '.join(of_two)} need at least two samples in a batch; this fit's have one: "
                "they are NaN. Give larger batches, or samples of their own to measure on, batch=(x, y).",
                stacklevel=2,
            )

    @property
    def measuring(self) -> Measuring:
        """What measures the steps of the fit under way."""
        if self._measuring is None:
            raise ValueError("GradientNoise measures in a fit: hand it to fit(callbacks=[...]).")
        return self._measuring

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._feed = self._measuring = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._first_of_epoch = True
        self.measuring.epoch_begins()

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.step += 1
        self.measuring.step_begins(self.step, self._first_of_epoch)
        self._first_of_epoch = False

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.latest = {}
        step = self.measuring.step_ends(self.model.optimizer.rate)
        if step is None:
            return
        if step.late is not None:
            number, alpha = step.late
            self.record.series.add(number, {"alpha": alpha})
        if step.due.wanted:
            self.latest = {"loss": step.loss, "batch_size": step.batch_size, **step.values}
            self.record.series.add(self.step, self.latest)
        if logs is not None:
            logs.update(step.values)
            if step.late is not None:
                logs["alpha"] = step.late[1]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        means = self.record.end_epoch(self.step, self.plan.intervals)
        if logs is not None:
            logs.update(means)

    # The result ---------------------------------------------------------------------------------------------

    @property
    def steps(self) -> dict[str, tuple[Array, Array]]:
        """The steps, counted from 1, and the values of each quantity that was measured."""
        return {name: self.record.series[name] for name in self.record.series.names()}

    @property
    def averages(self) -> Averages:
        """The running means of tr(Sigma) and |G|^2."""
        return self.record.averages

    def to_dict(self) -> dict[str, Any]:
        """Return everything that was measured, in plain numbers.

        Returns
        -------
        dict
            "steps" and "values": by name, a list each; "loss" and "batch_sizes": {"steps", "values"}; "epochs": the
            last step of each epoch; "histograms": {"steps", "edges", "counts"}; "histograms_2d": the same with
            "theta_edges"; "decay".
        """
        return self.record.to_dict() | {"decay": self.decay}

    def table(self, lines: int = 12) -> str:
        """Return the series as text: about so many of the steps, evenly spread."""
        return self.record.series.table(lines)

    def to_csv(self, path: Any) -> None:
        """Write the series into a file, a line for each step."""
        self.record.series.to_csv(path)

    # What it keeps ------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "first_of_epoch": self._first_of_epoch,
            "intervals": dict(self.plan.intervals),
            "record": self.record.state_dict(),
            "measuring": self._measuring and self._measuring.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state["intervals"].keys() - self.plan.intervals.keys():
            raise ValueError(
                f"GradientNoise: the state is of a monitor of {', '.join(state['intervals'])}; this one is of "
                f"{', '.join(self.plan.intervals)}."
            )
        self.plan.leave_out(self.plan.intervals.keys() - state["intervals"].keys())
        self.step, self._first_of_epoch = int(state["step"]), bool(state["first_of_epoch"])
        self.record.load_state_dict(state["record"])
        if state["measuring"] is not None:
            self.measuring.load_state_dict(state["measuring"])
