"""Gradient noise: how far the gradient of a batch lies from the gradient of all samples, and why.

Notation, everywhere in this room: g_i is the gradient of sample i's loss, unscaled; g_B the mean over a batch of
B distinct samples; G the mean over all N; S2 = sum_i |g_i - G|^2 / (N - 1) the unbiased trace of the covariance,
tr(Sigma).
"""

from minibatch.noise import curvature
from minibatch.noise.measure import gradient_noise
from minibatch.noise.per_sample import per_sample_gradients
from minibatch.noise.report import BatchNoise, EpochNoise, LayerNoise, NoiseReport
from minibatch.noise.statistics import (
    cosine_theory,
    critical_batch_size,
    epoch_error,
    epoch_mean_error,
    epoch_shares,
    expected_norm2,
    noise_ratio,
    noise_scale,
    trace,
)
from minibatch.noise.training import AdaptiveBatchSize, EarlyStoppingEB, GradientNoise

__all__ = [
    "AdaptiveBatchSize",
    "BatchNoise",
    "EarlyStoppingEB",
    "EpochNoise",
    "GradientNoise",
    "LayerNoise",
    "NoiseReport",
    "cosine_theory",
    "critical_batch_size",
    "curvature",
    "epoch_error",
    "epoch_mean_error",
    "epoch_shares",
    "expected_norm2",
    "gradient_noise",
    "noise_ratio",
    "noise_scale",
    "per_sample_gradients",
    "trace",
]
