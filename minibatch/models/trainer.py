"""Many steps: fit, evaluate and predict, with Keras's arguments and numbers."""

from __future__ import annotations

import contextlib
import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from minibatch import memory
from minibatch.blas import one_blas_thread
from minibatch.callbacks import Callback, CallbackList, History, ProgbarLogger
from minibatch.layers.symbol import one_or_all
from minibatch.models import arguments
from minibatch.models.feed import Feed
from minibatch.models.intake import Intake
from minibatch.models.learner import Learner
from minibatch.models.opening import is_own
from minibatch.models.snapshot import Snapshot
from minibatch.typing import Array

#: What ``predict`` and ``evaluate`` may put together of small batches: bytes of the widest layer's numbers, rows.
CACHE, MOST_ROWS = 1 << 22, 1024


class Trainer(Learner):
    """A learner that goes through data, epoch after epoch."""

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
            has fewer batches than ``steps_per_epoch``; if a generator runs dry, which ends the training.
        """
        arguments.refuse(self.fit, unknown)
        objective = self.objective
        arguments.check_count("epochs", epochs)
        is_due = arguments.validation_due(validation_freq)
        if steps_per_epoch is not None:
            arguments.check_count("steps_per_epoch", steps_per_epoch)
        intake = Intake(self)
        if validation_data is None and validation_split:
            x, y, sample_weight, validation_data = intake.split(x, y, sample_weight, validation_split)
        feed = intake.feed(
            x, y, sample_weight, class_weight=class_weight,
            batch_size=batch_size, shuffle=shuffle, steps=steps_per_epoch, epochs=epochs - initial_epoch,
        )  # fmt: skip
        validation = None
        if validation_data is not None:
            val_size = batch_size if validation_batch_size is None else validation_batch_size
            validation = intake.validation(validation_data, val_size, validation_steps)

        callbacks = arguments.listed(callbacks)
        history = next((callback for callback in callbacks if isinstance(callback, History)), None) or History()
        calls = self._calls(callbacks, verbose, feed.steps, epochs, history)
        self.history = history
        self.stop_training = False
        self._nan_reported = False
        logs: dict[str, Any] = {}
        calls("set_feed", feed)
        calls("on_train_begin", {})
        start, step = calls.restore(Snapshot(self, feed, calls)) or (initial_epoch, 0)
        for epoch in range(start, epochs):
            if self.stop_training or (epoch > start and not feed.goes_on()):
                break
            if not step:
                calls("on_epoch_begin", epoch, {})
            self._train_epoch(feed, epoch, calls, step)
            step = 0
            logs = objective.logs()
            if validation is not None and is_due(epoch):
                logs |= {f"val_{key}": value for key, value in self._test_pass(validation, calls).items()}
                logs = dict(sorted(logs.items()))
            calls("on_epoch_end", epoch, logs)
        if epochs > start:
            division = self.division()
            self.optimizer.finalize(division.parameters.theta, division.active)
        calls("on_train_end", logs)
        memory.release()
        return history

    def _train_epoch(self, feed: Feed, epoch: int, calls: CallbackList, start: int = 0) -> None:
        before = [*self.watchers]
        try:
            with one_blas_thread():
                self._trained(feed, epoch, calls, start)
        except BaseException:  # who came for the step that ended so looks on no more
            self.watchers[:] = [watcher for watcher in self.watchers if watcher in before]
            raise

    def _trained(self, feed: Feed, epoch: int, calls: CallbackList, start: int) -> None:
        if not start:
            self.objective.reset()
        begin = calls.listening("on_train_batch_begin")
        end = calls.listening("on_train_batch_end")
        # What overflows shows as a loss that is no number, which is reported below, once, with its place. NumPy is
        # told so for the whole epoch; but where others' code runs between steps, that keeps its warnings.
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        alone = not (begin or end) and feed.batches is not None
        train_step = self.train_step if alone else quiet(self.train_step)
        with quiet if alone else contextlib.nullcontext():
            for step, batch in enumerate(feed.next_epoch(start), start):
                for call in begin:
                    call(step, {})
                loss = train_step(batch)
                if loss != loss and not self._nan_reported:
                    self._nan_reported = True
                    warnings.warn(
                        f"The loss is NaN in epoch {epoch + 1}, step {step + 1} of {feed.steps}. Common causes: a "
                        "learning rate too large, or values in the data that are not finite.",
                        stacklevel=4,
                    )
                if end:
                    logs = self.objective.logs()
                    for call in end:
                        call(step, logs)
                if self.stop_training:
                    break

    def _test_pass(self, feed: Feed, calls: CallbackList) -> dict[str, Any]:
        with one_blas_thread():
            return self._tested(feed, calls)

    def _tested(self, feed: Feed, calls: CallbackList) -> dict[str, Any]:
        self.objective.reset()
        begin = calls.listening("on_test_batch_begin")
        end = calls.listening("on_test_batch_end")
        calls("on_test_begin", {})
        for step, test in enumerate(self._test_steps(feed, together=not (begin or end))):
            for call in begin:
                call(step, {})
            test()
            if end:
                logs = self.objective.logs()
                for call in end:
                    call(step, logs)
        logs = self.objective.logs()
        calls("on_test_end", logs)
        return logs

    def _test_steps(self, feed: Feed, together: bool) -> Iterator[Callable[[], Any]]:
        """Yield the ``test_step`` of each batch, to be called; small batches have gone forward together.

        If that is all the same to those who look on, they are judged ``together``, too.
        """
        rows = self._rows_at_a_time(feed)
        if not rows or getattr(self.test_step, "__func__", None) is not Learner.test_step:
            yield from (partial(self.test_step, batch) for batch in feed.next_epoch())
            return
        assert feed.batches is not None
        size = feed.batches.batch_size
        for block, places in feed.blocks(rows):
            outputs, caches = self.forward_only(self._cast(block.inputs))
            logits = self.objective.logits(caches)
            if together:
                yield partial(self.objective.update_by, size, block.targets, outputs, logits, block.weights)
                continue
            for place in places:
                few = [y[place] for y in outputs], [None if z is None else z[place] for z in logits]
                yield partial(self._judge, block.rows(place), *few)

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
            The loss; with metrics or several outputs a list that begins with it, in Keras's order (see
            ``Objective.values``); with ``return_dict`` a dict by name.
        """
        arguments.refuse(self.evaluate, unknown)
        feed = Intake(self).evaluation(x, y, sample_weight, batch_size, steps)
        logs = self._test_pass(feed, self._calls(callbacks, verbose, feed.steps))
        memory.release()
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
        begin = calls.listening("on_predict_batch_begin")
        end = calls.listening("on_predict_batch_end")
        parts: list[list[Array]] = []
        steps_made = itertools.count()
        with one_blas_thread():
            for block, places in feed.blocks(self._rows_at_a_time(feed)):
                parts.append(self.infer(self._cast(block.inputs)))
                for place, step in zip(places, steps_made, strict=False):
                    for call in begin:
                        call(step, {})
                    for call in end:
                        call(step, {"outputs": one_or_all([y[place] for y in parts[-1]])})
        calls("on_predict_end", {})
        memory.release()
        return one_or_all([np.concatenate(pieces) for pieces in zip(*parts, strict=True)])

    def _rows_at_a_time(self, feed: Feed) -> int:
        """Return how many rows ``predict`` and ``evaluate`` may take at once: small batches that fill the cache.

        0 is a batch at a time. In inference the samples of a batch do not meet in this library's own layers and
        activations; in others they might. Callbacks do not matter: to watch must not change a bit of the result.
        (One that moves the weights between two batches is heeded from the next block on.)
        """
        if feed.batches is None or feed.steps_per_epoch is not None:
            return 0
        ways = self.forward, self.forward_only, self.infer
        if not (all(way.__module__.startswith("minibatch.") for way in ways) and all(map(is_own, self.layers))):
            return 0
        shapes = [*self.input_shapes, *(layer.output_shape or () for layer in self.layers)]
        widest = max(math.prod(shape) for shape in shapes) * self.parameters.theta.itemsize
        rows = min(MOST_ROWS, CACHE // widest)
        return rows if rows >= 2 * feed.batches.batch_size else 0

    def _calls(
        self,
        callbacks: Iterable[Callback] | Callback | None,
        verbose: int | str,
        steps: int | None,
        epochs: int = 1,
        history: History | None = None,
    ) -> CallbackList:
        arguments.check_verbose(verbose)
        given = arguments.listed(callbacks)
        own = [history] if history and not any(callback is history for callback in given) else []
        printing = [ProgbarLogger()] if verbose and not any(isinstance(c, ProgbarLogger) for c in given) else []
        params = {"verbose": verbose, "epochs": epochs, "steps": steps}
        return CallbackList([*given, *own, *printing], self, params)
