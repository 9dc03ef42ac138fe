"""The same work in each library: what a worker process runs. Nothing here is imported before it is asked for.

A runner is made of a work, begins from the work's weights, and has ``fit``, ``evaluate`` and ``predict``, which
return the seconds that one epoch (``work.steps`` batches) took; and ``initial``, the loss and the accuracy of that
beginning.
"""

from __future__ import annotations

import importlib
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from minibatch.bench.floor import Floor
from minibatch.bench.works import Conv, Dense, Dropout, Pool, Work

#: What a library says of itself: its version and its threads.
About = str


class MinibatchRunner:
    """Run it here."""

    def __init__(self, work: Work) -> None:
        import minibatch as mb
        from minibatch.blas import blas_name

        self.about: About = f"minibatch {mb.__version__} on NumPy {np.__version__}, {blas_name()}"
        self.setup(work, mb, mb.layers.Input)

    def setup(self, work: Work, library: Any, make_input: Callable[..., Any]) -> None:
        """Make the model; the same lines for this library and for Keras."""
        self.work = work
        self.x, self.y = work.data()
        model = library.Sequential([make_input(work.sample), *layers_of(work, library.layers)])
        rule = {"sgd": library.optimizers.SGD, "adam": library.optimizers.Adam}[work.optimizer]
        model.compile(rule(work.learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.set_weights(work.weights())
        self.model = model
        self.clock = type("Clock", (_Clock, library.callbacks.Callback), {})()
        self.initial = [float(number) for number in model.evaluate(self.x, self.y, work.batch_size, verbose=0)]

    def fit(self) -> float:
        """Train for an epoch; its first step's beginning to its last step's end."""
        self.model.fit(self.x, self.y, self.work.batch_size, 1, verbose=0, callbacks=[self.clock])
        seconds: float = self.clock.seconds
        return seconds

    def evaluate(self) -> float:
        """Evaluate once."""
        return seconds_of(lambda: self.model.evaluate(self.x, self.y, self.work.batch_size, verbose=0))

    def predict(self) -> float:
        """Predict once."""
        return seconds_of(lambda: self.model.predict(self.x, self.work.batch_size, verbose=0))


class _Clock:
    """A callback that takes the time of an epoch, without what a fit does before and after it."""

    seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.seconds = -time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds += time.perf_counter()


class KerasRunner(MinibatchRunner):
    """Keras on one of its backends."""

    def __init__(self, work: Work, backend: str) -> None:
        os.environ.update({"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"})
        import keras

        self.about = f"Keras {keras.__version__} on {_backend(backend)}"
        self.setup(work, keras, keras.Input)


def _backend(name: str) -> About:
    if name == "tensorflow":
        import tensorflow as tf

        threads = tf.config.threading.get_intra_op_parallelism_threads() or "as many as processors"
        return f"TensorFlow {tf.__version__}, threads: {threads}"
    if name == "jax":
        import jax

        return f"JAX {jax.__version__}, {jax.devices()[0].platform}"
    import torch

    return f"PyTorch {torch.__version__}, threads: {torch.get_num_threads()}"


def layers_of(work: Work, layers: Any) -> list[Any]:
    """Return the layers of a work in Keras's words: this library's or Keras's own."""
    made: list[Any] = []
    flat = len(work.sample) == 1
    for i, (layer, _, _) in enumerate(work.shapes()):
        if isinstance(layer, Conv):
            made.append(layers.Conv2D(layer.filters, 3, padding=layer.padding, activation="relu"))
        elif isinstance(layer, Pool):
            made.append(layers.MaxPooling2D(2))
        elif isinstance(layer, Dropout):
            made.append(layers.Dropout(layer.rate))
        else:
            if not flat:
                made.append(layers.Flatten())
            flat = True
            last = i == len(work.layers) - 1
            made.append(layers.Dense(layer.units, activation="softmax" if last else "relu"))
    return made


class TorchRunner:
    """PyTorch by hand: the loop that its tutorials teach, on tensors that are there already."""

    def __init__(self, work: Work) -> None:
        import torch

        self.torch, self.work = torch, work
        self.about: About = f"PyTorch {torch.__version__} eager, threads: {torch.get_num_threads()}"
        torch.manual_seed(0)
        x, y = work.data()
        self.y = torch.from_numpy(y.astype(np.int64))
        self.x = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x)
        self.model = self._network()
        rule = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[work.optimizer]
        settings = {"eps": 1e-7} if work.optimizer == "adam" else {}
        self.optimizer = rule(self.model.parameters(), lr=work.learning_rate, **settings)
        self.loss = torch.nn.CrossEntropyLoss()
        self.initial = [number / len(self.x) for number in self._test()]

    def _network(self) -> Any:
        torch, nn = self.torch, self.torch.nn
        weights = [torch.from_numpy(array) for array in self.work.weights()]
        modules: list[Any] = []
        flat = len(self.work.sample) == 1
        shape = self.work.sample
        for layer, before, after in self.work.shapes():
            if isinstance(layer, Pool):
                modules.append(nn.MaxPool2d(2))
            elif isinstance(layer, Dropout):
                modules.append(nn.Dropout(layer.rate))
            else:
                kernel, bias = weights.pop(0), weights.pop(0)
                if isinstance(layer, Conv):
                    module = nn.Conv2d(before[2], after[2], 3, padding=layer.padding)
                    kernel = kernel.permute(3, 2, 0, 1)
                else:
                    module = nn.Linear(before[0], after[0])
                    if not flat:  # PyTorch flattens (C, H, W), the weights are those of (H, W, C)
                        modules.append(nn.Flatten())
                        kernel = kernel.reshape(*shape, -1).permute(2, 0, 1, 3).reshape(before[0], -1)
                        flat = True
                    kernel = kernel.T
                with torch.no_grad():
                    module.weight.copy_(kernel)
                    module.bias.copy_(bias)
                modules += [module, nn.ReLU()]
            shape = after
        return nn.Sequential(*modules[:-1])  # the last layer gives logits, which the loss takes

    def fit(self) -> float:
        """Train for an epoch, gathering the loss and the accuracy of its samples as fit does."""
        torch, B = self.torch, self.work.batch_size
        self.model.train()
        start = time.perf_counter()
        order = torch.randperm(len(self.x))
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for low in range(0, len(self.x), B):
            rows = order[low : low + B]
            x, y = self.x[rows], self.y[rows]
            self.optimizer.zero_grad()
            z = self.model(x)
            loss = self.loss(z, y)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(x)
            right += (z.detach().argmax(dim=1) == y).sum()
        total.item()
        return time.perf_counter() - start

    def _test(self) -> tuple[float, int]:
        torch, B = self.torch, self.work.batch_size
        self.model.eval()
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        with torch.inference_mode():
            for low in range(0, len(self.x), B):
                x, y = self.x[low : low + B], self.y[low : low + B]
                z = self.model(x)
                total += self.loss(z, y) * len(x)
                right += (z.argmax(dim=1) == y).sum()
        return float(total), int(right)

    def evaluate(self) -> float:
        """Return the time of loss and accuracy over the data."""
        return seconds_of(self._test)

    def predict(self) -> float:
        """Return the time of the probabilities for the data, as one array."""

        def probabilities() -> Any:
            torch, B = self.torch, self.work.batch_size
            self.model.eval()
            with torch.inference_mode():
                parts = [self.model(self.x[i : i + B]).softmax(dim=1) for i in range(0, len(self.x), B)]
                return torch.cat(parts).numpy()

        return seconds_of(probabilities)


class SklearnRunner:
    """scikit-learn's ``MLPClassifier``, for networks of dense layers; it gathers the loss, and no accuracy."""

    initial: list[float] | None = None  # it does not begin from weights that one hands over

    def __init__(self, work: Work) -> None:
        sklearn = importlib.import_module("sklearn")
        neural_network = importlib.import_module("sklearn.neural_network")
        if any(not isinstance(layer, Dense) for layer in work.layers):
            raise NotImplementedError("has dense layers only")  # it is left out, and the table says why
        self.about: About = f"scikit-learn {sklearn.__version__}"
        self.x, self.y = work.data()
        hidden = [layer.units for layer in work.layers[:-1] if isinstance(layer, Dense)]
        self.model = neural_network.MLPClassifier(
            hidden, solver="sgd", alpha=0.0, batch_size=work.batch_size, learning_rate_init=work.learning_rate,
            momentum=0.0, nesterovs_momentum=False, max_iter=1, tol=0.0,
        )  # fmt: skip
        self.model.partial_fit(
            self.x[: work.batch_size * 2], self.y[: work.batch_size * 2], classes=np.arange(work.classes)
        )

    def fit(self) -> float:
        """Train for an epoch."""
        return seconds_of(lambda: self.model.partial_fit(self.x, self.y))


class FloorRunner:
    """The bare matrix products of the same steps."""

    initial: list[float] | None = None

    def __init__(self, work: Work) -> None:
        from minibatch.blas import blas_name

        self.about: About = f"np.matmul alone: NumPy {np.__version__}, {blas_name()}"
        self.floor, self.work = Floor(work), work

    def fit(self) -> float:
        """Multiply for an epoch."""
        return self._seconds(self.floor.step)

    def evaluate(self) -> float:
        """Multiply for a pass forward."""
        return self._seconds(self.floor.inference)

    predict = evaluate

    def _seconds(self, multiply: Callable[[], None]) -> float:
        start = time.perf_counter()
        for _ in range(self.work.steps):
            multiply()
        return time.perf_counter() - start


def seconds_of(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a peer's own, such as that it has not converged
        function()
    return time.perf_counter() - start


RUNNERS: dict[str, Callable[[Work], Any]] = {
    "minibatch": MinibatchRunner,
    "keras-tensorflow": lambda work: KerasRunner(work, "tensorflow"),
    "keras-jax": lambda work: KerasRunner(work, "jax"),
    "keras-torch": lambda work: KerasRunner(work, "torch"),
    "torch": TorchRunner,
    "sklearn": SklearnRunner,
    "matmul": FloorRunner,
}
