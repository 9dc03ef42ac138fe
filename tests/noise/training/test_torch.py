"""The same numbers from PyTorch on the same weights, where it is installed: with BackPACK, and with torch.func."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import minibatch as mb
from minibatch.noise import GradientNoise
from minibatch.noise.training import elementwise, quantities

torch = pytest.importorskip("torch", reason="PyTorch belongs to no extra; this compares with it where it is there")

L = mb.layers
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(9, 8, 8, 3)), rng.integers(0, 4, 9)


def ours(build: Any, float64: Any) -> tuple[mb.Sequential, dict[str, float]]:
    """Return a model, and what one step with it measures."""
    mb.utils.set_random_seed(0)
    model = build()
    model.compile(mb.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    weights = model.get_weights()
    monitor = GradientNoise(
        quantities=["grad_norm", "trace", "norm_test", "inner_product_test", "gsnr", "eb", "cabs"]
    )
    model.fit(X, Y, batch_size=9, epochs=1, shuffle=False, verbose=0, callbacks=[monitor])
    model.set_weights(weights)
    return model, monitor.latest


def dense() -> mb.Sequential:
    layers = [mb.Input((8, 8, 3)), L.Flatten(), L.Dense(70, "relu"), L.Dense(4, "softmax")]
    return mb.Sequential(layers)


def convolution() -> mb.Sequential:
    layers = [L.Conv2D(5, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dense(4, "softmax")]
    return mb.Sequential([mb.Input((8, 8, 3)), *layers])


def theirs(model: mb.Sequential) -> tuple[Any, Any]:
    """Return PyTorch's network with these weights, and its input."""
    nn = torch.nn
    kernels = [torch.tensor(w) for w in model.get_weights()]
    if len(kernels[0].shape) == 2:
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, 70), nn.ReLU(), nn.Linear(70, 4)).double()
        x, parameters = torch.tensor(X), [k.T if k.ndim == 2 else k for k in kernels]
    else:
        layers = [nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(45, 4)]
        network = nn.Sequential(*layers).double()
        x = torch.tensor(X).permute(0, 3, 1, 2)
        # Flattened with the channels first there, last here.
        last = kernels[2].reshape(3, 3, 5, 4).permute(3, 2, 0, 1).reshape(4, 45)
        parameters = [kernels[0].permute(3, 2, 0, 1), kernels[1], last, kernels[3]]
    with torch.no_grad():
        for p, value in zip(network.parameters(), parameters, strict=True):
            p.copy_(value)
    return network, x


def check(found: dict[str, float], g: np.ndarray, loss: float) -> None:
    """Compare a step's numbers with those of rows of gradients (N, D), in whatever order the columns are."""
    mean, moment = g.mean(axis=0), (g**2).mean(axis=0)
    Q, S = mean @ mean, g.var(axis=0, ddof=1).sum()
    assert found["loss"] == pytest.approx(loss, rel=1e-10)
    assert found["grad_norm"] == pytest.approx(np.sqrt(Q), rel=1e-9)
    assert found["trace"] == pytest.approx(S, rel=1e-9)
    assert found["norm_test"] == pytest.approx(np.sqrt(S / len(g) / Q), rel=1e-9)
    inner = quantities.inner_product_test(float(((g @ mean) ** 2).sum()), float(Q), len(g))
    assert found["inner_product_test"] == pytest.approx(inner, rel=1e-8)
    assert found["gsnr"] == pytest.approx(elementwise.mean_gsnr(moment, mean, len(g)), rel=1e-9)
    assert found["eb"] == pytest.approx(elementwise.eb_criterion(moment, mean, len(g)), rel=1e-9)
    assert found["cabs"] == pytest.approx(0.1 * g.var(axis=0).sum() / loss, rel=1e-9)


@pytest.mark.parametrize("build", [dense, convolution])
def test_torch_func(build: Any, float64: Any) -> None:
    model, found = ours(build, float64)
    network, x = theirs(model)
    loss, y = torch.nn.CrossEntropyLoss(), torch.tensor(Y)

    def of_one(parameters: Any, sample: Any, target: Any) -> Any:
        return loss(torch.func.functional_call(network, parameters, (sample[None],)), target[None])

    parameters = {k: p.detach() for k, p in network.named_parameters()}
    each = torch.func.vmap(torch.func.grad(of_one), in_dims=(None, 0, 0))(parameters, x, y)
    g = np.concatenate([value.reshape(9, -1).numpy() for value in each.values()], axis=1)
    check(found, g, loss(network(x), y).item())


@pytest.mark.parametrize("build", [dense, convolution])
def test_backpack(build: Any, float64: Any) -> None:
    pytest.importorskip("backpack", reason="BackPACK belongs to no extra; this compares with it where it is there")
    from backpack import backpack, extend
    from backpack.extensions import BatchGrad, BatchL2Grad, Variance

    model, found = ours(build, float64)
    network, x = theirs(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of PyTorch's newer releases
        network, criterion = extend(network), extend(torch.nn.CrossEntropyLoss())
        loss = criterion(network(x), torch.tensor(Y))
        with backpack(BatchGrad(), BatchL2Grad(), Variance()):
            loss.backward()
    # BackPACK's gradients of single samples are of the mean loss: a ninth of ours.
    g = np.concatenate([9 * p.grad_batch.reshape(9, -1).numpy() for p in network.parameters()], axis=1)
    check(found, g, loss.item())
    norm2 = sum(81 * p.batch_l2.numpy() for p in network.parameters())
    np.testing.assert_allclose(norm2, (g**2).sum(axis=1))
    variance = sum(81 * float(p.variance.sum()) for p in network.parameters())
    assert found["cabs"] == pytest.approx(0.1 * variance / loss.item(), rel=1e-8)
