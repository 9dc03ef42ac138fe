"""Figures: functions of plain numbers and reports handed in; ``ax=`` in, Axes out.

Importing this room does not import Matplotlib, and no figure changes a global setting of it.
"""

from minibatch.plots.animation import animate_directions
from minibatch.plots.cockpit import cockpit
from minibatch.plots.directions import gradient_directions
from minibatch.plots.histograms import gradient_histograms
from minibatch.plots.layers import noise_by_layer
from minibatch.plots.losses import loss_curves
from minibatch.plots.noise import noise_by_batch_size
from minibatch.plots.plane import Plane, principal_plane
from minibatch.plots.rose import direction_rose, direction_roses
from minibatch.plots.scale import noise_parts_over_training, noise_scale_over_training
from minibatch.plots.spread import direction_spread
from minibatch.plots.style import BatchSize, BatchStyle, batch_label, batch_order, batch_styles

__all__ = [
    "BatchSize",
    "BatchStyle",
    "Plane",
    "animate_directions",
    "batch_label",
    "batch_order",
    "batch_styles",
    "cockpit",
    "direction_rose",
    "direction_roses",
    "direction_spread",
    "gradient_directions",
    "gradient_histograms",
    "loss_curves",
    "noise_by_batch_size",
    "noise_by_layer",
    "noise_parts_over_training",
    "noise_scale_over_training",
    "principal_plane",
]
