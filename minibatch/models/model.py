"""A network that learns: compile, fit, evaluate and predict, with Keras's arguments and numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minibatch import optimizers
from minibatch.callbacks import Callback, CallbackList, History, ProgbarLogger
from minibatch.layers.symbol import Symbol, symbols_in
from minibatch.models import arguments
from minibatch.models.feed import Batch, Feed
from minibatch.models.graph import Graph
from minibatch.models.intake import Intake
from minibatch.models.network import Network
from minibatch.models.objective import Objective
from minibatch.models.summary import summary_table
from minibatch.typing import Array


class Model(Network):
    """Layers between inputs and outputs, over one parameter vector, with an optimizer and a loss.

    Parameters
    ----------
    inputs, outputs : Symbol, or list of Symbol
        From ``minibatch.Input``, and from layers called on it. A layer called twice shares its weights.
    name : str, optional

    Attributes
    ----------
    optimizer : Optimizer
    history : History or None
        Of the last fit.
    stop_training : bool
        Set it to True in a callback to end the fit after the current batch.

    Raises
    ------
    TypeError
        If inputs or outputs are not symbols.
    ValueError
        If an output depends on an input that is not given, or two layers share a name.

    Examples
    --------
    A residual connection:

    >>> import minibatch as mb
    >>> x = mb.Input((16,))
    >>> h = mb.layers.Dense(16, activation="relu")(x)
    >>> y = mb.layers.Dense(3, activation="softmax")(h)
    >>> model = mb.Model(x, y)
    >>> model.count_params()
    323
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, *, name: str | None = None) -> None:
        into, out = symbols_in(inputs), symbols_in(outputs)
        if not into or not out:
            raise TypeError(
                "Model(inputs, outputs) takes symbols: what minibatch.Input returns, and layers called on it. A "
                f"stack of layers is a minibatch.Sequential. Got {inputs!r} and {outputs!r}."
            )
        super().__init__(Graph.between(into, out), name)
        self._start()
        self.gather()

    def _start(self) -> None:
        self._objective: Objective | None = None
        self.history: History | None = None
        self.stop_training = False

    def build(self, input_shape: Any) -> None:
        """Make the parameters; a model between symbols has them from the start."""

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        **unknown: Any,
    ) -> None:
        """Choose the optimizer, the losses and the metrics.

        Parameters
        ----------
        optimizer : str or Optimizer, default "rmsprop"
        loss : str or Loss; for several outputs a list, or a dict by the outputs' names
        loss_weights : list or dict of float, optional
            What each output's loss counts for in the sum.
        metrics : list of str or Metric; for several outputs a list of lists, or a dict
            "accuracy" becomes the accuracy that fits the shapes of output and target.
        weighted_metrics : likewise
            Given the sample weights, too.
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
            Accepted and without effect: they choose how Keras runs a step, never what it computes.

        Raises
        ------
        ValueError
            For an unknown name; the message lists the near misses.
        TypeError
            For an argument that is unknown.
        """
        arguments.refuse(self.compile, unknown)
        objective = Objective(self, loss, loss_weights, metrics, weighted_metrics)
        self.optimizer = optimizers.get(optimizer)
        self._objective = objective
        # Which layers are frozen is settled here, as in Keras.
        self._active = None

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` has been called."""
        return self._objective is not None

    @property
    def objective(self) -> Objective:
        """The compiled losses and metrics.

        Raises
        ------
        ValueError
            If the model is not compiled.
        """
        if self._objective is None:
            raise ValueError("You must call compile(optimizer, loss) first.")
        return self._objective

    @property
    def loss(self) -> Any:
        """The compiled loss; a list for several outputs."""
        losses = [head.loss for head in self.objective.heads]
        return losses[0] if len(losses) == 1 else losses

    @property
    def metrics_names(self) -> list[str]:
        """The names of what ``evaluate`` returns, in its order."""
        return list(self.objective.results())

    def summary(self, *, print_fn: Callable[[str], Any] = print) -> None:
        """Print the layers, their output shapes and their numbers of parameters, as Keras does."""
        slots = self.optimizer.state.values() if self.compiled and self.optimizer.iterations else None
        for line in summary_table(self.name, self.layers, slots):
            print_fn(line)

    # One step -----------------------------------------------------------------------------------------------

    def train_step(self, batch: Batch) -> float:
        """Forward, loss, backward, update: one step. Return the loss of the batch, from before the update."""
        outputs, caches = self.forward(self._cast(batch.inputs), training=True)
        loss, each = self.objective.differentiate(batch.targets, outputs, caches, batch.weights)
        self.optimizer.apply(self.parameters.gradient, self.parameters.theta)
        self.objective.update(loss, each, batch.targets, outputs, batch.weights)
        return loss

    def test_step(self, batch: Batch) -> float:
        """Forward and loss. Return the loss of the batch."""
        outputs, caches = self.forward(self._cast(batch.inputs), training=False)
        loss, each = self.objective.value(batch.targets, outputs, caches, batch.weights)
        self.objective.update(loss, each, batch.targets, outputs, batch.weights)
        return loss

    def loss_and_gradient(self, x: Any, y: Any, sample_weight: Any = None) -> tuple[float, Array]:
        """Return the loss of a batch and its gradient, in inference mode, and change no weight.

        Parameters
        ----------
        x, y : array_like
            Inputs (N, ...) and targets (N, ...), or lists or dicts of them.
        sample_weight : array_like, shape (N,), optional

        Returns
        -------
        loss : float
            The mean over the batch, and the weights' penalties.
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
        batch = self.checked(x, y, sample_weight)
        kept = self.parameters.gradient.copy()  # watching changes nothing: the last step's gradient is put back
        outputs, caches = self.forward(self._cast(batch.inputs))
        loss, _ = self.objective.differentiate(batch.targets, outputs, caches, batch.weights)
        gradient = self.parameters.gradient.copy()
        self.parameters.gradient[...] = kept
        return loss, gradient

    def _cast(self, inputs: Sequence[Array]) -> list[Array]:
        # A batch at a time: an image set of uint8 never has to exist in float32 as a whole.
        dtype = self.parameters.theta.dtype
        return [x.astype(dtype, copy=False) for x in inputs]

    # Many steps ---------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | str | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Iterable[Callback] | Callback | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | str | None = None,
        validation_freq: int | Iterable[int] = 1,
        **unknown: Any,
    ) -> History:
        """Train for a number of epochs.

        Parameters
        ----------
        x : array_like, shape (N, ...), or list or dict of them; Batches, Dataset, PyDataset, or generator
            The latter give batches of (x, y) or (x, y, sample_weight); their own batch size and order hold.
        y : array_like, shape (N, ...), or list or dict of them
            Targets, as the loss wants them.
        batch_size : int, "full" or None
            None is 32, as in Keras; or, with ``steps_per_epoch``, what makes so many steps. The remainder is kept,
            and is the last batch.
        epochs : int
            The epoch to stop before, counted from 0: with ``initial_epoch``, not how many are run.
        verbose : {"auto", 0, 1, 2}
            0 prints nothing, 1 ("auto") a progress line, 2 one line for each epoch.
        callbacks : list of Callback, or Callback, optional
        validation_split : float in [0, 1)
            The last samples, before any shuffling, from floor(N (1 - f)) on, are kept for validation.
        validation_data : tuple (x, y) or (x, y, sample_weight), or anything that x may be, optional
            Goes before ``validation_split``.
        shuffle : bool or "batch", default True
            Whether each epoch has an order of its own; "batch" only inside each batch. (Keras permutes within
            fixed batches, too.)
        class_weight : dict of int to float, optional
            The weight of each class's samples, 1 for those left out; not together with ``sample_weight``.
        sample_weight : array_like, shape (N,), or one for each output, optional
            L = (1/B) sum_i w_i l_i.
        initial_epoch : int
            The first epoch's number.
        steps_per_epoch : int, optional
            Steps of an epoch, where that is not a pass over the data (see ``Feed``).
        validation_steps : int, optional
            Stop a validation after so many batches.
        validation_batch_size : int, "full" or None
            None is ``batch_size``.
        validation_freq : int or list of int
            k validates after every k-th epoch; a list names the epochs, counted from 1.

        Returns
        -------
        History
            The logs of every epoch. "loss" is the mean over the epoch's samples while the weights move, so it
            differs from ``evaluate`` after it.

        Raises
        ------
        ValueError
            If the model is not compiled, or the data do not fit it or one another, or there is no step to make.
        TypeError
            For an argument that is unknown.

        Warns
        -----
        UserWarning
            If x holds a value that is not finite; if the loss turns NaN (once, naming epoch and step); if an epoch
            has fewer batches than ``steps_per_epoch``.
        """
        arguments.refuse(self.fit, unknown)
        objective = self.objective
        arguments.check_count("epochs", epochs)
        is_due = arguments.validation_due(validation_freq)
        intake = Intake(self)
        if validation_data is None and validation_split:
            x, y, sample_weight, validation_data = intake.split(x, y, sample_weight, validation_split)
        feed = intake.feed(
            x, y, sample_weight, class_weight=class_weight,
            batch_size=batch_size, shuffle=shuffle, steps=steps_per_epoch,
        )  # fmt: skip
        validation = None
        if validation_data is not None:
            val_size = batch_size if validation_batch_size is None else validation_batch_size
            validation = intake.validation(validation_data, val_size, validation_steps)

        history = History()
        calls = self._calls(callbacks, verbose, feed.steps, epochs, history)
        self.history = history
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
        begin = calls.listening("on_train_batch_begin")
        end = calls.listening("on_train_batch_end")
        for step, batch in enumerate(feed.next_epoch()):
            for call in begin:
                call(step, {})
            loss = self.train_step(batch)
            if loss != loss and not self._nan_reported:
                self._nan_reported = True
                warnings.warn(
                    f"The loss is NaN in epoch {epoch + 1}, step {step + 1} of {feed.steps}. Common causes: a "
                    "learning rate too large, or values in the data that are not finite.",
                    stacklevel=3,
                )
            if end:
                logs = self.objective.logs()
                for call in end:
                    call(step, logs)
            if self.stop_training:
                break

    def _test_pass(self, feed: Feed, calls: CallbackList) -> dict[str, Any]:
        self.objective.reset()
        begin = calls.listening("on_test_batch_begin")
        end = calls.listening("on_test_batch_end")
        calls("on_test_begin", {})
        for step, batch in enumerate(feed.next_epoch()):
            for call in begin:
                call(step, {})
            self.test_step(batch)
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
        steps: int | None = None,
        callbacks: Iterable[Callback] | Callback | None = None,
        return_dict: bool = False,
        **unknown: Any,
    ) -> Any:
        """Return the loss and the metrics on data, in inference mode.

        Parameters
        ----------
        x, y, batch_size, verbose, sample_weight, callbacks
            As for ``fit``.
        steps : int, optional
            Stop after so many batches.
        return_dict : bool, default False

        Returns
        -------
        float, list of float, or dict
            The loss; with metrics a list [loss, metric, ...]; with ``return_dict`` a dict by name.
        """
        arguments.refuse(self.evaluate, unknown)
        feed = Intake(self).evaluation(x, y, sample_weight, batch_size, steps)
        logs = self._test_pass(feed, self._calls(callbacks, verbose, feed.steps))
        return logs if return_dict else self._values()

    def predict(
        self,
        x: Any,
        batch_size: int | str | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Iterable[Callback] | Callback | None = None,
        **unknown: Any,
    ) -> Any:
        """Return the outputs (N, ...) for inputs (N, ...), in inference mode, a batch at a time.

        Parameters
        ----------
        x, batch_size, verbose, callbacks
            As for ``fit``; of batches (x, y) only x is looked at.
        steps : int, optional
            Stop after so many batches.

        Returns
        -------
        ndarray, or list of ndarray for several outputs
        """
        arguments.refuse(self.predict, unknown)
        feed = Intake(self).inputs(x, batch_size, steps)
        calls = self._calls(callbacks, verbose, feed.steps)
        calls("on_predict_begin", {})
        parts: list[list[Array]] = []
        for step, batch in enumerate(feed.next_epoch()):
            calls("on_predict_batch_begin", step, {})
            parts.append(self.infer(self._cast(batch.inputs)))
            calls("on_predict_batch_end", step, {"outputs": self._alone(parts[-1])})
        calls("on_predict_end", {})
        return self._alone([np.concatenate(pieces) for pieces in zip(*parts, strict=True)])

    # One batch, given ---------------------------------------------------------------------------------------

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Make one step on this batch; return the running loss and metrics, this batch in them.

        The running numbers go on from call to call; ``reset_metrics`` starts them again.
        """
        batch = Intake(self).batch(x, y, sample_weight, class_weight)
        self.train_step(batch)
        return self.objective.logs() if return_dict else self._values()

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluate this batch; return the running loss and metrics, this batch in them."""
        batch = Intake(self).batch(x, y, sample_weight)
        self.test_step(batch)
        return self.objective.logs() if return_dict else self._values()

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for this batch, in inference mode."""
        return self._alone(self.infer(self._cast(Intake(self).checked_inputs(x))))

    def reset_metrics(self) -> None:
        """Start the running loss and metrics again."""
        self.objective.reset()

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Return the outputs for a batch; or, for symbols, those of the same layers upon them."""
        symbols = symbols_in(x)
        if not symbols:
            return self._alone(self.forward(self._cast(Intake(self).checked_inputs(x)), training)[0])
        values: list[Any] = [None] * self.graph.size
        for place, symbol in zip(self.graph.inputs, symbols, strict=True):
            values[place] = symbol
        for visit in self.graph.visits:
            given = [values[i] for i in visit.sources]
            values[visit.target] = visit.layer(given if visit.takes_list else given[0])
        outputs: list[Symbol] = [values[place] for place in self.graph.outputs]
        return self._alone(outputs)

    def checked(self, x: Any, y: Any, sample_weight: Any = None) -> Batch:
        """Return data as the passes want them, or say what does not fit.

        Raises
        ------
        ValueError
            If something is missing or empty, lengths differ, or shapes or labels do not fit the model.
        """
        return Intake(self).batch(x, y, sample_weight)

    def _alone(self, entries: list[Any]) -> Any:
        return entries[0] if len(entries) == 1 else entries

    def _values(self) -> Any:
        values = list(self.objective.results().values())
        return values if len(values) > 1 else values[0]

    def _calls(
        self,
        callbacks: Iterable[Callback] | Callback | None,
        verbose: int | str,
        steps: int | None,
        epochs: int = 1,
        history: History | None = None,
    ) -> CallbackList:
        arguments.check_verbose(verbose)
        given = list(callbacks or ()) if isinstance(callbacks, Iterable | None) else [callbacks]
        own = [history] if history else []
        printing = [ProgbarLogger()] if verbose else []
        params = {"verbose": verbose, "epochs": epochs, "steps": steps}
        return CallbackList([*given, *own, *printing], self, params)
