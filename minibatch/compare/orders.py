"""In which order ``fit`` shows the samples, epoch by epoch: read off from outside, in any library."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from minibatch.compare.children import Child
from minibatch.compare.job import Job, Side, write_job
from minibatch.compare.libraries import Library
from minibatch.compare.models import mlp


def fit_orders(
    backend: str = "tensorflow", *, n_samples: int = 12, epochs: int = 3, seed: int = 0, device: str = "cpu"
) -> list[list[int]]:
    """Return the order in which ``fit(shuffle=True)`` shows samples 0 to n - 1, in each epoch.

    After ``set_random_seed(seed)``, in a child process.

    Parameters
    ----------
    backend : str, default "tensorflow"
        "minibatch", or a backend of Keras.
    n_samples, epochs, seed : int
    device : {"cpu", "gpu", "auto"}, default "cpu"

    Returns
    -------
    list of list of int

    Examples
    --------
    >>> first, second = fit_orders("minibatch", n_samples=5, epochs=2)
    >>> sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    True
    >>> first == second
    False
    """
    with tempfile.TemporaryDirectory(prefix="minibatch-compare-") as folder:
        job, side = Job(epochs=epochs), Side(backend, device)
        write_job(Path(folder), job, mlp, {"x": np.empty(0), "y": np.empty(0)})  # it makes its own data and model
        with closing(Child(Path(folder), side, job)) as child:
            orders: list[list[int]] = child.ask(do="orders", n_samples=n_samples, epochs=epochs, seed=seed)[
                "orders"
            ]
    return orders


def orders_of_fit(library: Library, n_samples: int, epochs: int, seed: int) -> list[list[int]]:
    """Run ``fit`` in a library and return the order of the samples in each epoch.

    A model whose one weight stays zero predicts zero for everything. The target of sample i is i: so with batches
    of one sample the absolute error of a step names the sample. ``fit`` reports the mean so far, m_k after k steps;
    the sample of step k is k m_k - (k - 1) m_(k-1).
    """
    K = library.package
    library.start(seed)
    model = K.Sequential([K.Input((1,)), K.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(K.optimizers.SGD(0.0), "mean_absolute_error")
    means: list[list[float]] = []

    class Listen(K.callbacks.Callback):  # type: ignore[misc, name-defined]  # a base class known only when it runs
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            means.append([])

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            means[-1].append(float(logs["loss"]))

    samples = np.arange(n_samples, dtype="float32")
    x = np.zeros((n_samples, 1), "float32")
    model.fit(x, samples[:, None], batch_size=1, epochs=epochs, shuffle=True, verbose=0, callbacks=[Listen()])
    sums = np.array(means) * np.arange(1, n_samples + 1)
    orders: list[list[int]] = np.rint(np.diff(sums, axis=1, prepend=0.0)).astype(int).tolist()
    return orders
