"""A network with an optimizer and a loss: what one step is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minibatch import optimizers
from minibatch.blas import one_blas_thread
from minibatch.callbacks import History
from minibatch.layers import Layer
from minibatch.layers.layer import Cache
from minibatch.layers.symbol import one_or_all
from minibatch.models import arguments
from minibatch.models.feed import Batch
from minibatch.models.graph import Graph
from minibatch.models.intake import Intake
from minibatch.models.network import Network
from minibatch.models.objective import Objective
from minibatch.models.parameters import Division, Parameters
from minibatch.models.watcher import Watcher
from minibatch.results import plain
from minibatch.typing import Array


class Learner(Network):
    """A network that can be compiled, and then make a step on a batch.

    Parameters
    ----------
    graph : Graph
    name : str, optional
    """

    def __init__(self, graph: Graph, name: str | None = None) -> None:
        super().__init__(graph, name)
        self._objective: Objective | None = None
        self._division: Division | None = None
        self.history: History | None = None
        #: Shown every step; see ``Watcher``. Callbacks put themselves there, and take themselves away.
        self.watchers: list[Watcher] = []
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
        self._division = None
        #: As they were given, for the files.
        self.compile_arguments = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }

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
        """The loss as ``compile`` was given it; None before that."""
        return self.compile_arguments["loss"] if self.compiled else None

    @property
    def metrics_names(self) -> list[str]:
        """Keras's words: "loss", "compile_metrics" for all that ``compile`` was handed, and each output's loss.

        The numbers by their own names are what ``evaluate(..., return_dict=True)`` returns.
        """
        return self.objective.names

    def train_step(self, batch: Batch) -> float:
        """Forward, loss, backward, update: one step. Return the loss of the batch, from before the update."""
        self._division = division = self.division()
        outputs, caches = self.forward(self._cast(batch.inputs), training=True)
        watch = self._show if self.watchers else None
        loss, each = self.objective.differentiate(batch.targets, outputs, caches, batch.weights, watch)
        for watcher in self.watchers:
            watcher.differentiated(batch, outputs, caches, loss)
        parameters = division.parameters
        self.optimizer.apply(parameters.gradient, parameters.theta, division.active)
        self.objective.update(loss, each, batch.targets, outputs, batch.weights)
        return loss

    def _show(self, layer: Layer, dy: Array, cache: Cache) -> None:
        for watcher in self.watchers:
            watcher.visit(layer, dy, cache)

    def division(self) -> Division:
        """Return which of the parameters training moves, as the first step since ``compile`` found them.

        Not as the layers' flags are now: one that is set between two steps would take the gradient of a layer away,
        while its momentum moves it on.
        """
        settled = self._division
        if settled is not None and settled.parameters is self._parameters and settled.made == Parameters.made:
            return settled
        self.gather()  # another model of some of the layers may have taken their weights into its own vector
        if settled is None:
            return super().division()
        return Division.of(self.parameters, {*settled.active, *self.trainable_weights} - settled.still.keys())

    def test_step(self, batch: Batch) -> float:
        """Forward and loss. Return the loss of the batch."""
        outputs, caches = self.forward_only(self._cast(batch.inputs))
        return self._judge(batch, outputs, self.objective.logits(caches))

    def _judge(self, batch: Batch, outputs: list[Array], logits: list[Array | None]) -> float:
        """Take the outputs for a batch into the running numbers; return its loss."""
        loss, each = self.objective.value_by(batch.targets, outputs, logits, batch.weights)
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
        with one_blas_thread():
            outputs, caches = self.forward(self._cast(batch.inputs))
            loss, _ = self.objective.differentiate(batch.targets, outputs, caches, batch.weights)
        gradient = self.parameters.gradient.copy()
        self.parameters.gradient[...] = kept
        return loss, gradient

    def _cast(self, inputs: Sequence[Array]) -> list[Array]:
        # A batch at a time: an image set of uint8 never has to exist in float32 as a whole.
        dtype = self.parameters.theta.dtype
        return [x if x.dtype == dtype else x.astype(dtype) for x in inputs]

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Make one step on this batch; return its loss and metrics, from before the step."""
        batch = Intake(self).batch(x, y, sample_weight, class_weight)
        self.reset_metrics()
        with one_blas_thread():  # as fit does: the same step, bit for bit
            self.train_step(batch)
        return self.objective.logs() if return_dict else self._values()

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Return the loss and metrics of this batch, in inference mode."""
        batch = Intake(self).batch(x, y, sample_weight)
        self.reset_metrics()
        with one_blas_thread():
            self.test_step(batch)
        return self.objective.logs() if return_dict else self._values()

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for this batch, in inference mode."""
        with one_blas_thread():
            outputs = self.infer(self._cast(Intake(self).checked_inputs(x)))
        return one_or_all([plain(y) for y in outputs])

    def reset_metrics(self) -> None:
        """Start the running loss and metrics again."""
        self.objective.reset()

    def checked(self, x: Any, y: Any, sample_weight: Any = None) -> Batch:
        """Return data as the passes want them, or say what does not fit.

        Raises
        ------
        ValueError
            If something is missing or empty, lengths differ, or shapes or labels do not fit the model.
        """
        return Intake(self).batch(x, y, sample_weight)

    def _values(self) -> Any:
        values = self.objective.values()
        return values if len(values) > 1 else values[0]
