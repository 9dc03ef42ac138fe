"""A network that learns: compile, fit, evaluate and predict, with Keras's arguments and numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minibatch import losses, optimizers
from minibatch.batching import Batches
from minibatch.callbacks import Callback, CallbackList, History, ProgbarLogger
from minibatch.layers import Layer
from minibatch.models import arguments, data
from minibatch.models.feed import Feed
from minibatch.models.network import Network
from minibatch.models.objective import Objective
from minibatch.models.summary import summary_table
from minibatch.typing import Array

#: Keras's default where ``batch_size`` is None.
DEFAULT_BATCH_SIZE = 32


class Model(Network):
    """Layers over one parameter vector, with an optimizer and a loss.

    Parameters
    ----------
    layers : sequence of Layer
    name : str, optional

    Attributes
    ----------
    optimizer : Optimizer
    stop_training : bool
        Set it to True in a callback to end the fit after the current batch.
    """

    def __init__(self, layers: Sequence[Layer] = (), name: str | None = None) -> None:
        super().__init__(layers, name)
        self._objective: Objective | None = None
        self.stop_training = False

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: None = None,
        metrics: Iterable[Any] | None = None,
        weighted_metrics: None = None,
        **unknown: Any,
    ) -> None:
        """Choose the optimizer, the loss and the metrics.

        Parameters
        ----------
        optimizer : str or Optimizer, default "rmsprop"
        loss : str or Loss
        metrics : list of str or Metric, optional
            "accuracy" becomes the accuracy that fits the shapes of output and target.
        loss_weights, weighted_metrics
            Not supported yet.

        Raises
        ------
        ValueError
            For an unknown name; the message lists the near misses.
        TypeError
            For an argument that is unknown or not supported.
        """
        not_yet = {"loss_weights": loss_weights, "weighted_metrics": weighted_metrics}
        # These choose how Keras runs a step, never what it computes. Here there is one way.
        for argument in ("run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss"):
            unknown.pop(argument, None)
        arguments.refuse(self.compile, not_yet, unknown)
        if loss is None:
            raise ValueError("compile needs a loss, such as loss='sparse_categorical_crossentropy'.")
        if isinstance(metrics, str) or not isinstance(metrics, Iterable | None):
            raise TypeError(f"metrics must be a list, such as ['accuracy']; got {metrics!r}.")
        self.optimizer = optimizers.get(optimizer)
        self._objective = Objective(self, losses.get(loss), metrics or ())

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` has been called."""
        return self._objective is not None

    @property
    def objective(self) -> Objective:
        """The compiled loss and metrics.

        Raises
        ------
        ValueError
            If the model is not compiled.
        """
        if self._objective is None:
            raise ValueError("You must call compile(optimizer, loss) first.")
        return self._objective

    @property
    def loss(self) -> losses.Loss:
        """The compiled loss."""
        return self.objective.loss

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print the layers, their output shapes and their numbers of parameters, as Keras does."""
        optimizer_params = sum(v.size for v in self.optimizer.state.values()) if self.compiled else 0
        for line in summary_table(self.name, self.layers, optimizer_params):
            print_fn(line)

    # One step -----------------------------------------------------------------------------------------------

    def train_step(self, x: Array, y: Array, sample_weight: Array | None = None) -> float:
        """Forward, loss, backward, update: one step. Return the loss of the batch, from before the update."""
        y_pred, caches = self.forward(self._cast(x), training=True)
        loss = self.objective.differentiate(y, y_pred, caches, sample_weight)
        self.optimizer.apply(self.parameters.gradient, self.parameters.theta)
        self.objective.update(loss, y, y_pred)
        return loss

    def test_step(self, x: Array, y: Array, sample_weight: Array | None = None) -> float:
        """Forward and loss. Return the loss of the batch."""
        y_pred, caches = self.forward(self._cast(x), training=False)
        loss = self.objective.value(y, y_pred, caches, sample_weight)
        self.objective.update(loss, y, y_pred)
        return loss

    def loss_and_gradient(self, x: Any, y: Any, sample_weight: Any = None) -> tuple[float, Array]:
        """Return the loss of a batch and its gradient, in inference mode, and change no weight.

        Parameters
        ----------
        x, y : array_like
            Inputs (N, ...) and targets (N, ...).
        sample_weight : array_like, shape (N,), optional

        Returns
        -------
        loss : float
            The mean over the batch.
        gradient : ndarray, shape (D,)
            dL/dtheta, laid out like ``parameters.theta``; a copy.

        Examples
        --------
        >>> import minibatch as mb
        >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
        >>> line.compile("sgd", "mse")
        >>> line.loss_and_gradient([[1.0], [2.0]], [2.0, 4.0])
        (10.0, array([-10.,  -6.], dtype=float32))
        """
        inputs, targets = self.checked(x, y)
        weights = data.check_sample_weight(sample_weight, len(inputs))
        y_pred, caches = self.forward(self._cast(inputs))
        loss = self.objective.differentiate(targets, y_pred, caches, weights)
        return loss, self.parameters.gradient.copy()

    # Many steps ---------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | str | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: None = None,
        validation_steps: None = None,
        validation_batch_size: int | str | None = None,
        validation_freq: int | Iterable[int] = 1,
        **unknown: Any,
    ) -> History:
        """Train for a number of epochs.

        Parameters
        ----------
        x : array_like, shape (N, ...), or Batches
            With a ``Batches`` of (x, y), its own batch size, order and remainder policy hold.
        y : array_like, shape (N, ...)
            Targets, as the loss wants them.
        batch_size : int, "full" or None
            None is 32, as in Keras. The remainder is kept, and is the last batch.
        epochs : int
            The epoch to stop before, counted from 0: with ``initial_epoch``, not how many are run.
        verbose : {"auto", 0, 1, 2}
            0 prints nothing, 1 ("auto") a progress line, 2 one line for each epoch.
        callbacks : list of Callback, optional
        validation_split : float in [0, 1)
            The last samples, before any shuffling, from floor(N (1 - f)) on, are kept for validation.
        validation_data : tuple (x, y) or (x, y, sample_weight), or Batches, optional
            Goes before ``validation_split``.
        shuffle : bool, default True
            Whether each epoch has an order of its own.
        sample_weight : array_like, shape (N,), optional
            L = (1/B) sum_i w_i l_i.
        initial_epoch : int
            The first epoch's number.
        validation_batch_size : int, "full" or None
            None is ``batch_size``.
        validation_freq : int or list of int
            k validates after every k-th epoch; a list names the epochs, counted from 1.
        class_weight, steps_per_epoch, validation_steps
            Not supported yet.

        Returns
        -------
        History
            The logs of every epoch. "loss" is the mean over the epoch's samples while the weights move, so it
            differs from ``evaluate`` after it.

        Raises
        ------
        ValueError
            If the model is not compiled, or the data do not fit it or one another.
        TypeError
            For an argument that is unknown or not supported.

        Warns
        -----
        UserWarning
            If x holds a value that is not finite, or the loss turns NaN: once, naming epoch and step.
        """
        objective = self.objective
        not_yet = {
            "class_weight": class_weight,
            "steps_per_epoch": steps_per_epoch,
            "validation_steps": validation_steps,
        }
        arguments.refuse(self.fit, not_yet, unknown)
        arguments.check_count("epochs", epochs)
        is_due = arguments.validation_due(validation_freq)
        size = DEFAULT_BATCH_SIZE if batch_size is None else batch_size
        if validation_data is None and validation_split:
            x, y, sample_weight, validation_data = data.split(x, y, sample_weight, validation_split)
        feed = self._feed(x, y, sample_weight, size, shuffle)
        validation = None
        if isinstance(validation_data, Batches):
            validation = self._feed(validation_data)
        elif validation_data is not None:
            val_size = size if validation_batch_size is None else validation_batch_size
            validation = self._feed(*data.validation_arrays(validation_data), val_size, what="validation ")

        history = History()
        calls = self._calls([*(callbacks or ()), history], verbose, len(feed), epochs)
        self.stop_training = False
        self._nan_reported = False
        logs: dict[str, Any] = {}
        calls("on_train_begin", {})
        for epoch in range(initial_epoch, epochs):
            calls("on_epoch_begin", epoch, {})
            self._train_epoch(feed, epoch, calls)
            logs = objective.logs()
            if validation is not None and is_due(epoch):
                logs |= {f"val_{key}": value for key, value in self._test_pass(validation, calls).items()}
            calls("on_epoch_end", epoch, logs)
            if self.stop_training:
                break
        calls("on_train_end", logs)
        return history

    def _train_epoch(self, feed: Feed, epoch: int, calls: CallbackList) -> None:
        self.objective.reset()
        begin = calls.listening("on_train_batch_begin", "on_batch_begin")
        end = calls.listening("on_train_batch_end", "on_batch_end")
        for step, (x, y, sample_weight) in enumerate(feed.next_epoch()):
            for call in begin:
                call(step, {})
            loss = self.train_step(x, y, sample_weight)
            if loss != loss and not self._nan_reported:
                self._nan_reported = True
                warnings.warn(
                    f"The loss is NaN in epoch {epoch + 1}, step {step + 1} of {len(feed)}. Common causes: a "
                    "learning rate too large, or values in the data that are not finite.",
                    stacklevel=3,
                )
            if end:
                logs = self.objective.logs()
                for call in end:
                    call(step, logs)
            if self.stop_training:
                break

    def _test_pass(self, feed: Feed, calls: CallbackList) -> dict[str, float]:
        self.objective.reset()
        begin = calls.listening("on_test_batch_begin")
        end = calls.listening("on_test_batch_end")
        calls("on_test_begin", {})
        for step, (x, y, sample_weight) in enumerate(feed.once()):
            for call in begin:
                call(step, {})
            self.test_step(x, y, sample_weight)
            if end:
                logs = self.objective.logs()
                for call in end:
                    call(step, logs)
        logs = self.objective.logs()
        calls("on_test_end", logs)
        return logs

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | str | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: None = None,
        callbacks: Iterable[Callback] | None = None,
        return_dict: bool = False,
        **unknown: Any,
    ) -> Any:
        """Return the loss and the metrics on data, in inference mode.

        Parameters
        ----------
        x, y, batch_size, verbose, sample_weight, callbacks
            As for ``fit``.
        steps : None
            Not supported yet.
        return_dict : bool, default False

        Returns
        -------
        float, list of float, or dict
            The loss; with metrics a list [loss, metric, ...]; with ``return_dict`` a dict by name.
        """
        arguments.refuse(self.evaluate, {"steps": steps}, unknown)
        size = DEFAULT_BATCH_SIZE if batch_size is None else batch_size
        feed = self._feed(x, y, sample_weight, size)
        logs = self._test_pass(feed, self._calls(callbacks or (), verbose, len(feed)))
        if return_dict:
            return logs
        values = [logs["loss"], *(logs[metric.name] for metric in self.objective.metrics or ())]
        return values if len(values) > 1 else values[0]

    def predict(
        self,
        x: Any,
        batch_size: int | str | None = None,
        verbose: int | str = "auto",
        steps: None = None,
        callbacks: Iterable[Callback] | None = None,
        **unknown: Any,
    ) -> Array:
        """Return the outputs (N, ...) for inputs (N, ...), in inference mode, a batch at a time.

        Parameters
        ----------
        x, batch_size, verbose, callbacks
            As for ``fit``.
        steps : None
            Not supported yet.
        """
        arguments.refuse(self.predict, {"steps": steps}, unknown)
        inputs = self._checked_inputs(x)
        size = DEFAULT_BATCH_SIZE if batch_size is None else batch_size
        batches = Batches(inputs, batch_size=size, shuffle=False, seed=0)
        calls = self._calls(callbacks or (), verbose, len(batches))
        calls("on_predict_begin", {})
        outputs = np.empty((len(inputs), *self.sample_shape("output_shape")), self.parameters.theta.dtype)
        start = 0
        for step, batch in enumerate(batches.epoch(0)):
            calls("on_predict_batch_begin", step, {})
            piece = outputs[start : start + len(batch)]
            piece[...] = self.infer(self._cast(batch))
            calls("on_predict_batch_end", step, {"outputs": piece})
            start += len(batch)
        calls("on_predict_end", {})
        return outputs

    def __call__(self, x: Any, training: bool = False) -> Array:
        """Return the output for a batch."""
        return self.forward(self._cast(self._checked_inputs(x)), training)[0]

    # What comes in ------------------------------------------------------------------------------------------

    def checked(self, x: Any, y: Any, what: str = "") -> tuple[Array, Array]:
        """Return inputs and targets as the passes want them, or say what does not fit.

        Parameters
        ----------
        x, y : array_like
        what : str
            Goes before "x" and "y" in messages: "validation ".

        Raises
        ------
        ValueError
            If something is missing or empty, lengths differ, or shapes or labels do not fit the model.
        """
        if x is None or y is None:
            missing = "x" if x is None else "y"
            raise ValueError(f"{what}{missing} is missing: training and evaluation need inputs and targets.")
        inputs = self._checked_inputs(x, f"{what}x")
        data.check_same_length({f"{what}x": inputs, f"{what}y": y})
        return inputs, self.loss.targets(y, self.sample_shape("output_shape"))

    def _checked_inputs(self, x: Any, what: str = "x") -> Array:
        if not self.built:
            self.build((None, *np.shape(x)[1:]))
        return data.check_samples(x, self.input_shape, what)

    def _cast(self, x: Array) -> Array:
        # A batch at a time: an image set of uint8 never has to exist in float32 as a whole.
        return x.astype(self.parameters.theta.dtype, copy=False)

    def _feed(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | str = DEFAULT_BATCH_SIZE,
        shuffle: Any = False,
        what: str = "",
    ) -> Feed:
        """Check the data, once, and return them in batches."""
        if isinstance(x, Batches):
            if y is not None or sample_weight is not None:
                raise ValueError("With Batches as x, y and sample_weight are part of it: leave them out.")
            first = next(iter(x.epoch(0)))
            if not isinstance(first, tuple) or len(first) not in (2, 3):
                raise ValueError("Batches as x must hold targets, too: Batches(x, y, ...).")
            _, targets = self.checked(first[0], first[1], what)
            self.objective.ready(targets.shape[1:])
            return Feed(x, lambda y: self.loss.targets(y, self.sample_shape("output_shape")))
        inputs, targets = self.checked(x, y, what)
        weights = data.check_sample_weight(sample_weight, len(inputs))
        self.objective.ready(targets.shape[1:])
        arrays = (inputs, targets) if weights is None else (inputs, targets, weights)
        return Feed(Batches(arrays, batch_size=batch_size, shuffle=shuffle))

    def _calls(
        self, callbacks: Iterable[Callback], verbose: int | str, steps: int, epochs: int = 1
    ) -> CallbackList:
        arguments.check_verbose(verbose)
        printing = [ProgbarLogger()] if verbose else []
        params = {"verbose": verbose, "epochs": epochs, "steps": steps}
        return CallbackList([*callbacks, *printing], self, params)
