"""The curvature of the loss at the present weights: H, the Hessian of the mean loss, seldom written down."""

from minibatch.noise.curvature.hessian import Hessian
from minibatch.noise.curvature.hutchinson import Diagonal, Estimate
from minibatch.noise.curvature.lanczos import Eigenpairs
from minibatch.noise.curvature.measures import (
    dense_hessian,
    hessian_diagonal,
    hessian_trace,
    hessian_vector_product,
    top_eigenvalues,
)
from minibatch.noise.curvature.report import Curvature, loss_curvature
from minibatch.noise.curvature.takeuchi import TIC, tic
from minibatch.noise.curvature.true_scale import TrueNoiseScale, true_noise_scale

__all__ = [
    "TIC",
    "Curvature",
    "Diagonal",
    "Eigenpairs",
    "Estimate",
    "Hessian",
    "TrueNoiseScale",
    "dense_hessian",
    "hessian_diagonal",
    "hessian_trace",
    "hessian_vector_product",
    "loss_curvature",
    "tic",
    "top_eigenvalues",
    "true_noise_scale",
]
