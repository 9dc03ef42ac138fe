"""How noisy the gradient is at each batch size: measured on drawn batches, with the exact values beside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minibatch.batching.arithmetic import batch_sizes as sizes_of_epoch
from minibatch.batching.arithmetic import check_remainder
from minibatch.models import Model
from minibatch.models.feed import Batch
from minibatch.noise import statistics
from minibatch.noise.draws import drawn_sums, orders
from minibatch.noise.per_sample import CHUNK, check_mean, count, part
from minibatch.noise.products import Blocks, products
from minibatch.noise.report import BatchNoise, EpochNoise, LayerNoise, NoiseReport
from minibatch.typing import Array
from minibatch.utils.names import near_misses

#: Up to this size the inner products of all samples are made (8,192 samples); beyond it drawn batches are run.
PRODUCTS_BYTES = 512 << 20
#: What is this much smaller than what it is the difference of is rounding.
ROUNDING = 1e-13


def gradient_noise(
    model: Model,
    x: Any,
    y: Any,
    *,
    batch_sizes: Iterable[int | str],
    draws: int = 1000,
    seed: int = 0,
    by_layer: bool = False,
    remainder: str = "keep",
    replacement: bool = False,
    population: str = "finite",
) -> NoiseReport:
    """Measure how the gradient of a batch scatters around the gradient of all samples, by batch size.

    One pass over the samples gives |G|^2 and tr(Sigma), and with them the exact columns for every batch size. The
    measured columns are of ``draws`` batches: the first B samples of each of so many epochs' orders. Their lengths
    and directions follow from the inner products of the samples' gradients, without another backward pass.

    Parameters
    ----------
    model : Model
        Compiled. Measured at its present weights, in inference mode; not changed.
    x, y : array_like, shapes (N, ...)
        At least two samples.
    batch_sizes : iterable of int or "full"
        Each from 1 to N.
    draws : int, default 1000
        Batches of each size; 0 for the exact columns alone.
    seed : int, default 0
        Of the draws.
    by_layer : bool, default False
        Whether to tell the layers apart, too.
    remainder : str, default "keep"
        What an epoch does with the samples left over; one of ``batching.REMAINDERS``.
    replacement : bool, default False
        Whether a batch is drawn with replacement: then E|g_B|^2 = |G|^2 + S2 (N-1)/N / B, whose noise is not zero
        at B = N. For these N samples only, not for an infinite population.
    population : {"finite", "infinite"}
        Whether G is the gradient of these N samples, exactly known; or of a population that they were drawn from
        (McCandlish et al. 2018): then |G|^2 is estimated without bias, |G|^2 - S2/N, and the noise is S2/B.

    Returns
    -------
    NoiseReport

    Raises
    ------
    ValueError
        For a batch size outside 1..N, negative draws, fewer than two samples, gradients that are not finite, a
        remainder policy that leaves no batch, data that do not fit the model, a model without trainable weights,
        a loss that is no mean over samples (a reduction other than the mean, ``ignore_class``), and
        ``replacement`` from an infinite population.
    TypeError
        If it is no model of this library, or a layer with weights has no rule for single samples.

    Notes
    -----
    Memory, beside the data and vectors of size D: to run a chunk of samples, about ``per_sample.CHUNK_BYTES``
    (128 MiB, and more where a single sample takes that); up to 8,192 samples, for the drawn batches, an (N, N)
    matrix of products and two blocks of ``products.BLOCK_BYTES``. Beyond that each drawn batch is run backward:
    draws times the largest batch size below N samples, so choose ``draws`` with care. An (N, D) matrix never
    exists.

    Examples
    --------
    >>> import minibatch as mb
    >>> import numpy as np
    >>> x = np.arange(8.0)[:, None]
    >>> line = mb.Sequential([mb.Input((1,)), mb.layers.Dense(1, kernel_initializer="zeros")])
    >>> line.compile("sgd", "mse")
    >>> report = mb.noise.gradient_noise(line, x, 2 * x[:, 0] + 1, batch_sizes=[1, 4, "full"])
    >>> [row.batch_size for row in report.by_batch_size]
    [1, 4, 8]
    >>> report.by_batch_size[-1].expected_noise
    0.0
    """
    if not isinstance(model, Model):
        kind = type(model)
        raise TypeError(f"model must be a model of minibatch; got {kind.__module__}.{kind.__qualname__}.")
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 0:
        raise ValueError(f"draws must be an integer, 0 or above; got {draws!r}.")
    if population not in ("finite", "infinite"):
        raise ValueError(
            f"unknown population {population!r}.{near_misses(str(population), ['finite', 'infinite'])}"
        )
    if replacement and population == "infinite":
        raise ValueError(
            "replacement=True draws from these N samples again and again, population='infinite' takes them for a "
            "part of one without end, where no sample comes twice: choose one of the two."
        )
    check_remainder(remainder)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ValueError(f"seed must be an integer; got {seed!r}.")
    if isinstance(batch_sizes, str) or not isinstance(batch_sizes, Iterable):
        raise ValueError(f"batch_sizes must be a list, such as [1, 32, 'full']; got {batch_sizes!r}.")
    batch = model.checked(x, y)
    check_mean(model, batch.targets)
    if not model.trainable_weights:
        raise ValueError(f"the model {model.name!r} has no trainable weights: there is no gradient to measure.")
    n = count(batch)
    if n < 2:
        raise ValueError(f"gradient noise needs at least 2 samples; got {n}.")
    sizes = [_batch_size(size, n) for size in batch_sizes]
    if not sizes:
        raise ValueError("batch_sizes is empty: there is no batch to measure.")

    blocks = Blocks(model, batch)
    G, traces = _moments(blocks)
    trace, grad_norm2 = sum(traces.values()), float(G @ G)
    shares = {size: statistics.epoch_shares(n, size, remainder) for size in sizes}
    # The mean over an epoch differs from G by the samples whose share is not that of the rest.
    uneven = {size: int((a > a.min() * (1 + 1e-9)).sum()) for size, a in shares.items()}
    wanted = sorted({*sizes, *(odd for odd in uneven.values() if odd)})
    spread, along = _drawn(blocks, G, trace, wanted, int(draws), seed, replacement)

    # With replacement the variance of one sample is the mean over N, and the draws never run out.
    signal, noise_of_one, size_of_all = grad_norm2, trace, float(n)
    if population == "infinite":
        signal, size_of_all = grad_norm2 - trace / n, math.inf
    elif replacement:
        noise_of_one, size_of_all = trace * (n - 1) / n, math.inf
    scale = statistics.noise_scale(noise_of_one, signal)
    rows = []
    for size in sizes:
        a, odd = shares[size], uneven[size]
        gap = float(np.ptp(a)) * odd
        # Drawn with replacement a batch is no part of an epoch.
        errors = gap**2 * spread[odd] if odd and not replacement else np.zeros(draws)
        of_epoch = np.array(sizes_of_epoch(n, size, remainder))
        weights = of_epoch / size if remainder == "weight" else np.ones(len(of_epoch))
        drawn_anew = statistics.epoch_error_of_draws(trace * (n - 1) / n, of_epoch, weights)
        epoch = EpochNoise(
            steps=len(of_epoch),
            last_batch=int(of_epoch[-1]),
            last_norm2=float(statistics.expected_norm2(signal, noise_of_one, int(of_epoch[-1]), size_of_all)),
            share=float(a.sum()),
            mean_error=drawn_anew if replacement else statistics.epoch_error(trace, a),
            measured_error=float(errors.mean()) if draws and not replacement else math.nan,
        )
        exact = (signal, noise_of_one, size_of_all)
        rows.append(_row(size, exact, epoch, grad_norm2, spread[size], along[size]))
    layers = _by_layer(model, G, traces, (n - 1) / n if replacement else 1, n, population) if by_layer else ()
    return NoiseReport(
        n_samples=n,
        grad_norm2=signal,
        trace=trace,
        noise_scale=scale,
        critical_batch_size=statistics.critical_batch_size(scale, size_of_all),
        draws=int(draws),
        population=population,
        replacement=replacement,
        remainder=remainder,
        by_batch_size=tuple(rows),
        by_layer=layers,
    )


def _moments(blocks: Blocks) -> tuple[Array, dict[str, float]]:
    """Return (G, S2 by layer), from one pass over the samples."""
    n, parameters = count(blocks.batch), blocks.model.parameters
    G = np.zeros(parameters.theta.size)
    squares: dict[str, float] = {}
    owners: dict[str, list[slice]] = {}
    for piece, gradients in blocks:
        G += gradients.weighted_sum(np.full(len(gradients), 1 / n))
        for name, layer in gradients.by_layer().items():
            norm2 = layer.norm2()
            if not np.isfinite(norm2).all():
                sample = piece.start + int(np.argmax(~np.isfinite(norm2)))
                raise ValueError(
                    f"the gradient of sample {sample} is not finite: look at that row of x and at the weights."
                )
            squares[name] = squares.get(name, 0.0) + float(norm2.sum())
            owners[name] = [parameters.slices[weight] for weight in layer.shares]
    traces = {}
    for name, total in squares.items():
        mean2 = sum(float(G[piece] @ G[piece]) for piece in owners[name])
        # Gradients that are all alike have no spread, not what rounding leaves of one.
        around = total - n * mean2
        traces[name] = around / (n - 1) if around > ROUNDING * total else 0.0
    return G, traces


def _by_layer(
    model: Model, G: Array, traces: dict[str, float], of_one: float, n: int, population: str
) -> tuple[LayerNoise, ...]:
    """Return each layer's part; ``of_one`` times S2 is the variance of one draw."""
    rows = []
    for name, trace in traces.items():
        pieces = [p for w, p in model.parameters.slices.items() if w in model.get_layer(name).weights]
        norm2 = sum(float(G[piece] @ G[piece]) for piece in pieces)
        norm2 -= trace / n if population == "infinite" else 0
        size = sum(piece.stop - piece.start for piece in pieces)
        rows.append(LayerNoise(name, size, norm2, trace, statistics.noise_scale(of_one * trace, norm2)))
    return tuple(rows)


def _drawn(
    blocks: Blocks, G: Array, trace: float, sizes: Sequence[int], draws: int, seed: int, replacement: bool
) -> tuple[dict[int, Array], dict[int, Array]]:
    """Return, by batch size, (|g_B - G|^2, (g_B - G) . G) of each drawn batch, (draws,)."""
    n = count(blocks.batch)
    if not draws or not trace:  # with no spread every batch has the gradient G
        return dict.fromkeys(sizes, np.zeros(draws)), dict.fromkeys(sizes, np.zeros(draws))
    if 8 * n * n > PRODUCTS_BYTES:
        return _run(blocks.model, blocks.batch, G, sizes, draws, seed, replacement)
    inner = products(blocks)
    to_mean = inner.mean(axis=1)
    along = to_mean - to_mean.mean()
    inner -= to_mean[:, None]
    inner -= along  # (g_i - G).(g_k - G) = g_i.g_k - g_i.G - g_k.G + |G|^2
    members = orders(n, draws, seed, replacement)
    spread, projected = drawn_sums(inner, along, members, sizes, replacement)
    return dict(zip(sizes, np.maximum(spread, 0), strict=True)), dict(zip(sizes, projected, strict=True))


def _run(
    model: Model, batch: Batch, G: Array, sizes: Sequence[int], draws: int, seed: int, replacement: bool
) -> tuple[dict[int, Array], dict[int, Array]]:
    """Return what ``_drawn`` does, by running every drawn batch backward: for many samples."""
    n = count(batch)
    spread = {size: np.zeros(draws) for size in sizes}
    along = {size: np.zeros(draws) for size in sizes}
    run = [size for size in sizes if replacement or size < n]  # of all samples the mean is G
    for d in range(draws):
        rows = orders(n, 1, seed, replacement, first=d)[0]
        total, seen = np.zeros(len(G)), 0
        for size in run:
            while seen < size:
                few = rows[seen : min(size, seen + CHUNK)]
                total += len(few) * _mean_gradient(model, part(batch, few))
                seen += len(few)
            centred = total / size - G
            spread[size][d], along[size][d] = centred @ centred, centred @ G
    return spread, along


def _mean_gradient(model: Model, few: Batch) -> Array:
    """Return the gradient of the loss of a batch, (D,) float64, in inference mode; change nothing."""
    parameters = model.parameters
    kept = parameters.gradient.copy()
    dtype = parameters.theta.dtype
    try:
        outputs, caches = model.forward([x.astype(dtype, copy=False) for x in few.inputs])
        model.objective.differentiate(few.targets, outputs, caches, [None] * len(outputs))
        return parameters.gradient.astype(np.float64)
    finally:
        parameters.gradient[...] = kept


def _row(
    size: int,
    exact: tuple[float, float, float],
    epoch: EpochNoise,
    grad_norm2: float,
    spread: Array,
    along: Array,
) -> BatchNoise:
    """Put a batch size's numbers together; ``exact`` is (|G|^2, tr(Sigma), N) of the exact columns."""
    noise = 2 * along + spread
    norm2 = grad_norm2 + noise
    # Of a batch whose gradient is zero (all its samples fitted) say so, rather than what rounding leaves of it.
    norm2 = np.where(norm2 > ROUNDING * (grad_norm2 + spread), norm2, 0.0)
    noise = noise + (grad_norm2 - exact[0])  # as the exact columns have it: of a population |G|^2 is an estimate
    # The angle from both legs of the triangle: the inverse cosine alone is blind to small angles.
    parallel = grad_norm2 + along
    across = np.sqrt(np.maximum(spread * grad_norm2 - along**2, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        # Where G or g_B is zero there is no direction: NaN.
        cosine = np.clip(parallel / (np.sqrt(norm2) * math.sqrt(grad_norm2)), -1, 1)
        angle = np.where(np.isnan(cosine), np.nan, np.degrees(np.arctan2(across, parallel)))
    ratio = float(statistics.noise_ratio(exact[0], exact[1], size, exact[2]))
    theory = float(statistics.cosine_theory(ratio))
    return BatchNoise(
        batch_size=size,
        ratio=ratio,
        signal_to_noise=1 / ratio if ratio else math.inf,
        expected_norm2=float(statistics.expected_norm2(*exact[:2], size, exact[2])),
        expected_noise=float(statistics.noise(exact[1], size, exact[2])),
        theory_cosine=theory,
        theory_angle=math.degrees(math.acos(theory)),
        epoch=epoch,
        norm2=norm2,
        norm=np.sqrt(norm2),
        noise=noise,
        cosine=cosine,
        angle=angle,
    )


def _batch_size(size: int | str | None, n_samples: int) -> int:
    if size is None or size == "full":
        return n_samples
    if isinstance(size, bool | str) or not isinstance(size, int | np.integer) or not 1 <= size <= n_samples:
        raise ValueError(f"batch sizes must be integers from 1 to {n_samples}, or 'full'; got {size!r}.")
    return int(size)
