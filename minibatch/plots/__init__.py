"""Figures: functions of plain numbers and reports handed in; ``ax=`` in, Axes out.

Importing this room does not import Matplotlib, and no figure changes a global setting of it.
"""

from minibatch.plots.directions import gradient_directions
from minibatch.plots.losses import loss_curves
from minibatch.plots.noise import noise_by_batch_size
from minibatch.plots.plane import Plane, principal_plane
from minibatch.plots.spread import direction_spread
from minibatch.plots.style import BatchSize, BatchStyle, batch_label, batch_order, batch_styles

__all__ = [
    "BatchSize",
    "BatchStyle",
    "Plane",
    "batch_label",
    "batch_order",
    "batch_styles",
    "direction_spread",
    "gradient_directions",
    "loss_curves",
    "noise_by_batch_size",
    "principal_plane",
]
