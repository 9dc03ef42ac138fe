"""The Hessian of a model's loss, known by its products with vectors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from minibatch.layers import Layer
from minibatch.layers.layer import Cache
from minibatch.models import Model
from minibatch.noise.per_sample import check_settled, per_sample_gradients
from minibatch.typing import Array

#: The step of the differences, for weights no longer than 1; it bounds the error (see ``Hessian``).
STEP = 1e-6
#: How far the slopes on the two sides may differ, of their mean and per step; beyond it a smaller one is tried. In
#: ReLU, tanh and convolutional networks on digits they differed by 0.3 to 5 where all is smooth, by 1e5 at a kink.
SMOOTH = 10
#: What the rounding of a gradient may come to, of its length and 1.
ROUNDING = 1e-13
#: Samples taken at a time: it bounds the memory for activations.
CHUNK = 256
#: Bytes of gradients of chunks that are kept, so that a product does not compute them again.
KEPT_BYTES = 64 << 20
#: Parameters, at most, of a Hessian that is written out: 128 MB.
MAX_DENSE = 4000


class Hessian:
    """H = d2L/dtheta2, L being the mean loss of N samples and the weights' penalties, in inference mode.

    ``H @ v`` is the derivative of the gradient along v, by differences of gradients computed in float64 on a copy
    of the model, whatever the model's own float type. The model itself is read once, and never written to.

    Parameters
    ----------
    model : Model
        Compiled. Taken at its present weights.
    x, y : array_like, shapes (N, ...)
        Or lists or dicts of them, as for ``fit``.

    Attributes
    ----------
    size : int
        D. The rows and columns of frozen weights are zero.
    n_samples : int
        N.
    gradient : ndarray of float64, shape (D,)
        G, the gradient of L.
    products : int
        How many products with vectors were computed.
    kinks : int
        How many chunks of samples met a kink at the weights themselves, summed over the products.

    Raises
    ------
    ValueError
        If the model is not compiled, the data do not fit it, the loss of a batch is not a mean over all its
        samples, or the gradient is not finite.

    Notes
    -----
    Cost of a product: two gradients of all samples (three where those of the chunks do not fit into 64 MB), and
    ten of a chunk at a kink.

    Error: with u = v/|v| and h = 1e-6 max(1, |theta|),

        H u = (g(theta + 2 h u) - 4 g(theta - h u) + 3 g(theta)) / 6 h + O(h^2 |g'''|/3) + O(1e-16 |g| / h).

    Against PyTorch's exact products in float64, 50 random directions each, |error| / |H v| was at most 3e-10 (tanh
    network), 8e-10 (sigmoid network, squared error), 7e-10 (ReLU network) and 5e-9 (small CNN with max-pooling). A
    complex step would give all digits, but needs every layer to be analytic: sigmoid, GELU, softplus and the
    cross-entropies of logits here take absolute values, or real numbers for granted.

    Kinks: for ReLU, max-pooling or |e| the Hessian is that of the smooth piece that theta lies on; what the
    corners would add (a slope that jumps) is no part of it. A kink within the step shows as two sides of unequal
    slope; then h is divided by 10, up to twice, for the samples of that chunk. One too slight to show moves the
    chunk's product by less than 10 h of it. At a kink itself there is no Hessian (a ReLU whose input is exactly 0,
    as for the blank patches of an image while the biases are still zero): H v is then the mean of the two sides'
    products, not quite linear in v, and ``kinks`` counts it. The sides are unequal steps, h and 2 h, so that a
    jump symmetric about 0, as |e| has it, shows too.

    Examples
    --------
    Of a line fitted by least squares H = 2 X'X / N, with a column of ones in X:

    >>> import minibatch as mb
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1)])
    >>> line.compile("sgd", "mse")
    >>> H = mb.noise.curvature.Hessian(line, [[1.0], [3.0]], [2.0, 5.0])
    >>> (H @ [1.0, 0.0]).round(6)
    array([10.,  4.])
    >>> H.dense().round(6)
    array([[10.,  4.],
           [ 4.,  2.]])
    """

    def __init__(self, model: Model, x: Any, y: Any) -> None:
        heads = model.objective.heads
        batch = model.checked(x, y)
        check_settled(model)
        for head, targets in zip(heads, batch.targets, strict=True):
            _check_mean(head.loss, targets)
        self._model = in_float64(model)
        self._inputs, self._targets = batch.inputs, batch.targets
        parameters = self._model.parameters
        self._theta = parameters.theta.copy()
        self._free = np.zeros(self._theta.size, dtype=bool)
        for weight in self._model.trainable_weights:
            self._free[parameters.slices[weight]] = True
        self.size = self._theta.size
        self.n_samples = len(batch.inputs[0])
        self.products = self.kinks = 0
        self._step = STEP * max(1.0, float(np.linalg.norm(self._theta)))
        self._kept: dict[int, Array] = {}
        self._dense: Array | None = None
        self.gradient = self._penalty_gradient(self._theta)
        for few in self._chunks():
            self.gradient += self._centre(few)
        if not np.isfinite(self.gradient).all():
            raise ValueError("the gradient is not finite: look for NaN in x and y, and at the weights.")

    @property
    def shape(self) -> tuple[int, int]:
        """(D, D)."""
        return self.size, self.size

    @property
    def free(self) -> Array:
        """Which parameters training moves, shape (D,), bool: not those of layers with ``trainable=False``."""
        return self._free.copy()

    def __matmul__(self, v: npt.ArrayLike) -> Array:
        """Return H v, float64, shape (D,).

        Raises
        ------
        ValueError
            If v has not D entries, or one of them is not finite.
        """
        direction = np.where(self._free, self._checked(v), 0.0)
        self.products += 1
        largest = float(np.abs(direction).max(initial=0.0))
        if largest == 0:
            return direction
        u = direction / largest  # first, so that the square of a huge entry does not overflow
        length = float(np.linalg.norm(u))
        u /= length
        Hu = self._slope(self._penalty_gradient, self._penalty_gradient(self._theta), u)
        for few in self._chunks():
            Hu += self._slope(partial(self._share, few=few), self._centre(few), u)
        if not np.isfinite(Hu).all():
            raise ValueError("H v is not finite: the gradient is not, next to the present weights.")
        product: Array = largest * (length * Hu)
        return product

    def dense(self) -> Array:
        """Return H written out, (D, D), symmetric: D products, the first time.

        Raises
        ------
        ValueError
            If D is above 4,000.
        """
        if self.size > MAX_DENSE:
            raise ValueError(
                f"the model has {self.size:,} parameters: a Hessian is written out for {MAX_DENSE:,} at most. Its "
                "products, eigenvalues, trace and diagonal need no written-out matrix."
            )
        if self._dense is None:
            H = np.empty(self.shape)
            for j, column in enumerate(self.columns()):
                H[j] = column
            self._dense = (H + H.T) / 2
        return self._dense.copy()

    def columns(self) -> Iterator[Array]:
        """Return H's columns, one at a time: each is a product with a unit vector."""
        for j in range(self.size):
            unit = np.zeros(self.size)
            unit[j] = 1
            yield self @ unit

    def sample_gradients(self) -> Iterator[Array]:
        """Return the gradients g_i of single samples, float64, (n, D) for a few samples n at a time."""
        # So few that their rows stay within the memory that is granted to the gradients of chunks.
        count = int(np.clip(KEPT_BYTES // (8 * max(1, self.size)), 1, CHUNK))
        self._model.parameters.theta[...] = self._theta
        for start in range(0, self.n_samples, count):
            few = slice(start, start + count)
            x, y = [part[few] for part in self._inputs], [part[few] for part in self._targets]
            yield per_sample_gradients(self._model, x if len(x) > 1 else x[0], y if len(y) > 1 else y[0])

    # Gradients, on the copy ---------------------------------------------------------------------------------

    def _chunks(self) -> Iterator[slice]:
        for start in range(0, self.n_samples, CHUNK):
            yield slice(start, start + CHUNK)

    def _share(self, theta: Array, few: slice) -> Array:
        """Return what a few samples add to the gradient at theta: the sum of theirs, over N."""
        model = self._model
        model.parameters.theta[...] = theta
        outputs, caches = model.forward([x[few].astype(np.float64, copy=False) for x in self._inputs])
        model.objective.differentiate_each([y[few] for y in self._targets], outputs, caches, _look_away)
        return model.parameters.gradient / self.n_samples

    def _centre(self, few: slice) -> Array:
        """Return ``_share`` at the weights themselves."""
        if few.start not in self._kept:
            share = self._share(self._theta, few)
            if (len(self._kept) + 1) * share.nbytes > KEPT_BYTES:
                return share
            self._kept[few.start] = share
        return self._kept[few.start]

    def _penalty_gradient(self, theta: Array) -> Array:
        parameters = self._model.parameters
        parameters.theta[...] = theta
        parameters.gradient[...] = 0
        self._model.objective.add_penalty_gradient()
        return parameters.gradient.copy()

    def _slope(self, gradient: Callable[[Array], Array], centre: Array, u: Array) -> Array:
        """Return the derivative of ``gradient`` along u, from three points; ``centre`` is its value at theta."""
        rounding = ROUNDING * (1 + float(np.linalg.norm(centre)))
        before = 0.0
        for h in (self._step, self._step / 10, self._step / 100):
            above = (gradient(self._theta + 2 * h * u) - centre) / (2 * h)
            below = (centre - gradient(self._theta - h * u)) / h
            slope: Array = (above + 2 * below) / 3
            difference = float(np.linalg.norm(above - below))
            # Where all is smooth the sides differ by 1.5 h |g''|, a tenth for a tenth of the step; so they do once
            # a kink is out of reach. At a kink they differ by jump/h, ten times as much.
            if difference <= SMOOTH * h * np.linalg.norm(slope) + rounding / h or difference < before / 3:
                return slope
            before = difference
        self.kinks += 1
        above = gradient(self._theta + 2 * h * u) - gradient(self._theta + h * u)
        below = gradient(self._theta - h * u) - gradient(self._theta - 2 * h * u)
        mean: Array = (above + below) / (2 * h)
        return mean

    def _checked(self, v: npt.ArrayLike) -> Array:
        vector = np.asarray(v)
        if vector.dtype.kind not in "fiub":
            raise ValueError(f"v must hold real numbers; got dtype {vector.dtype}.")
        if vector.shape != (self.size,):
            raise ValueError(
                f"v must have an entry for each of the model's {self.size} parameters, shape ({self.size},); got "
                f"shape {vector.shape}."
            )
        vector = vector.astype(np.float64)
        if not np.isfinite(vector).all():
            j = int(np.argmin(np.isfinite(vector)))
            raise ValueError(f"v must be finite; v[{j}] is {vector[j]}.")
        return vector

    def __repr__(self) -> str:
        return f"<Hessian of {self._model.name!r}, {self.size} x {self.size}, {self.n_samples} samples>"


def in_float64(model: Model) -> Model:
    """Return a copy of a model with all its numbers in float64; it cannot be trained."""
    # What a fit needs stays behind: optimizers and histories can be several times the size of the model.
    left = [getattr(model, name, None) for name in ("optimizer", "history", "watchers")]
    twin = copy.deepcopy(model, {id(part): None for part in left})
    for weight in twin.weights:
        weight.value = weight.value.astype(np.float64)
        weight.gradient = np.zeros_like(weight.value)
    twin.gather()
    return twin


def _check_mean(loss: Any, targets: Any) -> None:
    """Raise a ValueError where the loss of a batch is not the mean of its samples' losses."""
    if loss is None:
        return
    if loss.reduction not in ("sum_over_batch_size", "mean"):
        raise ValueError(
            f"the loss {loss.name!r} has reduction={loss.reduction!r}: curvature here is that of a loss that is a "
            "mean over samples (reduction='sum_over_batch_size')."
        )
    if loss.mask(targets) is not None:
        raise ValueError(
            f"the loss {loss.name!r} leaves some targets out (ignore_class), so it is not a mean over samples: "
            "drop those samples, and ignore_class."
        )


def _look_away(layer: Layer, dy: Array, cache: Cache) -> None:
    pass
