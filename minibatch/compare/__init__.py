"""Side by side with Keras: the same model, the same weights, the same batches, step by step.

Keras is imported in child processes, and nowhere else.
"""

from minibatch.compare.comparison import Comparison, load
from minibatch.compare.differences import crossover, first_parting
from minibatch.compare.errors import (
    BackendMissingError,
    BuildError,
    ChildError,
    DeviceMissingError,
    InterruptedComparison,
)
from minibatch.compare.models import cnn, mlp
from minibatch.compare.orders import fit_orders
from minibatch.compare.run import Failure, Pair, Run, SideInfo
from minibatch.compare.runner import side_by_side

__all__ = [
    "BackendMissingError",
    "BuildError",
    "ChildError",
    "Comparison",
    "DeviceMissingError",
    "Failure",
    "InterruptedComparison",
    "Pair",
    "Run",
    "SideInfo",
    "cnn",
    "crossover",
    "first_parting",
    "fit_orders",
    "load",
    "mlp",
    "side_by_side",
]
